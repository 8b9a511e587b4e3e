"""A chorale in grid steps: what is seen of a step when the soprano is known, and what the three voices tell."""

from collections.abc import Hashable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

VOICES = 3
MOVES = tuple(product((False, True), repeat=VOICES))  # f: whether alto, tenor, bass move
STILL = 0  # of MOVES
SILENT = 0  # the value of a pitch that is a rest

Voicing = tuple[int, ...]  # a value for each of alto, tenor, bass


class Steps(NamedTuple):
    """A piece, by grid steps. Pitches are SILENT or 1 and up, from the lowest of each part on."""

    name: str
    pitches: np.ndarray  # (steps, 4) int: what sounds in soprano, alto, tenor, bass
    moves: np.ndarray  # (steps, 4) bool
    places: np.ndarray  # (steps,) int: sixteenths since the last quarter


class Seen(NamedTuple):
    """What is given of a grid step."""

    place: int
    strikes: tuple[bool, ...]  # of the soprano, from two steps before to two steps after
    now: int  # the soprano
    before: int
    following: int  # what it strikes next

    @property
    def rhythm(self) -> tuple[Hashable, ...]:
        """What the moves depend on, from the most to the least."""
        return (self.place, self.strikes), (self.place, self.strikes[2])

    @property
    def motion(self) -> tuple[tuple[int | None, ...], ...]:
        """What bigrams depend on: how the soprano has come, and how it goes on; nothing where it is silent."""
        come, goes = (value - self.now if value and self.now else None for value in (self.before, self.following))
        return (come, goes), (come,), ()

    @property
    def melody(self) -> tuple[Hashable, ...]:
        """What a voice that moves for itself depends on."""
        return (self.now, self.before, self.following), (self.now, self.before), self.now, ()


class Told(NamedTuple):
    """What is told of a grid step by the three voices."""

    memory: int  # of MOVES: which voices moved last
    moved: int  # of MOVES
    u: Voicing
    v: Voicing
    w: Voicing


def given(chorale: Steps) -> Iterator[Seen]:
    """What is seen of each grid step."""
    sopranos, strikes = chorale.pitches[:, 0].tolist(), chorale.moves[:, 0].tolist()
    around = [False, False, *strikes, False, False]
    following = [SILENT] * len(sopranos)
    for step in reversed(range(len(sopranos) - 1)):
        following[step] = sopranos[step + 1] if strikes[step + 1] else following[step + 1]
    for step, (place, now) in enumerate(zip(chorale.places.tolist(), sopranos, strict=True)):
        before = sopranos[step - 1] if step else SILENT
        yield Seen(place, tuple(around[step : step + 5]), now, before, following[step])


def followed(chorale: Steps) -> Iterator[Told]:
    """What the three voices tell at each grid step."""
    memory, u, v = STILL, (SILENT,) * VOICES, (SILENT,) * VOICES
    rows = chorale.pitches[:, 1:].tolist(), chorale.moves[:, 1:].tolist(), chorale.places.tolist()
    for pitches, moves, place in zip(*rows, strict=True):
        moved, w = MOVES.index(tuple(moves)), tuple(pitches)
        yield Told(memory, moved, u, v, w)
        if moved != STILL:
            u, v = v, w
        if moved != STILL or place % 2 == 0:  # between two eighths, those of the eighth are remembered
            memory = moved
