"""Rhythm: what is refused, and that no note is cut off."""

from fractions import Fraction

import pytest
from made import piece, untrained
from obeys import Played, lasting

from seqgen.constraints import Rhythm
from seqgen.errors import ConfigError, SamplingError

SOURCES = [piece(seed, parts=2, durations=(1, 2, 3, 4)) for seed in range(3)]
CHORALE = untrained("chorale", SOURCES, parts=2)
VOICES = [piece(seed, durations=(1, 2, 4)) for seed in range(3)]


def test_durations_as_one_types_them():
    assert Rhythm("1/2, 1", 2, 0.25, "1.5").durations == [Fraction(n, 4) for n in (1, 2, 4, 6, 8)]


@pytest.mark.parametrize(
    ("durations", "message"),
    [
        (("quarter",), "a duration is a number of quarter notes, such as 1/2 for an eighth note, not 'quarter'"),
        (("1/0",), "not '1/0'"),
        ((0,), "more than 0 and at most 1000 quarter notes, not 0"),
        ((float("nan"),), "not nan"),
        ((), "one duration at least"),
    ],
)
def test_what_is_no_duration(durations, message):
    with pytest.raises(ConfigError, match=message):
        Rhythm(*durations)


def test_what_the_grid_cannot_hold():
    with pytest.raises(ConfigError, match=r"grid of 4 steps .* a duration of 1/3; the nearest it holds: 1/4 and 1/2"):
        CHORALE.generate(bars=1, constraints=[Rhythm("1/3")])
    with pytest.raises(ConfigError, match=r"a duration of 1/5; the nearest it holds: 1/4$"):
        CHORALE.generate(bars=1, constraints=[Rhythm("1/5")])


@pytest.mark.parametrize("joint", [False, True])
def test_what_the_vocabulary_does_not_have(joint):
    model = untrained("notes", VOICES, joint=joint)
    with pytest.raises(SamplingError, match=r"no notes of 5, 8 quarter notes; it has 1/4, 1/2, "):
        model.generate(bars=1, constraints=[Rhythm(5, 1, 8)])


@pytest.mark.parametrize("steps", [3, 7, 16, 30])
def test_a_number_of_steps_cuts_no_note_off(steps):
    for seed in range(10):
        made = CHORALE.generate(steps, seed=seed, constraints=[Rhythm(1)])
        assert lasting({Fraction(1)})(Played(made, "4/4", 0, steps, 0))
        assert made.end_tick <= steps


@pytest.mark.parametrize("joint", [False, True])
def test_rests_are_free(joint):
    """And what they leave is still filled exactly."""
    model = untrained("notes", VOICES, joint=joint)
    for seed in range(20):
        made = model.generate(bars=3, seed=seed, constraints=[Rhythm(1)])
        assert lasting({Fraction(1)})(Played(made, "4/4", 0, 48, 0))
