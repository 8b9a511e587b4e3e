import numpy as np
import pytest
from pair_cases import CASES, seq2seq

from seqgen import models
from seqgen.architecture import Architecture, tensor_shapes
from seqgen.errors import ModelFileError
from seqgen.models.layers import build_layers, variables_of
from seqgen.models.weights import assign, copies, new_variables


@pytest.mark.parametrize("parts", CASES.values(), ids=CASES)
def test_names_and_shapes_are_those_of_the_model_file(parts):
    architecture = seq2seq(**parts)
    arrays = copies(new_variables(architecture))
    assert {name: array.shape for name, array in arrays.items()} == tensor_shapes(architecture)
    assert all(array.dtype == np.float32 for array in arrays.values())


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_how_weights_begin(cell):
    architecture = seq2seq(
        cell=cell, n_a=30, source_embedding=40, embedding=50, n_values=60, attention="additive", encoder_layers=2
    )
    one, again, other = (copies(new_variables(architecture, seed=seed)) for seed in (1, 1, 2))
    for name, array in one.items():
        np.testing.assert_array_equal(array, again[name])
        assert name.endswith("bias") or (array != other[name]).any()
        if name.endswith("embedding"):
            assert np.abs(array).max() <= 0.05
            assert array.std() == pytest.approx(0.05 / np.sqrt(3), rel=0.05)
        elif name.endswith("recurrent_kernel"):
            np.testing.assert_allclose(array @ array.T, np.eye(30), atol=1e-5)
        elif name.endswith("kernel"):
            limit = np.sqrt(6 / sum(array.shape))
            assert 0.9 * limit < np.abs(array).max() <= limit
        else:
            gates = [0, 30, 0, 0] if cell == "lstm" and "coder" in name else [0]  # the forget gate begins at 1
            assert np.abs(array).sum() == sum(gates)
    drawn = [array.ravel()[:20] for name, array in one.items() if not name.endswith("bias")]
    assert len({row.tobytes() for row in drawn}) == len(drawn)  # no two are drawn alike


def test_those_of_a_generator_are_the_same_as_of_its_cells():
    architecture = Architecture(cell="gru", n_a=4, layers=2, n_values=6)
    wanted = models.weights_of(*models.build(architecture, seed=3))
    for name, array in copies(new_variables(architecture, seed=3)).items():
        np.testing.assert_array_equal(array, wanted.pop(name))
    assert not wanted


def test_weights_go_in_and_out_unchanged_or_not_at_all():
    architecture = seq2seq(**CASES["additive-gru"])
    layers = build_layers(architecture, seed=1)
    before, new = copies(variables_of(layers)), copies(new_variables(architecture, seed=2))
    for wrong in (new | {"densor/bias": np.zeros(1, np.float32)}, {**new, "more": np.zeros(1)}):
        with pytest.raises(ModelFileError, match="should have shape"):
            assign(variables_of(layers), wrong)
    for name, array in copies(variables_of(layers)).items():
        np.testing.assert_array_equal(array, before[name])
    assign(variables_of(layers), new)
    for name, array in copies(variables_of(layers)).items():
        np.testing.assert_array_equal(array, new[name])
