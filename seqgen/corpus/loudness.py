"""How loud notes are by their place in the bar: measured in a corpus, given to music whose encoding carries none."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seqgen.encodings.grid import quantise
from seqgen.piece import Meter, Piece

LEVELS = ("bar line", "middle of the bar", "beat", "half of a beat", "between")
# Where a corpus says nothing, such as scores, which have one value for all: as a player accents a bar.
ACCENTS = (92.0, 84.0, 80.0, 74.0, 70.0)
_FLAT = 2.0  # a corpus whose levels differ by less does not accent


def profile(pieces: Sequence[Piece]) -> tuple[float, ...]:
    """The mean velocity at each of LEVELS; ACCENTS around the corpus' mean where it does not accent at all."""
    counts, sums = np.zeros(len(LEVELS)), np.zeros(len(LEVELS))
    for piece in pieces:
        level = levels(piece)
        counts += np.bincount(level, minlength=len(LEVELS))
        sums += np.bincount(level, piece.notes["velocity"], minlength=len(LEVELS))
    if not counts.sum():
        return ACCENTS
    mean = sums.sum() / counts.sum()
    means = np.where(counts > 0, sums / np.maximum(counts, 1), mean)
    if means.max() - means.min() < _FLAT:
        means = np.array(ACCENTS) + mean - ACCENTS[2]
    return tuple(np.clip(means, 1, 127).round(1).tolist())


def shaped(piece: Piece, velocities: Sequence[float]) -> Piece:
    """The piece with the velocity of every note from its place in the bar."""
    notes = piece.notes.copy()
    notes["velocity"] = np.round(np.array(velocities)[levels(piece)])
    return replace(piece, notes=notes)


def with_velocities_of(piece: Piece, original: Piece) -> Piece:
    """The piece with the velocities of those of its notes that `original` has too, a little off the grid or not."""
    loud = original.notes
    onsets = quantise(loud["onset"], original.ticks_per_quarter, piece.ticks_per_quarter)
    struck = dict(
        zip(zip(onsets.tolist(), loud["pitch"].tolist(), strict=True), loud["velocity"].tolist(), strict=True)
    )
    notes = piece.notes.copy()
    pairs = zip(notes["onset"].tolist(), notes["pitch"].tolist(), notes["velocity"].tolist(), strict=True)
    notes["velocity"] = [struck.get((onset, pitch), velocity) for onset, pitch, velocity in pairs]
    return replace(piece, notes=notes)


def levels(piece: Piece) -> np.ndarray:
    """`(n,)`: for every note the index in LEVELS of its onset. A beat of 6/8, 9/8 and 12/8 has three eighths."""
    onsets = piece.notes["onset"].astype(np.int64)
    bars = np.array(piece.bar_lines(), np.int64)
    if piece.pickup_ticks and len(bars) > 1:  # a pickup is the end of a bar that begins before the piece
        bars[0] = bars[1] - _meter(piece, 0).bar_ticks(piece.ticks_per_quarter)
    found = np.full(len(onsets), len(LEVELS) - 1)
    if not len(onsets):
        return found
    place = onsets - bars[np.searchsorted(bars, onsets, side="right") - 1]
    starts = np.array([meter.tick for meter in piece.meters[1:]], np.int64)
    of_meter = np.searchsorted(starts, onsets, side="right")
    for index in set(of_meter.tolist()):
        here = of_meter == index
        bar, beat = _meter(piece, index).bar_ticks(piece.ticks_per_quarter), _beat_ticks(piece, index)
        for level, length in ((3, beat / 2), (2, beat), (1, bar / 2 if (bar / beat) % 2 == 0 else bar), (0, bar)):
            found[here & (place % max(1, length) == 0)] = level
    return found


def _meter(piece: Piece, index: int) -> Meter:
    return piece.meters[index] if piece.meters else Meter(0, 4, 4)


def _beat_ticks(piece: Piece, index: int) -> float:
    meter = _meter(piece, index)
    compound = meter.denominator >= 8 and meter.numerator % 3 == 0
    return piece.ticks_per_quarter * 4 / meter.denominator * (3 if compound else 1)
