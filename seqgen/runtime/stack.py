"""A stack of cells under a densor, a step at a time over a batch: what the generator and every decoder have in common.

A batch of one is computed on vectors, which BLAS and numpy do faster than on matrices of one row. A batch that is worth
it is shared out over the processors, row by row.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from seqgen.errors import ConfigError
from seqgen.runtime.cells import GRU, LSTM
from seqgen.runtime.inputs import Inputs
from seqgen.runtime.product import Kernel
from seqgen.stepper import State
from seqgen.threads import blas_threads, processors, together

_WORTH = 30_000_000  # multiplications a step from which a second processor is worth calling
_FEWEST = 16  # rows a processor
# Multiplications of a single row from which numpy's threads are worth it: 16 MB of weights, which one processor cannot
# read as fast as the memory gives them. With less they still win where nothing else runs, but lose far more elsewhere.
_WIDE = 4_000_000


def divided(batch: int, work: int, threads: int) -> list[int]:
    """Where the shares of a batch begin and end: 0, ..., batch. work: multiplications of one row's step."""
    worth = max(1, min(threads, batch // _FEWEST, batch * work // _WORTH))
    return [batch * share // worth for share in range(worth + 1)]


class Parts(NamedTuple):
    """What a stack is made of."""

    cells: LSTM | GRU
    inputs: Inputs
    densor: Kernel
    bias: np.ndarray  # of the densor


class Stack:
    """Everything of a `seqgen.runtime.Stepper` but its start.

    A state begins with `(a, c)` for LSTM and `(a,)` for GRU: float32 `(batch, width)`, the layers side by side. `step`
    overwrites what it was given and returns it. A stack serves one thread: it keeps the buffers of a step for the next.
    """

    def __init__(
        self, cells: LSTM | GRU, inputs: Inputs, weights: Mapping[str, np.ndarray], work: int, threads: int | None
    ) -> None:
        """work: multiplications of one row's step. threads: see `RecurrentStepper`."""
        densor, bias = (np.array(weights[f"densor/{name}"], np.float32) for name in ("kernel", "bias"))
        self._parts, self._work = Parts(cells, inputs, Kernel(densor), bias), work
        self._columns = inputs.columns
        self.n_values = len(bias)
        self._threads = processors() if threads is None else threads
        self._state: State = ()  # to which the following belong
        self._logits = np.empty((0, self.n_values), np.float32)
        self._shares: Sequence[Share] = []

    def step(self, ids: np.ndarray, state: State, features: np.ndarray | None = None) -> tuple[np.ndarray, State]:
        """See `Stepper.step`.

        Raises:
            TokenError: an id or a feature outside its range.
            ConfigError: a state of another batch size, or not as many features as the model was trained with.
        """
        if state is not self._state:
            self._bind(state)
        if len(ids) != len(self._logits):
            raise ConfigError(f"{len(ids)} ids came with the state of {len(self._logits)} rows")
        columns = self._columns(ids, features)
        if len(ids) == 1 and self._work >= _WIDE and self._threads > 1:
            with blas_threads(self._threads):
                self._shares[0].step(columns)
        elif len(self._shares) == 1:
            self._shares[0].step(columns)
        else:
            together([partial(share.step, [column[share.rows] for column in columns]) for share in self._shares])
        return self._logits, state

    def take(self, state: State, rows: np.ndarray) -> State:
        """See `Stepper.take`."""
        return tuple(array[np.asarray(rows)] for array in state)

    def _bind(self, state: State) -> None:
        """Look up once what every step with this state needs."""
        batch = len(state[0])
        if batch != len(self._logits):
            self._logits = np.empty((batch, self.n_values), np.float32)
        ends = pairwise(divided(batch, self._work, self._threads))
        self._shares = [
            self._share(number, slice(*some) if batch > 1 else 0, state) for number, some in enumerate(ends)
        ]
        self._state = state

    def _share(self, number: int, rows: slice | int, state: State) -> "Share":
        """The rows, or the only row, of a batch; number: which of its shares they are."""
        return Share(self._parts, rows, state, self._logits)


class Share:
    """Some rows of a batch, or its only row, with buffers of their own."""

    def __init__(
        self, parts: Parts, rows: slice | int, state: State, logits: np.ndarray, hidden: np.ndarray | None = None
    ) -> None:
        """hidden: what the densor reads; None for the state of the last layer."""
        arrays = [array[rows] for array in state[: parts.cells.n_states]]
        self.rows, self.hidden = rows, arrays[0][..., -parts.cells.n_a :]
        self._read = parts.inputs.bind(arrays[0].shape[:-1])
        self._first, self._others = parts.cells.bind(arrays)
        self._out, self._bias = logits[rows], parts.bias
        self._product = parts.densor.onto(self.hidden if hidden is None else hidden, self._out)

    def step(self, columns: Sequence[Any]) -> None:
        """From what `Inputs.columns` says to logits."""
        self._first(self._read(columns))
        for advance in self._others:
            advance()
        self._product()  # (..., n_values)
        np.add(self._out, self._bias, self._out)
