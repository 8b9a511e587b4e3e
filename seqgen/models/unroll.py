"""The training unroll: the cells of `models.LSTM_cell` or `GRU_cell` over a window, as one compiled loop on ids.

The mathematics is that of `training_model`, step for step. What differs: ids gather rows of the first cell's kernel, so
a one-hot is never made; the input products of a layer are one product over the whole window; and the result is logits,
for a numerically safe loss.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from seqgen.models.cells import Cell

State = list[list[tf.Tensor]]  # for each cell its [a, c] or [a], each (batch, n_a)


def zero_state(cells: Sequence[Cell], batch: int) -> State:
    """The state before the first id."""
    return [[tf.zeros((batch, size)) for size in tf.nest.flatten(cell.state_size)] for cell in cells]


def unroll(
    cells: Sequence[Cell],
    densor: keras.layers.Dense,
    ids: tf.Tensor,
    features: tf.Tensor,
    feature_sizes: Sequence[int],
    keep: tf.Tensor,
    state: State,
    dropout_masks: Sequence[tf.Tensor] | None = None,
) -> tuple[tf.Tensor, State]:
    """Logits `(Tx, batch, n_values)` for the id after each of `ids`, and the state after the last.

    ids `(Tx, batch)`; features `(Tx, batch, n_features)`; keep `(Tx, batch)`: 0 where the state is cleared before the
    step, since a sequence starts there, else 1. dropout_masks: for each cell what its hidden state is multiplied with
    on the way up, `(batch, n_a)`, the same at every step of the window.
    """
    rows = tf.gather(cells[0].kernel, ids)  # (Tx, batch, gates * n_a)
    offset = densor.units
    for index, size in enumerate(feature_sizes):
        rows += tf.gather(cells[0].kernel, offset + features[:, :, index])
        offset += size
    final: State = []
    a = tf.zeros(())
    for layer, cell in enumerate(cells):
        if layer:
            rows = tf.tensordot(a, cell.kernel, 1)
        a, last = _run(cell, rows, keep[:, :, None], state[layer])
        final.append(last)
        if dropout_masks is not None:
            a *= dropout_masks[layer]
    return tf.tensordot(a, densor.kernel, 1) + densor.bias, final


def _run(cell: Cell, rows: tf.Tensor, keep: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """All hidden states `(Tx, batch, n_a)` of one cell from its input products, and its last state."""
    length, batch = rows.shape[0], rows.shape[1]
    step = _lstm_step if isinstance(cell, keras.layers.LSTMCell) else _gru_step
    recurrent, bias = tf.convert_to_tensor(cell.recurrent_kernel), tf.convert_to_tensor(cell.bias)
    outputs = tf.TensorArray(tf.float32, length, element_shape=(batch, cell.units))

    def body(time, outputs, *before):
        after = step(rows[time], [array * keep[time] for array in before], recurrent, bias)
        return time + 1, outputs.write(time, after[0]), *after

    _, outputs, *last = tf.while_loop(
        lambda time, *_: time < length, body, (tf.constant(0), outputs, *state), maximum_iterations=length
    )
    return outputs.stack(), last


def _lstm_step(row: tf.Tensor, state: list[tf.Tensor], recurrent: tf.Tensor, bias: tf.Tensor) -> list[tf.Tensor]:
    a, c = state
    i, f, g, o = tf.split(row + tf.matmul(a, recurrent) + bias, 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return [tf.sigmoid(o) * tf.tanh(c), c]


def _gru_step(row: tf.Tensor, state: list[tf.Tensor], recurrent: tf.Tensor, bias: tf.Tensor) -> list[tf.Tensor]:
    (a,) = state
    row_z, row_r, row_h = tf.split(row + bias[0], 3, axis=1)
    inner_z, inner_r, inner_h = tf.split(tf.matmul(a, recurrent) + bias[1], 3, axis=1)
    z, r = tf.sigmoid(row_z + inner_z), tf.sigmoid(row_r + inner_r)
    return [z * a + (1 - z) * tf.tanh(row_h + r * inner_h)]
