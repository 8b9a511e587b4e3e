"""The recipes of Keras' examples that benchmarks compare with: what they are given, and how they are scored."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "scripts" / "benchmarks" / "keras_recipes.py"


@pytest.fixture(scope="module")
def recipes():
    spec = importlib.util.spec_from_file_location("keras_recipes", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_texts_become_one_hots_filled_up_with_spaces(recipes):
    found = recipes.one_hot(["ab", "b"], " ab", 3)
    np.testing.assert_array_equal(found.argmax(axis=-1), [[1, 2, 0], [2, 0, 0]])
    assert (found.sum(axis=-1) == 1).all()


def test_padding_counts_for_nothing(recipes):
    targets = recipes.one_hot(["ab\n", "\n"], " ab\n", 4)
    probabilities = np.full((2, 4, 4), 0.25)
    lengths = np.array([3, 1])
    assert recipes.nats(probabilities, targets, lengths) == pytest.approx(math.log(4))
    worse = probabilities.copy()
    worse[0, 3] = worse[1, 1:] = [1e-9, 1, 0, 0]  # sure, and wrong, where there is padding
    assert recipes.nats(worse, targets, lengths) == pytest.approx(math.log(4))
    better = probabilities.copy()
    better[1, 0] = [0, 0, 0, 1]  # one of the four that count
    assert recipes.nats(better, targets, lengths) == pytest.approx(math.log(4) * 3 / 4)


def test_both_stop_when_time_is_over(recipes, capsys):
    pairs = [(f"{a}+{b}", str(a + b)) for a in range(8) for b in range(8)]
    seconds, right = recipes.addition(pairs, enough=1.1, minutes=0.001)
    assert seconds >= 0.06
    assert 0 <= right <= 1
    found = recipes.translation(pairs[:50], pairs[50:], minutes=0.001)
    assert found.best <= found.last
    assert found.epochs >= 1
