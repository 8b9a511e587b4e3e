"""The fast reading of a source: the encoder as compiled scans, and the bridge to the decoder.

Sources are padded on the left, and the state is cleared where they begin, so that padding touches neither the last
state nor any output. The backward direction reads each row's own steps from the last to the first, padded on the left
as well.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from seqgen.architecture import Seq2Seq
from seqgen.models.scan import static_shape
from seqgen.models.stack import Ids, Inputs, State, Weights, dense, embedded, layer, pays_as_table, zeros
from seqgen.models.steps import through_stack, unrolled


class Encoded(NamedTuple):
    """What an encoder makes of a batch of sources."""

    memory: tf.Tensor  # (Tx, batch, memory_size), the outputs at every step
    last: tf.Tensor  # (batch, memory_size), the output where all is read, in each direction
    # of each layer (through depth of all) the final state, each array (batch, n_a), or (batch, 2 n_a) of two directions
    states: list[State]


def encode(architecture: Seq2Seq, weights: Weights, source: Any, real: Any, masks: list[tf.Tensor]) -> Encoded:
    """Read sources, ids `(Tx, batch)` or vectors `(Tx, batch, d)`, where `real (Tx, batch)` is 1.

    masks: what the output of every layer is multiplied with on its way up, each `(batch, n_a)`, forward before
    backward; or none.
    """
    source, real = tf.convert_to_tensor(source), tf.convert_to_tensor(real)
    if not architecture.encoder_layers:
        memory = _vectors(architecture, weights, source)
        return Encoded(memory, memory[-1], [])
    keep, order, zero = beginnings(real), _backward_order(real), zeros(architecture, static_shape(real)[1])
    series, states, last = source, [], []
    if architecture.source_embedding and not pays_as_table(weights["encoder/embedding"], source):
        series = embedded(weights["encoder/embedding"], source)
    if architecture.through_depth:
        return _encode_through_depth(architecture, weights, series, keep, zero, masks)
    remaining = iter(masks)
    for index in range(architecture.encoder_layers):
        outputs, finals, last = [], [], []
        for direction in ("encoder", "encoder/backward")[: 1 + architecture.bidirectional]:
            forward, name = direction == "encoder", f"{direction}/{index}"
            own = series if forward else _reordered(series, order)
            inputs = source_inputs(weights, weights[f"{name}/kernel"], own)
            hidden, final = layer(architecture, weights, name, inputs, keep, zero)
            finals.append(final)
            mask = next(remaining, None)
            last.append(final[0] if mask is None else final[0] * mask)
            hidden = hidden if mask is None else hidden * mask
            outputs.append(hidden if forward else _reordered(hidden, order))
        series = tf.concat(outputs, axis=-1)
        states.append([tf.concat(arrays, axis=-1) for arrays in zip(*finals, strict=True)])
    return Encoded(series, tf.concat(last, axis=-1), states)


def _encode_through_depth(
    architecture: Seq2Seq, weights: Weights, series: tf.Tensor, keep: tf.Tensor, zero: State, masks: list[tf.Tensor]
) -> Encoded:
    inputs = source_inputs(weights, weights["encoder/0/kernel"], series)
    products = inputs.products() if isinstance(inputs, Ids) else inputs
    kept = keep > 0

    def step(time: tf.Tensor, product: tf.Tensor, states: list[State]) -> tuple[tf.Tensor, list[State]]:
        states = [[tf.where(kept[time], array, 0.0) for array in states[0]]]
        return through_stack(architecture, weights, "encoder", product, states, masks)

    memory, states = unrolled(step, products, [zero])
    return Encoded(memory, memory[-1], states)


def bridge(architecture: Seq2Seq, weights: Weights, encoded: Encoded) -> tuple[list[State], tf.Tensor | None]:
    """The state that each layer of the decoder (through depth: all of them) begins with, and its constant input.

    The input is `(batch, n_a)` of "repeat", `(batch, memory_size)` of "peek", else None.
    """
    states: list[State] = []
    if not architecture.hands_over_states:
        count = 1 if architecture.through_depth else architecture.decoder_layers
        states = [zeros(architecture, static_shape(encoded.last)[0]) for _ in range(count)]
    for given in architecture.givers:
        state = encoded.states[given]
        if architecture.bidirectional:
            state = [dense(weights, f"bridge/{given}/{kind}", array) for kind, array in zip("ac", state, strict=False)]
            state[0] = tf.tanh(state[0])
        states.append(state)
    if architecture.bridge == "repeat":
        return states, tf.nn.relu(dense(weights, "bridge", encoded.last))
    return states, encoded.last if architecture.bridge == "peek" else None


def beginnings(real: tf.Tensor) -> tf.Tensor:
    """`(Tx, batch, 1)`: 0 before the first real step of a row, where its state is cleared, and in its padding."""
    return tf.concat([tf.zeros_like(real[:1]), real[:-1]], axis=0)[:, :, None]


def source_inputs(weights: Weights, kernel: tf.Tensor, series: tf.Tensor) -> Inputs:
    """What the cell with this kernel reads of ids `(Tx, batch)` or of vectors `(Tx, batch, width)`."""
    if not series.dtype.is_integer:
        return tf.tensordot(series, kernel, 1)
    embedding = weights.get("encoder/embedding")
    table = kernel if embedding is None else tf.matmul(embedding, kernel)
    return Ids(table, static_shape(table)[0], series[None])


def _vectors(architecture: Seq2Seq, weights: Weights, source: tf.Tensor) -> tf.Tensor:
    """Sources as they are, without an encoder: vectors, embeddings or one-hots."""
    if architecture.source_vectors:
        return source
    if architecture.source_embedding:
        return embedded(weights["encoder/embedding"], source)
    return tf.one_hot(source, architecture.source_values)


def _backward_order(real: tf.Tensor) -> tf.Tensor:
    """`(Tx, batch)`: where each step of the backward direction is read. It is its own inverse."""
    length = static_shape(real)[0]
    step = tf.range(length)[:, None]
    padding = length - tf.cast(tf.reduce_sum(real, axis=0), tf.int32)
    return tf.where(step < padding, step, length - 1 + padding - step)


@tf.custom_gradient
def _reordered(series: tf.Tensor, order: tf.Tensor) -> Any:
    """The steps of each row `(Tx, batch, ...)` in an order that is its own inverse, so it is the gradient's as well."""

    def moved(values: tf.Tensor) -> tf.Tensor:
        length, batch, *rest = static_shape(values)
        places = order * batch + tf.range(batch)
        return tf.gather(tf.reshape(values, [length * batch, *rest]), places)

    return moved(series), lambda upstream: [moved(upstream), tf.zeros_like(order)]
