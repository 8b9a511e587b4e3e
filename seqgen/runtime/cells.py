"""Stacks of LSTM or GRU cells, bound to the arrays they work on: one function a layer, nothing allocated in a step.

The mathematics is Keras': LSTM after Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000), GRU
after Cho et al. (2014) in the `reset_after` form. What is prepared once, so that a step does little:

- the hidden states of all layers lie side by side, so [input, hidden] of an upper layer is a slice, not a copy, and
  its two kernels are one matrix;
- sigmoid(x) = tanh(x / 2) / 2 + 1/2, so the columns of the sigmoid gates are halved (exact in floating point), one
  tanh serves all gates, and nothing can overflow;
- `bind` looks everything up: the slices of the states and the functions of numpy. What is left in a step are calls
  with positional arguments, which numpy answers in half the time that `out=` takes.

Every line serves a batch and a single row: `...` stands for the batch, or for nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from seqgen.modelfile import Architecture
from seqgen.runtime.product import Kernel

Layers = tuple[Callable[[np.ndarray], None], list[Callable[[], None]]]  # the first takes its input product, with bias

_HALF = np.array(0.5, np.float32)  # an array, since numpy converts a Python float anew at every call


class LSTM:
    """A stack of LSTM cells; its gates lie in the order input, forget, output, candidate."""

    n_states = 2

    def __init__(self, architecture: Architecture, weights: Mapping[str, np.ndarray]) -> None:
        self.n_a = n_a = architecture.n_a
        i, f, g, o = (np.arange(gate * n_a, (gate + 1) * n_a) for gate in range(4))  # Keras' order
        order = np.concatenate([i, f, o, g])
        scale = np.repeat(np.array([0.5, 0.5, 0.5, 1], np.float32), n_a)
        kernels, recurrent, self.biases = _stack(architecture, weights, lambda array: array[..., order] * scale)
        self.table = kernels[0] + _first_rows(self.biases[0], architecture)
        # What a layer multiplies: [its input, its hidden state], and for the first its hidden state alone.
        pairs = zip(kernels[1:], recurrent[1:], strict=True)
        self.kernels = [Kernel(recurrent[0]), *(Kernel(np.concatenate(pair)) for pair in pairs)]

    def bind(self, state: Sequence[np.ndarray]) -> Layers:
        """The layers' steps, each updating `state` `(..., layers * n_a)` in place; they share their buffers."""
        gates = np.empty((*state[0].shape[:-1], 4 * self.n_a), np.float32)
        layers = [self._layer(index, gates, *state) for index in range(len(self.kernels))]
        return layers[0], [partial(step, bias) for step, bias in zip(layers[1:], self.biases[1:], strict=True)]

    def _layer(
        self, layer: int, gates: np.ndarray, a_all: np.ndarray, c_all: np.ndarray
    ) -> Callable[[np.ndarray], None]:
        n_a, half = self.n_a, _HALF
        begin, end = layer * n_a, (layer + 1) * n_a
        product = self.kernels[layer].onto(a_all[..., max(begin - n_a, 0) : end], gates)
        a, c = a_all[..., begin:end], c_all[..., begin:end]
        sigmoids = gates[..., : 3 * n_a]
        i, f, o, g = (gates[..., k * n_a : (k + 1) * n_a] for k in range(4))
        add, multiply, tanh = np.add, np.multiply, np.tanh

        def step(x: np.ndarray) -> None:
            product()  # to gates (..., 4 n_a)
            add(gates, x, gates)
            tanh(gates, gates)
            multiply(sigmoids, half, sigmoids)
            add(sigmoids, half, sigmoids)
            multiply(c, f, c)
            multiply(i, g, g)
            add(c, g, c)  # c = f * c + i * g
            tanh(c, a)
            multiply(a, o, a)  # a = o * tanh(c)

        return step


class GRU:
    """A stack of GRU cells (`reset_after`); its gates lie in Keras' order update, reset, candidate."""

    n_states = 1

    def __init__(self, architecture: Architecture, weights: Mapping[str, np.ndarray]) -> None:
        self.n_a = n_a = architecture.n_a
        scale = np.repeat(np.array([0.5, 0.5, 1], np.float32), n_a)
        kernels, recurrent, biases = _stack(architecture, weights, lambda array: array * scale)
        # The recurrent bias stays apart for the candidate only, where the reset gate comes in between.
        self.biases = [bias[0] + np.where(np.arange(3 * n_a) < 2 * n_a, bias[1], 0) for bias in biases]
        self.candidate_biases = [bias[1, 2 * n_a :].copy() for bias in biases]
        self.table = kernels[0] + _first_rows(self.biases[0], architecture)
        self.kernels = [Kernel(array) for array in kernels[1:]]  # of the second layer and up
        self.recurrent = [Kernel(array) for array in recurrent]

    def bind(self, state: Sequence[np.ndarray]) -> Layers:
        """See `LSTM.bind`."""
        x, inner = (np.empty((*state[0].shape[:-1], 3 * self.n_a), np.float32) for _ in range(2))
        layers = [self._layer(index, inner, *state) for index in range(len(self.recurrent))]
        return layers[0], [self._upper(index, step, x, *state) for index, step in enumerate(layers[1:], 1)]

    def _layer(self, layer: int, inner: np.ndarray, a_all: np.ndarray) -> Callable[[np.ndarray], None]:
        n_a, half, bias = self.n_a, _HALF, self.candidate_biases[layer]
        a = a_all[..., layer * n_a : (layer + 1) * n_a]
        product = self.recurrent[layer].onto(a, inner)
        gates, candidate = inner[..., : 2 * n_a], inner[..., 2 * n_a :]
        update, reset = inner[..., :n_a], inner[..., n_a : 2 * n_a]
        add, subtract, multiply, tanh = np.add, np.subtract, np.multiply, np.tanh

        def step(x: np.ndarray) -> None:
            product()  # to inner (..., 3 n_a)
            add(gates, x[..., : 2 * n_a], gates)
            tanh(gates, gates)
            multiply(gates, half, gates)
            add(gates, half, gates)
            add(candidate, bias, candidate)
            multiply(candidate, reset, candidate)
            add(candidate, x[..., 2 * n_a :], candidate)
            tanh(candidate, candidate)
            subtract(a, candidate, a)
            multiply(a, update, a)
            add(a, candidate, a)  # a = update * a + (1 - update) * candidate

        return step

    def _upper(
        self, layer: int, step: Callable[[np.ndarray], None], x: np.ndarray, a_all: np.ndarray
    ) -> Callable[[], None]:
        product = self.kernels[layer - 1].onto(a_all[..., (layer - 1) * self.n_a : layer * self.n_a], x)
        bias, add = self.biases[layer], np.add

        def whole() -> None:
            product()  # to x (..., 3 n_a)
            add(x, bias, x)
            step(x)

        return whole


def _stack(
    architecture: Architecture, weights: Mapping[str, np.ndarray], prepare: Callable[[np.ndarray], np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Kernels, recurrent kernels and biases of all layers, each a prepared copy with contiguous rows."""

    def named(name: str) -> list[np.ndarray]:
        arrays = [np.asarray(weights[f"layers/{layer}/{name}"], np.float32) for layer in range(architecture.layers)]
        return [np.ascontiguousarray(prepare(array)) for array in arrays]

    return named("kernel"), named("recurrent_kernel"), named("bias")


def _first_rows(bias: np.ndarray, architecture: Architecture) -> np.ndarray:
    """What to add to the first kernel: the bias in the rows of the ids, of which every step takes exactly one."""
    rows = np.arange(architecture.n_values + sum(architecture.feature_sizes)) < architecture.n_values
    return np.where(rows[:, None], bias, np.float32(0))
