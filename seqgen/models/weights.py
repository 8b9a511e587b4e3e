"""Cells and densor from an architecture; the weights of any model as the named arrays of a model file."""

from collections.abc import Mapping

import keras
import numpy as np

from seqgen.errors import ConfigError, ModelFileError
from seqgen.modelfile import Architecture, Seq2Seq
from seqgen.models.cells import Cell, Cells, GRU_cell, LSTM_cell, densor, stack_of
from seqgen.models.layers import build_layers, variables_of

Variables = dict[str, keras.Variable]  # by the names of the model file


def build(architecture: Architecture, *, seed: int | None = None) -> tuple[list[Cell], keras.layers.Dense]:
    """Cells from bottom to top and the densor, their weights created; `seed` fixes what is drawn."""
    new_cell = LSTM_cell if architecture.cell == "lstm" else GRU_cell
    seeds: list[int | None] = [None] * (architecture.layers + 1)
    if seed is not None:
        seeds = [int(word) for word in np.random.SeedSequence(seed).generate_state(len(seeds))]
    cells: list[Cell] = []
    inputs = architecture.n_values + sum(architecture.feature_sizes)
    for one in seeds[:-1]:
        cells.append(new_cell(architecture.n_a, seed=one))
        cells[-1].build((None, inputs))
        inputs = architecture.n_a
    output = densor(architecture.n_values, seed=seeds[-1])
    output.build((None, architecture.n_a))
    return cells, output


def weights_of(cell: Cells, densor: keras.layers.Dense) -> dict[str, np.ndarray]:
    """Copies of all weights, float32, named and shaped as in `modelfile.tensor_shapes`.

    Raises:
        ConfigError: a cell or the densor has no weights yet: it was in no model.
    """
    return copies(variables(cell, densor))


def load_weights(cell: Cells, densor: keras.layers.Dense, weights: Mapping[str, np.ndarray]) -> None:
    """Set all weights, named and shaped as `weights_of` gives them.

    Raises:
        ModelFileError: the names or shapes differ.
        ConfigError: as in `weights_of`.
    """
    assign(variables(cell, densor), weights)


def new_variables(architecture: Architecture | Seq2Seq, *, seed: int | None = None) -> Variables:
    """The weights of a new generator or encoder-decoder; `seed` fixes what is drawn."""
    if isinstance(architecture, Seq2Seq):
        return variables_of(build_layers(architecture, seed=seed))
    return variables(*build(architecture, seed=seed))


def copies(variables: Variables) -> dict[str, np.ndarray]:
    """Copies of all weights, float32."""
    return {name: np.array(variable.numpy(), np.float32) for name, variable in variables.items()}


def assign(variables: Variables, weights: Mapping[str, np.ndarray]) -> None:
    """Set all weights, or none.

    Raises:
        ModelFileError: the names or shapes differ.
    """
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    came = {name: np.shape(value) for name, value in weights.items()}
    if wanted != came:
        name = min(name for name in wanted.keys() | came.keys() if wanted.get(name) != came.get(name))
        raise ModelFileError(f"weights {name!r} should have shape {wanted.get(name)}, not {came.get(name)}")
    for name, variable in variables.items():
        variable.assign(weights[name])


def variables(cell: Cells, densor: keras.layers.Dense) -> Variables:
    """The Keras variables, by the names of the model file; raises as `weights_of` does."""
    layers = {f"layers/{index}": one for index, one in enumerate(stack_of(cell))} | {"densor": densor}
    for name, layer in layers.items():
        if not layer.weights:
            raise ConfigError(f"{name} ({layer.name}) has no weights yet; make a model from it, or use build()")
    return {f"{name}/{variable.name}": variable for name, layer in layers.items() for variable in layer.weights}
