"""The training unroll: an architecture over a window of ids, to logits.

The mathematics is that of `training_model`, step for step. What differs: ids gather rows of the first cell's kernel, so
a one-hot is never made; the input products of a layer are one product over the whole window; the loop is compiled, with
the gradient of `models.scan`; and the result is logits, for a numerically safe loss.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from seqgen.modelfile import Architecture
from seqgen.models.scan import gru_scan, lstm_scan, static_shape

State = list[list[tf.Tensor]]  # for each layer its [a, c] or [a], each (batch, n_a)

_FEW_ROWS = 512


def zero_state(architecture: Architecture, batch: int) -> State:
    """The state before the first id."""
    arrays = 2 if architecture.cell == "lstm" else 1
    return [[tf.zeros((batch, architecture.n_a)) for _ in range(arrays)] for _ in range(architecture.layers)]


def unroll(
    architecture: Architecture,
    weights: Mapping[str, tf.Tensor],
    ids: tf.Tensor,
    features: tf.Tensor,
    keep: tf.Tensor,
    state: State,
    dropout_masks: Sequence[tf.Tensor] | None = None,
) -> tuple[tf.Tensor, State]:
    """Logits `(Tx, batch, n_values)` for the id after each of `ids`, and the state after the last.

    weights: named as in `modelfile.tensor_shapes`. ids `(Tx, batch)`; features `(Tx, batch, n_features)`; keep
    `(Tx, batch)`: 0 where the state is cleared before the step, since a sequence starts there, else 1. dropout_masks:
    for each layer what its hidden state is multiplied with on the way up, `(batch, n_a)`, the same at every step of the
    window.
    """
    places, offset = [ids], architecture.n_values
    for index, size in enumerate(architecture.feature_sizes):
        places.append(offset + features[:, :, index])
        offset += size
    rows = _gathered(weights["layers/0/kernel"], tf.stack(places))  # (Tx, batch, gates * n_a)
    final: State = []
    a = tf.zeros(())
    for layer in range(architecture.layers):
        recurrent, bias = weights[f"layers/{layer}/recurrent_kernel"], weights[f"layers/{layer}/bias"]
        if layer:
            rows = tf.tensordot(a, weights[f"layers/{layer}/kernel"], 1)
        if architecture.cell == "lstm":
            a, *last = lstm_scan(rows + bias, keep[:, :, None], recurrent, *state[layer])
        else:
            a, *last = gru_scan(rows + bias[0], keep[:, :, None], recurrent, bias[1], *state[layer])
        final.append(last)
        if dropout_masks is not None:
            a *= dropout_masks[layer]
    return tf.tensordot(a, weights["densor/kernel"], 1) + weights["densor/bias"], final


@tf.custom_gradient
def _gathered(kernel: tf.Tensor, places: tf.Tensor) -> Any:
    """The sum of the kernel's rows at `places` `(n, Tx, batch)`, to `(Tx, batch, width)`.

    The gradient of a small kernel is a product with the sum of the one-hots, which is faster than adding row by row.
    """
    n_inputs, width = static_shape(kernel)
    rows = tf.add_n([tf.gather(kernel, place) for place in tf.unstack(places)])

    def gradient(d_rows: tf.Tensor):
        d_rows = tf.reshape(d_rows, [-1, width])
        flat = [tf.reshape(place, [-1]) for place in tf.unstack(places)]
        if n_inputs > _FEW_ROWS:
            return tf.add_n([tf.math.unsorted_segment_sum(d_rows, place, n_inputs) for place in flat]), None
        hot = tf.add_n([tf.one_hot(place, n_inputs, dtype=kernel.dtype) for place in flat])
        return tf.matmul(hot, d_rows, transpose_a=True), None

    return rows, gradient
