"""How typical one piece or text is of a corpus: neither unlikely nor too likely, and within the corpus in its traits.

The most probable sequence is not like those people make: real music and text carry about the same surprise a token all
along (Meister et al. 2023, Locally Typical Sampling). So a piece is held against the *median* surprise of pieces that
were held out, and its traits against the range that nine pieces in ten keep to.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from seqgen.corpus.families import melodies
from seqgen.evaluate.statistics import LAGS, pitched, rate, repetition
from seqgen.piece import Piece

_OUTER = (0.05, 0.95)  # quantiles
_NARROWEST = 0.05  # nats, of the range that surprise is measured in

Trait = Callable[[Piece | str], float]


class Typical(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is usual in a corpus: 5 % quantile, median and 95 % quantile of each."""

    nats: tuple[float, float, float] | None = None  # a token, of held-out pieces; None where nothing was held out
    traits: dict[str, tuple[float, float, float]] = {}


class Place(NamedTuple):
    """Where a piece lies; 0 is in the middle of the corpus, more is less typical."""

    surprise: float  # how far from the median, in widths of the range
    outside: tuple[str, ...]  # the traits that lie outside theirs

    @property
    def distance(self) -> float:
        """Both together: a trait outside counts as much as surprise a whole range away from the median."""
        return self.surprise + len(self.outside)


def typical(contents: Sequence[Piece | str], nats: Sequence[float]) -> Typical:
    """What is usual in `contents`; nats: a token, of pieces held out, one for each."""
    found = [traits(content) for content in contents]
    names = sorted(set().union(*found)) if found else []
    ranges = {name: _quantiles([row[name] for row in found if name in row]) for name in names}
    return Typical(_quantiles(nats) if len(nats) else None, ranges)


def place(usual: Typical, content: Piece | str, nats: float) -> Place:
    """Where a piece lies in a corpus; nats: its own, a token."""
    surprise = 0.0
    if usual.nats is not None:
        low, middle, high = usual.nats
        surprise = abs(nats - middle) / max(high - low, _NARROWEST)
    own = traits(content)
    ranges = usual.traits.items()
    outside = [name for name, (low, _, high) in ranges if name in own and not low <= own[name] <= high]
    return Place(surprise, tuple(outside))


def traits(content: Piece | str) -> dict[str, float]:
    """What can be measured of one piece or text; nothing of an empty one."""
    return _of_text(content) if isinstance(content, str) else _of_piece(content)


def _of_piece(piece: Piece) -> dict[str, float]:
    notes = pitched(piece)
    if not len(notes):
        return {}
    quarters = piece.end_tick / piece.ticks_per_quarter
    steps = np.concatenate([np.abs(np.diff(line)) for line in melodies(piece)])
    found = {
        "notes a quarter": len(notes) / quarters,
        "lowest pitch": float(notes["pitch"].min()),
        "highest pitch": float(notes["pitch"].max()),
        "different pitches": float(len(np.unique(notes["pitch"]))),
        "different durations": float(len(np.unique(notes["duration"]))),
    }
    if len(steps):
        found["mean melodic step"] = float(steps.mean())
        found["repeated notes"] = float((steps == 0).mean())
    repeats = [share for lag in LAGS if (share := rate(repetition(piece, lag))) is not None]
    if repeats:
        found["bars that return"] = max(repeats)
    return found


def _of_text(text: str) -> dict[str, float]:
    words = text.split()
    if not words:
        return {}
    lines = [line for line in text.splitlines() if line.strip()]
    pairs = list(pairwise(words))
    found = {
        "characters a word": float(np.mean([len(word) for word in words])),
        "characters a line": float(np.mean([len(line) for line in lines])),
    }
    if pairs:
        found["pairs of words that return"] = 1 - len(set(pairs)) / len(pairs)
    return found


def _quantiles(values: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(np.array(values, float), (_OUTER[0], 0.5, _OUTER[1])).round(4).tolist()
    return low, middle, high
