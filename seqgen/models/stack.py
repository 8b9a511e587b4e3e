"""A layer of recurrent cells over a whole series as one compiled scan: what fast encoders and decoders are made of.

A series is either ids, whose input product is a sum of rows of the first kernel, or that product itself.
"""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from seqgen.architecture import Seq2Seq
from seqgen.models.scan import gru_of_ids, gru_of_rows, lstm_of_ids, lstm_of_rows, rows_of, static_shape

Weights = Mapping[str, tf.Tensor]  # by the names of `tensor_shapes`
State = list[tf.Tensor]  # [a, c], or [a] for GRU, each (batch, n_a)


class Ids(NamedTuple):
    """A series of ids as the first cell reads it; every step takes one row of a token, and one of each feature."""

    table: tf.Tensor  # (n_inputs, gates * n_a), the rows of the tokens first; no bias
    tokens: int  # how many rows are tokens'
    places: tf.Tensor  # (1 + n_features, T, batch)

    def products(self) -> tf.Tensor:
        """`(T, batch, gates * n_a)`."""
        return rows_of(self.table, self.places)


Inputs = Ids | tf.Tensor  # the tensor is (T, batch, gates * n_a), without the bias


def layer(
    architecture: Seq2Seq, weights: Weights, name: str, inputs: Inputs, keep: tf.Tensor, state: State
) -> tuple[tf.Tensor, State]:
    """Hidden states `(T, batch, n_a)` of the layer `name`, and the state after the last step.

    keep `(T, batch, 1)`: 0 where the state is cleared before a step, else 1.
    """
    recurrent, bias = weights[f"{name}/recurrent_kernel"], weights[f"{name}/bias"]
    own = [] if architecture.cell == "lstm" else [bias[1]]  # the recurrent product's
    bias = bias if architecture.cell == "lstm" else bias[0]
    if isinstance(inputs, Ids):
        of_ids = lstm_of_ids if architecture.cell == "lstm" else gru_of_ids
        table = tf.concat([inputs.table[: inputs.tokens] + bias, inputs.table[inputs.tokens :]], axis=0)
        hidden, *last = of_ids(table, inputs.places, keep, recurrent, *own, *state)
    else:
        of_rows = lstm_of_rows if architecture.cell == "lstm" else gru_of_rows
        hidden, *last = of_rows(inputs + bias, keep, recurrent, *own, *state)
    return hidden, last


def zeros(architecture: Seq2Seq, batch: int) -> State:
    """The state of one layer before anything was read."""
    return [tf.zeros((batch, architecture.n_a)) for _ in range(2 if architecture.cell == "lstm" else 1)]


def embedded(embedding: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """`(T, batch, width)` for ids `(T, batch)` and a table `(n_values, width)`."""
    return rows_of(embedding, ids[None])


def pays_as_table(embedding: tf.Tensor, ids: tf.Tensor) -> bool:
    """Whether the product of all embeddings with a kernel is less work than that of those of the series."""
    length, batch = static_shape(ids)
    return static_shape(embedding)[0] <= length * batch


def dense(weights: Weights, name: str, values: tf.Tensor) -> tf.Tensor:
    """The linear layer `name` on the last axis."""
    return tf.tensordot(values, weights[f"{name}/kernel"], 1) + weights[f"{name}/bias"]
