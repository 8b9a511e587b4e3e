"""A run that was stopped anywhere and resumed ends with the weights of one that was not."""

import signal

import numpy as np
import pytest
import safetensors.numpy
from made import document

from seqgen.corpus import Corpus
from seqgen.corpus.dataset import Dataset, prepare
from seqgen.errors import ConfigError, TrainingError
from seqgen.training import checkpoint, fit, make_settings

LETTERS = "abcdefgh"
SMALL = {"n_a": 8, "layers": 2, "tx": 8, "batch_size": 4, "shards": 2, "dropout": 0.3, "weight_drop": 0.2, "lr": 0.02}


def texts(text: str = LETTERS * 60, **encoding) -> Dataset:
    return prepare(Corpus("letters", "text", (document(text, "letters"),)), fraction=0.2, **encoding)


class Crash(Exception):
    """What no one catches."""


def crash_at(step: int):
    def hook(report):
        if report.steps == step:
            raise Crash

    return hook


def bits(weights: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in weights.items()}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("length", [{"max_steps": 60}, {"epochs": 4}])
def test_a_resumed_run_ends_bit_for_bit_as_one_never_stopped(tmp_path, cell, length):
    settings = make_settings(**SMALL, **length, cell=cell, seed=5)
    whole = fit(texts(), settings)
    path = tmp_path / "run.checkpoint"
    for stop in (10, 29, 47):  # in other epochs, and not where a checkpoint was saved
        with pytest.raises(Crash):
            fit(texts(), settings, on_step=crash_at(stop), checkpoint_path=path, checkpoint_every=7, resume=stop > 10)
        assert checkpoint.load(path)[1]["report"]["steps"] == stop // 7 * 7
    resumed = fit(texts(), settings, checkpoint_path=path, checkpoint_every=7, resume=True)
    assert bits(resumed.weights) == bits(whole.weights)
    assert resumed.report.best_nats == whole.report.best_nats
    assert [row["valid_nats"] for row in resumed.history] == [row["valid_nats"] for row in whole.history]
    assert path.exists()  # whoever saves the model removes it then


@pytest.mark.parametrize("impatient", [False, True])
def test_an_interrupted_run_saves_itself_and_goes_on(tmp_path, impatient):
    """Step 24 ends with a validation. A second Ctrl-C, before that is made, leaves the checkpoint of the one before."""
    settings = make_settings(**SMALL, max_steps=40, seed=1)
    path = tmp_path / "run.checkpoint"

    def interrupt(report):
        if report.steps == 24:
            for _ in range(1 + impatient):
                signal.raise_signal(signal.SIGINT)

    assert fit(texts(), settings, on_step=interrupt, checkpoint_path=path).stopped == "interrupted"
    assert checkpoint.load(path)[1]["report"]["steps"] == (22 if impatient else 24)
    resumed = fit(texts(), settings, checkpoint_path=path, resume=True)
    assert bits(resumed.weights) == bits(fit(texts(), settings).weights)


def test_a_checkpoint_of_another_run_is_refused_naming_the_difference(tmp_path):
    path = tmp_path / "run.checkpoint"
    settings = {**SMALL, "max_steps": 30}
    with pytest.raises(Crash):
        fit(texts(), make_settings(**settings), on_step=crash_at(9), checkpoint_path=path, checkpoint_every=4)
    for dataset, changed, named in [
        (texts(LETTERS * 61), {}, "corpus was '[0-9a-f]+', now '[0-9a-f]+'. Give the sources and options of that run"),
        (texts(encoding="bytes"), {}, "encoding was 'chars', now 'bytes'; its corpus was"),
        (texts(), {"n_a": 9}, "n_a was 8, now 9"),
        (texts(), {"n_a": 9, "dropout": 0.2}, "n_a was 8, now 9; its dropout was 0.3, now 0.2[.]"),
        (texts(), {"lr": 0.01}, "lr was 0.02, now 0.01"),
    ]:
        with pytest.raises(TrainingError, match=f"of another run: its {named}"):
            fit(dataset, make_settings(**{**settings, **changed}), checkpoint_path=path, resume=True)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.checkpoint"
    run = {"checkpoint_path": path, "resume": True}
    with pytest.raises(TrainingError, match="there is nothing to resume: no checkpoint"):
        fit(texts(), make_settings(**SMALL, max_steps=3), **run)
    whole = safetensors.numpy.save({"a": np.zeros(3)}, metadata={"other": "{}"})
    for data in (b"", b"rubbish" * 20, whole, whole[:-3]):
        path.write_bytes(data)
        with pytest.raises(TrainingError, match="is no checkpoint of seqgen, or damaged"):
            fit(texts(), make_settings(**SMALL, max_steps=3), **run)
    checkpoint.save(path, {}, {"format": 3})
    with pytest.raises(TrainingError, match="of another version of seqgen"):
        checkpoint.load(path)


def test_a_checkpoint_needs_a_path_and_a_pace():
    settings = make_settings(**SMALL, max_steps=3)
    with pytest.raises(ConfigError, match="needs a path"):
        fit(texts(), settings, resume=True)
    with pytest.raises(ConfigError, match="every 1 or more steps, not 0"):
        fit(texts(), settings, checkpoint_path="x", checkpoint_every=0)
