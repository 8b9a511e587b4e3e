"""The numpy stepper of stacked LSTM or GRU cells under one densor.

The first layer never sees a one-hot: its input product is a row of the kernel, to which the bias is already added, and
one more row for each feature. A batch of one is computed on vectors, which BLAS and numpy do faster than on matrices
of one row. A batch that is worth it is shared out over the processors, row by row.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from seqgen.errors import ConfigError, TokenError
from seqgen.modelfile import Architecture, check_weights
from seqgen.runtime.cells import GRU, LSTM
from seqgen.runtime.product import Kernel
from seqgen.stepper import State
from seqgen.threads import blas_threads, processors, together

_WORTH = 30_000_000  # multiplications a step from which a second processor is worth calling
_FEWEST = 16  # rows a processor
# Multiplications of a single row from which numpy's threads are worth it: 16 MB of weights, which one processor cannot
# read as fast as the memory gives them. With less they still win where nothing else runs, but lose far more elsewhere.
_WIDE = 4_000_000


class RecurrentStepper:
    """`seqgen.runtime.Stepper` for an `Architecture`: LSTM or GRU, any number of layers, with or without features.

    The state is `(a, c)` for LSTM and `(a,)` for GRU: float32 `(batch, layers * n_a)`, the layers side by side, zeros
    at the start. To begin elsewhere pass arrays of your own; `step` overwrites them and returns them. One stepper
    serves one thread: it keeps the buffers of a step for the next one.

    >>> from seqgen.modelfile import tensor_shapes
    >>> architecture = Architecture(cell="gru", n_a=2, layers=1, n_values=5)
    >>> weights = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(architecture).items()}
    >>> stepper = RecurrentStepper(architecture, weights)
    >>> logits, state = stepper.step(np.array([1]), stepper.start(batch=1))
    >>> logits.shape
    (1, 5)
    """

    def __init__(
        self, architecture: Architecture, weights: Mapping[str, np.ndarray], *, threads: int | None = None
    ) -> None:
        """weights: named and shaped as in `modelfile.tensor_shapes(architecture)`; copied.

        threads: over how many a large batch, or the products of a large model, are shared out; None for as many as
        there are processors. The numbers that come out are the same.

        Raises:
            ModelFileError: weights that do not fit the architecture.
        """
        check_weights(architecture, weights)
        self.n_values = architecture.n_values
        self.feature_sizes = architecture.feature_sizes
        sizes = (self.n_values, *self.feature_sizes)
        self._first_rows = [sum(sizes[:index]) for index in range(1, len(sizes))]  # of each feature, in the table
        self._width = architecture.layers * architecture.n_a
        self._cells = (LSTM if architecture.cell == "lstm" else GRU)(architecture, weights)
        self._densor = Kernel(np.array(weights["densor/kernel"], np.float32))
        self._bias = np.array(weights["densor/bias"], np.float32)
        self._work = sum(array.size for name, array in weights.items() if name != "layers/0/kernel")  # of one row
        self._threads = processors() if threads is None else threads
        self._state: State = ()  # to which the following belong
        self._logits = np.empty((0, self.n_values), np.float32)
        self._shares: list[_Share] = []

    def start(self, batch: int, context: Any = None) -> State:
        """Zeros.

        Raises:
            ConfigError: a context was given (a generator attends to nothing), or batch < 1.
        """
        if context is not None or batch < 1:
            raise ConfigError(f"a generator starts with batch >= 1 and no context, not {batch} and {context!r}")
        return tuple(np.zeros((batch, self._width), np.float32) for _ in range(self._cells.n_states))

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
        places = self._places(ids, features)
        if len(ids) == 1 and self._work >= _WIDE and self._threads > 1:
            with blas_threads(self._threads):
                self._shares[0].step(places)
        elif len(self._shares) == 1:
            self._shares[0].step(places)
        else:
            together([partial(share.step, [column[share.rows] for column in places]) for share in self._shares])
        return self._logits, state

    def take(self, state: State, rows: np.ndarray) -> State:
        """See `Stepper.take`."""
        return tuple(array[np.asarray(rows)] for array in state)

    def _bind(self, state: State) -> None:
        """Look up once what every step with this state needs."""
        batch = len(state[0])
        worth = min(self._threads, batch // _FEWEST, batch * self._work // _WORTH)
        ends = [batch * share // max(1, worth) for share in range(max(1, worth) + 1)]
        if batch != len(self._logits):
            self._logits = np.empty((batch, self.n_values), np.float32)
        self._shares = [
            _Share(slice(begin, end) if batch > 1 else 0, self._cells, self._densor, self._bias, state, self._logits)
            for begin, end in pairwise(ends)
        ]
        self._state = state

    def _places(self, ids: np.ndarray, features: np.ndarray | None) -> list[Any]:
        """The rows of the table to add: `(batch,)` for the ids and for each feature; numbers for a batch of one.

        All are in range: numpy would take -1 for the last row.
        """
        if features is None and not self.feature_sizes:
            return [_checked(ids, self.n_values, "id")]
        wanted = (len(ids), len(self.feature_sizes))
        if features is None or features.shape != wanted:
            came = "none" if features is None else f"{features.shape}"
            raise ConfigError(f"the model needs features of shape {wanted}, not {came}")
        places = [_checked(ids, self.n_values, "id")]
        for index, (size, first) in enumerate(zip(self.feature_sizes, self._first_rows, strict=True)):
            places.append(first + _checked(features[:, index], size, f"feature {index}"))
        return places


class _Share:
    """Some rows of a batch, or its only row, with buffers of their own."""

    def __init__(
        self,
        rows: slice | int,
        cells: LSTM | GRU,
        densor: Kernel,
        bias: np.ndarray,
        state: State,
        logits: np.ndarray,
    ) -> None:
        arrays = [array[rows] for array in state]
        self.rows, self._table, self._bias, self._out = rows, cells.table, bias, logits[rows]
        self._first, self._others = cells.bind(arrays)
        self._product = densor.onto(arrays[0][..., -densor.matrix.shape[0] :], self._out)
        shape = (*arrays[0].shape[:-1], cells.table.shape[1])
        self._x, self._more = np.empty(shape, np.float32), np.empty(shape, np.float32)

    def step(self, places: Sequence[Any]) -> None:
        """From the rows of the table to logits."""
        self._first(self._row(places) if isinstance(self.rows, int) else self._gathered(places))
        for advance in self._others:
            advance()
        self._product()  # (..., n_values)
        np.add(self._out, self._bias, self._out)

    def _row(self, places: Sequence[int]) -> np.ndarray:
        x = self._table[places[0]]
        for place in places[1:]:
            x = np.add(x, self._table[place], self._x)
        return x

    def _gathered(self, places: Sequence[np.ndarray]) -> np.ndarray:
        x = self._table.take(places[0], 0, self._x, "clip")  # all are in range; otherwise numpy would buffer the rows
        for column in places[1:]:
            np.add(x, self._table.take(column, 0, self._more, "clip"), x)
        return x


def _checked(column: np.ndarray, size: int, what: str) -> Any:
    """The column itself, or its only number."""
    if len(column) == 1:
        low = high = column = column.item()
    else:
        low, high = column.min(), column.max()
    if low < 0 or high >= size:
        raise TokenError(f"{what} {low if low < 0 else high} is outside 0 to {size - 1}")
    return column
