"""A piece that ends exactly on a bar line."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from seqgen.constraints.base import ANY_LENGTH, Bound, Constraint, Material, Moment, Strike
from seqgen.encodings import Kind
from seqgen.errors import ConfigError, SamplingError
from seqgen.vocabulary import END

_MOST = 10_000


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
        self._fills = self._fills_after_rest = np.ones(1, bool)
        self._masks, self._note_lengths = lru_cache(4096)(self._mask), lru_cache(4096)(self._lengths)
        self._only_end = np.arange(len(table.kind)) == END

    def of_prime(self) -> None:
        return None

    def start(self, given: Sequence[int], moment: Moment) -> None:
        left = self.end(moment) - moment.state.clock.time
        if not self._in_events:  # they go on one grid step at a time
            return
        self._extend_to(left)
        if not self._fills[left]:
            what = "the rest of the bars" if moment.state.clock.time else self.name
            raise SamplingError(f"no sequence of this model's durations fills {what} exactly")

    def end(self, moment: Moment) -> int:
        """The grid step on which the piece ends, for one that is given up to `moment`."""
        return moment.next_bar + self._count * moment.state.clock.bar

    def legal(self, own: None, moment: Moment) -> np.ndarray:
        assert moment.end is not None  # it is ours
        left = moment.end - moment.state.clock.time
        if left == 0 and self._grammar.at_step(moment.state):
            return self._only_end
        return self._masks(left, bool(moment.sounding.notes[0])) if self._in_events else ~self._only_end

    def lengths(self, own: None, strike: Strike) -> int:
        if strike.end is None or not self._in_events:
            return ANY_LENGTH
        return self._note_lengths(strike.end - strike.onset)

    def _lengths(self, left: int) -> int:
        return sum(1 << steps for steps in self._note_moves if steps <= left and self._fills[left - steps])

    def _mask(self, left: int, note_waits: bool) -> np.ndarray:
        """Where so many grid steps are left, in encodings whose ids carry durations."""
        after = left - self._advance
        index = np.maximum(after, 0)
        rested = self._rests | (self._durations & (not note_waits))
        mask = (after >= 0) & np.where(rested, self._fills_after_rest[index], self._fills[index])
        if self._durations.any():
            mask[self._notes] = self._fills_after_rest[left]  # there, too, a note comes first
            mask[self._rests] = any(
                steps <= left and self._fills_after_rest[left - steps] for steps in self._rest_moves
            )
        mask[END] = False
        return mask

    def _extend_to(self, up_to: int) -> None:
        """For 0 to `up_to` grid steps: whether notes and rests fill them, in any state and right after a rest.

        No rest follows a rest, which matters where rests have other durations than notes.
        """
        if len(self._fills) > up_to:
            return
        anywhere, after_rest = [True], [True]
        for total in range(1, up_to + 1):
            after_rest.append(any(move <= total and anywhere[total - move] for move in self._note_moves))
            rest = any(move <= total and after_rest[total - move] for move in self._rest_moves)
            anywhere.append(after_rest[total] or rest)
        self._fills, self._fills_after_rest = np.array(anywhere), np.array(after_rest)


def _distinct(values: np.ndarray) -> list[int]:
    return sorted(set(values.tolist()))
