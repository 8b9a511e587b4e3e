"""The training unroll: an architecture over a window of ids, to logits.

The mathematics is that of `training_model`, step for step. What differs: ids gather rows of the first cell's kernel, so
a one-hot is never an input; the input products of an upper layer are one product over the window; the loop is compiled,
with the gradient of `models.scan`; and the result is logits, for a numerically safe loss.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from seqgen.modelfile import Architecture
from seqgen.models.scan import gru_of_ids, gru_of_rows, lstm_of_ids, lstm_of_rows

State = list[list[tf.Tensor]]  # for each layer its [a, c] or [a], each (batch, n_a)


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

    weights: named as in `modelfile.tensor_shapes`. ids `(Tx, batch)`; features `(Tx, batch, n_features)`, the last of
    which may be left out, as if their weights were zero; keep `(Tx, batch)`: 0 where the state is cleared before the
    step, since a sequence starts there, else 1. dropout_masks: for each layer what its hidden state is multiplied with
    on the way up, `(batch, n_a)`, the same at every step of the window.
    """
    places, offset = [ids], architecture.n_values
    for index, size in enumerate(architecture.feature_sizes[: features.shape[-1]]):
        places.append(offset + features[:, :, index])
        offset += size
    reset = keep[:, :, None]
    final: State = []
    a = tf.zeros(())
    for layer in range(architecture.layers):
        kernel, recurrent, bias = (weights[f"layers/{layer}/{name}"] for name in ("kernel", "recurrent_kernel", "bias"))
        if architecture.cell == "lstm":
            if layer:
                a, *last = lstm_of_rows(tf.tensordot(a, kernel, 1) + bias, reset, recurrent, *state[layer])
            else:
                table = _with_bias(kernel, bias, architecture.n_values)
                a, *last = lstm_of_ids(table, tf.stack(places), reset, recurrent, *state[layer])
        elif layer:
            a, *last = gru_of_rows(tf.tensordot(a, kernel, 1) + bias[0], reset, recurrent, bias[1], *state[layer])
        else:
            table = _with_bias(kernel, bias[0], architecture.n_values)
            a, *last = gru_of_ids(table, tf.stack(places), reset, recurrent, bias[1], *state[layer])
        final.append(last)
        if dropout_masks is not None:
            a *= dropout_masks[layer]
    return tf.tensordot(a, weights["densor/kernel"], 1) + weights["densor/bias"], final


def _with_bias(kernel: tf.Tensor, bias: tf.Tensor, n_values: int) -> tf.Tensor:
    """The kernel with the bias in the rows of the tokens, of which every step takes exactly one."""
    return tf.concat([kernel[:n_values] + bias, kernel[n_values:]], axis=0)
