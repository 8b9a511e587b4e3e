"""Velocities by the place in the bar."""

from dataclasses import replace

import numpy as np
import pytest
from made import piece as made_piece

from seqgen.corpus.loudness import ACCENTS, LEVELS, levels, profile, shaped, with_velocities_of
from seqgen.encodings.grid import quantised_spans
from seqgen.piece import Meter, Part, Piece


def sixteenths(meter: Meter, count: int, *, pickup: int = 0, velocities=None, meters=()) -> Piece:
    """A note on every tick of 4 a quarter."""
    velocities = velocities or [80] * count
    notes = [(tick, 1, 60, velocity, 0) for tick, velocity in zip(range(count), velocities, strict=True)]
    return Piece.build(notes, 4, meters=(meter, *meters), pickup_ticks=pickup)


COMMON = [0, 4, 3, 4, 2, 4, 3, 4, 1, 4, 3, 4, 2, 4, 3, 4]  # by hand: 4/4 in sixteenths


@pytest.mark.parametrize(
    ("meter", "wanted"),
    [
        ((4, 4), COMMON),
        ((3, 4), [0, 4, 3, 4, 2, 4, 3, 4, 2, 4, 3, 4]),
        ((6, 8), [0, 4, 4, 3, 4, 4, 1, 4, 4, 3, 4, 4]),
        ((2, 2), [0, 4, 4, 4, 3, 4, 4, 4, 1, 4, 4, 4, 3, 4, 4, 4]),
    ],
)
def test_the_levels_of_a_bar(meter, wanted):
    assert levels(sixteenths(Meter(0, *meter), 2 * len(wanted))).tolist() == wanted * 2


def test_a_pickup_is_the_end_of_a_bar():
    assert levels(sixteenths(Meter(0, 4, 4), 19, pickup=3)).tolist() == [*COMMON[-3:], *COMMON]


def test_a_new_meter_begins_a_new_bar():
    changing = sixteenths(Meter(0, 4, 4), 16 + 12, meters=[Meter(16, 3, 4)])
    assert levels(changing).tolist() == [*COMMON, 0, 4, 3, 4, 2, 4, 3, 4, 2, 4, 3, 4]


def test_what_was_measured_is_given_back():
    """A corpus in which the level alone decides comes out as it was."""
    loud = (100, 90, 80, 60, 40)
    corpus = [sixteenths(Meter(0, 4, 4), 32, velocities=[loud[level] for level in COMMON * 2])]
    assert profile(corpus) == loud
    flat = sixteenths(Meter(0, 4, 4), 32)
    assert shaped(flat, profile(corpus)) == corpus[0]


@pytest.mark.parametrize("velocity", [30, 80, 127])
def test_a_corpus_with_one_velocity_is_accented_around_it(velocity):
    found = profile([sixteenths(Meter(0, 4, 4), 32, velocities=[velocity] * 32)])
    assert len(set(found)) > 1
    assert found[2] == pytest.approx(velocity, abs=15)
    assert max(found) <= 127


def test_without_notes_there_are_the_usual_accents():
    assert profile([]) == profile([Piece.build([], 4)]) == ACCENTS
    assert len(ACCENTS) == len(LEVELS)


def test_the_notes_of_a_prime_keep_their_velocities():
    original = made_piece(3)
    notes = original.notes.copy()
    notes["velocity"] = np.arange(len(notes)) + 20
    original = replace(original, notes=notes)
    longer = shaped(original, ACCENTS)
    assert longer != original
    assert with_velocities_of(longer, original) == original


def test_velocities_of_what_lies_between_two_grid_steps():
    """They go where the encoding puts the notes: halves up."""
    original = Piece.build([(onset, 1, 60, 30 + onset, 0) for onset in (1, 3, 5, 8)], 8, [Part()])
    notes, _, _ = quantised_spans(original.notes, 8, 4)
    spelled = Piece.build([(onset, 1, 60, 64, 0) for onset in notes.tolist()], 4, [Part()])
    assert spelled.notes["onset"].tolist() == [1, 2, 3, 4]
    assert with_velocities_of(spelled, original).notes["velocity"].tolist() == [31, 33, 35, 38]
