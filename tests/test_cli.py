"""The command line as a user has it: real processes, from files to files; one clear line when something is wrong."""

import io
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from made import midi, piece, tune

import seqgen
from seqgen import formats, modelfile

SEQGEN = str(Path(sys.executable).parent / "seqgen")
TRAINING = ("--max-steps", "30", "--n-a", "16", "--layers", "1", "--batch-size", "4", "--seed", "1")
VERSES = "".join(f"{number} green bottles, hanging on the café wall\n" for number in range(40, 0, -1))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> dict[str, str]:
    """The environment of every process: warnings are errors there too, and caches stay here."""
    folder = str(tmp_path_factory.mktemp("home"))
    return {**os.environ, "SEQGEN_HOME": folder, "PYTHONWARNINGS": "error:::seqgen", "TERM": "xterm", "COLUMNS": "200"}


@pytest.fixture(scope="module")
def run(home):
    def run(*arguments, status: int | None = 0, cwd: Path | None = None, stdin: bytes = b"", text: bool = True):
        """Standard output (text, or bytes) and standard error of a process that ends with `status`."""
        done = subprocess.run(
            [SEQGEN, *map(str, arguments)],
            capture_output=True,
            env=home,
            cwd=cwd,
            input=stdin,
            timeout=100,
            check=False,
        )
        said = done.stderr.decode()
        assert "Traceback" not in said, said
        assert status is None or done.returncode == status, f"status {done.returncode}: {said}"
        return done.stdout.decode() if text else done.stdout, said

    return run


def only_line(said: str) -> str:
    """The one line that came."""
    (line,) = said.splitlines()
    assert line.startswith("seqgen: ")
    return line


@pytest.fixture(scope="module")
def music(tmp_path_factory, run) -> Path:
    """A folder with tunes/ and what training on it gave: ten good files, and four that cannot be read."""
    folder = tmp_path_factory.mktemp("music")
    (folder / "tunes").mkdir()
    for seed in range(10):
        (folder / "tunes" / f"{seed}.mid").write_bytes(midi(tune(seed)))
    (folder / "tunes" / "broken.mid").write_bytes(b"MThd\x00\x00\x00\x06\x00\x00")
    (folder / "tunes" / "empty.mid").write_bytes(b"")
    (folder / "tunes" / "page.mid").write_bytes(b"<html>not found</html>")
    (folder / "tunes" / "notes.txt").write_text("a text beside the music is no candidate")
    out, said = run("train", "tunes", "--strict", *TRAINING, cwd=folder, status=3)
    assert out == ""
    (folder / "said.txt").write_text(said)
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory, run) -> Path:
    """A folder with verses/ in Latin-1, and a model of them."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "verses").mkdir()
    (folder / "verses" / "bottles.txt").write_bytes(VERSES.encode("latin-1"))
    (folder / "verses" / "nothing.txt").write_bytes(b"")
    out, said = run(
        "train", "verses", "--text-encoding", "latin-1", "-o", "verses.safetensors", *TRAINING, cwd=folder
    )  # fmt: skip
    assert out == ""
    (folder / "said.txt").write_text(said)
    return folder


# --- training ---------------------------------------------------------------------------------------------------------


def test_training_says_what_it_does_and_saves_a_model(music):
    said = (music / "said.txt").read_text()
    assert "10 pieces" in said
    assert "encoding notes (10 of 10 pieces have one voice)" in said
    assert "done after 30 steps" in said
    assert "saved model.safetensors\n" in said
    assert "next: seqgen generate -o out.mid" in said
    assert "oneDNN" not in said  # TensorFlow is quiet
    header = modelfile.read_header(music / "model.safetensors")
    assert (header.training.steps, header.training.seed) == (30, 1)


def test_bad_files_among_good_ones_are_listed_and_strict_says_so(music, text):
    said = (music / "said.txt").read_text()  # --strict: the fixture has seen the 3
    for name in ("broken.mid", "empty.mid", "page.mid"):
        assert any(name in line for line in said.splitlines() if line.startswith("seqgen: skipped")), said
    assert "notes.txt" not in said  # left out on purpose: no failure
    said = (text / "said.txt").read_text()  # without it the status was 0
    assert "skipped nothing.txt: is empty" in said


def test_text_is_trained_on_by_the_encoding_that_is_named(text):
    said = (text / "said.txt").read_text()
    assert "encoding chars (text)" in said
    assert "next: seqgen generate -m verses.safetensors -o out.txt" in said
    assert "é" in seqgen.load(text / "verses.safetensors").vocabulary.ids


def test_text_that_is_not_unicode(text, run):
    _, said = run("train", "verses", cwd=text, status=1)
    assert "byte 0xe9" in said  # é in Latin-1
    assert "--text-encoding latin-1" in said
    out, _ = run("evaluate", "-m", "verses.safetensors", "verses", "--text-encoding", "latin-1", "--json", cwd=text)
    assert json.loads(out)["characters"] == len(VERSES)


# --- generating -------------------------------------------------------------------------------------------------------


def test_from_a_folder_to_midi_through_a_pipe(music, run):
    data, said = run("generate", "--steps", 20, "--seed", 5, cwd=music, text=False)
    assert data[:4] == b"MThd"
    (made,) = formats.read_bytes(data, "out.mid")
    assert isinstance(made, seqgen.Piece)
    assert 0 < len(made.notes) <= 20
    digest = seqgen.load(music / "model.safetensors").digest
    model, copied = said.splitlines()
    assert model == f"model model.safetensors {digest}, seed 5"
    assert re.fullmatch(r"longest copied passage: .*; unseen pieces: median .*, 95 % .*", copied)
    assert made.markers[0].text == f"seqgen {seqgen.__version__} seed 5 model {digest}"
    # and back in as the beginning of another
    more, _ = run("generate", "--prime", "-", "--steps", 5, "--seed", 5, cwd=music, text=False, stdin=data)
    (longer,) = formats.read_bytes(more, "out.mid")
    assert longer.notes["pitch"].tolist()[: len(made.notes)] == made.notes["pitch"].tolist()


def test_the_same_command_gives_the_same_bytes(music, text, run):
    for cwd, model in ((music, "model.safetensors"), (text, "verses.safetensors")):
        options = ("generate", "-m", model, "--steps", 40, "--seed")
        one, two, other = (run(*options, seed, cwd=cwd, text=False)[0] for seed in (1, 1, 2))
        assert one == two != other


def test_the_seed_that_was_drawn_can_be_typed_again(text, run):
    out, said = run("generate", "-m", "verses.safetensors", "--steps", 50, cwd=text)
    seed = said.splitlines()[0].rpartition(" ")[2]
    assert run("generate", "-m", "verses.safetensors", "--steps", 50, "--seed", seed, cwd=text)[0] == out


def test_temperature_0_is_greedy_and_needs_no_seed(text, run):
    options = ("generate", "-m", "verses.safetensors", "--steps", 30, "--temperature", 0)
    assert run(*options, cwd=text)[0] == run(*options, cwd=text)[0]


def test_text_goes_on_from_words_or_from_a_file(text, run):
    (text / "begin.txt").write_text("40 green")
    for prime in ("40 green", "begin.txt"):
        out, said = run(
            "generate", "-m", "verses.safetensors", "--steps", 9, "--seed", 1, "--prime", prime, cwd=text
        )  # fmt: skip
        assert out.startswith("40 green")
        assert len(out) <= len("40 green") + 9 + 1
        assert "never seen" not in said


def test_a_prime_with_unknown_tokens_is_said_and_works(text, run):
    out, said = run("generate", "-m", "verses.safetensors", "--steps", 5, "--prime", "40 GREEN ¿", cwd=text)
    assert out.startswith("40 GREEN ¿")
    assert "the prime has 6 tokens the model has never seen ('G', 'R', 'E', 'N', '¿')" in said


@pytest.mark.parametrize("format_", ["mid", "musicxml", "svg", "jsonl", "npy"])
def test_every_format_of_music(music, run, format_):
    data, _ = run("generate", "--steps", 12, "--seed", 3, "--format", format_, cwd=music, text=False)
    if format_ == "svg":
        assert data.startswith((b"<svg", b"<?xml"))
        assert data.rstrip().endswith(b"</svg>")
    elif format_ == "musicxml":
        assert b"<score-partwise" in data
    else:
        (made,) = formats.read_bytes(data, f"out.{format_}")
        assert isinstance(made, seqgen.Piece)
        assert len(made.notes) > 0
    if format_ == "npy":
        assert np.load(io.BytesIO(data), allow_pickle=False).shape[1] == 5


def test_every_format_of_text(text, run):
    options = ("generate", "-m", "verses.safetensors", "--steps", 60, "--seed", 3, "--format")
    plain, _ = run(*options, "txt", cwd=text)
    lines, _ = run(*options, "jsonl", cwd=text)
    assert [json.loads(line)["text"] for line in lines.splitlines()] == plain.removesuffix("\n").split("\n")
    array, _ = run(*options, "npy", cwd=text, text=False)
    assert formats.read_bytes(array, "out.npy")[0].rstrip("\n") == plain.rstrip("\n")
    _, said = run(*options, "mid", cwd=text, status=1)
    assert only_line(said) == "seqgen: this model writes text, which can be written as txt, jsonl, npy, not as 'mid'"


def test_variations_go_to_numbered_files(music, run, tmp_path):
    _, said = run("generate", "--bars", 2, "--seed", 1, "--count", 3, "-o", tmp_path / "x-{n}.mid", cwd=music)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-1.mid", "x-2.mid", "x-3.mid"]
    assert said.count("wrote ") == 3
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 3
    run("generate", "--steps", 5, "--count", 2, "-o", tmp_path / "y.svg", cwd=music)
    assert sorted(path.name for path in tmp_path.glob("y*")) == ["y-1.svg", "y-2.svg"]


def test_minus_stands_for_standard_output(music, run, tmp_path):
    data, _ = run("generate", "-m", music / "model.safetensors", "--steps", 5, "-o", "-", cwd=tmp_path, text=False)
    assert data[:4] == b"MThd"
    assert list(tmp_path.iterdir()) == []


def test_quiet(music, run, tmp_path):
    _, said = run("-q", "generate", "--steps", 5, "-o", tmp_path / "x.mid", cwd=music)
    assert said == ""


def test_evaluate(music, run):
    out, said = run("evaluate", "tunes", "--json", cwd=music)
    assert "the model was trained on these sources; --held-out scores only what it has not seen" in said
    found = json.loads(out)
    assert set(found) == {
        "nats_per_token", "perplexity", "accuracy", "tokens", "unknown", "files", "nats_per_step", "steps",
    }  # fmt: skip
    assert found["files"] == 10
    assert found["perplexity"] == pytest.approx(np.exp(found["nats_per_token"]))
    held, _ = run("evaluate", "tunes", "--held-out", "--json", cwd=music)
    assert json.loads(held)["files"] == 1
    header = modelfile.read_header(music / "model.safetensors")
    assert json.loads(held)["nats_per_token"] == pytest.approx(header.training.valid_nats, abs=1e-6)
    plain, _ = run("evaluate", "tunes", "--held-out", "--window", 8, "--strict", cwd=music, status=3)
    assert "nats per token" in plain


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bad(tmp_path_factory, music) -> Path:
    """Sources and model files that cannot be used."""
    folder = tmp_path_factory.mktemp("bad")
    for name in ("nothing", "pictures", "unreadable", "short", "hidden"):
        (folder / name).mkdir()
    (folder / "pictures" / "a.png").write_bytes(b"\x89PNG")
    (folder / "hidden" / ".tune.mid").write_bytes(midi(tune(1)))
    (folder / "unreadable" / "a.mid").write_bytes(b"MThd\x00")
    (folder / "unreadable" / "b.mid").write_bytes(b"")
    (folder / "short" / "a.mid").write_bytes(midi([(60, 4), (62, 4)]))
    (folder / "zero.mid").write_bytes(b"")
    (folder / "binary.txt").write_bytes(bytes(range(256)))
    data = (music / "model.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(data[: len(data) // 2])
    (folder / "other.safetensors").write_bytes(midi(tune(1)))
    # the length of the header stays, so that only the format is new
    (folder / "newer.safetensors").write_bytes(data.replace(b'\\"format\\":1,', b'\\"format\\":2,', 1))
    assert (folder / "newer.safetensors").read_bytes() != data
    (folder / "chord.mid").write_bytes(formats.to_bytes(piece(1, parts=2, chords=True), "mid"))
    shutil.copy(music / "model.safetensors", folder)
    return folder


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("train nothing", "nothing holds no file to read"),
        ("train hidden", "hidden ones do not count"),
        ("train pictures", "pictures holds one file, and it is neither music nor text: a.png"),
        ("train unreadable", "none of the 2 files can be read as music: a.mid: "),
        ("train zero.mid", "the one file cannot be read as music: zero.mid: is empty"),
        ("train binary.txt", "binary, not text"),
        ("train missing", "there is no file, folder or corpus 'missing'"),
        ("train short", "less than one window of Tx = 16"),
        ("train short -o missing/model.safetensors", "there is no folder 'missing'"),
        ("train short -o nothing", "it is a folder; name a file"),
        ("train short --lr -1", "lr must be 0 to 100, not -1"),
        ("train short --minutes 1 --epochs 2", "give one length of training, not minutes and epochs"),
        ("train short --as octuple", "there is no encoding 'octuple'"),
        ("train short --as words", "the encoding words is for text"),
        ("train short --as notes --min-count 2", "has no option 'min_count'"),
        ("generate -m missing.safetensors", "no model file 'missing.safetensors'; 'seqgen train' makes one"),
        ("generate -m cut.safetensors", "cut.safetensors"),
        ("generate -m other.safetensors", "it is a MIDI file; a model is a .safetensors file of 'seqgen train'"),
        ("generate -m newer.safetensors", "it has format 2, a newer seqgen"),
        ("generate -m nothing", "it is a folder"),
        ("generate --temperature -1", "the temperature must be 0 (greedy) to 100, not -1"),
        ("generate --steps 0", "the steps must be at least 1, not 0"),
        ("generate --bars 0", "has 1 to 10,000 bars, not 0"),
        ("generate --top-p 0", "top-p must be above 0"),
        ("generate --count 0", "the count must be at least 1"),
        ("generate --fill", "fill needs a number of steps"),
        ("generate --count 2", "2 pieces do not fit into one stream: give -o 'out-{n}.mid'"),
        ("generate --prime missing.mid", "--prime is a file of music; there is no file 'missing.mid'"),
        ("generate --prime zero.mid", "zero.mid"),
        ("generate -o missing/out.mid", "there is no folder 'missing'"),
        ("generate -o nothing", "it is a folder"),
        ("generate -o out.txt", "can be written as mid, musicxml, svg, jsonl, npy, strudel, sonicpi, not as 'txt'"),
        ("generate -o out.mp3", "not as 'mp3'"),
        ("evaluate -m cut.safetensors short", "cut.safetensors"),
        ("evaluate short --held-out", "not the sources the model was trained on"),
        ("evaluate nothing", "holds no file to read"),
    ],
)
def test_bad_input_gives_one_clear_line(bad, run, arguments, said):
    out, came = run(*arguments.split(), cwd=bad, status=1)
    assert out == ""
    last = came.splitlines()[-1]  # files that were skipped come before
    assert last.startswith("seqgen: ")
    assert said in last
    if not arguments.startswith("train short"):
        only_line(came)
    assert not (bad / "samples").exists()


def test_without_a_model_it_takes_the_one_that_comes_with_seqgen_and_says_so(run, tmp_path):
    data, said = run("generate", "--steps", "8", "--seed", "1", cwd=tmp_path, text=False)
    assert data[:4] == b"MThd"
    first, second, _ = said.splitlines()
    assert first == "there is no model.safetensors in this folder, so this is bach-chorales, which comes with seqgen"
    assert second.startswith("model bach-chorales ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("improvise", "No such command 'improvise'"),
        ("generate --loudness 3", "No such option '--loudness'"),
        ("generate --steps many", "'many' is not a valid integer"),
        ("generate --seed -1", "-1 is not in the range"),
        ("train", "Missing argument 'SOURCE...'"),
        ("train short --valid-fraction 2", "2.0 is not in the range"),
        ("evaluate", "Missing argument 'SOURCE...'"),
    ],
)
def test_wrong_usage(bad, run, arguments, said):
    out, came = run(*arguments.split(), cwd=bad, status=2)
    assert out == ""
    assert said.replace("'", "") in came.replace("'", "")  # click has quoted options in two ways
    assert "Usage: seqgen" in came


def test_help_and_version(run, tmp_path):
    out, said = run("--help", cwd=tmp_path)
    for command in ("train", "generate", "evaluate"):
        assert command in out
        assert f"Usage: seqgen {command}" in run(command, "--help", cwd=tmp_path)[0]
    assert said == ""
    assert run("--version", cwd=tmp_path)[0] == f"seqgen {seqgen.__version__}\n"


def test_debug_shows_the_traceback(home, tmp_path):
    done = subprocess.run(
        [SEQGEN, "--debug", "generate", "-m", "missing"], capture_output=True, env=home, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert b"Traceback" in done.stderr
    assert b"ModelFileError: no model file 'missing'" in done.stderr


# --- pipes, terminals, signals ----------------------------------------------------------------------------------------


def test_a_reader_that_goes_away(music, home):
    """As in `seqgen generate ... | head -c 10`: enough to fill a pipe, and nobody is told."""
    command = f"'{SEQGEN}' -q generate --fill --steps 3000 --seed 1 --format jsonl | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, env=home, cwd=music, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (b'{"onset": ', b"")


def test_a_reader_that_was_never_there(music, home):
    process = subprocess.Popen(
        [SEQGEN, "-q", "generate", "--steps", "20"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=home, cwd=music
    )
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert said == b""
    assert process.returncode == 1


class Terminal:
    """A pseudo-terminal; `side` goes to the process."""

    def __init__(self) -> None:
        self._ours, self.side = pty.openpty()
        self.seen = b""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *raised: object) -> None:
        os.close(self._ours)

    def read(self, until: bytes | None, seconds: float = 60) -> bytes:
        """What comes until `until` is among it; None: until the process closes its side."""
        end = time.monotonic() + seconds
        while until is None or until not in self.seen:
            ready, _, _ = select.select([self._ours], [], [], max(0, end - time.monotonic()))
            assert ready, f"nothing but {self.seen!r} for {seconds} s"
            try:
                data = os.read(self._ours, 1 << 16)
            except OSError:  # Linux says so when the other side is closed
                data = b""
            if not data:
                assert until is None, f"it ended with {self.seen!r}"
                break
            self.seen += data
        return self.seen


@pytest.mark.parametrize("format_", ["mid", "npy"])
def test_binary_is_not_written_to_a_terminal(music, home, format_):
    arguments = [SEQGEN, "generate", "--steps", "3", "--format", format_]
    with Terminal() as terminal:
        process = subprocess.Popen(arguments, stdout=terminal.side, stderr=subprocess.PIPE, env=home, cwd=music)
        os.close(terminal.side)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 1
        assert (
            f"{format_} is binary, and this is a terminal: give -o out.{format_}, or > out.{format_}" in said.decode()
        )
        assert terminal.read(None) == b""
    with Terminal() as terminal:
        process = subprocess.Popen(
            [*arguments, "--force"], stdout=terminal.side, stderr=terminal.side, env=home, cwd=music
        )
        os.close(terminal.side)
        assert (b"MThd" if format_ == "mid" else b"NUMPY") in terminal.read(None)
        assert process.wait(60) == 0


def interrupted(arguments, home) -> str:
    """What training says that gets Ctrl-C when the progress bar says that it has begun."""
    with Terminal() as terminal:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=terminal.side, env=home)
        os.close(terminal.side)
        try:
            terminal.read(b"Training")
            process.send_signal(signal.SIGINT)
            said = terminal.read(None).decode()
            assert process.wait(60) == 130
        finally:
            process.kill()
    return said


def test_ctrl_c_in_training_saves_the_best_so_far(music, home, tmp_path):
    arguments = [SEQGEN, "train", str(music / "tunes"), "-o", str(tmp_path / "m.safetensors"), "--n-a", "16"]
    said = interrupted(arguments, home)
    assert "interrupted after " in said
    assert f"saved the best model so far as {tmp_path / 'm.safetensors'}" in said.replace("\r\n", "")
    assert "Traceback" not in said
    assert seqgen.load(tmp_path / "m.safetensors").header.training.steps >= 1
    left = {path.name for path in tmp_path.iterdir() if "m.safetensors" in path.name}
    assert left == {"m.safetensors", "m.safetensors.checkpoint"}


def test_ctrl_c_at_once_leaves_an_old_model_alone(music, home, tmp_path):
    """Before the first held-out score there is nothing better to put in its place."""
    target = tmp_path / "m.safetensors"
    target.write_bytes(b"the old one")
    arguments = [SEQGEN, "train", str(music / "tunes"), "-o", str(target), "--max-steps", "100000", "--n-a", "16"]
    interrupted(arguments, home)
    assert target.read_bytes() == b"the old one"


def test_ctrl_c_while_generating_says_so(text, home, tmp_path):
    """Sent after the last that it says before it generates: the prime has an unknown token."""
    target = tmp_path / "out.txt"
    arguments = [SEQGEN, "generate", "-m", "verses.safetensors", "--prime", "¿", "--fill", "--steps", "10000000"]
    process = subprocess.Popen([*arguments, "-o", str(target)], stderr=subprocess.PIPE, env=home, cwd=text)
    assert process.stderr is not None
    assert b"never seen" in process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == b"seqgen: interrupted"
    assert list(tmp_path.iterdir()) == []
