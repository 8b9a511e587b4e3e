"""Constraints: masks over what the grammar allows. They read only the encoding's table and the grammar's state."""

from typing import Any, Protocol

import numpy as np

from seqgen.encodings import Grammar, Kind, Table
from seqgen.errors import ConfigError, SamplingError
from seqgen.vocabulary import END

_MOST_BARS = 10_000


class Constraint(Protocol):
    """What else must hold. `bind` is called once for a model, `legal` before every draw."""

    def bind(self, grammar: Grammar, table: Table) -> None:
        """Raises SamplingError where the constraint cannot be met from the start."""
        ...

    def legal(self, state: Any) -> np.ndarray | None:
        """`(n_values,)` bool, or None where everything is allowed; `state` is the grammar's."""
        ...


class Bars:
    """The piece ends exactly after `count` full bars. Music only.

    They are counted from the first bar line: after the pickup if there is one, and not before the end of the prime,
    which is `begun` grid steps long.
    """

    def __init__(self, count: int, begun: int = 0) -> None:
        if count < 1:
            raise ConfigError(f"a piece has at least 1 bar, not {count}")
        if count > _MOST_BARS:
            raise ConfigError(f"a piece has at most {_MOST_BARS:,} bars, not {count:,}")
        self.count, self.begun = count, begun

    def bind(self, grammar: Grammar, table: Table) -> None:
        self._grammar = grammar
        self._advance = table.advance
        self._rests = (table.kind == Kind.REST) & (table.advance > 0)
        self._rest_moves = sorted(set(table.advance[self._rests].tolist()))
        # encodings whose ids do not move the clock by themselves go on one grid step at a time
        self._moves = sorted(set(table.advance[(table.advance > 0) & ~self._rests].tolist())) or [1]
        self._fills = self._fills_after_rest = np.ones(1, bool)
        self._only_end = np.zeros(len(table.kind), bool)
        self._only_end[END] = True

    def legal(self, state: Any) -> np.ndarray | None:
        clock = state.clock
        pickup = clock.bar - clock.offset if clock.offset else 0
        begun_bars = max(0, -(-(self.begun - pickup) // clock.bar))
        left = pickup + (begun_bars + self.count) * clock.bar - clock.time
        if left == 0 and self._grammar.at_step(state):
            return self._only_end
        if left < 0:
            raise SamplingError(
                f"the prime is longer than {self.count} bars: say how long it is with Bars(..., begun=...)"
            )
        self._extend_to(left)
        if not self._fills[left]:
            what = "the rest of the bars" if clock.time else f"{self.count} bars"
            raise SamplingError(f"no sequence of this model's durations fills {what} exactly")
        after = left - self._advance
        index = np.maximum(after, 0)
        filled = np.where(self._rests, self._fills_after_rest[index], self._fills[index])
        mask = (after >= 0) & filled
        mask[END] = False
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
