"""The fast encoder-decoder beside plain numpy: logits, gradients, padding."""

import numpy as np
import pytest
import tensorflow as tf
from pair_cases import Reference, batch_of, pairs_for, seq2seq, weights_for

from seqgen.models.pairs import logits_of

SIZES = [(5, 6), (2, 3), (1, 1), (4, 6)]  # of sources and targets
FUSED = {
    "states": {},
    "gru": {"cell": "gru"},
    "deep": {"encoder_layers": 3, "decoder_layers": 2},
    "4-5": {"encoder_layers": 4, "decoder_layers": 5, "cell": "gru"},
    "bidirectional": {"bidirectional": True, "encoder_layers": 2, "decoder_layers": 3},
    "bidirectional-gru": {"bidirectional": True, "cell": "gru", "source_embedding": 3},
    "repeat": {"bridge": "repeat", "feedback": False},
    "repeat-bidirectional": {"bridge": "repeat", "bidirectional": True, "cell": "gru", "decoder_layers": 2},
    "peek": {"bridge": "peek", "encoder_layers": 2, "feature_sizes": (3, 2)},
    "peek-bidirectional": {"bridge": "peek", "bidirectional": True, "feedback": False},
    "features": {"feature_sizes": (3, 2), "cell": "gru"},
    "embeddings": {"source_embedding": 3, "embedding": 5, "feature_sizes": (3,)},
    "large-embeddings": {"source_embedding": 3, "embedding": 5, "source_values": 90, "n_values": 80},
    "large-bidirectional": {"source_embedding": 3, "bidirectional": True, "source_values": 90, "bridge": "peek"},
    "large-features": {"embedding": 5, "n_values": 80, "feature_sizes": (3, 2), "cell": "gru"},
    "vectors": {"source_vectors": True, "target_vectors": True, "decoder_layers": 2},
    "vectors-repeat": {"source_vectors": True, "target_vectors": True, "bridge": "repeat", "feedback": False},
    "multiplicative": {"attention": "multiplicative"},
    "multiplicative-bidirectional": {"attention": "multiplicative", "bidirectional": True, "bridge": "none"},
    "aligned": {"attention": "aligned", "bridge": "none", "alignment": (2, 3), "bidirectional": True, "cell": "gru"},
    "aligned-peek": {"attention": "aligned", "bridge": "peek", "alignment": (0, 2), "feature_sizes": (2,)},
    "aligned-alone": {"attention": "aligned", "feedback": False},
    "same-length": {"decoder_layers": 0, "length": 5, "bridge": "none", "feedback": False, "encoder_layers": 2},
    "no-encoder": {"encoder_layers": 0, "bridge": "repeat", "source_vectors": True},
    "no-encoder-ids": {"encoder_layers": 0, "bridge": "none", "attention": "multiplicative"},
    "no-encoder-embedding": {"encoder_layers": 0, "bridge": "peek", "source_embedding": 3, "cell": "gru"},
}


def sizes_for(architecture):
    """Without a decoder there is no target behind the source's end."""
    return [(n, min(n, m)) for n, m in SIZES] if not architecture.decoder_layers else SIZES


def masks_for(architecture, batch):
    random = np.random.default_rng(7)
    layers = architecture.encoder_layers * (1 + architecture.bidirectional) + architecture.decoder_layers
    return (random.random((layers, batch, architecture.n_a)) < 0.6).astype(np.float32) / 0.6


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("parts", FUSED.values(), ids=FUSED)
def test_the_numbers_are_those_of_the_papers(parts, dropout):
    architecture = seq2seq(**parts)
    weights, pairs = weights_for(architecture), pairs_for(architecture, sizes_for(architecture))
    masks = masks_for(architecture, len(pairs)) if dropout else None
    logits = logits_of(architecture, weights, batch_of(architecture, pairs), masks=masks).numpy()
    for row, pair in enumerate(pairs):
        reference = Reference(architecture, weights, masks if masks is None else masks[:, row])
        np.testing.assert_allclose(logits[: len(pair.ids), row], reference.logits(pair), atol=1e-5)


@pytest.mark.parametrize("parts", FUSED.values(), ids=FUSED)
def test_the_gradient_is_the_slope(parts):
    """Along a random direction of all weights, and along one of each tensor, by differences in float64."""
    architecture = seq2seq(**parts)
    weights, pairs = weights_for(architecture), pairs_for(architecture, sizes_for(architecture))
    batch = batch_of(architecture, pairs)
    random = np.random.default_rng(3)
    pulls = random.normal(size=(*batch.weights.shape, architecture.n_values)) * batch.weights[:, :, None]
    tensors = {name: tf.constant(array) for name, array in weights.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = tf.reduce_sum(pulls.astype(np.float32) * logits_of(architecture, tensors, batch))
    gradient = tape.gradient(loss, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def loss_at(moved):
        reference = Reference(architecture, moved)
        return sum(float(np.sum(pulls[: len(p.ids), row] * reference.logits(p))) for row, p in enumerate(pairs))

    exact = {name: array.astype(np.float64) for name, array in weights.items()}
    for name, array in exact.items():
        direction = random.normal(size=array.shape)
        ends = [loss_at(exact | {name: array + sign * 1e-6 * direction}) for sign in (1, -1)]
        got = float(np.sum(gradient[name].numpy() * direction))
        assert got == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-4), name


@pytest.mark.parametrize("parts", FUSED.values(), ids=FUSED)
def test_padding_changes_nothing(parts):
    architecture = seq2seq(**parts)
    weights, pairs = weights_for(architecture), pairs_for(architecture, sizes_for(architecture))
    batch = batch_of(architecture, pairs)
    logits = logits_of(architecture, weights, batch)
    more = logits_of(architecture, weights, batch_of(architecture, pairs, left=3, right=2))[: len(batch.ids)]
    counted = batch.weights > 0
    np.testing.assert_allclose(more.numpy()[counted], logits.numpy()[counted], atol=1e-6)


@pytest.mark.parametrize("name", ["bidirectional", "embeddings", "multiplicative-bidirectional", "aligned-peek"])
def test_it_compiles_with_its_gradient(name):
    architecture = seq2seq(**FUSED[name])
    pairs = pairs_for(architecture, SIZES)
    batch = batch_of(architecture, pairs)
    masks = tf.constant(masks_for(architecture, len(pairs)))
    tensors = {name: tf.constant(array) for name, array in weights_for(architecture).items()}

    def loss_and_gradient(tensors, masks, *arrays):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            logits = logits_of(architecture, tensors, type(batch)(*arrays), masks=masks)
            loss = tf.reduce_sum(tf.sin(logits))
        return loss, tape.gradient(loss, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    plain = loss_and_gradient(tensors, masks, *batch)
    compiled = tf.function(loss_and_gradient, jit_compile=True)(tensors, masks, *map(tf.constant, batch))
    for one, other in zip(tf.nest.flatten(plain), tf.nest.flatten(compiled), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4, rtol=1e-4)
