"""The numpy stepper of a generator: stacked LSTM or GRU cells under one densor.

The first layer never sees a one-hot: its input product is a row of the kernel, to which the bias is already added, and
one more row for each feature.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqgen.errors import ConfigError
from seqgen.modelfile import Architecture, check_weights
from seqgen.runtime.cells import GRU, LSTM, layers_of
from seqgen.runtime.inputs import of_ids
from seqgen.runtime.stack import Stack
from seqgen.stepper import State


class RecurrentStepper(Stack):
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
        layers = layers_of(weights, "layers", architecture.layers)
        cells = (LSTM if architecture.cell == "lstm" else GRU)(layers)
        self.feature_sizes = architecture.feature_sizes
        inputs = of_ids(cells.in_order(layers[0].kernel), cells.bias, architecture.n_values, self.feature_sizes)
        work = sum(array.size for name, array in weights.items() if name != "layers/0/kernel")
        super().__init__(cells, inputs, weights, work, threads)

    def start(self, batch: int, context: Any = None) -> State:
        """Zeros.

        Raises:
            ConfigError: a context was given (a generator attends to nothing), or batch < 1.
        """
        if context is not None or batch < 1:
            raise ConfigError(f"a generator starts with batch >= 1 and no context, not {batch} and {context!r}")
        cells = self._parts.cells
        return tuple(np.zeros((batch, cells.width), np.float32) for _ in range(cells.n_states))
