import numpy as np
import pytest

from seqgen import models
from seqgen.errors import ConfigError
from seqgen.modelfile import Architecture, tensor_shapes
from seqgen.runtime import RecurrentStepper

STACKS = [("lstm", 1), ("lstm", 2), ("gru", 1), ("gru", 2)]
stacks = pytest.mark.parametrize(("cell", "layers"), STACKS)


def random_weights(architecture: Architecture, seed: int = 0) -> dict[str, np.ndarray]:
    """Strong inputs and weak recurrence: the sequences vary, and rounding errors fade instead of growing."""
    rng = np.random.default_rng(seed)
    weak = ("recurrent_kernel", "bias")
    return {
        name: rng.normal(size=shape, scale=0.3 if name.endswith(weak) else 2).astype(np.float32)
        for name, shape in tensor_shapes(architecture).items()
    }


def shared_objects(cell, layers, n_values=11, n_a=16, feature_sizes=(), seed=0):
    """architecture, the cell (or list of cells), densor, stepper: all with the same random weights."""
    architecture = Architecture(cell=cell, n_a=n_a, layers=layers, n_values=n_values, feature_sizes=feature_sizes)
    weights = random_weights(architecture, seed)
    cells, densor = models.build(architecture)
    models.load_weights(cells, densor, weights)
    return architecture, cells[0] if layers == 1 else cells, densor, RecurrentStepper(architecture, weights)


def states(architecture, batch):
    """The same random state for a model (a0, c0 or lists of them) and for the stepper."""
    rng = np.random.default_rng(1)
    kinds = 2 if architecture.cell == "lstm" else 1
    arrays = rng.normal(size=(kinds, architecture.layers, batch, architecture.n_a)).astype(np.float32)
    inputs = [list(kind) if architecture.layers > 1 else kind[0] for kind in arrays]
    return inputs, tuple(np.concatenate(list(kind), axis=1) for kind in arrays)


def softmax(logits):
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


@stacks
@pytest.mark.parametrize("feature_sizes", [(), (3, 2)])
def test_training_model_and_stepper_give_the_same_numbers(cell, layers, feature_sizes):
    architecture, cells, densor, stepper = shared_objects(cell, layers, feature_sizes=feature_sizes)
    Tx, batch = 12, 3
    rng = np.random.default_rng(2)
    sizes = (architecture.n_values, *feature_sizes)
    ids = [rng.integers(size, size=(batch, Tx)) for size in sizes]  # tokens, then each feature
    X = np.concatenate(
        [np.eye(size, dtype=np.float32)[column] for size, column in zip(sizes, ids, strict=True)], axis=2
    )
    inputs, state = states(architecture, batch)
    outputs = models.training_model(cells, densor, Tx, feature_sizes=feature_sizes)([X, *inputs])
    assert [output.shape for output in outputs] == [(batch, architecture.n_values)] * Tx
    for t, output in enumerate(outputs):
        features = np.stack([column[:, t] for column in ids[1:]], axis=1) if feature_sizes else None
        logits, state = stepper.step(ids[0][:, t], state, features)
        np.testing.assert_allclose(output, softmax(logits), atol=1e-5)


@stacks
def test_inference_model_feeds_back_what_it_chose(cell, layers):
    """The same 60 greedy ids and probabilities as the stepper, and as the training model on these ids."""
    architecture, cells, densor, stepper = shared_objects(cell, layers)
    Ty, batch = 60, 3
    one_hot = np.eye(architecture.n_values, dtype=np.float32)
    start = np.array([1, 5, 7])
    inputs, state = states(architecture, batch)
    model = models.inference_model(cells, densor, Ty, return_ids=True)
    *outputs, chosen = model([one_hot[start][:, None], *inputs])
    chosen = np.array(chosen)
    assert chosen.shape == (batch, Ty)
    assert len(set(chosen.flat)) > 4  # not one note over and over
    now = start
    for t in range(Ty):
        logits, state = stepper.step(now, state)
        now = logits.argmax(axis=1)
        np.testing.assert_array_equal(now, chosen[:, t])
        np.testing.assert_array_equal(now, outputs[t].numpy().argmax(axis=1))
        np.testing.assert_allclose(outputs[t], softmax(logits), atol=1e-5)
    X = one_hot[np.concatenate([start[:, None], chosen[:, :-1]], axis=1)]
    again = models.training_model(cells, densor, Ty)([X, *inputs])
    np.testing.assert_allclose(np.array(outputs), np.array(again), atol=1e-5)


@stacks
def test_no_model_creates_a_weight(cell, layers):
    new_cell = models.LSTM_cell if cell == "lstm" else models.GRU_cell
    cells = [new_cell(4) for _ in range(layers)]
    densor = models.densor(6)
    training = models.training_model(cells if layers > 1 else cells[0], densor, 3)
    shared = {id(weight) for layer in (*cells, densor) for weight in layer.weights}
    assert len(shared) == 3 * layers + 2
    inference = models.inference_model(cells if layers > 1 else cells[0], densor, 5, choice="sample")
    for model in (training, inference):
        assert {id(weight) for weight in model.weights} == shared
        shapes = tensor_shapes(Architecture(cell=cell, n_a=4, layers=layers, n_values=6))
        assert model.count_params() == sum(int(np.prod(shape)) for shape in shapes.values())


def sampler(densor, cell, Ty=20, **options):
    """ids (batch, Ty) of one call from zeros, and the model's probabilities (Ty, batch, n_values)."""
    model = models.inference_model(cell, densor, Ty, choice="sample", return_ids=True, **options)

    def call(batch):
        x0 = np.tile(np.eye(densor.units, dtype=np.float32)[1], (batch, 1, 1))
        zeros = np.zeros((batch, cell.units), np.float32)
        *outputs, ids = model([x0, zeros, zeros])
        return np.array(ids), np.array(outputs)

    return call


def test_sampling_is_reproducible_and_rows_differ():
    _, cell, densor, _ = shared_objects("lstm", 1)
    call = sampler(densor, cell, seed=3)
    ids, _ = call(4)
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(call(4)[0], ids)  # the same model again
    np.testing.assert_array_equal(sampler(densor, cell, seed=3)(4)[0], ids)  # a new model
    assert (sampler(densor, cell, seed=4)(4)[0] != ids).any()
    assert len({tuple(row) for row in ids.tolist()}) == 4
    free = sampler(densor, cell)
    assert (free(4)[0] != free(4)[0]).any()


def test_what_is_sampled_is_fed_back():
    _, cell, densor, stepper = shared_objects("lstm", 1)
    ids, outputs = sampler(densor, cell, seed=3)(2)
    state = stepper.start(2)
    now = np.array([1, 1])
    for t in range(ids.shape[1]):
        logits, state = stepper.step(now, state)
        np.testing.assert_allclose(outputs[t], softmax(logits), atol=1e-5)
        now = ids[:, t]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_probabilities_at_their_temperature(temperature):
    _, cell, densor, _ = shared_objects("lstm", 1, n_values=5, n_a=4)
    count = 20_000
    ids, outputs = sampler(densor, cell, Ty=1, seed=5, temperature=temperature)(count)
    wanted = softmax(np.log(outputs[0, 0]) / temperature)
    np.testing.assert_allclose(np.bincount(ids[:, 0], minlength=5) / count, wanted, atol=0.02)


def test_positions_have_independent_draws():
    """With a constant distribution, a stream shared by all positions would repeat one id."""
    architecture = Architecture(cell="lstm", n_a=4, layers=1, n_values=5)
    (cell,), densor = models.build(architecture)
    models.load_weights(cell, densor, {name: 0 * array for name, array in random_weights(architecture).items()})
    ids, _ = sampler(densor, cell, Ty=100, seed=1)(1)
    np.testing.assert_allclose(np.bincount(ids[0], minlength=5) / 100, 0.2, atol=0.15)


def test_a_probability_of_zero_is_never_drawn():
    architecture = Architecture(cell="lstm", n_a=4, layers=1, n_values=5)
    (cell,), densor = models.build(architecture)
    weights = {name: 0 * array for name, array in random_weights(architecture).items()}
    weights["densor/bias"][:] = [0, -1e4, 0, -1e4, -1e4]
    models.load_weights(cell, densor, weights)
    ids, outputs = sampler(densor, cell, Ty=50, seed=1)(4)
    assert (outputs[..., [1, 3, 4]] == 0).all()
    assert set(ids.flat) == {0, 2}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda cell, densor: models.training_model(cell, densor, 0), "Tx is at least 1, not 0"),
        (lambda cell, densor: models.inference_model(cell, densor, 0), "Ty is at least 1, not 0"),
        (lambda cell, densor: models.inference_model(cell, densor, 1), "weights for 14 inputs, the model needs 11"),
        (lambda cell, densor: models.training_model(cell, densor, 1), "weights for 14 inputs, the model needs 11"),
        (lambda cell, densor: models.training_model([], densor, 1), "not nothing"),
        (lambda cell, densor: models.training_model([cell, models.GRU_cell(16)], densor, 1), "one kind and size"),
        (lambda cell, densor: models.training_model([cell, models.LSTM_cell(9)], densor, 1), "one kind and size"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    _, cell, densor, _ = shared_objects("lstm", 1, feature_sizes=(3,))
    with pytest.raises(ConfigError, match=says):
        make(cell, densor)


@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": float("nan")}, {"choice": "best"}])
def test_choice_and_temperature_are_checked(options):
    _, cell, densor, _ = shared_objects("lstm", 1)
    with pytest.raises(ConfigError, match="choice is argmax or sample"):
        models.inference_model(cell, densor, 2, **options)


@stacks
def test_initial_weights(cell, layers):
    architecture = Architecture(cell=cell, n_a=6, layers=layers, n_values=9)
    cells, densor = models.build(architecture, seed=1)
    weights = models.weights_of(cells, densor)
    assert {name: array.shape for name, array in weights.items()} == tensor_shapes(architecture)
    for k in range(layers):
        bias, recurrent = weights[f"layers/{k}/bias"], weights[f"layers/{k}/recurrent_kernel"]
        if cell == "lstm":  # input, forget, candidate, output
            np.testing.assert_array_equal(bias, np.repeat([0, 1, 0, 0], 6))
        np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(6), atol=1e-5)
    again = models.weights_of(*models.build(architecture, seed=1))
    other = models.weights_of(*models.build(architecture, seed=2))
    for name, array in weights.items():
        np.testing.assert_array_equal(array, again[name])
        assert name.endswith("bias") or (array != other[name]).any()
    kernels = [array for name, array in weights.items() if name.endswith("kernel") and "layers" in name]
    if layers == 2:
        assert (kernels[1] != kernels[3]).any()  # no two layers are drawn alike
