"""What a decoder reads in the memory, the encoder's outputs, for all its steps at once."""

import tensorflow as tf

from seqgen.architecture import Seq2Seq
from seqgen.models.scan import rows_of, static_shape
from seqgen.models.sources import dense
from seqgen.models.stack import Weights

_NEVER = -1e9  # a score of padding: its share is exactly 0


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


def multiplicative(weights: Weights, hidden: tf.Tensor, memory: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    """What the densor reads instead of the hidden states `(Ty, batch, n_a)`, of the same shape.

    Luong et al. 2015, "general": the score of a place is a^T W m; the mean of the memory by the softmax of scores is
    joined before a, through a layer of tanh.
    """
    keys = tf.tensordot(memory, weights["attention/memory/kernel"], 1)  # (Tx, batch, n_a)
    scores = tf.einsum("ybn,xbn->byx", hidden, keys)
    scores = tf.where(tf.transpose(real)[:, None] > 0, scores, _NEVER)
    context = tf.einsum("byx,xbm->ybm", tf.nn.softmax(scores), memory)
    return tf.tanh(dense(weights, "attention/output", tf.concat([context, hidden], axis=-1)))
