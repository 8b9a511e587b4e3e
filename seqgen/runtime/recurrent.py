"""The numpy stepper of stacked LSTM or GRU cells under one densor.

The first layer never sees a one-hot: its input product is a row of the kernel, to which the bias is already added, and
one more row for each feature. A batch of one is computed on vectors, which BLAS and numpy do faster than on matrices
of one row.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqgen.errors import ConfigError, TokenError
from seqgen.modelfile import Architecture, check_weights
from seqgen.runtime.cells import GRU, LSTM
from seqgen.stepper import State


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

    def __init__(self, architecture: Architecture, weights: Mapping[str, np.ndarray]) -> None:
        """weights: named and shaped as in `modelfile.tensor_shapes(architecture)`; copied.

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
        self._table = self._cells.table
        self._kernel = np.array(weights["densor/kernel"], np.float32)
        self._bias = np.array(weights["densor/bias"], np.float32)
        self._batch = 0
        self._state: State = ()

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
        if len(ids) != self._batch:
            raise ConfigError(f"{len(ids)} ids came with the state of {self._batch} rows")
        if features is not None or self.feature_sizes:
            features = self._checked(features)
        self._first(self._row(ids, features) if self._batch == 1 else self._rows(ids, features))
        for advance in self._others:
            advance()
        self._product(self._kernel, self._out)  # (..., n_values)
        np.add(self._out, self._bias, self._out)
        return self._logits, state

    def take(self, state: State, rows: np.ndarray) -> State:
        """See `Stepper.take`."""
        return tuple(array[np.asarray(rows)] for array in state)

    def _bind(self, state: State) -> None:
        """Look up once what every step with this state needs: its slices, and buffers of its batch."""
        batch = len(state[0])
        if batch != self._batch:
            shape = () if batch == 1 else (batch,)
            self._batch, self._logits = batch, np.empty((batch, self.n_values), np.float32)
            self._out = self._logits[0] if batch == 1 else self._logits
            self._x, self._more = (np.empty((*shape, self._table.shape[1]), np.float32) for _ in range(2))
            self._cells.allocate(shape)
        arrays = [array[0] for array in state] if batch == 1 else state
        self._first, self._others = self._cells.bind(arrays)
        self._product = arrays[0][..., self._width - len(self._kernel) :].dot
        self._state = state

    def _row(self, ids: np.ndarray, features: np.ndarray | None) -> np.ndarray:
        """What the first layer's input adds to its gates, for a single row: `(gates,)`."""
        id = ids.item()
        if not 0 <= id < self.n_values:
            raise _outside(id, self.n_values, "id")
        x = self._table[id]
        if features is not None:
            places = zip(features[0].tolist(), self.feature_sizes, self._first_rows, strict=True)
            for index, (feature, size, first) in enumerate(places):
                if not 0 <= feature < size:
                    raise _outside(feature, size, f"feature {index}")
                x = np.add(x, self._table[first + feature], self._x)
        return x

    def _rows(self, ids: np.ndarray, features: np.ndarray | None) -> np.ndarray:
        """The same for a batch: `(batch, gates)`."""
        _check(ids, self.n_values, "id")
        x = self._table.take(ids, 0, self._x, "clip")  # checked above; otherwise numpy would buffer the result
        if features is not None:
            places = zip(features.T, self.feature_sizes, self._first_rows, strict=True)
            for index, (column, size, first) in enumerate(places):
                _check(column, size, f"feature {index}")
                np.add(x, self._table.take(column + first, 0, self._more, "clip"), x)
        return x

    def _checked(self, features: np.ndarray | None) -> np.ndarray | None:
        """`(batch, n_features)`, or None where the model takes none."""
        wanted = (self._batch, len(self.feature_sizes))
        if features is None or features.shape != wanted:
            came = "none" if features is None else f"{features.shape}"
            raise ConfigError(f"the model needs features of shape {wanted}, not {came}")
        return features


def _check(column: np.ndarray, size: int, what: str) -> None:
    """In range: numpy would take -1 for the last row."""
    low, high = column.min(), column.max()
    if low < 0 or high >= size:
        raise _outside(low if low < 0 else high, size, what)


def _outside(value: int, size: int, what: str) -> TokenError:
    return TokenError(f"{what} {value} is outside 0 to {size - 1}")
