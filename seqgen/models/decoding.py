"""The fast decoder: its hidden states on a known target, or on what it chooses itself on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from seqgen.architecture import Seq2Seq
from seqgen.models.memory import additive, at_places, multiplicative, places_of
from seqgen.models.scan import rows_of, static_shape
from seqgen.models.sources import Encoded, bridge
from seqgen.models.stack import Ids, Inputs, State, Weights, dense, embedded, layer, pays_as_table
from seqgen.models.steps import one_by_one, through_stack, unrolled


@dataclass(frozen=True)
class Decoding:
    """A decoder before its first step, and all that it needs of the source."""

    architecture: Seq2Seq
    weights: Weights
    # the first cell's kernel, cut once: its rows for what is fed back, for the bridge and for attention
    kernels: list[tf.Tensor]
    states: list[State]
    # (Ty, batch, gates * n_a): the first cell's input products of what depends neither on the target nor on the step
    # before; None without
    given: tf.Tensor | None
    context: Callable[[tf.Tensor], tf.Tensor] | None  # of additive attention
    attended: Callable[[tf.Tensor], tf.Tensor] | None  # of multiplicative attention
    masks: list[tf.Tensor]

    @classmethod
    def begin(
        cls,
        architecture: Seq2Seq,
        weights: Weights,
        encoded: Encoded,
        real: tf.Tensor,
        length: int,
        masks: list[tf.Tensor],
    ) -> "Decoding":
        """length: how many steps there will be."""
        states, constant = bridge(architecture, weights, encoded)
        kernel = weights["decoder/0/kernel"]
        attention_rows = architecture.memory_size if architecture.attention in ("additive", "aligned") else 0
        bridge_rows = architecture.context_size - attention_rows
        kernels = tf.split(kernel, [static_shape(kernel)[0] - architecture.context_size, bridge_rows, attention_rows])
        given = []
        if constant is not None:
            product = tf.matmul(constant, kernels[1])
            given.append(tf.broadcast_to(product, (length, *static_shape(product))))
        if architecture.attention == "aligned":
            products = tf.tensordot(encoded.memory, kernels[2], 1)
            given.append(at_places(products, places_of(architecture, real, length)))
        of = {"additive": additive, "multiplicative": multiplicative}.get(architecture.attention)
        attention = None if of is None else of(weights, encoded.memory, real)
        return cls(
            architecture,
            weights,
            kernels,
            states,
            tf.add_n(given) if given else None,
            attention if architecture.attention == "additive" else None,
            attention if architecture.attention == "multiplicative" else None,
            masks,
        )

    def logits(self, hidden: tf.Tensor) -> tf.Tensor:
        """Of hidden states `(Ty, batch, n_a)`; all at once, since products of a large vocabulary are the most work."""
        return dense(self.weights, "densor", hidden if self.attended is None else self.attended(hidden))

    def step(self, product: tf.Tensor, states: list[State]) -> tuple[tf.Tensor, list[State]]:
        """The top layer's output `(batch, n_a)` and the states after one step.

        product: of the first cell with all its input but that of additive attention.
        """
        if self.context is not None:
            product += tf.matmul(self.context(states[-1][0]), self.kernels[2])
        return through_stack(self.architecture, self.weights, "decoder", product, states, self.masks)


def hidden_states(decoding: Decoding, ids: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    """The top layer's outputs `(Ty, batch, n_a)`, on ids `(Ty, batch)` or vectors `(Ty, batch, d)`."""
    architecture, weights = decoding.architecture, decoding.weights
    inputs = _inputs(decoding, ids, features)
    length, batch = static_shape(ids)[:2]
    if architecture.attention == "additive" or architecture.through_depth:
        products = inputs.products() if isinstance(inputs, Ids) else inputs
        return unrolled(lambda _, product, states: decoding.step(product, states), products, decoding.states)[0]
    keep, hidden = tf.ones((length, batch, 1)), tf.zeros(())
    for index, state in enumerate(decoding.states):
        name = f"decoder/{index}"
        if index:
            inputs = tf.tensordot(hidden, weights[f"{name}/kernel"], 1)
        hidden, _ = layer(architecture, weights, name, inputs, keep, state)
        if decoding.masks:
            hidden *= decoding.masks[index]
    return hidden


def own_choices(decoding: Decoding, ids: tf.Tensor, forced: tf.Tensor, noise: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """What is read at each step, like `ids`, and the top layer's outputs; where `forced` is 0 it is the own choice.

    See `pairs.logits_of`.
    """
    length = static_shape(ids)[0]
    vectors, is_forced = decoding.architecture.target_vectors, forced > 0.5
    given = None if decoding.given is None else one_by_one(decoding.given)
    no_features = tf.zeros((1, static_shape(ids)[1], 0), tf.int32)

    def body(time: tf.Tensor, own: tf.Tensor, states: list[State], read: tf.TensorArray, hidden: tf.TensorArray):
        before = tf.where(is_forced[time][:, None] if vectors else is_forced[time], ids[time], own)
        inputs = _fed_back(decoding, before[None], no_features)
        product = (inputs.products() if isinstance(inputs, Ids) else inputs)[0]
        if given is not None:
            product += given.read(time)
        output, states = decoding.step(product, states)
        own = decoding.logits(output[None])[0]
        if not vectors:
            own = tf.argmax(own if noise is None else own + noise[time], axis=1, output_type=ids.dtype)
        return time + 1, own, states, read.write(time, before), hidden.write(time, output)

    arrays = [
        tf.TensorArray(array.dtype, length, element_shape=array.shape) for array in (ids[0], decoding.states[0][0])
    ]
    *_, read, hidden = tf.while_loop(
        lambda time, *_: time < length,
        body,
        (tf.constant(0), ids[0], decoding.states, *arrays),
        maximum_iterations=length,
    )
    return read.stack(), hidden.stack()


def _inputs(decoding: Decoding, ids: tf.Tensor, features: tf.Tensor) -> Inputs:
    """What the first cell reads at every step, but for additive attention."""
    if not decoding.architecture.feedback:
        length, batch = static_shape(ids)[:2]
        gates = static_shape(decoding.kernels[0])[1]
        return tf.zeros((length, batch, gates)) if decoding.given is None else decoding.given
    fed_back = _fed_back(decoding, ids, features)
    if decoding.given is None:
        return fed_back
    return decoding.given + (fed_back.products() if isinstance(fed_back, Ids) else fed_back)


def _fed_back(decoding: Decoding, ids: tf.Tensor, features: tf.Tensor) -> Inputs:
    """The part of ids `(T, batch)` with their features, or of vectors."""
    architecture, kernel = decoding.architecture, decoding.kernels[0]
    if architecture.target_vectors:
        return tf.tensordot(ids, kernel, 1)
    places, offset = [ids], architecture.n_values
    for index, size in enumerate(architecture.feature_sizes):
        places.append(offset + features[:, :, index])
        offset += size
    if not architecture.embedding:
        return Ids(kernel, architecture.n_values, tf.stack(places))
    embedding, of_tokens, of_features = (
        decoding.weights["decoder/embedding"],
        *tf.split(kernel, [architecture.embedding, -1]),
    )
    if pays_as_table(embedding, ids):
        table = tf.concat([tf.matmul(embedding, of_tokens), of_features], axis=0)
        return Ids(table, architecture.n_values, tf.stack(places))
    products = tf.tensordot(embedded(embedding, ids), of_tokens, 1)
    if not architecture.feature_sizes:
        return products
    return products + rows_of(of_features, tf.stack(places[1:]) - architecture.n_values)
