"""Part writing: the figures are what a teacher would mark in a score."""

import pytest
from made import piece

from seqgen.errors import ConfigError
from seqgen.evaluate import part_writing
from seqgen.evaluate.part_writing import crossings
from seqgen.piece import Part, Piece


def chords(*rows: tuple[int | None, ...]) -> Piece:
    """A quarter note each: soprano, alto, tenor, bass; None is a rest."""
    notes = [(4 * time, 4, pitch, 80, part) for time, row in enumerate(rows) for part, pitch in enumerate(row) if pitch]
    return Piece.build(notes, 4, [Part()] * 4)


GOOD = chords((72, 67, 64, 48), (71, 67, 62, 55))  # contrary motion
BAD = chords((72, 67, 64, 48), (74, 69, 65, 50))  # all go up: octaves soprano and bass, fifths alto and bass


def figures(own: Piece, made: Piece) -> dict[str, tuple[float | None, float | None]]:
    return {row.name: (row.own, row.made) for row in part_writing([own], [made])}


def test_parallels_are_shares_of_the_moves_of_pairs():
    """In GOOD the alto stays: three pairs of voices move. In BAD all six do."""
    found = figures(GOOD, BAD)
    assert found["parallel octaves"] == (0, 1 / 6)
    assert found["parallel fifths"] == (0, 1 / 6)
    assert found["notes out of range"] == (0, 0)
    assert found["voices crossed"] == (0, 0)
    assert part_writing([BAD, GOOD], [BAD])[0].ratio == pytest.approx((1 / 6) / (1 / 9))
    assert part_writing([GOOD], [BAD])[0].ratio is None


def test_ranges_and_crossings():
    made = chords((80, 67, 67, 48), (60, 62, 64, 38), (None, 67, 68, 48), (72, None, None, 48))
    found = figures(GOOD, made)
    assert found["notes out of range"] == (0, 3 / 13)  # G#5 for the soprano, G#4 for the tenor, D2 for the bass
    # alto over soprano, tenor over alto, and once more the latter; a unison is no crossing
    assert found["voices crossed"] == (0, pytest.approx(3 / 8))
    assert crossings(made) == {True: 3, False: 5}


def test_held_notes_count_once_between_two_events():
    held = Piece.build([(0, 8, 60, 80, 0), (0, 4, 62, 80, 1), (4, 4, 59, 80, 1)], 4, [Part()] * 4)
    assert crossings(held) == {True: 1, False: 1}


@pytest.mark.parametrize(("own", "made"), [([], [GOOD]), ([GOOD], []), ([piece(1, parts=3)], [GOOD])])
def test_what_cannot_be_compared(own, made):
    with pytest.raises(ConfigError, match=r"there are no pieces to compare|4 voices are compared, and .* has 3"):
        part_writing(own, made)
