"""Translator: the numbers are those of the stepper, whatever is asked and however many sources come together."""

import math

import numpy as np
import pytest
from made import piece, untrained
from made_pairs import PAIRS, SHAPES, untrained_pairs

import seqgen
from seqgen import sampling
from seqgen.api.translate import Decoding, translations
from seqgen.api.translator import Translator
from seqgen.corpus.parts import with_parts
from seqgen.errors import ConfigError, ModelFileError
from seqgen.sampling import streams
from seqgen.vocabulary import END, START

every = pytest.mark.parametrize("shape", SHAPES)
with_attention = pytest.mark.parametrize("shape", [name for name, how in SHAPES.items() if how.get("attention")])
SOURCES = ["Go.", "Be nice.", "I am here", "Wait! Wait!", "n"]


def ids_read(translator: Translator, text: str) -> np.ndarray:
    """As the architecture says: backwards where it is reversed, END always the last."""
    ids = translator.source_vocabulary.to_ids(text).tolist()
    return np.array([*(ids[::-1] if translator.header.architecture.reversed else ids), END])


def step_by_step(translator: Translator, text: str, steps: int, choose=None) -> tuple[list[int], float, bool]:
    """Greedy, or as `choose(probabilities)` says, one step after the other, a source alone."""
    stepper, grammar = translator.stepper, translator.grammar
    state = stepper.start(1, stepper.encode([ids_read(translator, text)]))
    taken, value, last, moment = [], 0.0, START, grammar.start()
    while len(taken) < steps:
        logits, state = stepper.step(np.array([last]), state)
        scores = np.where(grammar.legal(moment), logits[0].astype(float), -np.inf)
        logs = scores - scores.max() - math.log(np.exp(scores - scores.max()).sum())
        last = int(logs.argmax()) if choose is None else choose(np.exp(logs))
        value += float(logs[last])
        if last == END:
            return taken, value, True
        taken.append(last)
        moment = grammar.advance(moment, last)
    return taken, value, False


def texts(found) -> list[str]:
    return [one.text for one in found]


# --- greedy -----------------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("seed", range(3))
def test_each_source_becomes_what_the_steps_say(shape, seed):
    translator = untrained_pairs(shape, seed=seed)
    for text, found in zip(SOURCES, translator.translate(SOURCES, steps=9), strict=True):
        ids, value, ended = step_by_step(translator, text, 9)
        assert found.ids == tuple(ids)
        assert found.text == "".join(translator.vocabulary.to_tokens(ids))
        assert found.ended == ended
        assert found.score == pytest.approx(value, abs=1e-3)


def test_some_translations_end_and_others_do_not():
    """Or the test above would see one kind only."""
    found = [
        one for shape in SHAPES for seed in range(3) for one in untrained_pairs(shape, seed=seed).translate(SOURCES)
    ]
    assert len({one.ended for one in found}) == 2


@every
def test_many_sources_are_as_one(shape):
    """Also when there are more than are taken at once."""
    translator = untrained_pairs(shape)
    many = [SOURCES[number % len(SOURCES)][: 1 + number % 7] for number in range(150)]
    together = translator.translate(many, steps=6)
    assert len(together) == 150
    for text, found in zip(many[:12] + many[-12:], together[:12] + together[-12:], strict=True):
        (alone,) = translator.translate([text], steps=6)
        assert (found.text, found.ended) == (alone.text, alone.ended)
        assert found.score == pytest.approx(alone.score, abs=1e-3)


def test_sources_are_taken_as_they_come():
    """A generator may be endless."""
    translator = untrained_pairs()
    asked = []

    def endless():
        while True:
            asked.append(1)
            yield from translator.encode_sources(["Go."])

    found = translations(translator, endless(), Decoding(steps=2))
    assert next(found).text == translator.translate(["Go."], steps=2)[0].text
    assert len(asked) == 64


def test_a_translation_that_does_not_end_has_twice_the_longest_target():
    translator = untrained_pairs()
    translator.weights["densor/bias"][END] = -100
    translator = Translator(translator.header, translator.weights)
    longest = max(len(target) for _, target in PAIRS) + 1  # the end included
    assert translator.statistics.longest_target == longest
    (found,) = translator.translate(["Go."])
    assert (len(found.text), found.ended) == (2 * longest, False)
    (found,) = translator.translate(["Go."], steps=3)
    assert len(found.text) == 3


def test_without_a_decoder_there_are_as_many_steps_as_the_source_has():
    translator = untrained_pairs("placewise", seed=1)
    translator.weights["densor/bias"][END] = -100
    translator = Translator(translator.header, translator.weights)
    short, long = translator.translate(["Go.", "x" * 20], steps=1000)
    assert len(short.text) == SHAPES["placewise"]["length"]
    assert len(long.text) == 21  # its end included
    assert not short.ended
    assert not long.ended


# --- beam -------------------------------------------------------------------------------------------------------------


@every
def test_a_beam_of_one_is_greedy(shape):
    translator = untrained_pairs(shape)
    greedy = translator.translate(SOURCES, steps=6)
    for one, other in zip(greedy, translator.translate(SOURCES, steps=6, beam=1), strict=True):
        assert (one.text, one.ended, other.alternatives) == (other.text, other.ended, ())
        assert one.score == pytest.approx(other.score, abs=1e-3)


@every
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_beam_finds_different_texts_the_best_first(shape, alpha):
    translator = untrained_pairs(shape)
    for best in translator.translate(SOURCES, steps=5, beam=4, length_penalty=alpha):
        found = [best, *best.alternatives]
        assert len({(one.text, one.ended) for one in found}) == len(found) == 4
        values = [one.score / ((5 + len(one.ids) + one.ended) / 6) ** alpha for one in found]
        assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("shape", ["states", "attention"])
def test_a_wide_beam_finds_the_most_probable_of_all(shape):
    pairs = [("ab", "xy"), ("ba", "yx")]
    translator = untrained_pairs(shape, pairs)
    everything = {}
    letters = translator.vocabulary.to_ids("xy").tolist()
    for taken in [(first, second) for first in letters for second in (*letters, END)]:
        left = iter(taken)
        ids, value, ended = step_by_step(translator, "ab", 2, lambda probabilities, left=left: next(left))
        everything[tuple(ids), ended] = value
    (found,) = translator.translate(["ab"], steps=2, beam=3, length_penalty=0)
    best = max(everything, key=lambda key: everything[key])
    assert (found.ids, found.ended) == best
    assert found.score == pytest.approx(everything[best], abs=1e-4)


def test_the_length_penalty_favours_the_long():
    lengths = []
    for alpha in (0.0, 0.6, 1.0, 3.0):
        found = [untrained_pairs(seed=seed).translate(SOURCES, beam=4, length_penalty=alpha) for seed in range(4)]
        lengths.append(sum(len(one.text) for row in found for one in row))
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_the_length_penalty_is_0_6_where_it_is_not_said(monkeypatch):
    asked = []

    def recording(*arguments, length_penalty, **how):
        asked.append(length_penalty)
        return sampling.beam(*arguments, length_penalty=length_penalty, **how)

    monkeypatch.setattr("seqgen.api.translate.beam", recording)
    untrained_pairs().translate(["Go."], beam=2)
    untrained_pairs().translate(["Go."], beam=2, length_penalty=0.0)
    assert asked == [0.6, 0.0]


# --- sampling ---------------------------------------------------------------------------------------------------------


@every
def test_a_seed_gives_the_same_and_each_source_has_its_own_stream(shape):
    translator = untrained_pairs(shape)
    found = translator.translate(["Go."] * 4, sample=True, seed=5)
    assert found == untrained_pairs(shape).translate(["Go."] * 4, sample=True, seed=5)
    assert len(set(texts(found))) == 4
    assert texts(found) != texts(translator.translate(["Go."] * 4, sample=True, seed=6))
    later = translations(translator, translator.encode_sources(["Go."] * 2), Decoding(sample=True, seed=5), first=2)
    assert texts(later) == texts(found[2:])


@every
def test_what_is_drawn_is_drawn_from_the_steps_and_worth_what_they_say(shape):
    translator = untrained_pairs(shape)
    for number, found in enumerate(translator.translate(SOURCES, sample=True, seed=3, steps=7)):
        random = streams(3, len(SOURCES))[number]

        def drawn(probabilities, random=random):
            return int((probabilities.cumsum() <= random.random() * probabilities.sum()).sum())

        ids, value, ended = step_by_step(translator, SOURCES[number], 7, drawn)
        assert (found.ids, found.ended) == (tuple(ids), ended)
        assert found.score == pytest.approx(value, abs=1e-3)


def test_the_controls_of_sampling_do_what_they_do_elsewhere():
    translator = untrained_pairs()
    greedy = texts(translator.translate(SOURCES))
    for how in ({"temperature": 0.0}, {"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}):
        assert texts(translator.translate(SOURCES, sample=True, seed=1, **how)) == greedy
    assert texts(translator.translate(SOURCES, sample=True, seed=1)) != greedy
    without_seed = {texts(translator.translate(["Go."], sample=True))[0] for _ in range(6)}
    assert len(without_seed) > 1


# --- what the model looks at, and what it makes of a source ----------------------------------------------------------


@with_attention
@pytest.mark.parametrize("how", [{}, {"beam": 3}, {"sample": True, "seed": 1}])
def test_attention_is_that_of_the_steps_in_the_order_of_the_source(shape, how):
    translator = untrained_pairs(shape)
    for text in SOURCES:
        (translation,) = translator.translate([text], **how)
        found = translator.attention(text, translation)
        assert found.source == (*text, "<end>")
        assert found.target == (*translation.text, *["<end>"] * translation.ended)
        np.testing.assert_allclose(found.weights.sum(axis=1), 1, atol=1e-5)
        (encoded,) = translator.stepper.encode([ids_read(translator, text)])
        fed = np.array([START, *translation.ids])[: len(found.target)]
        wanted = translator.stepper.attention(encoded, fed)
        if SHAPES[shape].get("reversed"):
            wanted = np.hstack([wanted[:, -2::-1], wanted[:, -1:]])
        np.testing.assert_array_equal(found.weights, wanted)


def test_attention_is_shown_also_of_what_was_cut():
    translator = untrained_pairs("attention")
    (source,) = translator.encode_sources(["I am here."], max_length=4)
    (translation,) = translations(translator, [source], Decoding(steps=3))
    assert translator.attention(source, translation).source == ("I", " ", "a", "m", "<end>")


@pytest.mark.parametrize("shape", ["states", "repeat", "placewise"])
def test_without_attention_there_is_nothing_to_show(shape):
    translator = untrained_pairs(shape)
    with pytest.raises(ConfigError, match="has no attention to show; 'seqgen train --preset attention'"):
        translator.attention("Go.", translator.translate(["Go."])[0])


@every
def test_a_phrase_is_the_last_output_of_the_encoder(shape):
    translator = untrained_pairs(shape)
    found = translator.embed(SOURCES * 20)
    assert found.shape == (100, translator.header.architecture.memory_size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:5], found[95:], atol=1e-5)
    for text, vector in zip(SOURCES, found, strict=False):
        (encoded,) = translator.stepper.encode([ids_read(translator, text)])
        np.testing.assert_allclose(vector, encoded.vector, atol=1e-5)
    assert translator.embed([]).shape == (0, found.shape[1])


# --- sources ----------------------------------------------------------------------------------------------------------


@every
def test_sources_are_read_as_the_architecture_says(shape):
    translator = untrained_pairs(shape)
    (source,) = translator.encode_sources(["Be nice."])
    np.testing.assert_array_equal(source.read, ids_read(translator, "Be nice."))
    assert source.tokens == (*"Be nice.", "<end>")
    assert source.unknown == ()
    assert source.cut == 0


def test_unknown_tokens_are_named_and_read_as_unknown():
    translator = untrained_pairs()
    (source,) = translator.encode_sources(["Gös q"])
    assert source.unknown == ("ö", "s", "q")
    assert source.read.tolist().count(3) == 3
    known, other = translator.encode_sources(["Gö", "Gß"])
    np.testing.assert_array_equal(known.read, other.read)
    words = untrained_pairs(source_as="words", source_options={"lower": True})
    assert words.encode_sources(["GO there, go"])[0].unknown == ("there", ",")


def test_long_sources_are_cut_or_refused():
    translator = untrained_pairs()
    longest = translator.statistics.longest_source
    assert longest == max(len(source) for source, _ in PAIRS) + 1
    fitting = "I " * (2 * longest)
    assert len(translator.encode_sources([fitting])[0].tokens) == 4 * longest + 1
    with pytest.raises(ConfigError, match=f"source 2 has {4 * longest + 1} tokens, and the longest .* {longest};"):
        translator.translate(["Go.", fitting + "I"])
    (source,) = translator.encode_sources([fitting + "I"], max_length=3)
    assert source.tokens == ("I", " ", "I", "<end>")
    assert source.cut == 4 * longest + 1
    assert translator.encode_sources(["Go."], max_length=3)[0].cut == 0
    assert translator.translate([fitting], max_length=3) == translator.translate(["I I"])


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ("Go.", "sources are a list, also where there is only one, and not a str"),
        (["Go.", ""], "source 2 is empty"),
        ([piece(1)], "the model reads text, and source 1 is music"),
        ([np.zeros((3, 2))], "the model reads text, and source 1 is an array of numbers"),
    ],
)
def test_what_is_no_source_is_said(sources, said):
    for call in (untrained_pairs().translate, untrained_pairs().embed, untrained_pairs().encode_sources):
        with pytest.raises(ConfigError, match=said):
            call(sources)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"steps": 0}, "steps of a translation must be at least 1, not 0"),
        ({"beam": 0}, "beam must be at least 1 wide, not 0"),
        ({"beam": 26}, "a beam of 26 is wider than the 25 tokens this model writes, the end included"),
        ({"beam": 2, "sample": True}, "give one of the two"),
        ({"length_penalty": 1.0}, "there is none: give a beam"),
        ({"beam": 2, "length_penalty": -1.0}, "length penalty must be 0"),
        ({"seed": 3}, "seed is for sampling: add --sample, in Python sample=True"),
        ({"temperature": 0.5}, "temperature is for sampling"),
        ({"top_k": 3}, "top-k is for sampling"),
        ({"sample": True, "temperature": -1.0}, "temperature must be 0"),
        ({"sample": True, "seed": -1}, "seed must be 0 to"),
        ({"max_length": 0}, "maximum length of a source must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_asked_is_said(how, said):
    translator = untrained_pairs()
    assert len(translator.vocabulary) - 3 == 25
    with pytest.raises(ConfigError, match=said):
        translator.translate(["Go."], **how)


# --- vectors ----------------------------------------------------------------------------------------------------------


def series(*lengths: int, size: int = 3) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(size=(length, size)).astype(np.float32) for length in lengths]


@pytest.mark.parametrize("shape", ["states", "repeat", "attention", "reversed"])
def test_vectors_become_vectors_each_read_to_make_the_next(shape):
    sources, targets = series(4, 5, 3), series(6, 6, 6, size=2)
    translator = untrained_pairs(shape, list(zip(sources, targets, strict=True)))
    assert (translator.source_unit, translator.unit) == ("vectors", "vectors")
    for source, found in zip(sources, translator.translate(sources), strict=True):
        assert found.vectors is not None
        assert found.vectors.shape == (6, 2)  # as long as the longest target of training
        read = source[::-1] if SHAPES[shape].get("reversed") else source
        stepper = translator.stepper
        state, last = stepper.start(1, stepper.encode([np.ascontiguousarray(read)])), np.zeros((1, 2), np.float32)
        for vector in found.vectors:
            last, state = stepper.step(last.copy(), state)
            np.testing.assert_allclose(last[0], vector, atol=1e-4)
    assert [one.vectors.shape for one in translator.translate(sources, steps=9)] == [(9, 2)] * 3
    for how in ({"beam": 2}, {"sample": True}):
        with pytest.raises(ConfigError, match="writes vectors, of which there is one"):
            translator.translate(sources, **how)


def test_without_a_decoder_there_are_as_many_vectors_as_in_the_source_or_the_length_says():
    sources, targets = series(4, 15), series(30, 30, size=2)
    translator = untrained_pairs("placewise", list(zip(sources, targets, strict=True)))
    assert [one.vectors.shape for one in translator.translate(sources)] == [(12, 2), (15, 2)]
    assert [one.vectors.shape for one in translator.translate(sources, steps=3)] == [(3, 2), (3, 2)]


def test_vectors_become_text_and_text_becomes_vectors():
    sources = series(4, 5, 3)
    to_text = untrained_pairs("attention", list(zip(sources, ["left", "right", "up"], strict=True)))
    found = to_text.translate(sources, beam=2)
    assert all(set(one.text) <= set("leftrighup") for one in found)
    assert to_text.embed(sources).shape == (3, 12)
    shown = to_text.attention(sources[1], found[1])
    assert shown.source == ("1", "2", "3", "4", "5")
    to_vectors = untrained_pairs("states", list(zip(["ab", "b"], series(4, 4), strict=True)))
    assert to_vectors.translate(["ab", "ba"])[1].vectors.shape == (4, 3)
    with pytest.raises(ConfigError, match="no attention"):
        to_vectors.attention("ab", to_vectors.translate(["ab"])[0])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("text", "reads series of 3 numbers, and source 1 is text"),
        (np.zeros((4, 2)), "reads series of 3 numbers, and source 1 has 2"),
        (np.zeros(4), r"has the shape \(4,\)"),
        (np.full((2, 3), np.nan), "not finite"),
        (np.zeros((0, 3)), r"has the shape \(0, 3\)"),
    ],
)
def test_what_is_no_series_of_vectors_is_said(source, said):
    sources = series(4, 5, 3)
    translator = untrained_pairs("states", list(zip(sources, ["a", "b", "ab"], strict=True)))
    with pytest.raises(ConfigError, match=said):
        translator.translate([source])


# --- files ------------------------------------------------------------------------------------------------------------


@every
def test_a_saved_translator_is_the_same(shape, tmp_path):
    translator = untrained_pairs(shape, source_as="words", target_as="words")
    translator.save(tmp_path / "pairs.safetensors")
    again = seqgen.load(tmp_path / "pairs.safetensors")
    assert isinstance(again, Translator)
    assert again.header == translator.header
    assert again.digest == translator.digest != ""
    assert again.name == str(tmp_path / "pairs.safetensors")
    assert again.translate(SOURCES, beam=2) == translator.translate(SOURCES, beam=2)


def test_a_generator_is_no_translator_and_the_reverse(tmp_path):
    from seqgen.api import model, translator

    untrained("chars", ["a text"]).save(tmp_path / "generator.safetensors")
    untrained_pairs().save(tmp_path / "pairs.safetensors")
    assert isinstance(seqgen.load(tmp_path / "generator.safetensors"), seqgen.Model)
    with pytest.raises(ModelFileError, match=r"generator.safetensors .* reads no source: 'seqgen generate' uses it"):
        translator.load(tmp_path / "generator.safetensors")
    with pytest.raises(ModelFileError, match=r"pairs.safetensors turns a source .* 'seqgen translate' uses it"):
        model.load(tmp_path / "pairs.safetensors")
    with pytest.raises(ModelFileError, match="no model file"):
        seqgen.load(tmp_path / "neither.safetensors")


def test_a_model_of_music_says_which_command_uses_it():
    whole = [piece(seed, parts=2) for seed in range(3)]
    pairs = [(with_parts(one, [0]), one) for one in whole]
    translator = untrained_pairs("states", pairs)
    assert (translator.source_unit, translator.unit) == ("music", "music")
    with pytest.raises(ConfigError, match="the other voices of a piece: 'seqgen harmonize' uses it"):
        translator.translate([pairs[0][0]])
    assert translator.embed([pairs[0][0]]).shape == (1, 6)
