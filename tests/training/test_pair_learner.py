"""fit on pairs: it learns every preset's task, resumes bit for bit, and says what cannot be."""

import math

import numpy as np
import pytest
import tensorflow as tf

from seqgen.corpus.pair_dataset import PairDataset, prepare_pairs
from seqgen.corpus.pairs import PairCorpus
from seqgen.corpus.spelling import read_order
from seqgen.errors import ConfigError, TrainingError
from seqgen.evaluate import score_pairs
from seqgen.runtime.seq2seq import Seq2SeqStepper
from seqgen.training import PairSettings, checkpoint, fit, make_settings
from seqgen.training.loop import Run, learner_of

SMALL = {"n_a": 10, "batch_size": 8, "dropout": 0.0, "shards": 2, "lr": 0.02}


def words(count: int = 60, seed: int = 0) -> PairDataset:
    """Words of a, b and c, and the same in capitals."""
    random = np.random.default_rng(seed)
    sources = ["".join(random.choice(list("abc"), random.integers(1, 5))) for _ in range(count)]
    return prepare_pairs(PairCorpus.of(sources, [source.upper() for source in sources]), fraction=0.2)


def vectors(count: int = 40) -> PairDataset:
    """Series of two numbers, and the same with their sum."""
    random = np.random.default_rng(1)
    sources = [random.normal(size=(4, 2)).astype(np.float32) for _ in range(count)]
    targets = [np.concatenate([source, source.sum(1, keepdims=True)], 1) for source in sources]
    return prepare_pairs(PairCorpus.of(sources, targets), fraction=0.2)


def settings(preset: str, **more) -> PairSettings:
    return make_settings(PairSettings, **{**SMALL, "preset": preset, **more})


@pytest.fixture
def eagerly():
    """Without compiling, which takes seconds: for tests of a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_it_learns_to_copy(tmp_path):
    dataset = words(200)
    result = fit(dataset, settings("attention", n_a=24, max_steps=250))
    score = score_pairs(Seq2SeqStepper(result.architecture, result.weights), dataset, dataset.held_out)
    assert score.loss < 0.1
    assert score.loss == pytest.approx(result.report.best_nats, rel=1e-6)


@pytest.mark.parametrize("preset", ["same-length", "simple", "seq2seq", "peek", "char-translate", "bahdanau-gru"])
def test_every_preset_learns(eagerly, preset):
    """Less surprised after a few steps; that they get there is for longer runs."""
    more = {"optimizer": "adam", "embedding": 4 if preset == "bahdanau-gru" else None}
    result = fit(words(), settings(preset, layers=1, max_steps=12, **more))
    first, last = result.history[0]["valid_nats"], result.history[-1]["valid_nats"]
    assert last < first - 0.05


@pytest.mark.parametrize("preset", ["simple", "seq2seq", "peek", "attention"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_vectors_are_learned_by_their_squared_error(eagerly, preset, cell):
    dataset = vectors()
    result = fit(dataset, settings(preset, cell=cell, max_steps=12, reverse_source=False))
    score = score_pairs(Seq2SeqStepper(result.architecture, result.weights), dataset, dataset.held_out)
    assert score.mean_squared_error == pytest.approx(result.report.best_nats, rel=1e-5)
    assert result.report.best_nats < result.history[0]["valid_nats"]


@pytest.mark.parametrize("preset", ["attention", "seq2seq", "same-length"])
def test_the_loss_of_a_batch_is_that_of_the_stepper(eagerly, preset):
    """Before the first update, by the literal formula, pair after pair: padding counts nowhere."""
    dataset = words()
    run = Run(learner_of(dataset, settings(preset, layers=1, max_steps=10)))
    stepper = Seq2SeqStepper(run.architecture, run.updater.weights())
    batch = next(run.batches())
    nats = targets = 0.0
    for row in range(batch.weights.shape[1]):
        counted = int(batch.weights[:, row].sum())
        if not counted:
            continue
        source = batch.source[batch.real[:, row] == 1, row]
        state = stepper.start(1, stepper.encode([source]))
        for step in range(counted):
            logits, state = stepper.step(batch.ids[step, row : row + 1], state)
            exact = logits[0].astype(np.float64)
            nats += np.log(np.exp(exact).sum()) - exact[batch.targets[step, row]]
        targets += counted
    run.step(batch)
    assert run.report.loss == pytest.approx(nats / targets, rel=1e-4)


def test_reversed_sources_are_read_backwards_in_training_as_in_translation(eagerly):
    dataset = words()
    run = Run(learner_of(dataset, settings("seq2seq", max_steps=10)))
    wanted = {read_order(pair.source, True).tobytes() for pair in dataset.train}
    assert run.architecture.reversed
    for batch in run.learner.batches(0):
        for row in range(batch.weights.shape[1]):
            if batch.weights[:, row].any():
                source = batch.source[batch.real[:, row] == 1, row].astype(dataset.train[0].source.dtype)
                assert source.tobytes() in wanted


@pytest.mark.parametrize("more", [{}, {"teacher_forcing": 0.3, "scheduled_sampling": "linear"}], ids=["", "sampling"])
def test_a_resumed_run_ends_bit_for_bit_as_one_never_stopped(tmp_path, more):
    chosen = settings("char-translate", dropout=0.3, weight_drop=0.2, max_steps=30, seed=3, **more)
    whole = fit(words(), chosen)
    path = tmp_path / "run.checkpoint"

    def crash(report):
        if report.steps == 17:
            raise KeyError

    with pytest.raises(KeyError):
        fit(words(), chosen, on_step=crash, checkpoint_path=path, checkpoint_every=5)
    assert checkpoint.load(path)[1]["report"]["steps"] == 15
    resumed = fit(words(), chosen, checkpoint_path=path, checkpoint_every=5, resume=True)
    assert {name: array.tobytes() for name, array in resumed.weights.items()} == {
        name: array.tobytes() for name, array in whole.weights.items()
    }


def test_another_corpus_is_not_resumed(eagerly, tmp_path):
    path = tmp_path / "run.checkpoint"
    fit(words(), settings("simple", max_steps=2), checkpoint_path=path, checkpoint_every=1)
    with pytest.raises(TrainingError, match="its corpus was"):
        fit(words(seed=1), settings("simple", max_steps=2), checkpoint_path=path, resume=True)


def test_own_choices_are_another_lesson_than_true_tokens(eagerly):
    weights = []
    for share in (1.0, 0.0):
        weights.append(fit(words(), settings("char-translate", max_steps=3, teacher_forcing=share)).weights)
    name = "decoder/0/kernel"
    assert not math.isclose(float(np.abs(weights[0][name] - weights[1][name]).max()), 0, abs_tol=1e-4)


def test_shards_change_nothing_but_the_rounding(eagerly):
    """Momentum without Adam's division by the gradient's own size, which would blow rounding up."""
    results = []
    for shards in (1, 3):
        run = Run(learner_of(words(), settings("attention", optimizer="sgd", shards=shards, dropout=0.3, max_steps=9)))
        run.step(next(run.batches()))
        results.append((run.report.loss, run.updater.weights()))
    (loss, weights), (other, others) = results
    assert other == pytest.approx(loss, rel=1e-5)
    for name, array in weights.items():
        np.testing.assert_allclose(others[name], array, atol=1e-5, err_msg=name)


def test_settings_of_another_kind_are_refused():
    with pytest.raises(ConfigError, match="a PairDataset is not trained with Settings"):
        fit(words(), make_settings(max_steps=1))
