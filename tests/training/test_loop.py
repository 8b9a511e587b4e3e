"""fit: it learns, keeps the best, says what is wrong, and does the same again."""

import math

import numpy as np
import pytest
import tensorflow as tf
from made import Uniform, document

from seqgen.corpus import Corpus
from seqgen.corpus.dataset import Dataset, prepare
from seqgen.corpus.walk import MaskTable, walk
from seqgen.errors import ConfigError, CorpusError, TrainingError
from seqgen.evaluate import score
from seqgen.models.unroll import unroll, zero_state
from seqgen.piece import Meter, Piece
from seqgen.runtime import RecurrentStepper
from seqgen.training import fit, generator, loop, make_settings
from seqgen.training.loop import Run, learner_of

LETTERS = "abcdefgh"
SMALL = {"n_a": 12, "layers": 1, "tx": 8, "batch_size": 4, "dropout": 0.0, "weight_drop": 0.0, "shards": 2}


def texts(*contents: str, fraction: float = 0.2) -> Dataset:
    documents = tuple(document(content, f"text {number}") for number, content in enumerate(contents))
    return prepare(Corpus("made", "text", documents), fraction=fraction)


def tunes() -> Dataset:
    """Scales up and down in two keys and two meters, with pickups; the held-out ones begin elsewhere."""

    def scales(first: int) -> Corpus:
        documents = []
        for number in range(first, 8, 2):
            pitches = [60 + number % 3 + (0, 2, 4, 5, 7, 5, 4, 2)[(number + time) % 8] for time in range(20)]
            notes = [(2 * time, 2, pitch, 80, 0) for time, pitch in enumerate(pitches)]
            made = Piece.build(notes, 4, meters=(Meter(0, 3 + number % 2, 4),), pickup_ticks=number % 3 * 2)
            documents.append(document(made, f"scale {number}"))
        return Corpus("made", "music", tuple(documents))

    return prepare(scales(0), held_out=scales(1))


def nats_of(dataset: Dataset, architecture, weights) -> float:
    stepper = RecurrentStepper(architecture, weights)
    return score(stepper, dataset.encoding, dataset.vocabulary, dataset.held_out).nats_per_token


@pytest.fixture
def eagerly():
    """Without compiling, which takes seconds: for tests of a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def always_validating(monkeypatch):
    """A validation after every step."""
    monkeypatch.setattr(loop, "_FIRST_VALIDATION", 0.0)
    monkeypatch.setattr(loop, "_VALIDATION_SECONDS", 0.0)
    monkeypatch.setattr(loop, "_TRAINING_PER_VALIDATION", 0.0)
    monkeypatch.setattr(loop, "_VALIDATIONS", 10**9)
    monkeypatch.setattr(loop, "_PATIENT_SHARE", 0.0)


@pytest.mark.parametrize(
    ("cell", "layers", "optimizer", "lr"),
    [
        ("lstm", 1, "adamw", 0.03),
        ("gru", 2, "sgd", 1.0),
    ],
)
def test_it_learns_what_repeats(cell, layers, optimizer, lr):
    """Eight letters round and round: log(12) = 2.5 nats when nothing is known, next to none in the end."""
    dataset = texts(LETTERS * 60)
    losses = []
    result = fit(
        dataset,
        make_settings(**{**SMALL, "layers": layers, "cell": cell, "optimizer": optimizer, "lr": lr}, max_steps=200),
        on_step=lambda report: losses.append(report.loss),
    )
    assert losses[0] == pytest.approx(math.log(12), abs=0.3)
    assert result.report.best_nats is not None
    assert result.report.best_nats < 0.3
    assert result.report.best_nats == pytest.approx(nats_of(dataset, result.architecture, result.weights), abs=1e-6)
    assert (result.stopped, result.report.steps, result.report.progress) == ("length", 200, 1.0)
    assert (result.architecture.cell, result.architecture.layers) == (cell, layers)


def test_the_same_seed_gives_the_same_weights_bit_for_bit():
    """Of music, with features, transposed in training, and with dropout; and it learns."""

    def trained():
        return fit(tunes(), make_settings(**{**SMALL, "dropout": 0.2, "lr": 0.03}, max_steps=400, seed=3))

    one, again = trained(), trained()
    assert one.history[-1]["loss"] == again.history[-1]["loss"]
    for name, array in one.weights.items():
        assert array.tobytes() == again.weights[name].tobytes(), name
    dataset = tunes()
    assert one.architecture.feature_sizes
    nothing_known = score(Uniform(len(dataset.vocabulary)), dataset.encoding, dataset.vocabulary, dataset.held_out)
    assert one.report.best_nats is not None
    assert one.report.best_nats < nothing_known.nats_per_token - 0.5


@pytest.mark.parametrize(("optimizer", "dropout"), [("adam", 0.3), ("rmsprop", 0.0), ("sgd", 0.3), ("adamw", 0.0)])
def test_the_seed_decides(eagerly, optimizer, dropout):
    def trained(seed):
        return fit(
            texts(LETTERS * 20),
            make_settings(**{**SMALL, "dropout": dropout}, optimizer=optimizer, max_steps=3, seed=seed),
        ).weights

    one, again, other = trained(3), trained(3), trained(4)
    for name, array in one.items():
        np.testing.assert_array_equal(array, again[name])
    assert any((array != other[name]).any() for name, array in one.items())


def test_the_best_weights_are_kept(eagerly, always_validating):
    """With this rate the held-out score jumps about, and the last one is not the best."""
    dataset = texts("".join(LETTERS[seed * seed % 8] for seed in range(300)))
    seen = []

    def check(report, history, architecture, weights):
        assert history[-1]["valid_nats"] == report.valid_nats
        assert nats_of(dataset, architecture, weights) == pytest.approx(report.valid_nats, abs=1e-9)
        seen.append((report.valid_nats, weights))

    result = fit(dataset, make_settings(**SMALL, max_steps=25, lr=0.9, optimizer="adam"), on_validation=check)
    values = [nats for nats, _ in seen]
    assert [entry["valid_nats"] for entry in result.history] == values
    best = int(np.argmin(values))
    assert best < len(values) - 1
    assert result.report.best_nats == values[best]
    for name, array in result.weights.items():
        np.testing.assert_array_equal(array, seen[best][1][name])


def test_it_stops_when_the_held_out_loss_stalls(eagerly, always_validating):
    result = fit(texts(LETTERS * 20), make_settings(**SMALL, lr=1e-12))
    assert result.stopped == "stalled"
    assert 1 < result.report.steps <= 20
    assert result.report.progress < 0.1


def test_without_held_out_texts_the_last_weights_are_taken(eagerly):
    dataset = texts(LETTERS * 20, fraction=0)
    result = fit(dataset, make_settings(**SMALL, max_steps=5))
    assert (result.report.valid_nats, result.report.best_nats, result.stopped) == (None, None, "length")
    assert all(np.isfinite(array).all() for array in result.weights.values())


def test_an_interruption_gives_the_best_so_far(eagerly, always_validating):
    dataset = texts(LETTERS * 40)
    seen = []

    def interrupt(report):
        if report.steps == 12:
            raise KeyboardInterrupt

    result = fit(
        dataset,
        make_settings(**SMALL, max_steps=1000, lr=0.02),
        on_step=interrupt,
        on_validation=lambda report, history, architecture, weights: seen.append((report.valid_nats, weights)),
    )
    assert (result.stopped, result.report.steps) == ("interrupted", 12)
    assert len(seen) == 11  # the twelfth step was not scored any more
    best = min(range(11), key=lambda number: seen[number][0])
    for name, array in result.weights.items():
        np.testing.assert_array_equal(array, seen[best][1][name])


def test_an_interruption_before_the_first_score_gives_what_there_is(eagerly):
    steps = []

    def interrupt(report):
        steps.append(report.steps)
        if report.steps == 3:
            raise KeyboardInterrupt

    result = fit(texts(LETTERS * 40), make_settings(**SMALL, max_steps=1000), on_step=interrupt)
    assert (result.stopped, steps, result.history) == ("interrupted", [1, 2, 3], [])
    assert all(np.isfinite(array).all() for array in result.weights.values())


def test_a_loss_that_is_no_number_names_its_step(eagerly, monkeypatch):
    built = generator.build

    def broken(architecture, seed):
        cells, densor = built(architecture, seed=seed)
        densor.bias.assign(np.full(architecture.n_values, np.nan))
        return cells, densor

    monkeypatch.setattr(generator, "build", broken)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 1: lower the learning rate \(now 0.5\)"):
        fit(texts(LETTERS * 40), make_settings(**SMALL, max_steps=3, lr=0.5))


def test_a_corpus_shorter_than_a_window():
    with pytest.raises(CorpusError, match=r"there are \d+ tokens to train on, less than one window of Tx = 64"):
        fit(texts("a short text"), make_settings(tx=64, max_steps=1))


@pytest.mark.parametrize("epochs", [0.5, 1, 2.5])
def test_epochs_are_passes_over_the_lanes(eagerly, epochs):
    dataset = texts(LETTERS * 20)
    result = fit(dataset, make_settings(**SMALL, epochs=epochs))
    tokens = len(dataset.train[0].ids) - 1
    windows = math.ceil(math.ceil(tokens / 4) / 8)
    assert result.report.steps == math.ceil(epochs * windows)
    assert result.report.epochs == pytest.approx(result.report.steps / windows)


def test_minutes_end(eagerly):
    result = fit(texts(LETTERS * 20), make_settings(**SMALL, minutes=0.002))
    assert result.stopped == "length"
    assert 0.1 <= result.report.seconds < 5


def after_one_step(dataset: Dataset, change=None, **settings):
    """The loss of a step on a window with padding and with targets that do not count, and the weights after it."""
    run = Run(learner_of(dataset, make_settings(**{**SMALL, **settings}, max_steps=50)))
    windows = (window for epoch in range(100) for window in run.learner.lanes.epoch(epoch))
    window = next(one for one in windows if (one.ids == 0).any() and (one.weights[one.ids != 0] == 0).any())
    run.step(window if change is None else change(window))
    return run.report.loss, run.updater.weights()


def test_what_has_weight_0_changes_nothing(eagerly):
    """Targets that do not count, and everything behind the end of a lane."""
    dataset = tunes()
    random = np.random.default_rng(1)
    n_values = len(dataset.vocabulary)

    def scrambled(window):
        noise = random.integers(n_values, size=window.ids.shape).astype(np.int32)
        padding = window.ids == 0
        return window._replace(
            ids=np.where(padding, noise, window.ids),
            targets=np.where(window.weights == 0, noise, window.targets),
            features=np.where(padding[:, :, None], 1, window.features),
        )

    loss, weights = after_one_step(dataset)
    other, others = after_one_step(dataset, scrambled)
    assert other == pytest.approx(loss, abs=1e-7)
    for name, array in weights.items():
        np.testing.assert_allclose(others[name], array, atol=1e-7, err_msg=name)


def test_the_loss_is_the_mean_over_what_counts(eagerly):
    """By the literal formula on the logits of the stepper, before the first update."""
    dataset = texts(LETTERS * 13)
    run = Run(learner_of(dataset, make_settings(**SMALL, max_steps=50)))
    window = list(run.learner.lanes.epoch(0))[-1]
    stepper = RecurrentStepper(run.architecture, run.updater.weights())
    state, nats = stepper.start(window.ids.shape[1]), 0.0
    for t in range(len(window.ids)):
        for array in state:
            array *= window.keep[t][:, None]
        logits, state = stepper.step(window.ids[t], state)
        for lane, target in enumerate(window.targets[t]):
            row = logits[lane].astype(np.float64)
            nats += window.weights[t, lane] * (np.log(np.exp(row).sum()) - row[target])
    run.step(window)
    assert run.report.loss == pytest.approx(nats / window.weights.sum(), rel=1e-5)


def test_shards_change_nothing_but_the_rounding(eagerly):
    """Momentum without Adam's division by the gradient's own size, which would blow rounding up."""
    dataset = tunes()
    loss, weights = after_one_step(dataset, shards=1, optimizer="sgd", dropout=0.4, weight_drop=0.3)
    for shards in (2, 3, 4):
        other, others = after_one_step(dataset, shards=shards, optimizer="sgd", dropout=0.4, weight_drop=0.3)
        assert other == pytest.approx(loss, rel=1e-5)
        for name, array in weights.items():
            np.testing.assert_allclose(others[name], array, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_dropped_recurrent_weights_do_not_learn(eagerly, cell):
    """In the first step of plain descent, which has no momentum yet; the others do, but for what the state leaves."""
    settings = {**SMALL, "n_a": 13, "weight_drop": 0.4, "optimizer": "sgd", "cell": cell}
    run = Run(learner_of(texts(LETTERS * 20), make_settings(**settings, max_steps=50)))
    before, kernel = run.updater.weights(), "layers/0/recurrent_kernel"
    run.step(next(run.batches()))
    after = run.updater.weights()
    moved = after[kernel] != before[kernel]
    assert 0.5 < moved.mean() < 0.7
    assert len({row.tobytes() for row in moved}) == len(moved)  # single weights are dropped, not units
    assert (after["densor/kernel"] != before["densor/kernel"]).all()


def test_without_features_a_model_of_music_does_not_see_its_place(eagerly):
    """Their weights stay zero, so the stepper gives the same for any."""
    result = fit(tunes(), make_settings(**SMALL, max_steps=3, features=False))
    sizes = result.architecture.feature_sizes
    assert sizes
    assert not result.weights["layers/0/kernel"][result.architecture.n_values :].any()
    assert fit(tunes(), make_settings(**SMALL, max_steps=3)).weights["layers/0/kernel"][-1].any()
    stepper = RecurrentStepper(result.architecture, result.weights)
    features = np.array([[0] * len(sizes), [size - 1 for size in sizes]])
    logits, _ = stepper.step(np.array([5, 5]), stepper.start(2), features)
    np.testing.assert_array_equal(*logits)


def test_the_state_is_carried_from_window_to_window_and_cleared_at_an_epoch(eagerly):
    dataset = texts(LETTERS * 20)
    run = Run(learner_of(dataset, make_settings(**SMALL, epochs=2)))
    zeros = []
    for window in run.batches():
        arrays = run.updater.snapshot()
        zeros.append(not any(array.any() for name, array in arrays.items() if name.startswith("state/")))
        run.step(window)
    epoch = run.learner.batches_per_epoch
    assert zeros == [True, *[False] * (epoch - 1)] * 2


@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_every_seed_in_range_can_be_used(eagerly, seed):
    assert fit(texts(LETTERS * 20), make_settings(**SMALL, max_steps=1, seed=seed)).report.steps == 1


def test_a_setting_out_of_range_is_an_error_before_anything_is_done():
    with pytest.raises(ConfigError, match="n_a must be"):
        fit(texts(LETTERS * 20), make_settings(n_a=-1))


def test_the_score_is_that_of_tensorflow_under_the_same_mask():
    """Probability over the legal ids, of every target after the controls, state carried through each piece."""
    dataset = tunes()
    settings = make_settings(**{**SMALL, "lr": 0.03}, max_steps=60)
    result = fit(dataset, settings)
    grammar, kinds = dataset.encoding.grammar(dataset.vocabulary), dataset.encoding.table(dataset.vocabulary).kind
    weights = {name: tf.constant(array) for name, array in result.weights.items()}
    nats, count = 0.0, 0.0
    for sequence in dataset.held_out:
        table = MaskTable()
        steps = walk(grammar, kinds, sequence, table)
        ids = tf.constant(sequence.ids[:-1].astype(np.int32))[:, None]
        features = tf.constant(steps.features)[:, None]
        state = zero_state(result.architecture, 1)
        logits, _ = unroll(result.architecture, weights, ids, features, tf.ones(ids.shape), state)
        legal = tf.constant(table.scoring()[steps.masks])[:, None]
        logits = tf.where(legal, logits, tf.constant(-np.inf))
        targets = tf.constant(sequence.ids[1:].astype(np.int32))[:, None]
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)[:, 0]
        nats += float(tf.reduce_sum(tf.where(steps.targets, each, 0.0)))
        count += steps.targets.sum()
    assert nats / count == pytest.approx(nats_of(dataset, result.architecture, result.weights), abs=1e-5)
    assert nats / count == pytest.approx(result.report.best_nats, abs=1e-5)
