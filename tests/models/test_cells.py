"""One step of each cell beside the formulas of its paper, in plain numpy."""

import numpy as np

from seqgen import models

rng = np.random.default_rng(0)
BATCH, N_INPUTS, N_A = 3, 5, 4
x = rng.normal(size=(BATCH, N_INPUTS)).astype(np.float32)
a0 = rng.normal(size=(BATCH, N_A)).astype(np.float32)
c0 = rng.normal(size=(BATCH, N_A)).astype(np.float32)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def with_random_weights(cell):
    cell.build((None, N_INPUTS))
    cell.set_weights([rng.normal(size=weight.shape) for weight in cell.weights])
    return cell, [weight.numpy() for weight in cell.weights]


def test_lstm_step():
    cell, (W, U, b) = with_random_weights(models.LSTM_cell(N_A))
    z = x @ W + a0 @ U + b
    gate = [z[:, k * N_A : (k + 1) * N_A] for k in range(4)]  # input, forget, candidate, output
    c = sigmoid(gate[1]) * c0 + sigmoid(gate[0]) * np.tanh(gate[2])
    a = sigmoid(gate[3]) * np.tanh(c)
    output, (new_a, new_c) = cell(x, [a0, c0])
    for got, wanted in ((output, a), (new_a, a), (new_c, c)):
        np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_gru_step():
    cell, (W, U, b) = with_random_weights(models.GRU_cell(N_A))
    xs, hs = x @ W + b[0], a0 @ U + b[1]
    z = sigmoid(xs[:, :N_A] + hs[:, :N_A])  # update
    r = sigmoid(xs[:, N_A : 2 * N_A] + hs[:, N_A : 2 * N_A])  # reset, applied after the recurrent product
    candidate = np.tanh(xs[:, 2 * N_A :] + r * hs[:, 2 * N_A :])
    a = z * a0 + (1 - z) * candidate
    output, (new_a,) = cell(x, [a0])
    np.testing.assert_allclose(output, a, atol=1e-5)
    np.testing.assert_allclose(new_a, a, atol=1e-5)


def test_densor_gives_probabilities():
    densor = models.densor(7)
    densor.build((None, N_A))
    densor.set_weights([rng.normal(size=weight.shape) for weight in densor.weights])
    kernel, bias = (weight.numpy() for weight in densor.weights)
    exp = np.exp(a0 @ kernel + bias)
    np.testing.assert_allclose(densor(a0), exp / exp.sum(axis=1, keepdims=True), atol=1e-5)
