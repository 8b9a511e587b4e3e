"""The fast encoder-decoder: a batch of pairs to logits, with compiled loops and hand-derived gradients.

The mathematics is that of the literal Keras models of `models.seq2seq`, step for step.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import tensorflow as tf

from seqgen.architecture import Seq2Seq
from seqgen.models.memory import at_places, multiplicative, places_of
from seqgen.models.scan import static_shape
from seqgen.models.sources import Encoded, bridge, dense, encode
from seqgen.models.stack import Ids, Inputs, Weights, embedded, layer, pays_as_table


class Batch(Protocol):
    """A batch of pairs, time first, as arrays or tensors."""

    @property
    def source(self) -> Any:
        """Ids `(Tx, batch)`, or vectors `(Tx, batch, d)`; padded on the left."""

    @property
    def real(self) -> Any:
        """`(Tx, batch)` float32: 1 where the source is; every row has a 1 at its end."""

    @property
    def ids(self) -> Any:
        """What came before each target, `(Ty, batch)`, START first; of vectors `(Ty, batch, d)`, zeros first."""

    @property
    def features(self) -> Any:
        """`(Ty, batch, n_features)`."""


def logits_of(architecture: Seq2Seq, weights: Mapping[str, Any], batch: Batch, *, masks: Any = None) -> tf.Tensor:
    """Logits (of vectors, the vectors) `(Ty, batch, n_values)` for every target.

    weights: arrays, tensors or variables, named as in `tensor_shapes`. masks: dropout, or None: what the output of
    every layer is multiplied with on its way up, to the next layer, memory, bridge, attention and densor, but not into
    the states; `(encoder_layers * directions + decoder_layers, batch, n_a)`, the encoder's first, of each layer
    forward before backward.
    """
    split = architecture.encoder_layers * (1 + architecture.bidirectional)
    masks = [] if masks is None else tf.unstack(tf.convert_to_tensor(masks))
    weights = {name: tf.convert_to_tensor(array) for name, array in weights.items()}
    real, ids, features = (tf.convert_to_tensor(array) for array in (batch.real, batch.ids, batch.features))
    encoded = encode(architecture, weights, batch.source, real, masks[:split])
    if architecture.decoder_layers:
        hidden = _decode(architecture, weights, encoded, real, ids, features, masks[split:])
    else:
        hidden = at_places(encoded.memory, places_of(architecture, real, static_shape(ids)[0]))
    if architecture.attention == "multiplicative":
        hidden = multiplicative(weights, hidden, encoded.memory, real)
    return dense(weights, "densor", hidden)


def _decode(
    architecture: Seq2Seq,
    weights: Weights,
    encoded: Encoded,
    real: tf.Tensor,
    ids: tf.Tensor,
    features: tf.Tensor,
    masks: list[tf.Tensor],
) -> tf.Tensor:
    """The hidden states of the top layer, `(Ty, batch, n_a)`."""
    states, context = bridge(architecture, weights, encoded)
    inputs = _inputs(architecture, weights, encoded, context, real, ids, features)
    length, batch = static_shape(ids)[:2]
    keep = tf.ones((length, batch, 1))
    hidden = tf.zeros(())
    for index, state in enumerate(states):
        name = f"decoder/{index}"
        if index:
            inputs = tf.tensordot(hidden, weights[f"{name}/kernel"], 1)
        hidden, _ = layer(architecture, weights, name, inputs, keep, state)
        if masks:
            hidden *= masks[index]
    return hidden


def _inputs(
    architecture: Seq2Seq,
    weights: Weights,
    encoded: Encoded,
    context: tf.Tensor | None,
    real: tf.Tensor,
    ids: tf.Tensor,
    features: tf.Tensor,
) -> Inputs:
    """What the first cell reads: of what came before, then of the bridge, then of the memory."""
    kernel = weights["decoder/0/kernel"]
    fed_back = static_shape(kernel)[0] - architecture.context_size
    length, batch = static_shape(ids)[:2]
    parts = [_fed_back(architecture, weights, kernel[:fed_back], ids, features)] if architecture.feedback else []
    if context is not None:
        end = fed_back + static_shape(context)[1]
        product = tf.matmul(context, kernel[fed_back:end])
        parts.append(tf.broadcast_to(product, (length, batch, product.shape[1])))
    if architecture.attention == "aligned":
        products = tf.tensordot(encoded.memory, kernel[-architecture.memory_size :], 1)
        parts.append(at_places(products, places_of(architecture, real, length)))
    if len(parts) == 1:
        return parts[0]
    return tf.add_n([part.products() if isinstance(part, Ids) else part for part in parts])


def _fed_back(
    architecture: Seq2Seq, weights: Weights, kernel: tf.Tensor, ids: tf.Tensor, features: tf.Tensor
) -> Inputs:
    """The input of ids and their features, or of vectors."""
    if architecture.target_vectors:
        return tf.tensordot(ids, kernel, 1)
    width = architecture.embedding or architecture.n_values
    places, offset = [ids], architecture.n_values
    for index, size in enumerate(architecture.feature_sizes):
        places.append(offset + features[:, :, index])
        offset += size
    if not architecture.embedding:
        return Ids(kernel, architecture.n_values, tf.stack(places))
    embedding = weights["decoder/embedding"]
    if pays_as_table(embedding, ids):
        table = tf.concat([tf.matmul(embedding, kernel[:width]), kernel[width:]], axis=0)
        return Ids(table, architecture.n_values, tf.stack(places))
    products = tf.tensordot(embedded(embedding, ids), kernel[:width], 1)
    if not architecture.feature_sizes:
        return products
    of_features = Ids(kernel[width:], 0, tf.stack(places[1:]) - architecture.n_values)
    return products + of_features.products()
