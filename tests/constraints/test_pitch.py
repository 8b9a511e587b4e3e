"""Scale, key, range and leap: what is refused, and what the prime has to do with it."""

import pytest
from made import piece, untrained
from obeys import Played, leaps

from seqgen.constraints import Key, MaxLeap, Range, Scale
from seqgen.errors import ConfigError, SamplingError

CHORALE = untrained("chorale", [piece(seed, parts=4) for seed in range(4)], parts=4)  # A 55 to B 71
NOTES = untrained("notes", [piece(seed) for seed in range(4)])
CHARS = untrained("chars", ["some text of letters"])


def test_a_key_is_the_control_that_the_piece_begins_with():
    made = CHORALE.generate(bars=1, seed=1, constraints=[Key("Gb-major")])
    assert made.keys[0][1:] == (6, "major")
    assert {pitch % 12 for pitch in made.notes["pitch"].tolist()} <= {6, 8, 10, 11, 1, 3, 5}


def test_two_keys_contradict_each_other():
    with pytest.raises(ConfigError, match="want the key C-major and D-minor"):
        CHORALE.generate(bars=1, constraints=[Key("C-major"), Key("D-minor")])


def test_parts_have_ranges_of_their_own():
    wanted = {0: (67, 71), 1: (62, 66), 2: (62, 66), 3: (55, 58)}
    made = CHORALE.generate(bars=4, seed=2, constraints=[Range.of("sop=G4-B4, D4-F#4, Bass=G3-A#3")])
    for part, (low, high) in wanted.items():
        pitches = made.part_notes(part)["pitch"]
        assert pitches.min() >= low
        assert pitches.max() <= high


@pytest.mark.parametrize(
    ("model", "wanted", "message"),
    [
        (CHORALE, "banjo=C4-C5", "there is no part 'banjo'; the parts are Soprano, Alto, Tenor, Bass"),
        (CHORALE, "bass=C4-C5, B=C3-C4", "bass and B are the same part"),
        (NOTES, "bass=C3-C4", "one part without a name; give it one range, without bass="),
        (CHARS, "C3-C4", "range C3-C4 is for music, and this model writes text"),
    ],
)
def test_a_range_for_no_part_is_refused(model, wanted, message):
    with pytest.raises(ConfigError, match=message):
        model.generate(4, constraints=[Range.of(wanted)])


def test_an_ambiguous_part_is_refused():
    model = untrained("chorale", [piece(1, parts=5)], parts=5)
    with pytest.raises(ConfigError, match="'part' may be Part 1 or Part 2 or Part 3 or Part 4 or Part 5"):
        model.generate(4, constraints=[Range.of("part=C4-C5")])
    model.generate(4, constraints=[Range.of("part 2=C4-C5")])


def test_ranges_that_contradict_themselves_are_refused():
    with pytest.raises(ConfigError, match="gives all parts two ranges"):
        Range.of("C3-C4, C4-C5")
    with pytest.raises(ConfigError, match="begins above its end"):
        Range("C5", "C4")
    with pytest.raises(ConfigError, match="0 to 127 semitones, not -1"):
        MaxLeap(-1)


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ([Range("C7", "C8")], "no note of the part Soprano of this model fits range C7-C8"),
        ([Range.of("bass=C#4-C#4"), Scale("C-major")], "part Bass .* fits range bass=C#4-C#4 and scale C-major"),
        ([Scale("C-major"), Range.of("bass=C#4-C#4")], "part Bass .* fits scale C-major and range bass=C#4-C#4"),
    ],
)
def test_what_leaves_a_part_no_note_is_said_at_the_start(constraints, message):
    with pytest.raises(SamplingError, match=message):
        CHORALE.generate(bars=1, constraints=constraints)


@pytest.mark.parametrize("encoding", ["notes", "frames", "chorale"])
def test_the_first_new_note_is_reached_from_the_prime(encoding):
    """What sounds there, or was struck last."""
    parts = {"chorale": 2}.get(encoding, 1)
    prime = piece(3, parts=parts, bars=1)
    model = untrained(encoding, [prime, piece(4, parts=parts)], **({"parts": 2} if parts == 2 else {}))
    for seed in range(10):
        made = model.generate(bars=1, prime=prime, seed=seed, constraints=[MaxLeap(2)])
        assert made.from_tick(0).notes[: len(prime.notes)]["pitch"].tolist() == prime.notes["pitch"].tolist()
        assert leaps(2)(Played(made, "4/4", 16, 32, 0))


def test_a_prime_outside_may_go_on():
    prime = piece(3, parts=4, bars=1)
    made = CHORALE.generate(bars=1, prime=prime, seed=1, constraints=[Scale("F#-pentatonic")])
    new = made.notes[made.notes["onset"] >= 16]["pitch"] % 12
    assert set(new.tolist()) <= {6, 8, 10, 1, 3}
