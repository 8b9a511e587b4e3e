"""Training is killed for real, again and again; resumed, it writes the very file of a run that was never stopped."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from made import midi, tune

from seqgen.training import checkpoint

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")

EVERY = 5
TRAINING = ("--max-steps", "600", "--checkpoint-every", str(EVERY), "--n-a", "8", "--tx", "16", "--batch-size", "4",
            "--dropout", "0.3", "--seed", "3", "--no-samples")  # fmt: skip
VERSES = "".join(f"{number} green bottles, hanging on the wall\n" for number in range(40, 0, -1))
OLD = b"the model of another day"

# The command line, which ends by SIGKILL at the rename number `number` of a temporary to a file called `name`:
# `half`: as in the middle of writing it; `before`: it is written, but has no name; `after`: it has its name.
SUICIDE = """
import os, signal, sys
from seqgen.cli.main import main

moment, name, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
replace = os.replace

def replace_or_die(source, target):
    global left
    left -= os.path.basename(target) == name
    if left:
        return replace(source, target)
    if moment == "half":
        os.truncate(source, os.path.getsize(source) // 2)
    if moment == "after":
        replace(source, target)
    os.kill(os.getpid(), signal.SIGKILL)

os.replace = replace_or_die
main(sys.argv[4:])
"""


class Training:
    """The processes of one training run, in a folder of their own."""

    def __init__(self, source: Path, folder: Path, *options: str) -> None:
        folder.mkdir()
        self.model, self.checkpoint = folder / "model.safetensors", folder / "model.safetensors.checkpoint"
        self._options = ("-q", "train", str(source), "-o", str(self.model), *TRAINING, *options)
        self.model.write_bytes(OLD)

    def begin(self, resume: bool, *suicide: str) -> subprocess.Popen:
        """A process that trains; suicide: moment, file and number, as above."""
        program = ["-c", SUICIDE, *suicide] if suicide else ["-c", "from seqgen.cli.main import main; main()"]
        resumes = ["--resume"] if resume else []
        return subprocess.Popen([sys.executable, *program, *self._options, *resumes], stderr=subprocess.PIPE)

    def finish(self, resume: bool = True) -> bytes:
        """The model file in the end."""
        with self.begin(resume) as process:
            _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
        left = [name for name in os.listdir(self.model.parent) if self.model.name in name]
        assert left == [self.model.name]  # no checkpoint and no temporary
        return self.model.read_bytes()

    def kill_itself(self, moment: str, path: Path, number: int = 1, *, resume: bool = True) -> None:
        with self.begin(resume, moment, path.name, str(number)) as process:
            _, said = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, said.decode()

    def kill(self, delay: float, sent: signal.Signals = signal.SIGKILL, *, resume: bool = True) -> int:
        """The exit status, where the signal comes `delay` seconds after the first checkpoint of this process."""
        before = self.stamp()
        with self.begin(resume) as process:
            try:
                while self.stamp() == before and process.poll() is None:
                    time.sleep(0.002)
                time.sleep(delay)
                process.send_signal(sent)
                process.communicate(timeout=120)
            finally:
                process.kill()
        return process.returncode

    def stamp(self) -> tuple[int, int] | None:
        try:
            found = self.checkpoint.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def saved_steps(self) -> int:
        """Where the checkpoint would go on; it is whole."""
        return checkpoint.load(self.checkpoint)[1]["report"]["steps"]


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sources") / "tunes"
    folder.mkdir()
    for seed in range(10):
        (folder / f"{seed}.mid").write_bytes(midi(tune(seed)))
    return folder


@pytest.fixture(scope="module")
def verses(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sources") / "verses.txt"
    path.write_text(VERSES)
    return path


@pytest.fixture
def runs(tmp_path) -> Callable[..., tuple[Training, Training]]:
    """One run that is never stopped, and one to be killed, of the same source and options."""
    return lambda source, *options: (
        Training(source, tmp_path / "whole", *options),
        Training(source, tmp_path / "killed", *options),
    )


def test_music_killed_at_any_moment_ends_bit_for_bit_as_if_it_never_was(music, runs):
    """In training, in the middle of writing a checkpoint, and before the model has its name."""
    whole, killed = runs(music)
    assert killed.kill(random.Random(7).uniform(0, 0.3), resume=False) == -signal.SIGKILL
    reached = killed.saved_steps()
    assert reached > 0
    killed.kill_itself("half", killed.checkpoint, 4)
    assert killed.saved_steps() == reached + 3 * EVERY  # the one before is whole
    killed.kill_itself("before", killed.model)
    assert killed.model.read_bytes() == OLD
    assert killed.saved_steps() == 600  # nothing of the run is lost
    assert killed.finish() == whole.finish(resume=False)


def test_text_killed_after_a_checkpoint_has_its_name(verses, runs):
    whole, killed = runs(verses)
    killed.kill_itself("after", killed.checkpoint, 30, resume=False)
    assert killed.saved_steps() == 30 * EVERY
    assert killed.finish() == whole.finish(resume=False)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("unit", ["music", "text"])
def test_many_kills_and_interruptions(music, verses, runs, unit, cell, request):
    chosen = random.Random(f"{unit} {cell}")
    whole, killed = runs(music if unit == "music" else verses, "--cell", cell, "--layers", "2", "--max-steps", "3000")
    killed.kill_itself("before", killed.checkpoint, 2, resume=False)
    for number in range(20 if request.config.getoption("--full") else 4):
        match number % 4:
            case 0:
                assert killed.kill(chosen.uniform(0, 0.05)) == -signal.SIGKILL
            case 1:
                killed.kill_itself(chosen.choice(["half", "before", "after"]), killed.checkpoint, chosen.randint(1, 5))
            case 2:
                assert killed.kill(chosen.uniform(0, 0.05), signal.SIGINT) == 130
            case 3:  # at any moment from its start, mostly before the first step
                with killed.begin(True) as process:
                    time.sleep(chosen.uniform(0, 4))
                    process.kill()
        assert 0 < killed.saved_steps() < 3000
    for moment in ("half", "after"):
        killed.kill_itself(moment, killed.model)
    assert killed.finish() == whole.finish(resume=False)
