"""What is given comes out and is not judged; constraints and particles are for the other parts alone."""

from dataclasses import replace

import numpy as np
import obeys
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import piece
from made_harmonies import GRID, harmonizer, line, sources, untouched
from made_pairs import untrained_pairs

from seqgen.api.harmonize import harmonies, harmonize
from seqgen.api.melody import read_melody
from seqgen.api.request import Request
from seqgen.constraints import Bars, Chords, End, GivenParts, Key, MaxLeap, Range, Rhythm, Scale
from seqgen.corpus.parts import with_parts
from seqgen.errors import ConfigError, SamplingError
from seqgen.piece import Key as KeySignature
from seqgen.piece import Meter, Piece
from seqgen.vocabulary import END, UNK


def test_the_grammar_of_given_parts():
    """In a given place one id is legal, also UNK; in the others what always was; END at the end and only there."""
    translator = harmonizer()
    grammar, ids = translator.grammar, translator.vocabulary.ids
    rows = np.array([[ids["60"], ids["rest"]], [UNK, ids["rest"]], [ids["hold"], ids["57"]]])
    given_ = GivenParts(grammar, rows)
    assert (given_.parts, given_.grid, given_.part_names) == (4, 4, grammar.part_names)
    assert given_.feature_sizes == grammar.feature_sizes
    state = given_.start()
    for token in ("key=C-major", "meter=4/4", "pickup=0"):
        assert (given_.legal(state) == grammar.legal(state)).all()
        state = given_.advance(state, ids[token])
    for step in range(3):
        for part in range(4):
            assert given_.is_given(state) == (part < 2)
            legal = np.flatnonzero(given_.legal(state)).tolist()
            if part < 2:
                assert legal == [rows[step, part]]
            else:
                assert (given_.legal(state) == grammar.legal(state)).all()
                assert END not in legal
            state = given_.advance(state, rows[step, part] if part < 2 else ids["60"])
    assert np.flatnonzero(given_.legal(state)).tolist() == [END]


def played(made: Piece, melody: Piece) -> obeys.Played:
    """Of what is made the voices that are not given, as the judges take them, in grid steps."""
    assert made.ticks_per_quarter == GRID
    end = int((melody.notes["onset"] + melody.notes["duration"]).max())
    meter = f"{melody.meters[0].numerator}/{melody.meters[0].denominator}"
    return obeys.Played(with_parts(made, [1, 2, 3]), meter, 0, end, melody.pickup_ticks)


LIMITS = {
    "range": ([Range("C4", "E4")], obeys.in_range((60, 64))),
    "ranges": (
        [Range.of("alto=C4-G4, tenor=G3-D4, bass=G3-A3, soprano=A4-A4")],
        obeys.in_range((60, 67), (55, 62), (55, 57)),
    ),
    "leap": ([MaxLeap(2)], obeys.leaps(2)),
    "scale": ([Scale("C-major")], obeys.of_classes({0, 2, 4, 5, 7, 9, 11})),
    "key": ([Key("D-minor")], obeys.of_classes({2, 4, 5, 7, 9, 10, 11, 0, 1})),
    "rhythm": ([Rhythm("1/2", "3/4")], obeys.lasting({obeys.Fraction(1, 2), obeys.Fraction(3, 4)})),
    "chords": ([Chords("C | Dm7 G7 | Am")], obeys.over([["C"], ["Dm7", "G7"], ["Am"]], strict=False)),
    "strict": ([Chords("C | Dm7 G7 | Am", strict=True)], obeys.over([["C"], ["Dm7", "G7"], ["Am"]], strict=True)),
    "end": ([End("tonic", key="C-major")], obeys.ends_on(0, {0, 4, 7})),
    "several": (
        [MaxLeap(4), Scale("G-major"), Rhythm("1/4", "1/2", "1"), Range("G3", "G4"), End("tonic", key="G-major")],
        lambda row: all(
            judge(row)
            for judge in (
                obeys.leaps(4),
                obeys.of_classes({7, 9, 11, 0, 2, 4, 6}),
                obeys.in_range((55, 67)),
                obeys.ends_on(7, {7, 11, 2}),
                obeys.lasting({obeys.Fraction(1, 4), obeys.Fraction(1, 2), obeys.Fraction(1)}),
            )
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
@given(st.integers(0, 10**6), st.sampled_from(range(9)), st.sampled_from([1, 4]))
@settings(max_examples=12)
def test_the_other_voices_obey_and_the_melody_does_as_it_likes(name, seed, which, particles):
    limits, judge = LIMITS[name]
    melody = with_parts(sources()[which], [0])
    (made,) = harmonize(harmonizer(), melody, seed=seed, constraints=limits, particles=particles)
    assert untouched(made, melody)
    assert judge(played(made, melody))


def test_a_melody_that_breaks_them_all():
    """Held against the voices alone: nothing of the melody is judged, and nothing of it is in the way."""
    melody = line(
        (0, 3, 61), (3, 1, 71), (4, 5, 55), (9, 7, 66), meters=(Meter(0, 4, 4),), keys=(KeySignature(0, 0, "major"),)
    )
    limits = [MaxLeap(3), Scale("C-major"), Rhythm("1/2", "1"), Range("G3", "C4"), End("tonic")]
    made = harmonize(harmonizer(), melody, seed=4, constraints=limits, count=4)
    for one in made:
        row = played(one, melody)
        assert untouched(one, melody)
        assert obeys.leaps(3)(row)
        assert obeys.of_classes({0, 2, 4, 5, 7, 9, 11})(row)
        assert obeys.ends_on(0, {0, 4, 7})(row)


def test_the_key_that_is_asked_for_is_the_one_that_is_read(monkeypatch):
    """And not the one that the melody states, which stays in what comes out."""
    translator, melody = harmonizer("states"), with_parts(sources()[0], [0])
    read: list[np.ndarray] = []
    encode = translator.stepper.encode
    monkeypatch.setattr(translator.stepper, "encode", lambda rows: read.extend(rows) or encode(rows))
    (made,) = harmonize(translator, melody, seed=1, constraints=[Key("D-minor")])
    assert read[0][0] == translator.source_vocabulary.ids["key=D-minor"]
    assert made.keys == melody.keys
    harmonize(translator, melody, seed=1)
    assert read[1][0] == translator.source_vocabulary.ids["key=C-major"]


def test_what_cannot_be():
    melody = with_parts(sources()[0], [0])
    with pytest.raises(SamplingError, match="no note of the part Alto of this model fits range alto=C6-C7"):
        harmonize(harmonizer(), melody, constraints=[Range.of("alto=C6-C7")])
    with pytest.raises(SamplingError, match="2 bars and the given voice end at different moments"):
        harmonize(harmonizer(), melody, constraints=[Bars(2)])
    with pytest.raises(ConfigError, match="needs a key, and the piece begins without one"):
        harmonize(harmonizer(), replace(melody, keys=()), constraints=[End("tonic")])
    strange = replace(melody, meters=(Meter(0, 5, 4),))
    with pytest.raises(
        ConfigError, match="never seen meter=5/4 of the melody, so it cannot count its bars; give no chords"
    ):
        harmonize(harmonizer(), strange, constraints=[Chords("C")])


def test_chords_begin_with_the_first_full_bar():
    melody = with_parts(piece(3, parts=1, pickup=4, bars=2), [0])
    made = harmonize(harmonizer(), melody, seed=1, count=6, constraints=[Chords("C | F", strict=True)])
    for one in made:
        voices = one.notes[one.notes["part"] > 0]
        for bar, tones in ((4, {0, 4, 7}), (20, {5, 9, 0})):
            here = voices[(voices["onset"] < bar + 16) & (voices["onset"] + voices["duration"] > bar)]
            assert {pitch % 12 for pitch in here["pitch"].tolist()} <= tones


def test_particles_do_not_weigh_by_what_is_given(monkeypatch):
    """Whatever a model believes of the ids of the melody, nobody asks."""
    translator = untrained_pairs("states", [(with_parts(source, [0]), source) for source in sources()], seed=3)
    read = read_melody(translator, with_parts(sources()[0], [0]))
    request = Request(seed=1, constraints=[Range.of("bass=G3-A3")], particles=8, count=3)
    plain = harmonies(translator, read, request)
    step, calls, random = translator.stepper.step, [0], np.random.default_rng(0)

    def believing(ids, state, features=None):
        logits, state = step(ids, state, features)
        if (calls[0] - 3) % 4 == 0:  # after three controls, of four parts the first comes next
            logits[:] = random.normal(size=logits.shape, scale=9)
        calls[0] += 1
        return logits, state

    monkeypatch.setattr(translator.stepper, "step", believing)
    assert [one.notes.tolist() for one in harmonies(translator, read, request)] == [one.notes.tolist() for one in plain]
    assert calls[0] > 100
