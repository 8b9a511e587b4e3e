"""Presets and settings of encoder-decoders: what they stand for, and what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.architecture import tensor_shapes
from seqgen.errors import ConfigError
from seqgen.training import PairSettings, make_settings
from seqgen.training.presets import PRESETS
from seqgen.training.settings import DEFAULT_MINUTES

SIDES = {"source_values": 30, "n_values": 40, "length": 9, "alignment": (3, 4)}


def architecture(**settings):
    return make_settings(PairSettings, **settings).resolved(50_000, 5_000).architecture(**SIDES)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_an_architecture_whose_parts_go_together(name, cell):
    made = architecture(preset=name, cell=cell, n_a=7)
    assert (made.cell, made.n_a) == (cell, 7)
    assert tensor_shapes(made)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("same-length", {"decoder_layers": 0, "bridge": "none", "feedback": False, "length": 9, "bidirectional": True}),
        ("simple", {"bridge": "repeat", "feedback": False, "attention": "none", "through_depth": False}),
        ("seq2seq", {"bridge": "states", "feedback": True, "through_depth": True, "reversed": True}),
        ("peek", {"bridge": "peek", "feedback": True, "through_depth": True}),
        ("attention", {"bridge": "none", "attention": "additive", "bidirectional": True, "through_depth": False}),
        ("char-translate", {"bridge": "states", "feedback": True, "n_a": 256, "embedding": 0, "cell": "lstm"}),
        ("bahdanau-gru", {"cell": "gru", "attention": "additive", "bridge": "states", "embedding": 256}),
        ("harmony", {"attention": "aligned", "alignment": (3, 4), "bidirectional": True}),
    ],
)
def test_a_preset_has_the_parts_of_its_paper(name, parts):
    made = architecture(preset=name)
    assert {part: getattr(made, part) for part in parts} == parts


def test_a_setting_overrides_its_preset():
    made = architecture(preset="attention", bidirectional=False, attention="multiplicative", bridge="states", layers=2)
    assert (made.bidirectional, made.attention, made.bridge) == (False, "multiplicative", "states")
    assert (made.encoder_layers, made.decoder_layers) == (2, 2)


def test_each_side_may_have_its_own_depth_and_a_stack_alone_keeps_having_no_decoder():
    made = architecture(preset="simple", layers=(4, 5))
    assert (made.encoder_layers, made.decoder_layers) == (4, 5)
    assert architecture(preset="same-length", layers=3).encoder_layers == 3
    assert architecture(preset="same-length", layers=3).decoder_layers == 0


def test_a_preset_comes_with_its_optimizer_unless_another_is_asked_for():
    assert make_settings(PairSettings, preset="char-translate").resolved(1, 1).optimizer == "rmsprop"
    adam = make_settings(PairSettings, preset="char-translate", optimizer="adam").resolved(1, 1)
    assert (adam.optimizer, adam.lr) == ("adam", 2e-3)  # not the learning rate that goes with rmsprop


def test_a_large_vocabulary_is_embedded_and_a_small_one_is_not():
    settings = make_settings(PairSettings, preset="attention").resolved(10_000, 1_000)
    made = settings.architecture(source_values=50, n_values=5_000)
    assert (made.source_embedding, made.embedding) == (0, 256)


def test_without_a_length_there_are_ten_minutes():
    settings = make_settings(PairSettings)
    assert settings.until_stalled
    assert settings.resolved(10, 10).minutes == DEFAULT_MINUTES


@pytest.mark.parametrize("schedule", [None, "linear", "exponential", "sigmoid"])
@given(progress=st.floats(0, 1), last=st.floats(0, 1))
def test_teacher_forcing_falls_from_one_to_where_it_is_to_end(schedule, progress, last):
    settings = make_settings(PairSettings, teacher_forcing=last, scheduled_sampling=schedule)
    if schedule is None:
        assert settings.forced(progress) == last
        return
    assert last - 1e-9 <= settings.forced(progress) <= 1
    assert settings.forced(progress) <= settings.forced(progress / 2) + 1e-9
    assert settings.forced(0) == pytest.approx(1, abs=0.01)
    assert settings.forced(1) == pytest.approx(last, abs=0.011)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"preset": "transformer"}, "no preset 'transformer'; there are: same-length, simple"),
        ({"bridge": "tunnel"}, "bridge must be one of states, repeat, peek, none"),
        ({"attention": "flash"}, "attention must be one of none, additive"),
        ({"scheduled_sampling": "cosine"}, "must be one of linear, exponential, sigmoid"),
        ({"teacher_forcing": 1.5}, "a share of 0 to 1, not 1.5"),
        ({"layers": (1, 2, 3)}, "layers are 0 to 16"),
        ({"layers": 99}, "layers"),
        ({"embedding": -1}, "embedding must be 0 to 8192"),
        ({"optimizer": "lion"}, "optimizer must be one of"),
        ({"minutes": 1, "epochs": 2}, "one length of training"),
        ({"through_depth": True}, "one direction"),
        ({"preset": "simple", "bridge": "none"}, "the decoder has no input"),
    ],
)
def test_what_cannot_be_is_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        architecture(**settings)
