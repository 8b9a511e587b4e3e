"""Model.vary: kept bars come out untouched, the others are the model's. The models have learned nothing."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import Climbing, piece, untrained

import seqgen
from seqgen.errors import ConfigError, SamplingError, TokenError
from seqgen.piece import Key, Meter, Part, Piece, Tempo, Text

KINDS = {
    "notes": ("notes", {}, 1, False),
    "joint": ("notes", {"joint": True}, 1, True),
    "chorale": ("chorale", {"parts": 3}, 3, False),
    "frames": ("frames", {}, 1, True),
}
BARS = 5


def loud(source: Piece, seed: int = 0) -> Piece:
    """The same with another velocity for every note."""
    notes = source.notes.copy()
    notes["velocity"] = np.random.default_rng(seed).integers(1, 128, len(notes))
    return replace(source, notes=notes, title="A tune", parts=tuple(Part("Fife", 72) for _ in source.parts))


def made(kind: str):
    name, options, parts, chords = KINDS[kind]
    layouts = [((4, 4), 0), ((3, 4), 2), ((6, 8), 0), ((4, 4), 4)]
    sources = [
        loud(piece(seed, parts=parts, meter=meter, pickup=pickup, bars=BARS, chords=chords), seed)
        for seed, (meter, pickup) in enumerate(layouts * 2)
    ]
    return untrained(name, sources, **options), sources


CASES = {kind: made(kind) for kind in KINDS}
every = pytest.mark.parametrize("kind", KINDS)


def in_bars(source: Piece, numbers: set[int]) -> list[tuple[int, ...]]:
    """The notes that sound in these bars."""
    lines = [*source.bar_lines(), source.end_tick]
    first = 0 if source.pickup_ticks else 1
    spans = [(lines[number - first], lines[number - first + 1]) for number in numbers]
    return [
        row for row in source.notes.tolist() if any(row[0] < end and row[0] + row[1] > begin for begin, end in spans)
    ]


@every
@given(st.data(), st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=25)
def test_kept_bars_come_out_untouched(kind, data, seed, amount):
    model, sources = CASES[kind]
    source = data.draw(st.sampled_from(sources))
    bars = range(0 if source.pickup_ticks else 1, BARS + 1)
    keep = data.draw(st.sets(st.sampled_from(bars), max_size=len(bars) - 1))
    varied = model.vary(source, keep_bars=keep, amount=amount, seed=seed, particles=3)
    assert in_bars(varied, keep) == in_bars(source, keep)
    for name in ("parts", "title", "tempi", "meters", "keys", "pickup_ticks", "ticks_per_quarter"):
        assert getattr(varied, name) == getattr(source, name)
    loose = Counter(source.notes.tolist()) - Counter(in_bars(source, keep))
    gone = Counter(source.notes.tolist()) - Counter(varied.notes.tolist())
    if kind != "joint":  # whose chords are one
        assert gone.total() <= (max(1, round(amount * loose.total())) if amount else 0)
    assert varied.end_tick <= source.end_tick
    if amount == 0:
        assert np.array_equal(varied.notes, source.notes)


@every
def test_the_other_bars_differ_for_most_seeds(kind):
    model, sources = CASES[kind]
    varied = [model.vary(sources[0], keep_bars="1-2, 5", seed=seed, particles=2) for seed in range(20)]
    assert len({str(one.notes.tolist()) for one in [sources[0], *varied]}) > 18
    for one in varied:
        assert in_bars(one, {1, 2, 5}) == in_bars(sources[0], {1, 2, 5})


@every
def test_the_share_that_is_set_free_grows_with_the_amount(kind):
    model, sources = CASES[kind]
    known = Counter(sources[0].notes.tolist())

    def gone(amount: float) -> float:
        varied = (model.vary(sources[0], amount=amount, seed=seed, particles=1) for seed in range(8))
        return float(np.mean([(known - Counter(one.notes.tolist())).total() for one in varied])) / known.total()

    assert 0.05 < gone(0.2) < 0.35 < gone(0.6) < 0.75 < gone(1.0)


def test_a_note_that_sounds_into_a_kept_bar_is_kept_whole():
    source = Piece.build([(0, 4, 60, 70, 0), (4, 8, 62, 71, 0), (12, 8, 64, 72, 0), (20, 12, 65, 73, 0)], 4, [Part()])
    model = untrained("notes", [source, *CASES["notes"][1]])
    for seed in range(10):
        first = model.vary(source, keep_bars="1", seed=seed)
        assert first.notes[:3].tolist() == source.notes[:3].tolist()
        assert (first.notes["onset"][3:] >= 20).all()
        second = model.vary(source, keep_bars="2", seed=seed)
        assert second.notes[-2:].tolist() == source.notes[-2:].tolist()
        assert (second.notes["onset"] + second.notes["duration"])[:-2].max(initial=0) <= 12


def played(seed: int) -> Piece:
    """Melody, bass and drums as somebody played them: at 480 ticks a quarter, off the grid, with changes of tempo."""
    random = np.random.default_rng(seed)
    rows = []
    for beat in range(32):
        late, longer = random.integers(-30, 30, 2).tolist()
        rows.append((max(0, 480 * beat + late), 470 + longer, 60 + int(random.integers(12)), 40 + beat, 0))
        rows.append((480 * beat, 480, 36 + beat % 5, 60, 1))
        rows.append((480 * beat, 100, 38, 99, 2))
    return Piece.build(
        rows,
        480,
        [Part("Lead", 73), Part("Bass", 33), Part("Kit", drums=True)],
        tempi=(Tempo(0, 90.0), Tempo(4000, 120.0)),
        meters=(Meter(0, 4, 4),),
        keys=(Key(0, 2, "major"),),
        chords=(Text(0, "D"),),
    )


@pytest.mark.parametrize("name", ["notes", "frames"])
def test_off_the_grid_beside_drums_and_other_parts(name):
    """What stays is not what the encoding makes of it, but what was played."""
    source = played(1)
    model = untrained(name, [played(seed) for seed in range(4)])
    for seed in range(5):
        varied = model.vary(source, keep_bars="1-4, 8", seed=seed, particles=2)
        kept = [row for row in source.notes.tolist() if row[0] < 4 * 1920 - 40 or row[0] >= 7 * 1920 + 40]
        assert not Counter(kept) - Counter(varied.notes.tolist())
        others = (2,) if name == "frames" else (1, 2)
        for part in others:
            assert np.array_equal(varied.part_notes(part), source.part_notes(part))
        assert not np.array_equal(varied.part_notes(0), source.part_notes(0))
        assert replace(varied, notes=source.notes, markers=()) == source


def test_ticks_that_do_not_divide_a_grid_step_become_finer():
    source = Piece.build([(6 * beat, 6, 60 + beat, 80, 0) for beat in range(8)], 6, [Part()], meters=(Meter(0, 4, 4),))
    model = untrained("notes", [source], grid=4)
    varied = model.vary(source, keep_bars={2}, seed=1)
    assert varied.ticks_per_quarter == 12
    assert varied.notes[varied.notes["onset"] >= 48].tolist() == [
        (12 * beat, 12, 60 + beat, 80, 0) for beat in range(4, 8)
    ]


def test_new_notes_are_as_loud_as_their_neighbours():
    quiet = [(4 * beat, 4, 60, 20 if beat < 8 else 110, 0) for beat in range(16)]
    model = untrained("chorale", CASES["chorale"][1], parts=3)
    source = Piece.build([(*row[:4], part) for row in quiet for part in range(3)], 4, [Part()] * 3)
    varied = model.vary(source, seed=1, amount=1.0)
    begins, velocities = varied.notes["onset"], varied.notes["velocity"]
    assert set(velocities[begins < 29].tolist()) == {20}
    assert set(velocities[begins > 31].tolist()) == {110}


def test_particles_choose_what_leads_into_the_kept_bar():
    source = Piece.build([(4 * beat, 4, 60, 80, 0) for beat in range(12)], 4, [Part()], meters=(Meter(0, 4, 4),))
    model = untrained("notes", [source, piece(1, durations=(4,)), piece(2, durations=(4,))])
    model.stepper = Climbing(model.table, wish=3)

    def leading(particles: int) -> int:
        """In how many of the variations the note before the third bar is the one below it."""
        varied = model.vary(source, keep_bars="1,3", seed=2, count=40, particles=particles)
        return sum(one.notes["pitch"][one.notes["onset"] < 32][-1] == 59 for one in varied)

    alone, many = leading(1), leading(16)
    assert alone < 6
    assert many > 14


def test_the_seed_decides():
    model, sources = CASES["chorale"]
    one, two = model.vary(sources[0], count=2, seed=4, amount=0.5)
    assert model.vary(sources[0], seed=4, amount=0.5) == one
    assert one != two
    assert one.markers[0].text == f"seqgen {seqgen.__version__} seed 4"
    assert two.markers[0].text == f"seqgen {seqgen.__version__} seed 4 number 2"


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keep_bars": "6"}, "there is no bar 6: the piece has bars 1 to 5"),
        ({"keep_bars": [0]}, "there is no bar 0: the piece has bars 1 to 5"),
        ({"keep_bars": "1-5"}, "nothing to vary: all bars are kept, and the piece has bars 1 to 5"),
        ({"keep_bars": "3-1"}, "given as 1-4,8, not as '3-1'"),
        ({"keep_bars": "first"}, "given as 1-4,8, not as 'first'"),
        ({"amount": 1.5}, "the amount must be 0 .* to 1 .*, not 1.5"),
        ({"amount": float("nan")}, "the amount must be"),
        ({"particles": 0}, "the particles must be 1 to 10,000, not 0"),
        ({"count": 0}, "the count must be at least 1"),
        ({"temperature": -1}, "temperature must be 0"),
    ],
)
def test_what_is_refused(options, said):
    model, sources = CASES["notes"]
    with pytest.raises(ConfigError, match=said):
        model.vary(sources[0], **options)


def test_a_pickup_is_bar_0():
    model, sources = CASES["notes"]
    with pytest.raises(ConfigError, match="there is no bar 6: the piece has bars 0 to 5"):
        model.vary(sources[1], keep_bars="0-6")
    varied = model.vary(sources[1], keep_bars="0", seed=1)
    assert in_bars(varied, {0}) == in_bars(sources[1], {0})


def test_what_the_model_cannot_hold():
    model, sources = CASES["chorale"]
    with pytest.raises(TokenError, match="the piece does not fit the model: chorale wants 3 pitched parts"):
        model.vary(CASES["notes"][1][0])
    high = sources[0].transposed(40)
    with pytest.raises(SamplingError, match=r"no token for the pitch \d+ at quarter note 1, which is to be kept"):
        model.vary(high, keep_bars="1")
    slow = Piece.build([(0, 4, 60, 80, 0), (4, 13, 60, 80, 0), (17, 15, 60, 80, 0)], 4, [Part()])
    with pytest.raises(SamplingError, match=r"no token for a note of 3.25 quarters at quarter note 2"):
        CASES["notes"][0].vary(slow, keep_bars="1")
    odd = untrained("notes", [Piece.build([(0, 8, 60, 80, 0), (8, 8, 62, 80, 0)], 4, [Part()])])
    with pytest.raises(SamplingError, match="no sequence of this model's durations fills what is free"):
        odd.vary(Piece.build([(0, 8, 60, 80, 0), (8, 8, 60, 80, 0), (16, 3, 60, 80, 0)], 4, [Part()]), keep_bars="1")


def test_text_is_not_varied():
    model = untrained("chars", ["some text"])
    with pytest.raises(ConfigError, match="vary is for music, and this model writes text"):
        model.vary(CASES["notes"][1][0])
    with pytest.raises(ConfigError, match="vary wants music, and this is text"):
        CASES["notes"][0].vary("some text")


def test_a_range_of_bars_without_end_is_refused_at_once():
    model, sources = CASES["notes"]
    with pytest.raises(ConfigError, match="there is no bar 6: the piece has bars 1 to 5"):
        model.vary(sources[0], keep_bars="2-99999999999")
