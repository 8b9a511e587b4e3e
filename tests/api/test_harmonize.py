"""harmonize: the melody comes out untouched, and the other voices are the model's. The models have learned nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_harmonies import GRID, harmonizer, line, melodies, sources, untouched
from made_pairs import untrained_pairs

from seqgen.api.harmonize import harmonize, unknown
from seqgen.api.melody import read_melody
from seqgen.api.translator import Translator
from seqgen.constraints import Range
from seqgen.corpus.parts import with_parts
from seqgen.errors import ConfigError, TokenError
from seqgen.evaluate.statistics import FIFTH, OCTAVE, parallels
from seqgen.piece import Meter, Part, Piece
from seqgen.vocabulary import END, START, UNK

every = pytest.mark.parametrize("shape", ["aligned", "states", "attention", "reversed"])


# --- the melody -------------------------------------------------------------------------------------------------------


@given(melodies(lowest=50, highest=76), st.integers(0, 10**6))
@settings(max_examples=60)
def test_the_melody_comes_out_note_for_note_and_the_voices_lie_on_the_grid(melody, seed):
    """Also with pitches that the model has never seen, and off the grid."""
    (made,) = harmonize(harmonizer(), melody, seed=seed)
    assert untouched(made, melody)
    assert [part.name for part in made.parts] == ["Flute", "Alto", "Tenor", "Bass"]
    assert {part.program for part in made.parts} == {73}
    step = made.ticks_per_quarter // GRID
    voices = made.notes[made.notes["part"] > 0]
    assert not (voices["onset"] % step).any()
    assert not (voices["duration"] % step).any()
    assert ((voices["pitch"] >= 55) & (voices["pitch"] <= 71)).all()
    lead = made.part_notes(0)
    onset, end = ((2 * ticks + step) // (2 * step) for ticks in (lead["onset"], lead["onset"] + lead["duration"]))
    assert (voices["onset"] + voices["duration"]).max(initial=0) <= np.maximum(onset + 1, end).max() * step
    for part in range(1, 4):
        own = made.part_notes(part)
        assert (own["onset"][1:] >= (own["onset"] + own["duration"])[:-1]).all()


@every
def test_the_ids_of_the_melody_are_forced_and_what_is_read_is_the_melody(shape, monkeypatch):
    """What the stepper is fed: the controls, then at every grid step the melody's id in the first place."""
    translator, source = harmonizer(shape), sources()[4]
    melody = with_parts(source, [0])
    fed: list[np.ndarray] = []
    step, encode, read = translator.stepper.step, translator.stepper.encode, []
    monkeypatch.setattr(translator.stepper, "step", lambda ids, *rest: fed.append(np.array(ids)) or step(ids, *rest))
    monkeypatch.setattr(translator.stepper, "encode", lambda rows: read.extend(rows) or encode(rows))
    made = harmonize(translator, melody, seed=3, count=2)
    tokens = translator.source_encoding.encode(melody)[0].tokens
    ids = translator.source_vocabulary.to_ids(tokens).tolist()
    reads = ids[::-1] if translator.header.architecture.reversed else ids
    assert [row.tolist() for row in read] == [[*reads, END]]
    rows = np.array(fed).T  # (2, ids)
    own = translator.vocabulary.to_ids(tokens)
    steps = len(tokens) - 3
    assert rows.shape[1] == 1 + 3 + 4 * steps - 1  # the last one is asked for nothing
    for row, one in zip(rows, made, strict=True):
        assert row[0] == START
        assert row[1:4].tolist() == own[:3].tolist()
        assert row[4::4].tolist() == own[3:].tolist()
        whole = translator.encoding.encode(one)[0].tokens
        assert translator.vocabulary.to_ids(whole)[:-1].tolist() == row[1:].tolist()


def test_the_voices_depend_on_what_is_read():
    """Of two melodies that begin alike the voices begin otherwise: what is read has an end, and all of it is known."""
    pairs = [(with_parts(source, [0]), source) for source in sources()]
    translator = untrained_pairs("attention", pairs, scale=3.0)
    made = [harmonize(translator, line((0, 8, 60), (8, 8, pitch)), temperature=0.0)[0] for pitch in (62, 70)]
    begins = [[row for row in one.notes.tolist() if row[4] > 0 and row[0] < 8] for one in made]
    assert begins[0] != begins[1]


@every
def test_seeds_and_counts(shape):
    translator, melody = harmonizer(shape), with_parts(sources()[1], [0])
    made = harmonize(translator, melody, seed=5, count=3)
    assert len({str(one.notes.tolist()) for one in made}) == 3
    again = harmonize(translator, melody, seed=5, count=3)
    assert [one.notes.tolist() for one in again] == [one.notes.tolist() for one in made]
    assert made[1].markers[0].text.endswith("seed 5 number 2")
    greedy = harmonize(translator, melody, temperature=0.0, count=2)
    assert greedy[0].notes.tolist() == greedy[1].notes.tolist()


def test_the_best_of_several_has_the_fewest_parallels():
    translator, melody = harmonizer(), with_parts(sources()[2], [0])

    def count(made: Piece) -> int:
        return parallels(made, FIFTH)[True] + parallels(made, OCTAVE)[True]

    made = harmonize(translator, melody, seed=9, count=12)
    best = harmonize(translator, melody, seed=9, count=3, best_of=4)
    counts = [count(one) for one in made]
    assert len(set(counts)) > 2
    assert [count(one) for one in best] == [min(counts[begin : begin + 4]) for begin in (0, 4, 8)]
    every_one = [one.notes.tolist() for one in made]
    assert all(one.notes.tolist() in every_one for one in best)


def log_probability(translator: Translator, made: Piece, melody: Piece) -> float:
    """Of the voices, one id after the other."""
    ids = translator.vocabulary.to_ids(translator.encoding.encode(made)[0].tokens).tolist()
    source = translator.source_spelling.ids(translator.source_encoding.encode(melody)[0].tokens)
    stepper, moment, total, last = translator.stepper, translator.grammar.start(), 0.0, START
    state = stepper.start(1, stepper.encode([source]))
    for place, id in enumerate(ids):
        logits, state = stepper.step(np.array([last]), state, np.array([translator.grammar.features(moment)]))
        scores = np.where(translator.grammar.legal(moment), logits[0].astype(float), -np.inf)
        if place > 3 and (place - 3) % 4:
            total += scores[id] - np.log(np.exp(scores).sum())
        moment, last = translator.grammar.advance(moment, id), id
    return float(total)


def test_the_most_probable_of_those_with_as_few_parallels():
    """Under one short note there are none, so that the probability decides."""
    translator, melody = harmonizer(), line((0, 1, 60))
    values = [log_probability(translator, made, melody) for made in harmonize(translator, melody, seed=2, count=30)]
    (best,) = harmonize(translator, melody, seed=2, best_of=30)
    assert log_probability(translator, best, melody) == pytest.approx(max(values), abs=1e-4)
    assert np.std(values) > 0.5


def test_the_voices_are_as_loud_as_the_melody_and_of_its_instrument():
    melody = Piece.build([(0, 8, 60, 30, 0), (8, 8, 62, 110, 0)], 4, [Part("Fife", 72)])
    (made,) = harmonize(harmonizer(), melody, seed=1)
    for onset, _, _, velocity, _ in made.notes.tolist():
        assert velocity == (30 if onset < 8 else 110)
    (other,) = harmonize(harmonizer(), melody, seed=1, instrument=19)
    assert [part.program for part in other.parts] == [72, 19, 19, 19]


def test_a_long_melody_is_read_whole():
    """Much longer than what the model has learned from."""
    melody = line(*[(4 * beat, 4, 55 + beat * 7 % 17) for beat in range(300)], meters=(Meter(0, 4, 4),))
    (made,) = harmonize(harmonizer(), melody, seed=1)
    assert untouched(made, melody)
    assert made.notes["onset"].max() > 1180


def test_voices_are_called_as_in_training():
    """Given the bass, the order is another one, and ranges go by the names."""
    pairs = [(with_parts(source, [3]), with_parts(source, [3, 0, 1, 2])) for source in sources()]
    translator = untrained_pairs("states", pairs)
    translator.statistics = type(translator.statistics)(
        from_parts=("bass",), to_parts=("soprano", "alto", "tenor"), longest_source=9, longest_target=9
    )
    (made,) = harmonize(
        translator, with_parts(sources()[0], [3]), seed=1, constraints=[Range.of("tenor=G3-A3, alto=B3-C4, bass=A3-A3")]
    )
    assert [part.name for part in made.parts] == ["", "Soprano", "Alto", "Tenor"]
    assert set(made.part_notes(3)["pitch"].tolist()) <= {55, 56, 57}
    assert set(made.part_notes(2)["pitch"].tolist()) <= {59, 60}
    assert set(made.part_notes(0)["pitch"].tolist()) > {57}  # it is given


def test_several_parts_may_be_given():
    pairs = [(with_parts(source, [0, 1]), source) for source in sources(3)]
    translator = untrained_pairs("attention", pairs)
    two = with_parts(sources(3)[5], [0, 1])
    (made,) = harmonize(translator, two, seed=1)
    for part in range(2):
        assert np.array_equal(made.part_notes(part), two.part_notes(part))
    assert len(made.part_notes(2))
    assert [part.name for part in made.parts] == ["", "", "Lower"]
    (other,) = harmonize(translator, sources(3)[5], seed=1, part="1,2")
    assert other.notes.tolist() == made.notes.tolist()
    with pytest.raises(ConfigError, match="this model is given 2 parts, not 1: 2"):
        harmonize(translator, sources(3)[5], part="2")


# --- what the model reads ---------------------------------------------------------------------------------------------


def test_what_has_never_been_seen_is_unknown_and_said():
    melody = line((0, 4, 60), (4, 4, 90), (8, 4, 62), meters=(Meter(0, 5, 4),), pickup_ticks=3)
    read = read_melody(harmonizer(), melody)
    assert unknown(harmonizer(), read) == ["meter=5/4", "pickup=3", "90"]
    (made,) = harmonize(harmonizer(), melody, seed=1)
    assert untouched(made, melody)
    assert len(made.notes) > 6


def test_an_unknown_pitch_is_read_as_unknown(monkeypatch):
    translator, melody = harmonizer("states"), line((0, 2, 90), (2, 1, 60))
    fed: list[int] = []
    step = translator.stepper.step
    monkeypatch.setattr(translator.stepper, "step", lambda ids, *rest: fed.append(int(ids[0])) or step(ids, *rest))
    harmonize(translator, melody, seed=1)
    hold, pitch = (translator.vocabulary.ids[token] for token in ("hold", "60"))
    assert fed[4::4] == [UNK, hold, pitch]


def test_off_the_grid_and_legato():
    """Notes that sound on for less than a grid step are read as if they did not, and come out as they are."""
    melody = line((0, 500, 60), (480, 455, 62), (933, 500, 64), ticks=480)
    read = read_melody(harmonizer(), melody)
    assert read.tokens[3:] == ("60", *["hold"] * 3, "62", *["hold"] * 3, "64", *["hold"] * 3)
    assert read.losses["notes moved to the grid"] == 2
    assert np.array_equal(read.piece.notes, melody.notes)


@pytest.mark.parametrize(
    ("melody", "place"),
    [
        (line((0, 4, 60), (4, 4, 62), (4, 4, 65)), "bar 1, quarter 2"),
        (line((0, 4, 60), (2, 4, 62), ticks=4), "bar 1, quarter 1.5"),
        (line((0, 64, 60), (40, 4, 62)), "bar 3, quarter 3"),
        (line((0, 4, 60), (4, 16, 60), (12, 4, 62), meters=(Meter(0, 3, 4),), pickup_ticks=4), "bar 1, quarter 3"),
        (line((0, 4, 60), (2, 4, 62), meters=(Meter(0, 3, 4),), pickup_ticks=8), "bar 0, quarter 2.5"),
        (line((0, 100, 60), (480, 100, 62), (480, 90, 60), ticks=480), "bar 1, quarter 2"),  # shorter than a grid step
        (line((0, 120, 60), (118, 240, 62), (119, 300, 64), ticks=480), "bar 1, quarter 1.24792"),
    ],
)
def test_chords_are_refused_with_their_place(melody, place):
    with pytest.raises(
        TokenError, match=f"Tune has two notes at once in {place}, and a melody has one: take the others"
    ):
        harmonize(harmonizer(), melody)


def named(*names: str, drums: tuple[int, ...] = ()) -> Piece:
    """A piece with these parts, each on a pitch of its own."""
    rows = [(0, 8, 56 + number, 80, number) for number in range(len(names))]
    return Piece.build(rows, 4, [Part(name, drums=number in drums) for number, name in enumerate(names)])


@pytest.mark.parametrize(
    ("piece_", "part", "pitch"),
    [
        (named("anything"), None, 56),
        (named("Kit", "Lead", drums=(0,)), None, 57),
        (named("Bass", "Soprano", "Piano"), None, 57),
        (named("a", "b", "c", "d"), None, 56),  # four voices, the soprano first
        (named("Piano", "MELODY"), None, 57),
        (named("Piano", "Flute", "Cello"), "flute", 57),
        (named("Piano", "Flute", "Cello"), "3", 58),
    ],
)
def test_which_part_is_the_melody(piece_, part, pitch):
    translator = untrained_pairs("states", [(with_parts(source, [0]), source) for source in sources()])
    translator.statistics = type(translator.statistics)(from_parts=("soprano",), to_parts=("alto", "tenor", "bass"))
    read = read_melody(translator, piece_, part)
    assert read.piece.notes["pitch"].tolist() == [pitch]
    assert len(read.left_out) == len(piece_.parts) - 1


@pytest.mark.parametrize(
    ("piece_", "part", "said"),
    [
        (Piece.build([], 4, []), None, "the piece has no notes, and a melody is needed"),
        (Piece.build([], 4, [Part("Silence")]), None, "the piece has no notes"),
        (named("Kit", drums=(0,)), None, "the piece has only drums, and a melody is needed"),
        (
            named("Piano", ""),
            None,
            r"2 parts with notes \(Piano, part 2\), and this model is given 1: say which with --part",
        ),
        (named("Piano", "Flute"), "oboe", "the piece has no part 'oboe'; its parts are 'Piano', 'Flute'"),
        (named("Kit", "Flute", drums=(0,)), "Kit", "the piece has no part 'Kit'"),
        (named("Flute", "Flute"), "Flute", "2 parts are called 'Flute'"),
        (named("Piano", "Flute"), "Piano,Flute", "this model is given 1 part, not 2: Piano, Flute"),
        (Piece.build([(0, 4, 60, 80, 0)], 4, [Part("Flute"), Part("Oboe")]), "Oboe", "has no notes in its part 'Oboe'"),
    ],
)
def test_no_melody_to_find(piece_, part, said):
    with pytest.raises(ConfigError, match=said):
        harmonize(harmonizer(), piece_, part=part)


def test_models_of_something_else():
    with pytest.raises(
        ConfigError, match="this model reads text and writes text; to harmonise takes one that has learned"
    ):
        harmonize(untrained_pairs(), sources()[0])
    with pytest.raises(ConfigError, match="the count must be at least 1, not 0"):
        harmonize(harmonizer(), with_parts(sources()[0], [0]), count=0)
