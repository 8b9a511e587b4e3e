import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from seqgen.errors import ConfigError, ModelFileError, TokenError
from seqgen.modelfile import Architecture, Corpus, Header, Side, Sides, Training, tensor_shapes
from seqgen.runtime import RecurrentStepper, stack, stepper
from seqgen.threads import one_thread

SHAPES = [  # n_a, layers, n_values, feature_sizes
    (5, 1, 7, ()),
    (5, 2, 7, (3,)),
    (8, 3, 6, (2, 4)),
]
architectures = pytest.mark.parametrize(
    "architecture",
    [
        Architecture(cell=cell, n_a=n_a, layers=layers, n_values=n_values, feature_sizes=features)
        for cell in ("lstm", "gru")
        for n_a, layers, n_values, features in SHAPES
    ],
    ids=lambda one: f"{one.cell}-{one.layers}-{len(one.feature_sizes)}",
)


def random_weights(architecture: Architecture, seed: int = 0, scale: float = 1.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=shape, scale=scale).astype(np.float32)
        for name, shape in tensor_shapes(architecture).items()
    }


def random_inputs(architecture: Architecture, batch: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """ids (steps, batch) and features (steps, batch, n_features)."""
    rng = np.random.default_rng(1)
    ids = rng.integers(architecture.n_values, size=(steps, batch))
    sizes = np.array(architecture.feature_sizes, np.int64)
    return ids, rng.integers(sizes, size=(steps, batch, len(sizes)))


def random_state(architecture: Architecture, batch: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(2)
    shape = (2 if architecture.cell == "lstm" else 1, batch, architecture.layers * architecture.n_a)
    return tuple(rng.normal(size=shape).astype(np.float32))


def run(stepper, state, ids, features) -> np.ndarray:
    """Logits (steps, batch, n_values)."""
    steps = []
    for now, more in zip(ids, features, strict=True):
        logits, state = stepper.step(now, state, more if stepper.feature_sizes else None)
        steps.append(logits.copy())
    return np.array(steps)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(architecture, weights, state, ids, features) -> np.ndarray:
    """The formulas of the papers, one row and one layer at a time, in float64, on one-hot vectors."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    result = np.empty((*ids.shape, architecture.n_values))
    for row in range(ids.shape[1]):
        a, *c = [list(np.split(array[row].astype(np.float64), architecture.layers)) for array in state]
        for t in range(len(ids)):
            parts = [
                (architecture.n_values, ids[t, row]),
                *zip(architecture.feature_sizes, features[t, row], strict=True),
            ]
            x = np.concatenate([np.eye(size)[index] for size, index in parts])
            for k in range(architecture.layers):
                W, U, b = (w[f"layers/{k}/{name}"] for name in ("kernel", "recurrent_kernel", "bias"))
                if architecture.cell == "lstm":
                    i, f, g, o = np.split(x @ W + a[k] @ U + b, 4)
                    c[0][k] = sigmoid(f) * c[0][k] + sigmoid(i) * np.tanh(g)
                    a[k] = sigmoid(o) * np.tanh(c[0][k])
                else:
                    (xz, xr, xh), (hz, hr, hh) = np.split(x @ W + b[0], 3), np.split(a[k] @ U + b[1], 3)
                    z = sigmoid(xz + hz)
                    a[k] = z * a[k] + (1 - z) * np.tanh(xh + sigmoid(xr + hr) * hh)
                x = a[k]
            result[t, row] = x @ w["densor/kernel"] + w["densor/bias"]
    return result


@architectures
@pytest.mark.parametrize("batch", [1, 4])
def test_steps_equal_the_formulas(architecture, batch):
    weights = random_weights(architecture)
    ids, features = random_inputs(architecture, batch, steps=9)
    wanted = reference(architecture, weights, random_state(architecture, batch), ids, features)
    got = run(RecurrentStepper(architecture, weights), random_state(architecture, batch), ids, features)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, atol=2e-5)


@architectures
def test_the_start_is_zeros(architecture):
    stepper = RecurrentStepper(architecture, random_weights(architecture))
    ids, features = random_inputs(architecture, 3, steps=2)
    zeros = tuple(np.zeros_like(array) for array in random_state(architecture, 3))
    assert [array.shape for array in stepper.start(3)] == [array.shape for array in zeros]
    np.testing.assert_array_equal(run(stepper, stepper.start(3), ids, features), run(stepper, zeros, ids, features))


@architectures
def test_one_row_equals_the_same_row_of_a_batch(architecture):
    stepper = RecurrentStepper(architecture, random_weights(architecture))
    ids, features = random_inputs(architecture, 5, steps=4)
    together = run(stepper, random_state(architecture, 5), ids, features)
    for row in range(5):
        alone = stepper.take(random_state(architecture, 5), np.array([row]))
        separate = run(stepper, alone, ids[:, [row]], features[:, [row]])
        np.testing.assert_allclose(separate[:, 0], together[:, row], atol=1e-5)


@architectures
def test_take_copies_rows_in_order(architecture):
    stepper = RecurrentStepper(architecture, random_weights(architecture))
    ids, features = random_inputs(architecture, 3, steps=2)
    state = random_state(architecture, 3)
    forked = stepper.take(state, np.array([2, 0, 2, 1]))
    kept = stepper.take(state, np.array([True, True, True]))
    before = [array.copy() for array in state]
    run(stepper, forked, ids[:, [2, 0, 2, 1]], features[:, [2, 0, 2, 1]])
    for array, other, wanted in zip(state, kept, before, strict=True):
        np.testing.assert_array_equal(array, wanted)
        np.testing.assert_array_equal(other, wanted)
    forked = stepper.take(state, np.array([2, 0, 2, 1]))
    together = run(stepper, forked, ids[:, [2, 0, 2, 1]], features[:, [2, 0, 2, 1]])
    np.testing.assert_array_equal(together[:, 0], together[:, 2])
    np.testing.assert_allclose(together[:, [1, 3, 0]], run(stepper, state, ids, features), atol=1e-5)


@architectures
def test_state_is_consumed_in_place_whatever_its_layout(architecture):
    stepper = RecurrentStepper(architecture, random_weights(architecture))
    for batch in (1, 3):
        ids, features = random_inputs(architecture, batch, steps=5)
        strided = tuple(np.repeat(array, 2, axis=1)[:, ::2] for array in random_state(architecture, batch))
        wanted = run(stepper, random_state(architecture, batch), ids, features)
        np.testing.assert_allclose(run(stepper, strided, ids, features), wanted, atol=1e-5)


@architectures
@pytest.mark.parametrize("batch", [1, 3])
def test_two_states_may_take_turns(architecture, batch):
    stepper = RecurrentStepper(architecture, random_weights(architecture))
    ids, features = random_inputs(architecture, batch, steps=6)
    wanted = [run(stepper, state, ids, features) for state in (random_state(architecture, batch), stepper.start(batch))]
    states = [random_state(architecture, batch), stepper.start(batch)]
    for t in range(len(ids)):
        for state, one in zip(states, wanted, strict=True):
            np.testing.assert_array_equal(run(stepper, state, ids[[t]], features[[t]])[0], one[t])


@architectures
def test_a_batch_shared_out_equals_the_whole(architecture, monkeypatch):
    monkeypatch.setattr(stack, "_WORTH", 1)
    monkeypatch.setattr(stack, "_FEWEST", 2)
    weights = random_weights(architecture)
    shared, alone = (RecurrentStepper(architecture, weights, threads=threads) for threads in (3, 1))
    for batch in (7, 2, 9):
        ids, features = random_inputs(architecture, batch, steps=9)
        got = run(shared, state := random_state(architecture, batch), ids, features)
        wanted = run(alone, other := random_state(architecture, batch), ids, features)
        np.testing.assert_allclose(got, wanted, atol=1e-5)
        np.testing.assert_allclose(np.array(state), np.array(other), atol=1e-5)


@pytest.mark.parametrize(("batch", "bytes_allowed"), [(1, 3000), (200, 150_000)])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_step_makes_no_arrays(cell, batch, bytes_allowed):
    # Allowed are indices, and for a batch what numpy itself takes to go through slices: 8192 numbers an operand.
    # The a of one layer would be 1 kB for one row, 200 kB for the batch, and its gates three or four times as much.
    architecture = Architecture(cell=cell, n_a=256, layers=2, n_values=50, feature_sizes=(3,))
    stepper = RecurrentStepper(architecture, random_weights(architecture), threads=1)
    ids, features = random_inputs(architecture, batch, steps=20)
    state = stepper.start(batch)
    stepper.step(ids[0], state, features[0])
    tracemalloc.start()
    try:
        for now, more in zip(ids, features, strict=True):
            stepper.step(now, state, more)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < bytes_allowed


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_huge_weights_saturate_without_a_warning(cell):
    architecture = Architecture(cell=cell, n_a=4, layers=2, n_values=5)
    stepper = RecurrentStepper(architecture, random_weights(architecture, scale=1e6))
    ids, features = random_inputs(architecture, 3, steps=20)
    assert np.isfinite(run(stepper, stepper.start(3), ids, features)).all()


def test_the_weights_are_copied():
    architecture = Architecture(cell="lstm", n_a=4, layers=1, n_values=5)
    weights = random_weights(architecture)
    stepper = RecurrentStepper(architecture, weights)
    before, _ = stepper.step(np.array([1]), stepper.start(1))
    before = before.copy()
    for array in weights.values():
        array[...] = 0
    np.testing.assert_array_equal(stepper.step(np.array([1]), stepper.start(1))[0], before)


@pytest.mark.parametrize("ids", [[5], [-1], [0, 5], [-1, 0]])
def test_ids_outside_the_vocabulary(ids):
    architecture = Architecture(cell="lstm", n_a=4, layers=1, n_values=5)
    stepper = RecurrentStepper(architecture, random_weights(architecture))
    with pytest.raises(TokenError, match=r"id (5|-1) is outside 0 to 4"):
        stepper.step(np.array(ids), stepper.start(len(ids)))


def test_features_must_fit():
    architecture = Architecture(cell="gru", n_a=4, layers=1, n_values=5, feature_sizes=(2, 3))
    stepper = RecurrentStepper(architecture, random_weights(architecture))
    with pytest.raises(ConfigError, match=r"features of shape \(1, 2\), not none"):
        stepper.step(np.array([1]), stepper.start(1))
    with pytest.raises(ConfigError, match=r"features of shape \(1, 2\), not \(1, 1\)"):
        stepper.step(np.array([1]), stepper.start(1), np.array([[1]]))
    with pytest.raises(TokenError, match="feature 1 3 is outside 0 to 2"):
        stepper.step(np.array([1]), stepper.start(1), np.array([[1, 3]]))
    with pytest.raises(TokenError, match="feature 0 -1 is outside 0 to 1"):
        stepper.step(np.array([1, 1]), stepper.start(2), np.array([[1, 2], [-1, 2]]))


def test_what_does_not_fit_is_refused():
    architecture = Architecture(cell="lstm", n_a=4, layers=1, n_values=5)
    weights = random_weights(architecture)
    stepper = RecurrentStepper(architecture, weights)
    with pytest.raises(ConfigError, match="1 ids came with the state of 2 rows"):
        stepper.step(np.array([1]), stepper.start(2))
    with pytest.raises(ConfigError, match="no context"):
        stepper.start(1, context="attended")
    with pytest.raises(ModelFileError, match="missing: 'densor/bias'"):
        RecurrentStepper(architecture, {name: weights[name] for name in weights if name != "densor/bias"})


def test_generating_loads_no_tensorflow():
    code = "import sys, seqgen.runtime; print(sorted({'tensorflow', 'keras', 'music21'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "[]\n"


def test_stepper_is_made_from_a_header():
    architecture = Architecture(cell="gru", n_a=4, layers=2, n_values=5)
    header = Header(
        kind="generator",
        architecture=architecture,
        sides=Sides(target=Side(encoding="chars", options={}, vocabulary=list("abcde"))),
        training=Training(seed=1, steps=1, epochs=1, seconds=1),
        corpus=Corpus(digest="", names=[]),
        version="0.1.0",
    )
    weights = random_weights(architecture)
    made, ids = stepper(header, weights), np.array([3])
    direct = RecurrentStepper(architecture, weights)
    np.testing.assert_array_equal(made.step(ids, made.start(1))[0], direct.step(ids, direct.start(1))[0])


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_large_model_gives_the_same_numbers_on_any_number_of_threads(cell, monkeypatch):
    """Else the same seed would give another piece on another machine's day. Its products are shared out."""
    architecture = Architecture(cell=cell, n_a=1024, layers=1, n_values=50)
    weights = random_weights(architecture, scale=0.05)
    monkeypatch.setattr(stack, "_WIDE", 1_000_000)
    ids, _ = random_inputs(architecture, 1, steps=10)
    found = []
    for threads in (1, 2, 4):
        stepper = RecurrentStepper(architecture, weights, threads=threads)
        state = stepper.start(1)
        with one_thread():
            found.append([stepper.step(now, state)[0].copy() for now in ids])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
