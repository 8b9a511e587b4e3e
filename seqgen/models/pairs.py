"""The fast encoder-decoder: a batch of pairs to logits, compiled.

The mathematics is that of the literal Keras models of `models.seq2seq`, step for step. Where nothing but what is fed
back ties a step to the one before, layers are the scans of `models.scan`; else one loop goes over all layers.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from seqgen.architecture import Seq2Seq
from seqgen.corpus.pair_batches import PairBatch
from seqgen.errors import ConfigError
from seqgen.models.decoding import Decoding, hidden_states, own_choices
from seqgen.models.memory import at_places, places_of
from seqgen.models.scan import static_shape
from seqgen.models.sources import encode
from seqgen.models.stack import dense


def logits_of(
    architecture: Seq2Seq,
    weights: Mapping[str, Any],
    batch: PairBatch,
    *,
    forced: Any = None,
    noise: Any = None,
    masks: Any = None,
) -> tf.Tensor:
    """Logits (of vectors, the vectors) `(Ty, batch, n_values)` for every target.

    weights: arrays, tensors or variables, named as in `tensor_shapes`. batch: of arrays or of tensors; its targets are
    not read.

    forced: scheduled sampling (Bengio et al. 2015), `(Ty, batch)`: 1 where the decoder reads what came before, 0 where
    it reads its own choice of the step before instead, of vectors what it gave; None for 1 everywhere, as always at the
    first step. noise: `(Ty, batch, n_values)`, added to the logits before the best one is chosen; Gumbel noise makes
    the choice a draw. A gradient goes through vectors that are fed back, not through a choice.

    masks: dropout, or None: what the output of every layer is multiplied with on its way up, to the next layer, memory,
    bridge, attention and densor, but not into the states; `(encoder_layers * directions + decoder_layers, batch, n_a)`,
    the encoder's first, of each layer forward before backward.

    Raises:
        ConfigError: own choices where the target's grammar has features, which only the true tokens come with.
    """
    if forced is not None and architecture.feature_sizes:
        raise ConfigError("features belong to the true target, so a decoder with features cannot read its own choices")
    split = architecture.encoder_layers * (1 + architecture.bidirectional)
    masks = [] if masks is None else tf.unstack(tf.convert_to_tensor(masks))
    weights = {name: tf.convert_to_tensor(array) for name, array in weights.items()}
    real, ids, features = (tf.convert_to_tensor(array) for array in (batch.real, batch.ids, batch.features))
    encoded = encode(architecture, weights, batch.source, real, masks[:split])
    length = static_shape(ids)[0]
    if not architecture.decoder_layers:
        return dense(weights, "densor", at_places(encoded.memory, places_of(architecture, real, length)))
    decoding = Decoding.begin(architecture, weights, encoded, real, length, masks[split:])
    if forced is None or not architecture.feedback:
        return decoding.logits(hidden_states(decoding, ids, features))
    read, hidden = own_choices(decoding, ids, tf.convert_to_tensor(forced), noise)
    if not architecture.target_vectors:
        # what was chosen is fixed: read as if it were the truth, it has the faster gradient
        hidden = hidden_states(decoding, read, features)
    return decoding.logits(hidden)
