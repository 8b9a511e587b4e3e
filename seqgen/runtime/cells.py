"""Stacks of LSTM or GRU cells, bound to the arrays they work on: one function a layer, nothing allocated in a step.

The mathematics is Keras': LSTM after Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000), GRU
after Cho et al. (2014) in the `reset_after` form. What is prepared once, so that a step does little:

- the hidden states of all layers lie side by side, so [input, hidden] of an upper layer is a slice, not a copy, and
  its two kernels are one matrix;
- sigmoid(x) = tanh(x / 2) / 2 + 1/2, so the columns of the sigmoid gates are halved (exact in floating point), one
  tanh serves all gates, and nothing can overflow;
- `bind` looks everything up: the slices of the states and the functions of numpy. What is left in a step are calls
  with positional arguments, which numpy answers in half the time that `out=` takes.

What the first layer reads differs from model to model, so its product is the caller's: `in_order` and `bias` say how.
With one state through depth, all layers work on the same slice.

Every line serves a batch and a single row: `...` stands for the batch, or for nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from seqgen.runtime.product import Kernel

Layers = tuple[Callable[[np.ndarray], None], list[Callable[[], None]]]  # the first takes its input product, with bias

_HALF = np.array(0.5, np.float32)  # an array, since numpy converts a Python float anew at every call


class Layer(NamedTuple):
    """The tensors of a cell as a model file has them; see `seqgen.architecture.tensor_shapes`."""

    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray


def layers_of(weights: Mapping[str, np.ndarray], stack: str, count: int) -> list[Layer]:
    """The layers of the stack whose tensors are called `stack/0/kernel` and so on."""
    names = ("kernel", "recurrent_kernel", "bias")
    return [Layer(*(weights[f"{stack}/{layer}/{name}"] for name in names)) for layer in range(count)]


class LSTM:
    """A stack of LSTM cells; its gates lie in the order input, forget, output, candidate."""

    n_states = 2

    def __init__(self, layers: Sequence[Layer], *, through_depth: bool = False) -> None:
        """layers: the first one's kernel is left to the caller."""
        self.n_a = n_a = len(layers[0].recurrent)
        i, f, g, o = (np.arange(gate * n_a, (gate + 1) * n_a) for gate in range(4))  # Keras' order
        self._order = np.concatenate([i, f, o, g])
        self._scale = np.repeat(np.array([0.5, 0.5, 0.5, 1], np.float32), n_a)
        self._biases = [self.in_order(layer.bias) for layer in layers]
        # What a layer multiplies: [its input, its hidden state], and for the first its hidden state alone.
        self._kernels = [Kernel(self.in_order(layers[0].recurrent))]
        self._slices = [slice(0, n_a)]
        for index, layer in enumerate(layers[1:]):
            if through_depth:  # the two are the same numbers
                self._kernels.append(Kernel(self.in_order(layer.kernel + layer.recurrent)))
                self._slices.append(slice(0, n_a))
            else:
                self._kernels.append(Kernel(self.in_order(np.concatenate([layer.kernel, layer.recurrent]))))
                self._slices.append(slice(index * n_a, (index + 2) * n_a))
        self.width = self._slices[-1].stop  # of a state
        self.bias = self._biases[0]

    def in_order(self, array: np.ndarray) -> np.ndarray:
        """A copy, float32, its last axis `4 n_a` as the steps have it; for kernel and bias of an input product."""
        return np.ascontiguousarray(np.asarray(array, np.float32)[..., self._order] * self._scale)

    def bind(self, state: Sequence[np.ndarray]) -> Layers:
        """The layers' steps, each updating `state` `(..., width)` in place; they share their buffers."""
        gates = np.empty((*state[0].shape[:-1], 4 * self.n_a), np.float32)
        layers = [self._layer(index, gates, *state) for index in range(len(self._kernels))]
        return layers[0], [partial(step, bias) for step, bias in zip(layers[1:], self._biases[1:], strict=True)]

    def _layer(
        self, layer: int, gates: np.ndarray, a_all: np.ndarray, c_all: np.ndarray
    ) -> Callable[[np.ndarray], None]:
        n_a, half = self.n_a, _HALF
        read = self._slices[layer]
        product = self._kernels[layer].onto(a_all[..., read], gates)
        a, c = a_all[..., read.stop - n_a : read.stop], c_all[..., read.stop - n_a : read.stop]
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

    def __init__(self, layers: Sequence[Layer], *, through_depth: bool = False) -> None:
        """See `LSTM`."""
        self.n_a = n_a = len(layers[0].recurrent)
        self._scale = np.repeat(np.array([0.5, 0.5, 1], np.float32), n_a)
        biases = [self.in_order(layer.bias) for layer in layers]
        # The recurrent bias stays apart for the candidate only, where the reset gate comes in between.
        self._biases = [bias[0] + np.where(np.arange(3 * n_a) < 2 * n_a, bias[1], 0) for bias in biases]
        self._candidate_biases = [bias[1, 2 * n_a :].copy() for bias in biases]
        self._kernels = [Kernel(self.in_order(layer.kernel)) for layer in layers[1:]]  # of the second layer and up
        self._recurrent = [Kernel(self.in_order(layer.recurrent)) for layer in layers]
        starts = [0 if through_depth else index * n_a for index in range(len(layers))]
        self._slices = [slice(start, start + n_a) for start in starts]
        self.width = self._slices[-1].stop
        self.bias = self._biases[0]

    def in_order(self, array: np.ndarray) -> np.ndarray:
        """See `LSTM.in_order`; `3 n_a`."""
        return np.asarray(array, np.float32) * self._scale

    def bind(self, state: Sequence[np.ndarray]) -> Layers:
        """See `LSTM.bind`."""
        x, inner = (np.empty((*state[0].shape[:-1], 3 * self.n_a), np.float32) for _ in range(2))
        layers = [self._layer(index, inner, *state) for index in range(len(self._recurrent))]
        return layers[0], [self._upper(index, step, x, *state) for index, step in enumerate(layers[1:], 1)]

    def _layer(self, layer: int, inner: np.ndarray, a_all: np.ndarray) -> Callable[[np.ndarray], None]:
        n_a, half, bias = self.n_a, _HALF, self._candidate_biases[layer]
        a = a_all[..., self._slices[layer]]
        product = self._recurrent[layer].onto(a, inner)
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
        product = self._kernels[layer - 1].onto(a_all[..., self._slices[layer - 1]], x)
        bias, add = self._biases[layer], np.add

        def whole() -> None:
            product()  # to x (..., 3 n_a)
            add(x, bias, x)
            step(x)

        return whole
