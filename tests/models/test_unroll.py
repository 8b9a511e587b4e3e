"""The fused unroll beside the literal Keras model, Keras' own cells stepped one by one, and the numpy stepper."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from made import random_weights

from seqgen import models
from seqgen.modelfile import Architecture
from seqgen.models.unroll import unroll, zero_state
from seqgen.runtime import RecurrentStepper

TX, BATCH = 9, 4
architectures = pytest.mark.parametrize(
    "architecture",
    [
        Architecture(cell=cell, n_a=5, layers=layers, n_values=7, feature_sizes=features)
        for cell in ("lstm", "gru")
        for layers in (1, 2)
        for features in ((), (3, 4))
    ],
    ids=lambda one: f"{one.cell}-{one.layers}-{len(one.feature_sizes)}",
)


def inputs(architecture: Architecture, seed: int = 1):
    """ids (Tx, batch), features (Tx, batch, n), keep (Tx, batch), a random state as for `unroll`."""
    random = np.random.default_rng(seed)
    ids = random.integers(architecture.n_values, size=(TX, BATCH))
    sizes = np.array(architecture.feature_sizes, np.int64)
    features = random.integers(sizes, size=(TX, BATCH, len(sizes)))
    keep = (random.random((TX, BATCH)) < 0.7).astype(np.float32)
    arrays = 2 if architecture.cell == "lstm" else 1
    state = random.normal(size=(architecture.layers, arrays, BATCH, architecture.n_a)).astype(np.float32)
    return ids.astype(np.int32), features.astype(np.int32), keep, state


def fused(architecture, weights, ids, features, keep, state, masks=None):
    tensors = {name: tf.constant(array) for name, array in weights.items()}
    rows = [[tf.constant(array) for array in layer] for layer in state]
    return unroll(architecture, tensors, tf.constant(ids), tf.constant(features), tf.constant(keep), rows, masks)


def one_hot(architecture, ids, features):
    """(..., n_inputs), as the training model takes them."""
    columns = [(architecture.n_values, ids)]
    columns += [(size, features[..., index]) for index, size in enumerate(architecture.feature_sizes)]
    return np.concatenate([np.eye(size, dtype=np.float32)[column] for size, column in columns], axis=-1)


def keras_parts(architecture, weights):
    cells, densor = models.build(architecture)
    models.load_weights(cells, densor, weights)
    return cells, densor


@architectures
def test_it_equals_the_literal_model(architecture):
    weights = random_weights(architecture)
    ids, features, _, state = inputs(architecture)
    logits, _ = fused(architecture, weights, ids, features, np.ones((TX, BATCH), np.float32), state)
    cells, densor = keras_parts(architecture, weights)
    model = models.training_model(cells, densor, TX, feature_sizes=architecture.feature_sizes)
    X = one_hot(architecture, ids, features).swapaxes(0, 1)  # (batch, Tx, n_inputs)
    by_kind = [[layer[kind] for layer in state] for kind in range(state.shape[1])]  # a0 of all layers, then c0
    first = [rows if architecture.layers > 1 else rows[0] for rows in by_kind]
    np.testing.assert_allclose(tf.nn.softmax(logits), np.array(model([X, *first])), atol=1e-5)


@architectures
def test_it_equals_the_stepper_with_states_cleared_on_the_way(architecture):
    weights = random_weights(architecture)
    ids, features, keep, state = inputs(architecture)
    assert 0 < keep.mean() < 1
    logits, after = fused(architecture, weights, ids, features, keep, state)
    stepper = RecurrentStepper(architecture, weights)
    rows = tuple(np.concatenate([layer[kind] for layer in state], axis=1) for kind in range(state.shape[1]))
    for t in range(TX):
        for array in rows:
            array *= keep[t][:, None]
        wanted, rows = stepper.step(ids[t], rows, features[t] if architecture.feature_sizes else None)
        np.testing.assert_allclose(logits[t], wanted, atol=1e-5)
    for kind, array in enumerate(rows):
        np.testing.assert_allclose(np.concatenate([layer[kind] for layer in after], axis=1), array, atol=1e-5)


@architectures
def test_two_windows_are_one_of_twice_the_length(architecture):
    weights = random_weights(architecture)
    ids, features, keep, state = inputs(architecture)
    logits, after = fused(architecture, weights, ids, features, keep, state)
    head, between = fused(architecture, weights, ids[:4], features[:4], keep[:4], state)
    between = np.array([[array.numpy() for array in layer] for layer in between])
    tail, at_end = fused(architecture, weights, ids[4:], features[4:], keep[4:], between)
    np.testing.assert_allclose(np.concatenate([head, tail]), logits, atol=1e-5)
    for one, other in zip(tf.nest.flatten(after), tf.nest.flatten(at_end), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@architectures
@pytest.mark.parametrize("dropout", [False, True])
def test_the_gradient_is_that_of_the_cells_stepped_one_by_one(architecture, dropout):
    """With respect to all weights and the first state, through cleared states and dropout masks."""
    weights = random_weights(architecture)
    ids, features, keep, state = inputs(architecture)
    random = np.random.default_rng(5)
    targets = tf.constant(random.integers(architecture.n_values, size=(TX, BATCH)))
    shape = (architecture.layers, BATCH, architecture.n_a)
    masks = tf.unstack(tf.constant((random.random(shape) < 0.6).astype(np.float32) / 0.6)) if dropout else None
    # of the states after the window too, as if another one followed
    pulls = tf.constant(random.normal(size=state.shape).astype(np.float32))

    tensors = {name: tf.constant(array) for name, array in weights.items()}
    first = [[tf.constant(array) for array in layer] for layer in state]
    with tf.GradientTape() as tape:
        tape.watch([tensors, first])
        logits, after = unroll(
            architecture, tensors, tf.constant(ids), tf.constant(features), tf.constant(keep), first, masks
        )
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))
        loss += tf.reduce_sum(pulls * tf.stack([tf.stack(layer) for layer in after]))
    of_weights, of_state = tape.gradient(loss, [tensors, first])

    cells, densor = keras_parts(architecture, weights)
    variables = {
        f"layers/{layer}/{one.name}": one.value for layer, cell in enumerate(cells) for one in cell.trainable_variables
    } | {f"densor/{one.name}": one.value for one in densor.trainable_variables}
    begin = [[tf.constant(array) for array in layer] for layer in state]
    with tf.GradientTape() as tape:
        tape.watch(begin)
        rows, plain = begin, []
        for t in range(TX):
            x, moved = one_hot(architecture, ids[t], features[t]), []
            for layer, cell in enumerate(cells):
                x, one = cell(x, [array * keep[t][:, None] for array in rows[layer]])
                moved.append(list(one))
                x = x * masks[layer] if masks is not None else x
            rows = moved
            plain.append(keras.ops.matmul(x, densor.kernel) + densor.bias)
        expected = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, tf.stack(plain)))
        expected += tf.reduce_sum(pulls * tf.stack([tf.stack(layer) for layer in rows]))
    wanted_weights, wanted_state = tape.gradient(expected, [variables, begin])

    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert set(of_weights) == set(wanted_weights)
    for name, wanted in wanted_weights.items():
        np.testing.assert_allclose(of_weights[name], wanted, atol=2e-4, rtol=1e-4, err_msg=name)
    for got, wanted in zip(tf.nest.flatten(of_state), tf.nest.flatten(wanted_state), strict=True):
        np.testing.assert_allclose(got, wanted, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("n_values", [20, 600])  # a large kernel adds its gradient row by row
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_gradient_of_the_first_kernel_is_added_up_for_every_place(cell, n_values):
    architecture = Architecture(cell=cell, n_a=3, layers=1, n_values=n_values)
    tensors = {name: tf.constant(array) for name, array in random_weights(architecture).items()}
    ids = np.array([[1, 5], [5, 5], [n_values - 1, 1]], np.int32)
    features, keep = np.zeros((3, 2, 0), np.int32), np.ones((3, 2), np.float32)

    def logits_of(kernel):
        window = (tf.constant(array) for array in (ids, features, keep))
        weights = tensors | {"layers/0/kernel": kernel}
        return unroll(architecture, weights, *window, zero_state(architecture, 2))[0]

    kernel = tensors["layers/0/kernel"]
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        loss = tf.reduce_sum(tf.sin(logits_of(kernel)))
    got = tape.gradient(loss, kernel).numpy()
    assert set(np.flatnonzero(np.abs(got).sum(axis=1))) == {1, 5, n_values - 1}
    epsilon = 1e-2
    for row, column in ((1, 0), (5, 4), (n_values - 1, 8)):
        ends = []
        for sign in (1, -1):
            moved = kernel.numpy()
            moved[row, column] += sign * epsilon
            ends.append(np.sin(logits_of(tf.constant(moved)).numpy().astype(np.float64)).sum())
        assert got[row, column] == pytest.approx((ends[0] - ends[1]) / (2 * epsilon), abs=5e-3)


@architectures
def test_the_zero_state(architecture):
    state = zero_state(architecture, 3)
    assert len(state) == architecture.layers
    for layer in state:
        assert [array.shape for array in layer] == [(3, architecture.n_a)] * (2 if architecture.cell == "lstm" else 1)
        assert all(not array.numpy().any() for array in layer)
