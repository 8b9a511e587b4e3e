"""How the voices of harmonisations lie and move, beside those of the pieces that the melodies were taken from."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from seqgen.errors import ConfigError
from seqgen.evaluate.statistics import FOUR_PART, VOICE_RANGES, Counts, Statistic, pooled, rate, voices
from seqgen.piece import Piece


class PartWriting(NamedTuple):
    """One rate of two sets of pieces; None where a set has nothing to count."""

    name: str
    values: str  # of what it is a share
    own: float | None  # of the pieces
    made: float | None  # of what was made of their melodies

    @property
    def ratio(self) -> float | None:
        """How many times as often what was made has it."""
        return self.made / self.own if self.own and self.made is not None else None


def part_writing(own: Sequence[Piece], made: Sequence[Piece]) -> tuple[PartWriting, ...]:
    """Parallel fifths and octaves, notes outside the range of their voice, voices that cross.

    own, made: soprano, alto, tenor and bass in this order, one note a part at a time, on the same grid.

    Raises:
        ConfigError: a set is empty, or a piece has another number of parts.
    """
    for pieces in (own, made):
        if not pieces:
            raise ConfigError("there are no pieces to compare")
        for piece in pieces:
            if len(piece.parts) != len(VOICE_RANGES):
                raise ConfigError(f"{len(VOICE_RANGES)} voices are compared, and {piece!r} has {len(piece.parts)}")
    return tuple(PartWriting(one.name, one.values, rate(pooled(one, own)), rate(pooled(one, made))) for one in _FIGURES)


def crossings(piece: Piece) -> Counts:
    """Whether a voice sounds above the one that is written over it, asked of neighbours that both sound."""
    counts: Counts = Counter()
    for upper, lower in pairwise(voices(piece)):
        both = (upper >= 0) & (lower >= 0)
        crossed = int(np.count_nonzero(both & (lower > upper)))
        counts.update({True: crossed, False: int(np.count_nonzero(both)) - crossed})
    return counts


_KNOWN = ("parallel fifths", "parallel octaves", "notes out of range")
_FIGURES = (
    *(statistic for statistic in FOUR_PART if statistic.name in _KNOWN),
    Statistic("voices crossed", "share of what two neighbours sound together", crossings, rate=True),
)
