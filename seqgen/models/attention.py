"""Attention: what a decoder reads in the memory, the encoder's outputs `(batch, Tx, memory_size)`.

The first two give the mean of the memory by shares that sum to 1, `(batch, memory_size)`, and the shares `(batch, Tx)`.
The share of padding, where `real (batch, Tx)` is 0, is exactly 0.
"""

from typing import Any

from keras import ops

from seqgen.architecture import Seq2Seq
from seqgen.models.layers import Layers


def additive(layers: Layers, query: Any, memory: Any, real: Any) -> tuple[Any, Any]:
    """By the decoder's last hidden state `(batch, n_a)` (Bahdanau et al. 2015)."""
    sums = ops.tanh(layers["attention/query"](query)[:, None] + layers["attention/memory"](memory))  # (batch, Tx, n_a)
    return _mean(memory, layers["attention/score"](sums)[:, :, 0], real)


def multiplicative(layers: Layers, hidden: Any, memory: Any, real: Any) -> tuple[Any, Any]:
    """By its new hidden state `(batch, n_a)` (Luong et al. 2015, "general")."""
    keys = layers["attention/memory"](memory)  # (batch, Tx, n_a)
    return _mean(memory, ops.sum(keys * hidden[:, None], axis=2), real)


def at_place(architecture: Seq2Seq, memory: Any, real: Any, step: Any) -> Any:
    """The memory `(batch, memory_size)` of the one source place that belongs to a step; see `Seq2Seq.alignment`.

    step: its number, from 0, or an array `(batch,)` of them. Without a decoder it is the source place.
    """
    given, each = architecture.alignment if architecture.attention == "aligned" else (0, 1)
    place: Any = ops.where(step < given, step, given + (step - given) // each)
    padding: Any = ops.cast(ops.sum(1 - real, axis=1), "int32")  # (batch,), all of it on the left
    place = ops.minimum(ops.cast(place, "int32") + padding, memory.shape[1] - 1)
    there: Any = ops.take_along_axis(memory, place[:, None, None], axis=1)
    return there[:, 0]


def _mean(memory: Any, scores: Any, real: Any) -> tuple[Any, Any]:
    shares: Any = ops.softmax(ops.where(real > 0, scores, -1e9))  # (batch, Tx)
    return ops.sum(shares[:, :, None] * memory, axis=1), shares
