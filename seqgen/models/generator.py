"""Training model and inference model: the loop over time, written out, over one shared cell and one shared densor.

Many steps in, many out to learn; one step in, many out to improvise. Neither model creates a weight. This is the
form to read and to test against; it takes seconds to compile. For fast training see `seqgen.models.unroll`, for fast
generation `seqgen.runtime`: same weights, same numbers.
"""

from typing import Any, Literal

import keras
import tensorflow as tf

from seqgen.errors import ConfigError
from seqgen.models.cells import Cells, stack_of

States = list[list[Any]]  # for every cell [a, c], or [a] for GRU, each (batch, n_a)


def training_model(
    cell: Cells, densor: keras.layers.Dense, Tx: int, *, feature_sizes: tuple[int, ...] = ()
) -> keras.Model:
    """Many to many: at every step t the probabilities of what comes at t + 1.

    cell: one `LSTM_cell` or `GRU_cell`, or a stack of them as a list from bottom to top.

    Inputs `[X, a0, c0]`, all float32: X `(batch, Tx, n_inputs)`, the one-hot of the token followed by the one-hot of
    every feature, so n_inputs = n_values + sum(feature_sizes); a0, c0 `(batch, n_a)`, for a stack lists of such
    arrays. GRU has no c0: `[X, a0]`. Output: a list of Tx arrays of probabilities `(batch, n_values)`.

    Raises:
        ConfigError: Tx < 1, or a cell that already has weights for another n_inputs.
    """
    cells = stack_of(cell)
    n_inputs = densor.units + sum(feature_sizes)
    _check(cells, n_inputs, "Tx", Tx)
    X: Any = keras.Input((Tx, n_inputs), name="X")  # (batch, Tx, n_inputs)
    inputs, states = _initial_states(cells)

    outputs = []
    for t in range(Tx):
        x = X[:, t]  # (batch, n_inputs)
        a, states = _one_step(cells, x, states)  # (batch, n_a)
        out = densor(a)  # (batch, n_values)
        outputs.append(out)
    return keras.Model([X, *inputs], outputs, name="training_model")


def inference_model(
    cell: Cells,
    densor: keras.layers.Dense,
    Ty: int,
    choice: Literal["argmax", "sample"] = "argmax",
    *,
    temperature: float = 1.0,
    seed: int | None = None,
    return_ids: bool = False,
) -> keras.Model:
    """One to many: Ty steps of the same cell and densor, each choice fed back as the next input.

    Inputs `[x0, a0, c0]`: x0 `(batch, 1, n_values)`, the one-hot of START (or of what came last); a0 and c0 as in
    `training_model`. Output: a list of Ty arrays of probabilities `(batch, n_values)`. Under `choice="argmax"` the
    ids chosen are their argmax; `return_ids=True` appends the ids themselves, `(batch, Ty)` int32, as a last output.

    choice: "argmax" gives one and the same sequence from one start; "sample" draws every row for itself from
        softmax(log(probabilities) / temperature). With a `seed` the same inputs give the same ids at every call;
        without one every call draws anew.

    The loop cannot stop at an END inside the graph: cut the ids there, or use the stepper, which stops.

    Raises:
        ConfigError: Ty < 1, an unknown choice, a temperature not above 0, or a cell trained with features, which only
            the stepper's caller can derive while it generates.
    """
    cells = stack_of(cell)
    n_values = densor.units
    _check(cells, n_values, "Ty", Ty)
    if choice not in ("argmax", "sample") or not 0 < temperature < float("inf"):
        raise ConfigError(f"choice is argmax or sample, temperature above 0; not {choice!r} and {temperature}")
    x0: Any = keras.Input((1, n_values), name="x0")  # (batch, 1, n_values)
    inputs, states = _initial_states(cells)

    outputs, chosen = [], []
    x = x0[:, 0]  # (batch, n_values)
    for t in range(Ty):
        a, states = _one_step(cells, x, states)  # (batch, n_a)
        out = densor(a)  # (batch, n_values)
        outputs.append(out)
        ids = keras.ops.argmax(out, axis=1) if choice == "argmax" else _Sample(temperature, seed, t)(out)  # (batch,)
        chosen.append(ids)
        x = keras.ops.one_hot(ids, n_values)  # (batch, n_values)
    if return_ids:
        outputs.append(keras.ops.stack(chosen, axis=1))  # (batch, Ty)
    return keras.Model([x0, *inputs], outputs, name="inference_model")


class _Sample(keras.layers.Layer):
    """Draws one id a row; a layer, since Keras' random functions take no symbolic tensors. It has no weights."""

    def __init__(self, temperature: float, seed: int | None, position: int) -> None:
        super().__init__(name=f"sample_{position}")
        self.temperature, self.seed, self.position = temperature, seed, position

    def call(self, probabilities: tf.Tensor) -> tf.Tensor:
        logits = tf.math.log(probabilities) / self.temperature  # log 0 = -inf is never drawn
        if self.seed is None:
            drawn = tf.random.categorical(logits, 1, dtype=tf.int32)  # (batch, 1)
        else:
            key = (self.seed % 2**31, self.position)  # every position has its own stream
            drawn = tf.random.stateless_categorical(logits, 1, seed=key, dtype=tf.int32)
        return drawn[:, 0]

    def compute_output_spec(self, probabilities: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(probabilities.shape[:1], dtype="int32")


def _initial_states(cells: list[Any]) -> tuple[list[Any], States]:
    """The model inputs a0 and c0 (no c0 for GRU), lists for a stack; and the same sorted by cell."""
    names = ["a0", "c0"] if isinstance(cells[0], keras.layers.LSTMCell) else ["a0"]
    if len(cells) == 1:
        inputs = [keras.Input((cells[0].units,), name=name) for name in names]  # (batch, n_a)
        return inputs, [inputs]
    inputs = [[keras.Input((one.units,), name=f"{name}_{layer}") for layer, one in enumerate(cells)] for name in names]
    return inputs, [list(state) for state in zip(*inputs, strict=True)]


def _one_step(cells: list[Any], x: Any, states: States) -> tuple[Any, States]:
    """One step through the stack: the a of a cell is the x of the next."""
    after = []
    for one, state in zip(cells, states, strict=True):
        x, state = one(x, state)
        after.append(state)
    return x, after


def _check(cells: list[Any], n_inputs: int, name: str, steps: int) -> None:
    if steps < 1:
        raise ConfigError(f"{name} is at least 1, not {steps}")
    if cells[0].built and cells[0].kernel.shape[0] != n_inputs:
        raise ConfigError(f"the cell has weights for {cells[0].kernel.shape[0]} inputs, the model needs {n_inputs}")
