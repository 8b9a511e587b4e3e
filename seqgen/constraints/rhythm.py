"""How long notes may last."""

from collections.abc import Sequence
from fractions import Fraction
from math import floor

import numpy as np

from seqgen.constraints.base import ANY_LENGTH, Bound, Constraint, Material, Moment, Strike
from seqgen.encodings import Kind
from seqgen.errors import ConfigError, SamplingError


class Rhythm(Constraint):
    """Every note lasts one of some durations, in quarter notes: `Rhythm("1/2", 1, 2)` or `Rhythm("1/2, 1, 2")`.

    Rests are free. A note of the prime that still sounds may last as it likes. Music only.
    """

    def __init__(self, *durations: str | float | Fraction) -> None:
        """Raises ConfigError where one is no duration."""
        words = [word for one in durations for word in (one.split(",") if isinstance(one, str) else [one])]
        self.durations = sorted({_duration(word) for word in words})
        if not self.durations:
            raise ConfigError("a rhythm has one duration at least, such as 1/2 for an eighth note")
        self.name = f"rhythm {', '.join(map(str, self.durations))}"

    def bind(self, material: Material, others: np.ndarray) -> "BoundRhythm":
        material.music_only("a rhythm")
        grid: int = material.grammar.grid
        for duration in self.durations:
            if (duration * grid).denominator != 1:
                below, above = Fraction(floor(duration * grid), grid), Fraction(floor(duration * grid) + 1, grid)
                near = f"{below} and {above}" if below else str(above)
                raise ConfigError(
                    f"the model's grid of {grid} steps a quarter note cannot hold a duration of {duration}; "
                    f"the nearest it holds: {near}"
                )
        return BoundRhythm(self, material)


class BoundRhythm(Bound):
    """See `Rhythm`. The state is the grid step from which on notes are judged."""

    rules_lengths = True

    def __init__(self, rhythm: Rhythm, material: Material) -> None:
        self.name = rhythm.name
        grid, table = material.grammar.grid, material.table
        steps = {int(duration * grid) for duration in rhythm.durations}
        said = (table.advance > 0) & ((table.kind == Kind.NOTE) | (table.kind == Kind.DURATION))
        there = set(table.advance[said].tolist())
        missing = ", ".join(str(Fraction(length, grid)) for length in sorted(steps - there))
        if there and missing:
            has = ", ".join(str(Fraction(length, grid)) for length in sorted(there))
            raise SamplingError(f"this model has no notes of {missing} quarter notes; it has {has}")
        self.note_lengths = sum(1 << length for length in steps)
        if there and (table.kind[said] == Kind.NOTE).all():
            self.ever = ~said | np.isin(table.advance, list(steps))
        # where notes do not say how long they are, one might be cut off by the number of steps
        self.must_end = not there

    def start(self, given: Sequence[int], moment: Moment) -> int:
        return moment.state.clock.time

    def lengths(self, own: int, strike: Strike) -> int:
        return ANY_LENGTH if strike.onset < own else self.note_lengths


def _duration(word: str | float | Fraction) -> Fraction:
    try:
        duration = Fraction(word.strip() if isinstance(word, str) else word)
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ConfigError(
            f"a duration is a number of quarter notes, such as 1/2 for an eighth note, not {word!r}"
        ) from error
    if not 0 < duration <= 1000:
        raise ConfigError(f"a duration is more than 0 and at most 1000 quarter notes, not {word}")
    return duration
