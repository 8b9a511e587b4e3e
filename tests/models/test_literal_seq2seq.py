"""The literal Keras models: the same numbers and gradients as the fast path, in training and step by step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from made import random_weights
from pair_cases import CASES, SIZES, batch_of, pairs_for, seq2seq, sizes_for

from seqgen.architecture import tensor_shapes
from seqgen.errors import ConfigError
from seqgen.models import pairs as fast
from seqgen.models.layers import build_layers, variables_of
from seqgen.models.seq2seq import decoder_model, encoder_model, training_model
from seqgen.models.weights import assign
from seqgen.runtime import Seq2SeqStepper


def layers_with(architecture, weights):
    layers = build_layers(architecture)
    assign(variables_of(layers), weights)
    return layers


def inputs_of(architecture, batch):
    """Batch first, as the Keras models take them."""
    arrays = {"source": batch.source, "real": batch.real}
    if architecture.feedback:
        arrays["before"] = batch.ids
    if architecture.feature_sizes:
        arrays["features"] = batch.features
    return {name: tf.constant(np.swapaxes(array, 0, 1)) for name, array in arrays.items()}


def of_logits(architecture, logits):
    return logits if architecture.target_vectors else tf.nn.softmax(logits)


KERAS = [
    "states",
    "gru",
    "deep",
    "bidirectional",
    "repeat-bidirectional",
    "peek-bidirectional",
    "embeddings",
    "vectors",
    "multiplicative-bidirectional",
    "aligned-peek",
    "same-length",
    "no-encoder",
    "no-encoder-ids",
    "additive-gru",
    "additive-deep",
    "through-depth-4-5",
    "through-depth-additive",
    "through-depth-encoder",
]


@pytest.mark.parametrize("name", KERAS)
def test_the_training_model_is_the_fast_path(name):
    architecture = seq2seq(**CASES[name])
    weights, batch = (
        random_weights(architecture),
        batch_of(architecture, pairs_for(architecture, sizes_for(architecture))),
    )
    layers = layers_with(architecture, weights)
    model = training_model(architecture, layers, *(len(array) for array in (batch.source, batch.ids)))
    random = np.random.default_rng(2)
    pulls = (random.normal(size=(*batch.weights.shape, architecture.n_values)) * batch.weights[:, :, None]).astype("f")
    tensors = {name: tf.constant(array) for name, array in weights.items()}
    zero = {"unconnected_gradients": tf.UnconnectedGradients.ZERO}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        logits = fast.logits_of(architecture, tensors, batch)
        ours = of_logits(architecture, logits)
        loss = tf.reduce_sum(pulls * ours)
    gradient = tape.gradient(loss, tensors, **zero)
    with tf.GradientTape() as tape:
        outputs = model(inputs_of(architecture, batch))
        loss = tf.reduce_sum(pulls * tf.stack(outputs))
    variables = {name: variable.value for name, variable in variables_of(layers).items()}
    wanted = tape.gradient(loss, variables, **zero)
    assert [output.shape for output in outputs] == [(len(SIZES), architecture.n_values)] * len(batch.ids)
    counted = batch.weights > 0
    np.testing.assert_allclose(ours.numpy()[counted], np.array(outputs)[counted], atol=1e-5)
    for name, array in wanted.items():
        np.testing.assert_allclose(gradient[name], tf.convert_to_tensor(array), atol=1e-4, rtol=1e-4, err_msg=name)


class Asked:
    """A pair of inference models, asked step by step."""

    def __init__(self, architecture, layers, batch):
        self.architecture, Tx = architecture, len(batch.source)
        inputs = inputs_of(architecture, batch)
        self.inputs = {name: inputs[name] for name in ("source", "real")}
        self.models = encoder_model(architecture, layers, Tx), decoder_model(architecture, layers, Tx)
        encoded = self.models[0](self.inputs)
        self.states = encoded.pop("states")
        self.given = encoded | ({"real": self.inputs["real"]} if "memory" in encoded else {})
        self.step = 0

    def __call__(self, before, features=None):
        fed_back = {"before": tf.convert_to_tensor(before)} if self.architecture.feedback else {}
        if self.architecture.feature_sizes:
            fed_back["features"] = tf.constant(features)
        if self.architecture.attention == "aligned":
            fed_back["step"] = tf.fill(before.shape[:1], self.step)
        outputs = self.models[1](self.given | fed_back | {"states": self.states})
        self.states, self.step = outputs["states"], self.step + 1
        return outputs["output"], outputs.get("shares")


ASKED = [
    "deep",
    "bidirectional-gru",
    "repeat",
    "peek",
    "vectors",
    "multiplicative",
    "aligned-peek",
    "additive-deep",
    "through-depth",
]


@pytest.mark.parametrize("name", ASKED)
def test_asked_step_by_step_it_gives_what_it_was_trained_to_give(name):
    architecture = seq2seq(**CASES[name])
    weights, pairs = random_weights(architecture), pairs_for(architecture, SIZES)
    batch, rows = batch_of(architecture, pairs), []
    if architecture.attention in ("additive", "multiplicative"):
        stepper = Seq2SeqStepper(architecture, weights)
        encoded = stepper.encode([pair.source for pair in pairs])
        rows = [stepper.attention(one, pair.ids, pair.features) for one, pair in zip(encoded, pairs, strict=True)]
    wanted = of_logits(architecture, fast.logits_of(architecture, weights, batch))
    asked = Asked(architecture, layers_with(architecture, weights), batch)
    for t in range(len(batch.ids)):
        output, shares = asked(batch.ids[t], batch.features[t])
        np.testing.assert_allclose(output, wanted[t], atol=1e-5)
        assert (shares is not None) == (architecture.attention in ("additive", "multiplicative"))
        if shares is not None:
            np.testing.assert_allclose(np.sum(shares, axis=1), 1, atol=1e-6)
            assert not shares.numpy()[batch.real.T == 0].any()
            for row, pair in enumerate(pairs):
                if t < len(pair.ids):
                    np.testing.assert_allclose(shares[row, -len(pair.source) :], rows[row][t], atol=1e-5)


@pytest.mark.parametrize("name", ["gru", "additive", "multiplicative", "through-depth", "vectors"])
def test_the_loop_that_translates_is_training_on_nothing_but_own_choices(name):
    architecture = seq2seq(**(CASES[name] | {"n_a": 12}))
    weights, batch = random_weights(architecture, scale=0.3), batch_of(architecture, pairs_for(architecture, SIZES))
    weights["decoder/0/kernel"] *= 6  # else one token is the best of all, whatever came before
    weights["densor/bias"][:] = 0
    wanted = fast.logits_of(architecture, weights, batch, forced=np.zeros(batch.weights.shape, np.float32))
    wanted = of_logits(architecture, wanted)
    asked, before, chosen = Asked(architecture, layers_with(architecture, weights), batch), batch.ids[0], []
    for t in range(len(batch.ids)):
        output, _ = asked(before)
        np.testing.assert_allclose(output, wanted[t], atol=2e-5)
        before = output if architecture.target_vectors else tf.argmax(output, axis=1, output_type=tf.int32)
        chosen.append(before)
    if not architecture.target_vectors:
        assert len({tuple(row) for row in np.transpose(chosen)}) > 1
        assert len(np.unique(chosen)) > 1


@pytest.mark.parametrize("name", ["bidirectional", "additive-gru"])
def test_more_padding_changes_no_state_and_no_share(name):
    architecture = seq2seq(**CASES[name])
    pairs = pairs_for(architecture, SIZES)
    layers = layers_with(architecture, random_weights(architecture))
    one, other = (Asked(architecture, layers, batch_of(architecture, pairs, left=left)) for left in (0, 3))
    batch = batch_of(architecture, pairs)
    for t in range(3):
        for array, padded in zip(tf.nest.flatten(one.states), tf.nest.flatten(other.states), strict=True):
            np.testing.assert_allclose(padded, array, atol=1e-6)
        (output, shares), (same, padded) = (asked(batch.ids[t], batch.features[t]) for asked in (one, other))
        np.testing.assert_allclose(same, output, atol=1e-6)
        if shares is not None:
            np.testing.assert_allclose(padded[:, 3:], shares, atol=1e-6)
            assert not padded[:, :3].numpy().any()


@pytest.mark.parametrize("name", ["bidirectional", "additive-gru", "aligned-peek", "multiplicative", "repeat"])
def test_no_model_creates_a_weight(name):
    architecture = seq2seq(**CASES[name])
    layers = build_layers(architecture)
    own = {id(variable) for variable in variables_of(layers).values()}
    models = [training_model(architecture, layers, 2, 3)]
    models += [make(architecture, layers, 2) for make in (encoder_model, decoder_model)]
    assert {id(weight) for weight in models[0].weights} == own
    assert {id(weight) for model in models[1:] for weight in model.weights} == own
    shapes = tensor_shapes(architecture)
    assert models[0].count_params() == sum(int(np.prod(shape)) for shape in shapes.values())


def test_a_student_trains_it_with_keras_alone():
    """Words of three letters, copied; then the same layers translate, greedily, a word at a time."""
    architecture = seq2seq(n_a=24, source_values=8, n_values=8)
    layers = build_layers(architecture, seed=1)
    model = training_model(architecture, layers, 4, 4)
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="sparse_categorical_crossentropy")
    letters = np.random.default_rng(0).integers(4, 8, size=(64, 3)).astype(np.int32)
    start, end = np.full((64, 1), 1, np.int32), np.full((64, 1), 2, np.int32)
    source, real = np.concatenate([letters, end], axis=1), np.ones((64, 4), np.float32)
    inputs = {"source": source, "real": real, "before": np.concatenate([start, letters], axis=1)}
    history = model.fit(inputs, list(source.T), batch_size=16, epochs=60, verbose=0).history["loss"]
    assert history[-1] < 0.1 < history[0]
    encoder, decoder = encoder_model(architecture, layers, 4), decoder_model(architecture, layers, 4)
    states, before, said = encoder({"source": source, "real": real})["states"], tf.constant(start[:, 0]), []
    for _ in range(4):
        outputs = decoder({"before": before, "states": states})
        states, before = outputs["states"], tf.argmax(outputs["output"], axis=1, output_type=tf.int32)
        said.append(before)
    assert (np.transpose(said) == source).mean() > 0.97


def test_what_does_not_fit_is_refused():
    architecture = seq2seq(**CASES["same-length"])
    layers = build_layers(architecture)
    for make in (encoder_model, decoder_model):
        with pytest.raises(ConfigError, match="no decoder to be asked"):
            make(architecture, layers, 2)
    with pytest.raises(ConfigError, match="Tx and Ty are at least 1, not 0 and 2"):
        training_model(architecture, layers, 0, 2)
