"""A piece that ends exactly on a bar line."""

from collections.abc import Sequence

import numpy as np

from seqgen.constraints.base import Bound, Constraint, Material, Moment
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

    must_end = True

    def __init__(self, count: int, material: Material, others: np.ndarray) -> None:
        table = material.table
        self.name = f"{count} bars" if count > 1 else "1 bar"
        self._count, self._grammar, self._advance = count, material.grammar, table.advance
        moves, rests = (table.advance > 0) & others, table.kind == Kind.REST
        self._rests = rests & (table.advance > 0)
        self._rest_moves = sorted(set(table.advance[self._rests & others].tolist()))
        # encodings whose ids do not move the clock by themselves go on one grid step at a time
        self._moves = sorted(set(table.advance[moves & ~rests].tolist())) or [1]
        self._fills = self._fills_after_rest = np.ones(1, bool)
        self._masks: dict[int, np.ndarray] = {}  # by the grid steps that are left
        self._only_end = np.zeros(len(table.kind), bool)
        self._only_end[END] = True

    def start(self, given: Sequence[int], moment: Moment) -> None:
        left = self.end(moment) - moment.state.clock.time
        self._extend_to(left)
        if not self._fills[left]:
            what = "the rest of the bars" if moment.state.clock.time else self.name
            raise SamplingError(f"no sequence of this model's durations fills {what} exactly")

    def end(self, moment: Moment) -> int:
        """The grid step on which the piece ends, for one that is given up to `moment`."""
        clock = moment.state.clock
        pickup = clock.bar - clock.offset if clock.offset else 0
        begun_bars = max(0, -(-(clock.time - pickup) // clock.bar))
        return pickup + (begun_bars + self._count) * clock.bar

    def legal(self, own: None, moment: Moment) -> np.ndarray | None:
        assert moment.end is not None  # it is ours
        left = moment.end - moment.state.clock.time
        if left == 0 and self._grammar.at_step(moment.state):
            return self._only_end
        mask = self._masks.get(left)
        if mask is None:
            after = left - self._advance
            index = np.maximum(after, 0)
            mask = (after >= 0) & np.where(self._rests, self._fills_after_rest[index], self._fills[index])
            mask[END] = False
            self._masks[left] = mask
        return mask

    def _extend_to(self, up_to: int) -> None:
        """For 0 to `up_to` grid steps: whether notes and rests fill them, in any state and right after a rest.

        No rest follows a rest, which matters where a rest has a duration of its own, as in joint tokens.
        """
        if len(self._fills) > up_to:
            return
        anywhere, after_rest = [True], [True]
        for total in range(1, up_to + 1):
            after_rest.append(any(move <= total and anywhere[total - move] for move in self._moves))
            rest = any(move <= total and after_rest[total - move] for move in self._rest_moves)
            anywhere.append(after_rest[total] or rest)
        self._fills, self._fills_after_rest = np.array(anywhere), np.array(after_rest)
