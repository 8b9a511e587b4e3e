"""What a decoder reads in the memory, the encoder's outputs `(Tx, batch, memory_size)`, where `real (Tx, batch)` is 1.

Padding has a share of exactly 0.
"""

from collections.abc import Callable

import tensorflow as tf

from seqgen.architecture import Seq2Seq
from seqgen.models.scan import rows_of, static_shape
from seqgen.models.stack import Weights, dense

_NEVER = -1e9  # the score of padding


def places_of(architecture: Seq2Seq, real: tf.Tensor, length: int) -> tf.Tensor:
    """`(length, batch)`: the step of the padded source that belongs to each target place, at most the last one.

    Without a decoder place i belongs to source place i; see `Seq2Seq.alignment` for aligned attention.
    """
    given, each = architecture.alignment if architecture.attention == "aligned" else (length, 1)
    place = tf.range(length)
    place = tf.where(place < given, place, given + (place - given) // each)
    steps = static_shape(real)[0]
    padding = steps - tf.cast(tf.reduce_sum(real, axis=0), tf.int32)
    return tf.minimum(place[:, None] + padding, steps - 1)


def at_places(values: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """`(Ty, batch, width)`: of values `(Tx, batch, width)` those at the places `(Ty, batch)`."""
    length, batch, width = static_shape(values)
    return rows_of(tf.reshape(values, (length * batch, width)), (places * batch + tf.range(batch))[None])


def additive(weights: Weights, memory: tf.Tensor, real: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """From the decoder's hidden state `(batch, n_a)` the mean of the memory `(batch, memory_size)` for its next step.

    Bahdanau et al. 2015: the score of a place is v^T tanh(W a + U m), the share the softmax of scores.
    """
    keys = tf.transpose(dense(weights, "attention/memory", memory), (1, 0, 2))  # (batch, Tx, n_a)
    memory, is_real = tf.transpose(memory, (1, 0, 2)), tf.transpose(real) > 0
    of_query, of_sums = weights["attention/query/kernel"], weights["attention/score/kernel"][:, 0]

    def context(query: tf.Tensor) -> tf.Tensor:
        sums = tf.tanh(keys + tf.matmul(query, of_query)[:, None])
        scores = tf.reduce_sum(sums * of_sums, axis=2)
        shares = tf.nn.softmax(tf.where(is_real, scores, _NEVER))
        return tf.reduce_sum(shares[:, :, None] * memory, axis=1)  # faster than a product for each row

    return context


def multiplicative(weights: Weights, memory: tf.Tensor, real: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """From hidden states `(Ty, batch, n_a)` what the densor reads instead, of the same shape.

    Luong et al. 2015, "general": the score of a place is a^T W m; the mean of the memory by the softmax of scores and
    then a, side by side, go through a layer of tanh.
    """
    keys = tf.tensordot(memory, weights["attention/memory/kernel"], 1)  # (Tx, batch, n_a)
    is_real = tf.transpose(real)[:, None] > 0  # (batch, 1, Tx)

    def attended(hidden: tf.Tensor) -> tf.Tensor:
        scores = tf.einsum("ybn,xbn->byx", hidden, keys)
        shares = tf.nn.softmax(tf.where(is_real, scores, _NEVER))
        context = tf.einsum("byx,xbm->ybm", shares, memory)
        return tf.tanh(dense(weights, "attention/output", tf.concat([context, hidden], axis=-1)))

    return attended
