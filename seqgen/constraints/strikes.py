"""Which ids strike only allowed pitches: the mask that most music constraints come down to."""

from functools import lru_cache

import numpy as np

from seqgen.encodings import Table

ANY = np.ones(128, bool)


class Strikes:
    """Of a table's ids."""

    def __init__(self, table: Table) -> None:
        self._struck = _packed(table.pitches & table.strikes[:, None])  # (n_values, 2)
        self.only_packed = lru_cache(4096)(self._only)

    def only(self, pitches: np.ndarray) -> np.ndarray:
        """`(n_values,)` bool, read-only: not the ids that strike a pitch outside `pitches`, (128,) bool."""
        return self.only_packed(pitches.tobytes())

    def _only(self, pitches: bytes) -> np.ndarray:
        outside = _packed(~np.frombuffer(pitches, bool)[None])
        mask = np.logical_not(np.any(self._struck & outside, axis=1))
        mask.flags.writeable = False
        return mask


def of_classes(classes: frozenset[int]) -> np.ndarray:
    """`(128,)` bool: the pitches of these pitch classes."""
    return np.isin(np.arange(128) % 12, list(classes))


def near(pitches: tuple[int, ...], semitones: int) -> np.ndarray:
    """`(128,)` bool: at most so far from the nearest of `pitches`; all of them where there is none."""
    if not pitches:
        return ANY
    leaps = np.abs(np.arange(128)[:, None] - np.array(pitches))  # (128, pitches)
    return np.any(leaps <= semitones, axis=1)


def _packed(rows: np.ndarray) -> np.ndarray:
    """`(n, 128)` bool as `(n, 2)` uint64."""
    return np.packbits(rows, axis=1).view(np.uint64)
