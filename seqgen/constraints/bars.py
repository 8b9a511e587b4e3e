"""A piece that ends exactly on a bar line."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from seqgen.constraints.base import ANY_LENGTH, Bound, Constraint, Material, Moment, Strike
from seqgen.encodings import Kind
from seqgen.errors import ConfigError, SamplingError
from seqgen.vocabulary import END

_MOST = 10_000
_FAR = 1 << 40  # more events than any piece has


class Bars(Constraint):
    """The piece ends exactly after `count` full bars. Music only.

    They are counted from the first bar line: after the pickup if there is one, and not before the end of the prime.
    """

    fills = True

    def __init__(self, count: int) -> None:
        if not 1 <= count <= _MOST:
            raise ConfigError(f"a piece has 1 to {_MOST:,} bars, not {count:,}")
        self.count = count

    def bind(self, material: Material, others: np.ndarray) -> "BoundBars":
        if material.unit != "music":
            raise ConfigError("bars are for music, and this model writes text; give steps instead")
        return BoundBars(self.count, material, others)


class BoundBars(Bound):
    """See `Bars`. Where ids carry durations, only those are legal after which the rest can still be filled."""

    far = True
    must_end = True

    def __init__(self, count: int, material: Material, others: np.ndarray) -> None:
        table = material.table
        self.name = f"{count} bars" if count > 1 else "1 bar"
        self._count, self._grammar, self._advance = count, material.grammar, table.advance
        self._notes, self._rests = table.kind == Kind.NOTE, table.kind == Kind.REST
        self._durations = table.kind == Kind.DURATION
        self._in_events = bool((self._durations | (self._notes & (table.advance > 0))).any())
        moves = others & (table.advance > 0)
        notes = _distinct(table.advance[moves & (self._notes | self._durations)])
        self._note_moves = [steps for steps in notes if material.note_lengths >> steps & 1]
        waits = self._durations & (others & self._rests).any()  # for a duration
        self._rest_moves = _distinct(table.advance[moves & (self._rests | waits)])
        self._fewest = self._fewest_after_rest = np.zeros(1, int)  # by grid steps: events that fill them, or _FAR
        self._masks, self._note_lengths = lru_cache(4096)(self._mask), lru_cache(4096)(self._lengths)
        self._only_end = np.arange(len(table.kind)) == END

    def of_prime(self) -> None:
        return None

    def start(self, given: Sequence[int], moment: Moment) -> None:
        needed = self.end(moment) - moment.state.clock.time  # other encodings go on one grid step at a time
        if self._in_events:
            self._extend_to(needed)
            needed = int(self._fewest[needed])
        if needed >= _FAR:
            what = "the rest of the bars" if moment.state.clock.time else self.name
            raise SamplingError(f"no sequence of this model's durations fills {what} exactly")
        if moment.left is not None and needed > moment.left:
            raise SamplingError(
                f"{self.name} cannot be within {moment.left:,} steps: {needed:,} are needed; allow more of them"
            )

    def end(self, moment: Moment) -> int:
        """The grid step on which the piece ends, for one that is given up to `moment`."""
        return moment.next_bar + self._count * moment.state.clock.bar

    def legal(self, own: None, moment: Moment) -> np.ndarray:
        assert moment.end is not None  # it is ours
        left = moment.end - moment.state.clock.time
        if left == 0 and self._grammar.at_step(moment.state):
            return self._only_end
        if not self._in_events:
            return ~self._only_end
        events = left if moment.left is None else min(left, moment.left)  # none is shorter than a grid step
        return self._masks(left, bool(moment.sounding.notes[0]), events)

    def lengths(self, own: None, strike: Strike) -> int:
        if strike.end is None or not self._in_events:
            return ANY_LENGTH
        return self._note_lengths(strike.end - strike.onset)

    def _lengths(self, left: int) -> int:
        return sum(1 << steps for steps in self._note_moves if steps <= left and self._fewest[left - steps] < _FAR)

    def _mask(self, left: int, note_waits: bool, events: int) -> np.ndarray:
        """Where so many grid steps are left, and so many events for them, in encodings whose ids carry durations."""
        after = left - self._advance
        index = np.maximum(after, 0)
        rested = self._rests | (self._durations & (not note_waits))
        mask = (after >= 0) & (np.where(rested, self._fewest_after_rest[index], self._fewest[index]) < events)
        if self._durations.any():
            mask[self._notes] = self._fewest_after_rest[left] <= events  # there, too, a note comes first
            mask[self._rests] = any(
                steps <= left and self._fewest_after_rest[left - steps] < events for steps in self._rest_moves
            )
        mask[END] = False
        return mask

    def _extend_to(self, up_to: int) -> None:
        """For 0 to `up_to` grid steps: how few notes and rests fill them, in any state and right after a rest.

        No rest follows a rest, which matters where rests have other durations than notes.
        """
        if len(self._fewest) > up_to:
            return
        anywhere, after_rest = [0], [0]
        for total in range(1, up_to + 1):
            notes = [anywhere[total - move] + 1 for move in self._note_moves if move <= total]
            rests = [after_rest[total - move] + 1 for move in self._rest_moves if move <= total]
            after_rest.append(min([_FAR, *notes]))
            anywhere.append(min([_FAR, *notes, *rests]))
        self._fewest, self._fewest_after_rest = np.array(anywhere), np.array(after_rest)


def _distinct(values: np.ndarray) -> list[int]:
    return sorted(set(values.tolist()))
