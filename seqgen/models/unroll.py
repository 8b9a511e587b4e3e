"""The training unroll: cells and densor over a window of ids, to logits.

The mathematics is that of `training_model`, step for step. What differs: ids gather rows of the first cell's kernel, so
a one-hot is never made; the input products of a layer are one product over the whole window; the loop is compiled, with
the gradient of `models.scan`; and the result is logits, for a numerically safe loss.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from seqgen.models.cells import Cell
from seqgen.models.scan import gru_scan, lstm_scan

_FEW_ROWS = 512

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
    rows = _rows(cells[0].kernel, ids, features, densor.units, feature_sizes)  # (Tx, batch, gates * n_a)
    final: State = []
    a = tf.zeros(())
    for layer, cell in enumerate(cells):
        if layer:
            rows = tf.tensordot(a, cell.kernel, 1)
        a, last = _scan(cell, rows, keep[:, :, None], state[layer])
        final.append(last)
        if dropout_masks is not None:
            a *= dropout_masks[layer]
    return tf.tensordot(a, densor.kernel, 1) + densor.bias, final


def _rows(
    kernel: tf.Tensor, ids: tf.Tensor, features: tf.Tensor, n_values: int, feature_sizes: Sequence[int]
) -> tf.Tensor:
    """The first cell's input products: the row of the id, and the row of each feature, added."""
    places, offset = [ids], n_values
    for index, size in enumerate(feature_sizes):
        places.append(offset + features[:, :, index])
        offset += size
    return _gathered(tf.convert_to_tensor(kernel), tf.stack(places))


@tf.custom_gradient
def _gathered(kernel: tf.Tensor, places: tf.Tensor):
    """The sum of the kernel's rows at `places` `(n, Tx, batch)`, to `(Tx, batch, width)`.

    The gradient of a small kernel is a product with the sum of the one-hots, which is faster than adding row by row.
    """
    n_inputs, width = kernel.shape
    rows = tf.add_n([tf.gather(kernel, place) for place in tf.unstack(places)])

    def gradient(d_rows: tf.Tensor):
        d_rows = tf.reshape(d_rows, [-1, width])
        if n_inputs > _FEW_ROWS:
            each = [
                tf.math.unsorted_segment_sum(d_rows, tf.reshape(place, [-1]), n_inputs) for place in tf.unstack(places)
            ]
            return tf.add_n(each), None
        hot = tf.add_n(
            [tf.one_hot(tf.reshape(place, [-1]), n_inputs, dtype=kernel.dtype) for place in tf.unstack(places)]
        )
        return tf.matmul(hot, d_rows, transpose_a=True), None

    return rows, gradient


def _scan(cell: Cell, rows: tf.Tensor, keep: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
    recurrent = tf.convert_to_tensor(cell.recurrent_kernel)
    if isinstance(cell, keras.layers.LSTMCell):
        a, *last = lstm_scan(rows + cell.bias, keep, recurrent, *state)
    else:
        bias = tf.convert_to_tensor(cell.bias)
        a, *last = gru_scan(rows + bias[0], keep, recurrent, bias[1], *state)
    return a, last
