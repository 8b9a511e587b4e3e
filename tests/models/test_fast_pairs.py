"""The fast encoder-decoder beside plain numpy: logits, gradients, padding."""

import numpy as np
import pytest
import tensorflow as tf
from made import random_weights
from pair_cases import CASES, SIZES, Reference, batch_of, masks_for, pairs_for, seq2seq, sizes_for

from seqgen.errors import ConfigError
from seqgen.models.pairs import logits_of
from seqgen.models.sources import encode
from seqgen.runtime import Seq2SeqStepper


@pytest.mark.parametrize("parts", CASES.values(), ids=CASES)
def test_the_numbers_are_those_of_the_papers(parts):
    """With dropout; without it see the gradient."""
    architecture = seq2seq(**parts)
    weights, pairs = random_weights(architecture), pairs_for(architecture, sizes_for(architecture))
    masks = masks_for(architecture, len(pairs))
    logits = logits_of(architecture, weights, batch_of(architecture, pairs), masks=masks).numpy()
    for row, pair in enumerate(pairs):
        reference = Reference(architecture, weights, masks[:, row])
        np.testing.assert_allclose(logits[: len(pair.ids), row], reference.logits(pair), atol=1e-5)


@pytest.mark.parametrize("parts", CASES.values(), ids=CASES)
def test_the_numbers_are_those_of_the_stepper(parts):
    architecture = seq2seq(**parts)
    weights, pairs = random_weights(architecture), pairs_for(architecture, sizes_for(architecture))
    logits = logits_of(architecture, weights, batch_of(architecture, pairs)).numpy()
    stepper = Seq2SeqStepper(architecture, weights)
    encoded = stepper.encode([pair.source for pair in pairs])
    for row, pair in enumerate(pairs):
        state = stepper.start(1, encoded[row : row + 1])
        for i in range(len(pair.ids)):
            features = pair.features[i : i + 1] if architecture.feature_sizes else None
            stepped, state = stepper.step(pair.ids[i : i + 1], state, features)
            np.testing.assert_allclose(logits[i, row], stepped[0], atol=1e-5)


def check_slope(architecture, weights, pairs, batch, forced=None):
    """The gradient along a random direction of each tensor, beside differences of the float64 reference."""
    random = np.random.default_rng(3)
    pulls = random.normal(size=(*batch.weights.shape, architecture.n_values)) * batch.weights[:, :, None]
    tensors = {name: tf.constant(array) for name, array in weights.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = tf.reduce_sum(pulls.astype(np.float32) * logits_of(architecture, tensors, batch, forced=forced))
    gradient = tape.gradient(loss, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def loss_at(moved):
        reference = Reference(architecture, moved)
        return sum(
            float(np.sum(pulls[: len(p.ids), row] * reference.logits(p, None if forced is None else forced[:, row])))
            for row, p in enumerate(pairs)
        )

    exact = {name: array.astype(np.float64) for name, array in weights.items()}
    for name, array in exact.items():
        direction = random.normal(size=array.shape)
        ends = [loss_at(exact | {name: array + sign * 1e-6 * direction}) for sign in (1, -1)]
        got = float(np.sum(gradient[name].numpy() * direction))
        assert got == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-4), name


@pytest.mark.parametrize("parts", CASES.values(), ids=CASES)
def test_the_gradient_is_the_slope(parts):
    architecture = seq2seq(**parts)
    weights, pairs = random_weights(architecture), pairs_for(architecture, sizes_for(architecture))
    batch = batch_of(architecture, pairs)
    check_slope(architecture, weights, pairs, batch)


@pytest.mark.parametrize("parts", CASES.values(), ids=CASES)
def test_padding_changes_nothing(parts):
    """Neither logits, nor what is handed over: states, last output, memory."""
    architecture = seq2seq(**parts)
    weights, pairs = random_weights(architecture), pairs_for(architecture, sizes_for(architecture))
    tensors = {name: tf.constant(array) for name, array in weights.items()}
    batches = [batch_of(architecture, pairs, left=left, right=right) for left, right in ((0, 0), (3, 2))]
    plain, more = (logits_of(architecture, weights, batch).numpy() for batch in batches)
    counted = batches[0].weights > 0
    np.testing.assert_allclose(more[: len(plain)][counted], plain[counted], atol=1e-6)
    plain, more = (encode(architecture, tensors, batch.source, batch.real, []) for batch in batches)
    real = batches[0].real > 0
    np.testing.assert_allclose(more.memory[3:].numpy()[real], plain.memory.numpy()[real], atol=1e-6)
    for one, other in zip(tf.nest.flatten(plain[1:]), tf.nest.flatten(more[1:]), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)


COMPILED = {
    "bidirectional": (CASES["multiplicative-bidirectional"] | {"embedding": 3}, False),
    "additive": (CASES["additive-peek"] | {"source_embedding": 3}, False),
    "own-choices": ({"attention": "aligned", "cell": "gru"}, True),
    "own-vectors": (CASES["through-depth"] | {"target_vectors": True, "bridge": "peek"}, True),
}


@pytest.mark.parametrize(("parts", "own"), COMPILED.values(), ids=COMPILED)
def test_it_compiles_with_its_gradient(parts, own):
    architecture = seq2seq(**parts)
    pairs = pairs_for(architecture, SIZES)
    batch = batch_of(architecture, pairs)
    masks = tf.constant(masks_for(architecture, len(pairs)))
    forced = tf.constant([[1.0], [0.0]] * 3) * tf.ones(len(pairs)) if own else None
    tensors = {name: tf.constant(array) for name, array in random_weights(architecture).items()}

    def loss_and_gradient(tensors, masks, *arrays):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            logits = logits_of(architecture, tensors, type(batch)(*arrays), masks=masks, forced=forced)
            loss = tf.reduce_sum(tf.sin(logits))
        return loss, tape.gradient(loss, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    plain = loss_and_gradient(tensors, masks, *batch)
    compiled = tf.function(loss_and_gradient, jit_compile=True)(tensors, masks, *map(tf.constant, batch))
    for one, other in zip(tf.nest.flatten(plain), tf.nest.flatten(compiled), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4, rtol=1e-4)


FED_BACK = {
    "states": {},
    "gru-embeddings": {"cell": "gru", "source_embedding": 3, "embedding": 5, "n_values": 30},
    "small-embedding": {"embedding": 5, "n_values": 3, "decoder_layers": 2},
    "peek": {"bridge": "peek"},
    "additive": {"attention": "additive", "bidirectional": True, "bridge": "none", "decoder_layers": 2},
    "multiplicative": {"attention": "multiplicative"},
    "aligned": {"attention": "aligned", "alignment": (2, 3), "cell": "gru"},
    "through-depth": {"through_depth": True, "encoder_layers": 4, "decoder_layers": 4},
    "vectors": {"source_vectors": True, "target_vectors": True},
    "vectors-through-depth": {
        "source_vectors": True,
        "target_vectors": True,
        "through_depth": True,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "bridge": "peek",
    },
    "vectors-additive": {"target_vectors": True, "attention": "additive", "cell": "gru"},
}


@pytest.mark.parametrize("parts", FED_BACK.values(), ids=FED_BACK)
@pytest.mark.parametrize(("share", "noisy"), [(0.0, True), (0.5, False), (1.0, False)])
def test_own_choices_are_read_where_the_target_is_not_forced(parts, share, noisy):
    """Beside a decoder that chooses step by step; the choices differ from the truth, and from each other."""
    architecture = seq2seq(**parts)
    weights, pairs = random_weights(architecture, scale=1.0), pairs_for(architecture, SIZES)
    batch, random = batch_of(architecture, pairs), np.random.default_rng(4)
    forced = (random.random(batch.weights.shape) < share).astype(np.float32)
    noise = random.gumbel(size=(*batch.weights.shape, architecture.n_values)).astype(np.float32) if noisy else None
    masks = masks_for(architecture, len(pairs))
    logits = logits_of(architecture, weights, batch, forced=forced, noise=noise, masks=masks).numpy()
    same = logits_of(architecture, weights, batch, masks=masks).numpy()
    if share == 1.0:
        np.testing.assert_allclose(logits, same, atol=1e-5)
    else:
        assert np.abs(logits - same)[batch.weights > 0].max() > 0.1
    for row, pair in enumerate(pairs):
        m, drawn = len(pair.ids), noise is not None and not architecture.target_vectors
        reference = Reference(architecture, weights, masks[:, row])
        wanted = reference.logits(pair, forced[:m, row], noise[:m, row] if drawn else None)
        np.testing.assert_allclose(logits[:m, row], wanted, atol=3e-5)


@pytest.mark.parametrize("parts", FED_BACK.values(), ids=FED_BACK)
def test_the_gradient_goes_through_vectors_that_are_fed_back_and_not_through_choices(parts):
    """The slope of differences is that of both: a small move of the weights moves vectors, but changes no choice."""
    architecture = seq2seq(**parts)
    weights, pairs = random_weights(architecture), pairs_for(architecture, SIZES)
    batch = batch_of(architecture, pairs)
    forced = (np.random.default_rng(4).random(batch.weights.shape) < 0.5).astype(np.float32)
    check_slope(architecture, weights, pairs, batch, forced)


def test_features_come_with_the_truth_only():
    architecture = seq2seq(feature_sizes=(3,))
    pairs = pairs_for(architecture, SIZES)
    with pytest.raises(ConfigError, match="a decoder with features cannot read its own choices"):
        logits_of(architecture, random_weights(architecture), batch_of(architecture, pairs), forced=np.ones((6, 4)))


FAMILY = {
    "simple": {"bridge": "repeat", "feedback": False},
    "seq2seq": {"through_depth": True},
    "peek": {"through_depth": True, "bridge": "peek"},
    "attention": {"bidirectional": True, "attention": "additive", "bridge": "none"},
}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("depth", [(1, 1), (3, 3), (4, 4), (4, 5)])
@pytest.mark.parametrize("parts", FAMILY.values(), ids=FAMILY)
def test_the_vectors_of_the_first_family_of_models(parts, depth, cell):
    """16 series of 7 vectors of 5 numbers to 16 series of 8 vectors of 20, on 10 units; left to itself."""
    architecture = seq2seq(
        cell=cell,
        n_a=10,
        encoder_layers=depth[0],
        decoder_layers=depth[1],
        source_values=5,
        n_values=20,
        source_vectors=True,
        target_vectors=True,
        **parts,
    )
    weights, pairs = random_weights(architecture, scale=0.3), pairs_for(architecture, [(7, 8)] * 16)
    batch = batch_of(architecture, pairs)
    assert (np.moveaxis(batch.source, 1, 0).shape, batch.targets.shape) == ((16, 7, 5), (8, 16, 20))
    given = logits_of(architecture, weights, batch, forced=np.zeros((8, 16), np.float32))
    assert given.shape == (8, 16, 20)
    for row in (0, 15):
        wanted = Reference(architecture, weights).logits(pairs[row], np.zeros(8))
        np.testing.assert_allclose(given[:, row], wanted, atol=1e-5)
