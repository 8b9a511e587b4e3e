"""Constraints: masks over what the grammar allows. They read only the encoding's table and the grammar's state."""

from typing import Any, Protocol

import numpy as np

from seqgen.encodings import Grammar, Table
from seqgen.errors import ConfigError, SamplingError
from seqgen.vocabulary import END


class Constraint(Protocol):
    """What else must hold. `bind` is called once for a model, `legal` before every draw."""

    def bind(self, grammar: Grammar, table: Table) -> None:
        """Raises SamplingError where the constraint cannot be met from the start."""
        ...

    def legal(self, state: Any) -> np.ndarray | None:
        """`(n_values,)` bool, or None where everything is allowed; `state` is the grammar's."""
        ...


class Bars:
    """The piece ends exactly at the end of bar `count` (after the pickup, if there is one). Music only."""

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ConfigError(f"a piece has at least 1 bar, not {count}")
        self.count = count

    def bind(self, grammar: Grammar, table: Table) -> None:
        self._grammar = grammar
        self._advance = table.advance
        # encodings whose ids do not move the clock by themselves go on one grid step at a time
        self._moves = sorted(set(table.advance[table.advance > 0].tolist())) or [1]
        self._reachable = np.ones(1, bool)
        self._only_end = np.zeros(len(table.kind), bool)
        self._only_end[END] = True

    def legal(self, state: Any) -> np.ndarray | None:
        clock = state.clock
        pickup = clock.bar - clock.offset if clock.offset else 0
        left = pickup + self.count * clock.bar - clock.time
        if left == 0 and self._grammar.at_step(state):
            return self._only_end
        reachable = self._sums(left)
        if clock.time == 0 and not reachable[left]:
            raise SamplingError(f"no sequence of this model's durations fills {self.count} bars exactly")
        after = left - self._advance
        mask = (after >= 0) & reachable[np.maximum(after, 0)]
        mask[END] = False
        return mask

    def _sums(self, up_to: int) -> np.ndarray:
        """For 0 to `up_to`: whether it is a sum of the steps the clock can make."""
        if len(self._reachable) <= up_to:
            reachable = np.zeros(up_to + 1, bool)
            reachable[0] = True
            for total in range(1, up_to + 1):
                reachable[total] = any(move <= total and reachable[total - move] for move in self._moves)
            self._reachable = reachable
        return self._reachable
