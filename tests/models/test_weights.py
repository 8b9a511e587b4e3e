import numpy as np
import pytest

from seqgen import models
from seqgen.errors import ConfigError, ModelFileError
from seqgen.modelfile import Architecture, check_weights

ARCHITECTURE = Architecture(cell="lstm", n_a=3, layers=2, n_values=5, feature_sizes=(2,))


def test_weights_go_out_and_in_unchanged():
    first, second = models.build(ARCHITECTURE, seed=1), models.build(ARCHITECTURE, seed=2)
    weights = models.weights_of(*first)
    check_weights(ARCHITECTURE, weights)
    models.load_weights(*second, weights)
    for name, array in models.weights_of(*second).items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, weights[name])


def test_weights_are_copies():
    cells, densor = models.build(ARCHITECTURE, seed=1)
    weights = models.weights_of(cells, densor)
    before = weights["densor/kernel"].copy()
    densor.kernel.assign(densor.kernel * 2)
    np.testing.assert_array_equal(weights["densor/kernel"], before)
    weights["densor/kernel"][:] = 0
    assert (densor.kernel.numpy() != 0).any()


def test_dropout_state_is_no_weight():
    cell, densor = models.LSTM_cell(3, dropout=0.5), models.densor(5)
    models.training_model(cell, densor, 1)
    assert set(models.weights_of(cell, densor)) == {
        "layers/0/kernel",
        "layers/0/recurrent_kernel",
        "layers/0/bias",
        "densor/kernel",
        "densor/bias",
    }


def test_objects_without_weights_are_named():
    with pytest.raises(ConfigError, match=r"layers/0 \(lstm_cell.*\) has no weights yet"):
        models.weights_of(models.LSTM_cell(3), models.densor(5))


def test_weights_that_do_not_fit_change_nothing():
    cells, densor = models.build(ARCHITECTURE, seed=1)
    before = models.weights_of(cells, densor)
    changed = {name: array + 1 for name, array in before.items()}
    with pytest.raises(ModelFileError, match=r"'layers/1/bias' should have shape \(12,\), not None"):
        models.load_weights(cells, densor, {name: changed[name] for name in changed if name != "layers/1/bias"})
    with pytest.raises(ModelFileError, match=r"'densor/bias' should have shape \(5,\), not \(1,\)"):
        models.load_weights(cells, densor, changed | {"densor/bias": np.zeros(1)})
    for name, array in models.weights_of(cells, densor).items():
        np.testing.assert_array_equal(array, before[name])
