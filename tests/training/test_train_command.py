"""What `seqgen train` says of a full disk, of too little to hold out, of a run that goes on, and of one that begins
with another model. In this process, so that TensorFlow is loaded once."""

import errno
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from made import midi, piece, tune

import seqgen
from seqgen import durable
from seqgen.cli.main import main
from seqgen.training import update

TRAINING = ("--max-steps", "4", "--n-a", "6", "--layers", "1", "--batch-size", "4")
VERSES = "".join(f"{number} green bottles, hanging on the wall\n" for number in range(40, 0, -1))
FULL = "No space left on device (make room and try again)"


@pytest.fixture(autouse=True)
def eagerly():
    """Without compiling, which takes seconds."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The folder in which everything happens."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "verses.txt").write_text(VERSES)
    (tmp_path / "tunes").mkdir()
    for seed in range(10):
        (tmp_path / "tunes" / f"{seed}.mid").write_bytes(midi(tune(seed)))
    return tmp_path


@pytest.fixture
def train(here, capsys):
    def train(line: str, status: int = 0) -> str:
        """What `seqgen train` says."""
        with pytest.raises(SystemExit) as ended:
            main(["train", *line.split(), *TRAINING])
        out, said = capsys.readouterr()
        assert (ended.value.code, out) == (status, ""), said
        return said

    return train


@pytest.fixture
def fill(monkeypatch):
    def fill(*names: str) -> None:
        """From now on the disk is full whenever a file of one of these names is half written."""

        class File(io.FileIO):
            def write(self, data):
                super().write(data[: len(data) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def opened(path, mode):
            full = any(re.match(rf"\.{re.escape(name)}\.[0-9]", Path(path).name) for name in names)
            return File(path, mode) if full else open(path, mode)

        monkeypatch.setattr(durable, "open", opened, raising=False)

    return fill


def line_of(said: str) -> str:
    """The error, which is one line, the last."""
    *before, last = said.splitlines()
    assert last.startswith("seqgen: ")
    assert not any("space" in line for line in before)
    return last.removeprefix("seqgen: ")


# --- a full disk ------------------------------------------------------------------------------------------------------


def test_no_room_for_the_model_keeps_the_old_one_and_the_run(here, train, fill):
    train("verses.txt -o whole.safetensors")
    (here / "m.safetensors").write_bytes(b"the old one")
    fill("m.safetensors")
    said = line_of(train("verses.txt -o m.safetensors --checkpoint-every 3", status=1))
    fill()
    assert said == (
        f"cannot write the model file 'm.safetensors': {FULL};"
        " then the same command with --resume goes on from m.safetensors.checkpoint"
    )
    assert (here / "m.safetensors").read_bytes() == b"the old one"
    train("verses.txt -o m.safetensors --checkpoint-every 3 --resume")
    assert (here / "m.safetensors").read_bytes() == (here / "whole.safetensors").read_bytes()
    assert sorted(path.name for path in here.glob("*m.safe*")) == ["m.safetensors"]


def test_a_run_with_nothing_held_out_is_saved_as_well(here, train, fill):
    fill("m.safetensors")
    said = line_of(train("verses.txt -o m.safetensors --valid-fraction 0", status=1))
    assert said.endswith("then the same command with --resume goes on from m.safetensors.checkpoint")
    assert [path.name for path in here.glob("*m.safe*")] == ["m.safetensors.checkpoint"]


def test_no_room_for_a_checkpoint(here, train, fill):
    fill("m.safetensors.checkpoint")
    said = line_of(train("verses.txt -o m.safetensors", status=1))
    assert said == f"cannot save the checkpoint 'm.safetensors.checkpoint': {FULL}; there is none before it"
    assert not list(here.glob("*m.safe*"))


def test_a_run_that_was_stopped_is_kept_where_resume_was_forgotten(here, train):
    (here / "m.safetensors.checkpoint").write_bytes(b"the one before")
    said = train("verses.txt -o m.safetensors")
    assert "m.safetensors.checkpoint held a run that was stopped, and --resume was not given; it is now" in said
    assert (here / "m.safetensors.checkpoint.old").read_bytes() == b"the one before"
    assert not (here / "m.safetensors.checkpoint").exists()


def test_no_room_for_a_sample_is_no_reason_to_stop(here, train, fill):
    fill(*(f"sample-{number:03}.txt" for number in range(2, 9)))
    said = train("verses.txt")
    (line,) = [line for line in said.splitlines() if "sample" in line]
    assert line == f"seqgen: no more samples are written: {FULL}: {here / 'samples' / 'sample-002.txt'}"
    assert "saved model.safetensors" in said
    assert os.listdir(here / "samples") == ["sample-001.txt"]


def test_no_room_for_the_curves_is_no_reason_to_stop(here, train, fill):
    fill("model.log.jsonl")
    assert "saved model.safetensors" in train("verses.txt")
    assert not (here / "model.log.jsonl").exists()


# --- how long, and what is held out -----------------------------------------------------------------------------------


def test_no_time_at_all(here, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "verses.txt", "--minutes", "0"])
    assert (ended.value.code, capsys.readouterr().err) == (1, "seqgen: minutes must be above 0, not 0\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("tunes/1.mid", "there is only one piece: give it more, or name some with --valid"),
        ("tunes/1.mid copy.mid", "the pieces share passages with each other: give it others too, or name some with"),
        ("tunes --valid-fraction 0", "--valid-fraction is 0"),
        ("duets --valid tunes/1.mid", "no piece of '1' fits the encoding: name others with"),
    ],
)
def test_nothing_is_held_out_and_why(here, train, arguments, reason):
    (here / "copy.mid").write_bytes((here / "tunes" / "1.mid").read_bytes())
    (here / "duets").mkdir()
    for seed in range(3):
        seqgen.write(piece(seed, parts=2), here / "duets" / f"{seed}.mid")
    said = train(arguments)
    assert f"nothing is held out, so nothing tells when the model begins to copy; {reason}" in said
    assert "saved model.safetensors" in said
    assert seqgen.load("model.safetensors").header.training.valid_nats is None


def test_of_one_text_the_last_part_is_held_out(train):
    said = train("verses.txt --valid-fraction 0.2")
    assert "1 to train on" in said
    assert "1 held out" in said
    assert "tokens are held out" not in said


@pytest.mark.parametrize("options", ["", "--valid tunes/3.mid"])
def test_too_little_is_held_out(train, options):
    said = train(f"tunes {options}")
    (line,) = [line for line in said.splitlines() if "are held out, too few to rely on their score" in line]
    assert line.startswith("seqgen: only ")
    assert "held out: " in said  # what there is, is used


# --- going on, and beginning with a model -----------------------------------------------------------------------------


def test_a_run_that_has_ended_is_not_resumed(here, train):
    train("verses.txt --checkpoint-every 2")
    assert not (here / "model.safetensors.checkpoint").exists()
    said = line_of(train("verses.txt --resume", status=1))
    assert said == "there is nothing to resume: no checkpoint 'model.safetensors.checkpoint'"


def test_a_loss_that_is_no_number_after_a_score(here, train, monkeypatch):
    """The best model before it is saved, with the step and what to lower."""
    updated = update.Updater.update
    monkeypatch.setattr(
        update.Updater, "update", lambda self, window, step, rate: np.nan if step else updated(self, window, step, rate)
    )
    said = train("verses.txt --lr 0.5", status=1)
    assert line_of(said) == (
        "the loss was no number any more after step 1: lower --lr (now 0.5);"
        " saved the best model before that as model.safetensors"
    )
    assert seqgen.load("model.safetensors").header.training.steps == 1


def test_a_model_goes_on_with_other_texts(here, train):
    train("verses.txt -o old.safetensors --cell gru")
    (here / "new.txt").write_text(VERSES.replace("green", "azure").replace("wall", "quay") * 2)
    with pytest.raises(SystemExit):
        main(["train", "new.txt", "--from", "old.safetensors", "--n-a", "7"])
    before = seqgen.load("old.safetensors")
    said = train("new.txt --from old.safetensors -o new.safetensors")
    new = seqgen.load("new.safetensors")
    assert (new.header.architecture.cell, new.header.architecture.n_a) == ("gru", 6)
    assert "encoding chars (that of old.safetensors)" in said
    assert f"begins from old.safetensors ({before.digest}): 4 values ('q', 'u', 'y', 'z') new to it," in said
    assert "1 value ('w') dropped, which this corpus does not have" in said
    assert "too kind" not in said
    assert new.header.corpus.names == ["new.txt", "verses.txt"]
    assert new.header.training.settings["from_model"] == before.digest
    said = train("new.txt --from old.safetensors -o old.safetensors", status=1)
    assert line_of(said) == "old.safetensors is the model to begin from, which is kept: name another file with -o"
    assert seqgen.load("old.safetensors").digest == before.digest
    said = train("tunes --from old.safetensors -o new.safetensors", status=1)
    assert line_of(said) == "the encoding chars is for text, but 'tunes' is music"
    said = train("tunes --from missing.safetensors", status=1)
    assert line_of(said) == "no model file 'missing.safetensors'; 'seqgen train' makes one"


def test_a_model_that_has_learned_what_is_held_out_now(train):
    train("tunes -o old.safetensors --seed 1")
    assert "too kind" not in train("tunes --from old.safetensors --seed 1")
    said = train("tunes --from old.safetensors --seed 2")
    assert "old.safetensors has learned from pieces that are held out now, so their score will be too kind" in said
