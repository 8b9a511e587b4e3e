"""The numpy stepper of stacked LSTM or GRU cells under one densor.

The mathematics is Keras': LSTM after Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000), GRU
after Cho et al. (2014) in the `reset_after` form. What is prepared once, so that a step does little:

- the first layer never sees a one-hot: its input product is a row of the kernel, to which the bias is already added;
- sigmoid(x) = tanh(x / 2) / 2 + 1/2, so the columns of the sigmoid gates are halved (exact in floating point), one
  tanh serves all gates, and nothing can overflow;
- the hidden states of all layers lie side by side, so [input, hidden] of an upper layer is a slice, not a copy;
- a batch of one is computed on vectors, which BLAS and numpy do faster than on matrices of one row. Every line below
  serves both: `...` stands for the batch or for nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seqgen.errors import ConfigError, TokenError
from seqgen.modelfile import Architecture, check_weights
from seqgen.stepper import State

_HALF = np.array(0.5, np.float32)  # an array, since numpy converts a Python float anew at every call


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
        self._width = architecture.layers * architecture.n_a
        self._cells = (_LSTM if architecture.cell == "lstm" else _GRU)(architecture, weights)
        self._kernel = np.array(weights["densor/kernel"], np.float32)
        self._bias = np.array(weights["densor/bias"], np.float32)
        self._logits = np.empty((0, self.n_values), np.float32)

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
        batch = len(ids)
        if len(state[0]) != batch:
            raise ConfigError(f"{batch} ids came with the state of {len(state[0])} rows")
        if batch != len(self._logits):
            self._logits = np.empty((batch, self.n_values), np.float32)
            self._cells.allocate(() if batch == 1 else (batch,))
        columns = self._columns(ids, features)
        if batch == 1:
            a, logits = self._cells.step([column[0] for column in columns], [s[0] for s in state]), self._logits[0]
        else:
            a, logits = self._cells.step(columns, state), self._logits
        np.dot(a, self._kernel, out=logits)  # (..., n_values)
        np.add(logits, self._bias, out=logits)
        return self._logits, state

    def take(self, state: State, rows: np.ndarray) -> State:
        """See `Stepper.take`."""
        return tuple(array[np.asarray(rows)] for array in state)

    def _columns(self, ids: np.ndarray, features: np.ndarray | None) -> list[np.ndarray]:
        """The ids, then each feature, `(batch,)`, in range: numpy would take -1 for the last row."""
        _check(ids, self.n_values, "id")
        if features is None and not self.feature_sizes:
            return [ids]
        wanted = (len(ids), len(self.feature_sizes))
        if features is None or features.shape != wanted:
            came = "none" if features is None else f"{features.shape}"
            raise ConfigError(f"the model needs features of shape {wanted}, not {came}")
        columns = list(features.T)
        for index, (column, size) in enumerate(zip(columns, self.feature_sizes, strict=True)):
            _check(column, size, f"feature {index}")
        return [ids, *columns]


class _LSTM:
    """A stack of LSTM cells; its gates lie in the order input, forget, output, candidate."""

    n_states = 2

    def __init__(self, architecture: Architecture, weights: Mapping[str, np.ndarray]) -> None:
        self.n_a = n_a = architecture.n_a
        i, f, g, o = (np.arange(gate * n_a, (gate + 1) * n_a) for gate in range(4))  # Keras' order
        order = np.concatenate([i, f, o, g])
        scale = np.repeat(np.array([0.5, 0.5, 0.5, 1], np.float32), n_a)
        kernels, recurrent, biases = _stack(architecture, weights, lambda array: array[..., order] * scale)
        self.tables = _tables(kernels[0], biases[0], architecture)
        self.biases = biases  # (4 n_a,)
        # What a layer multiplies: [its input, its hidden state], and for the first its hidden state alone.
        pairs = zip(kernels[1:], recurrent[1:], strict=True)
        self.kernels = [recurrent[0], *(np.concatenate(pair) for pair in pairs)]

    def allocate(self, batch: tuple[int, ...]) -> None:
        n_a = self.n_a
        self.gates = np.empty((*batch, 4 * n_a), np.float32)
        self.sigmoids = self.gates[..., : 3 * n_a]
        self.i, self.f, self.o, self.g = (self.gates[..., k * n_a : (k + 1) * n_a] for k in range(4))

    def step(self, rows: Sequence[Any], state: Sequence[np.ndarray]) -> np.ndarray:
        """Update `state` in place from the rows of the tables; return the last layer's a."""
        a_all, c_all = state  # (..., layers * n_a)
        gates, sigmoids, n_a = self.gates, self.sigmoids, self.n_a
        for layer, kernel in enumerate(self.kernels):
            begin, end = layer * n_a, (layer + 1) * n_a
            np.dot(a_all[..., max(begin - n_a, 0) : end], kernel, out=gates)  # (..., 4 n_a)
            if layer:
                np.add(gates, self.biases[layer], out=gates)
            else:
                for table, row in zip(self.tables, rows, strict=True):
                    np.add(gates, table[row], out=gates)
            np.tanh(gates, out=gates)
            np.multiply(sigmoids, _HALF, out=sigmoids)
            np.add(sigmoids, _HALF, out=sigmoids)
            a, c = a_all[..., begin:end], c_all[..., begin:end]
            np.multiply(c, self.f, out=c)
            np.multiply(self.i, self.g, out=self.g)
            np.add(c, self.g, out=c)  # c = f * c + i * g
            np.tanh(c, out=a)
            np.multiply(a, self.o, out=a)  # a = o * tanh(c)
        return a_all[..., -n_a:]


class _GRU:
    """A stack of GRU cells (`reset_after`); its gates lie in Keras' order update, reset, candidate."""

    n_states = 1

    def __init__(self, architecture: Architecture, weights: Mapping[str, np.ndarray]) -> None:
        self.n_a = n_a = architecture.n_a
        scale = np.repeat(np.array([0.5, 0.5, 1], np.float32), n_a)
        kernels, recurrent, biases = _stack(architecture, weights, lambda array: array * scale)
        # The recurrent bias stays apart for the candidate only, where the reset gate comes in between.
        self.biases = [bias[0] + np.where(np.arange(3 * n_a) < 2 * n_a, bias[1], 0) for bias in biases]
        self.candidate_biases = [bias[1, 2 * n_a :].copy() for bias in biases]
        self.tables = _tables(kernels[0], self.biases[0], architecture)
        self.kernels, self.recurrent = kernels, recurrent

    def allocate(self, batch: tuple[int, ...]) -> None:
        n_a = self.n_a
        self.x, self.inner = (np.empty((*batch, 3 * n_a), np.float32) for _ in range(2))
        self.gates, self.candidate = self.inner[..., : 2 * n_a], self.inner[..., 2 * n_a :]
        self.update, self.reset = self.inner[..., :n_a], self.inner[..., n_a : 2 * n_a]

    def step(self, rows: Sequence[Any], state: Sequence[np.ndarray]) -> np.ndarray:
        """Update `state` in place from the rows of the tables; return the last layer's a."""
        (a_all,) = state  # (..., layers * n_a)
        inner, gates, candidate, n_a = self.inner, self.gates, self.candidate, self.n_a
        for layer, recurrent in enumerate(self.recurrent):
            begin, end = layer * n_a, (layer + 1) * n_a
            if layer:
                x = np.dot(a_all[..., begin - n_a : begin], self.kernels[layer], out=self.x)  # (..., 3 n_a)
                np.add(x, self.biases[layer], out=x)
            else:
                x = self.tables[0][rows[0]]
                for table, row in zip(self.tables[1:], rows[1:], strict=True):
                    x = np.add(x, table[row], out=self.x)
            a = a_all[..., begin:end]
            np.dot(a, recurrent, out=inner)
            np.add(gates, x[..., : 2 * n_a], out=gates)
            np.tanh(gates, out=gates)
            np.multiply(gates, _HALF, out=gates)
            np.add(gates, _HALF, out=gates)
            np.add(candidate, self.candidate_biases[layer], out=candidate)
            np.multiply(candidate, self.reset, out=candidate)
            np.add(candidate, x[..., 2 * n_a :], out=candidate)
            np.tanh(candidate, out=candidate)
            np.subtract(a, candidate, out=a)
            np.multiply(a, self.update, out=a)
            np.add(a, candidate, out=a)  # a = update * a + (1 - update) * candidate
        return a_all[..., -n_a:]


def _stack(
    architecture: Architecture, weights: Mapping[str, np.ndarray], prepare: Callable[[np.ndarray], np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Kernels, recurrent kernels and biases of all layers, each a prepared copy with contiguous rows."""

    def named(name: str) -> list[np.ndarray]:
        arrays = [np.asarray(weights[f"layers/{layer}/{name}"], np.float32) for layer in range(architecture.layers)]
        return [np.ascontiguousarray(prepare(array)) for array in arrays]

    return named("kernel"), named("recurrent_kernel"), named("bias")


def _tables(kernel: np.ndarray, bias: np.ndarray, architecture: Architecture) -> list[np.ndarray]:
    """The first kernel cut into one table of rows for the ids, bias added, and one for each feature."""
    sizes = (architecture.n_values, *architecture.feature_sizes)
    ids, *features = np.split(kernel, np.cumsum(sizes)[:-1])
    return [ids + bias, *features]


def _check(column: np.ndarray, size: int, what: str) -> None:
    low, high = (column[0], column[0]) if len(column) == 1 else (column.min(), column.max())
    if low < 0 or high >= size:
        raise TokenError(f"{what} {low if low < 0 else high} is outside 0 to {size - 1}")
