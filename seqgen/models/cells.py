"""The two objects every model shares: one `LSTM_cell` (or a stack of cells) and one `densor`.

A cell is a single step; the loop belongs to the caller. Weights are created once, when a cell or densor first meets
its input; training model, inference model and stepper are views of them.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from seqgen.errors import ConfigError

Cell = keras.layers.LSTMCell | keras.layers.GRUCell
Cells = Cell | Sequence[Cell]  # one cell, or a stack from bottom to top


def LSTM_cell(n_a: int, *, seed: int | None = None, **options: Any) -> keras.layers.LSTMCell:
    """One step of an LSTM (Hochreiter & Schmidhuber 1997) with a forget gate (Gers et al. 2000).

    Call it as `a, [a, c] = cell(x, [a, c])` with x `(batch, n_inputs)`, a and c `(batch, n_a)`, all float32. The
    forget gate's bias starts at 1 (Jozefowicz et al. 2015), the recurrent kernel orthogonal, the kernel
    Glorot-uniform; `seed` fixes both draws. `options` go to `keras.layers.LSTMCell`.
    """
    return keras.layers.LSTMCell(n_a, **_initializers(seed) | options)


def GRU_cell(n_a: int, *, seed: int | None = None, **options: Any) -> keras.layers.GRUCell:
    """One step of a GRU (Cho et al. 2014), the reset gate applied after the recurrent product.

    Call it as `a, [a] = cell(x, [a])` with x `(batch, n_inputs)`, a `(batch, n_a)`; it has no c. `seed` and
    `options` as in `LSTM_cell`.
    """
    return keras.layers.GRUCell(n_a, reset_after=True, **_initializers(seed) | options)


def densor(n_values: int, *, seed: int | None = None, **options: Any) -> keras.layers.Dense:
    """The output layer: a `(batch, n_a)` to probabilities `(batch, n_values)`, a softmax."""
    options = {"kernel_initializer": keras.initializers.GlorotUniform(seed)} | options
    return keras.layers.Dense(n_values, activation="softmax", **options)


def stack_of(cell: Cells) -> list[Cell]:
    """One cell or many, as a list from bottom to top.

    Raises:
        ConfigError: no cell, or cells that differ in kind or size.
    """
    cells = list(cell) if isinstance(cell, Sequence) else [cell]
    if len({(type(one), one.units) for one in cells}) != 1:
        kinds = ", ".join(f"{type(one).__name__}({one.units})" for one in cells) or "nothing"
        raise ConfigError(f"a stack needs cells of one kind and size, not {kinds}")
    return cells


def _initializers(seed: int | None) -> dict[str, Any]:
    # Two seeds, so that the two kernels are not drawn from the same numbers.
    first, second = (None, None) if seed is None else map(int, np.random.SeedSequence(seed).generate_state(2))
    return {
        "kernel_initializer": keras.initializers.GlorotUniform(first),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=second),
    }
