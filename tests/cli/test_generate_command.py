"""`seqgen generate` with everything that steers it: files and pipes, and one clear line when something is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_cases import SEQGEN, run
from made import piece, untrained

import seqgen
from seqgen import formats

C_MINOR = {0, 2, 3, 5, 7, 8, 10}  # pitch classes


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Models that have learned nothing, so that only what is asked for keeps them in order."""
    folder = tmp_path_factory.mktemp("generate")
    tunes = [piece(seed, bars=6) for seed in range(6)]
    untrained("notes", tunes).save(folder / "model.safetensors")
    untrained("chorale", [piece(seed, parts=2) for seed in range(4)], parts=2).save(folder / "duo.safetensors")
    untrained("chars", ["so much\ndepends upon\na red\n", "wheel barrow\nglazed"]).save(folder / "text.safetensors")
    formats.write(piece(1, bars=2), folder / "prime.mid")
    return folder


def notes(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.splitlines()]


def test_scale_range_and_bars_together(folder):
    data, said = run(
        folder, "generate", "--scale", "C-minor", "--range", "C4-C5", "--bars", 4, "--seed", 1, "--format", "jsonl"
    )  # fmt: skip
    found = notes(data)
    assert found
    assert {note["pitch"] % 12 for note in found} <= C_MINOR
    assert all(60 <= note["pitch"] <= 72 for note in found)
    assert max(note["onset"] + note["duration"] for note in found) <= 16
    assert "seed 1" in said


def test_a_range_for_each_voice(folder):
    ranges = "upper=C4-C5,lower=G3-B3"
    data, _ = run(folder, "generate", "-m", "duo.safetensors", "--range", ranges, "--steps", 20, "--format", "jsonl")
    bounds = {0: (60, 72), 1: (55, 59)}
    for note in notes(data):
        low, high = bounds[note["part"]]
        assert low <= note["pitch"] <= high


def test_text_of_so_many_lines(folder):
    data, _ = run(folder, "generate", "-m", "text.safetensors", "--lines", 3, "--seed", 2)
    assert sum(bool(line.strip()) for line in data.decode().splitlines()) == 3


def test_text_that_matches(folder):
    pytest.importorskip("automata")
    data, _ = run(folder, "generate", "-m", "text.safetensors", "--match", "(so|a)( red| much){3}", "--seed", 2)
    assert data.decode().rstrip("\n").count(" ") == 3


def test_the_prime_may_be_left_out(folder):
    arguments = ["--prime", "prime.mid", "--steps", 8, "--seed", 3, "--format", "jsonl"]
    whole, without = (notes(run(folder, "generate", *arguments, *more)[0]) for more in ([], ["--continue-only"]))
    given = seqgen.read(folder / "prime.mid")
    assert len(whole) == len(given.notes) + len(without)
    begin = whole[-len(without)]["onset"] - without[0]["onset"]
    assert [note["onset"] + begin for note in without] == [note["onset"] for note in whole[-len(without) :]]


def test_a_prime_against_a_constraint_is_said_and_kept(folder):
    data, said = run(
        folder, "generate", "--prime", "prime.mid", "--range", "C4-E4", "--steps", 8, "--seed", 3, "--format", "jsonl"
    )  # fmt: skip
    assert "the prime goes against range C4-E4, which holds from its end on" in said
    length = len(seqgen.read(folder / "prime.mid").notes)
    assert all(60 <= note["pitch"] <= 64 for note in notes(data)[length:])
    assert not all(60 <= note["pitch"] <= 64 for note in notes(data)[:length])


def test_tempo_and_instrument(folder):
    run(folder, "generate", "--steps", 8, "--tempo", 72, "--instrument", 73, "-o", "flute.mid")
    made = seqgen.read(folder / "flute.mid")
    assert made.tempi[0].bpm == pytest.approx(72, abs=0.01)
    assert {part.program for part in made.parts} == {73}


def test_a_stream_is_read_as_it_comes_and_may_be_closed(folder):
    """Endless, until the reader has had enough."""
    process = subprocess.Popen(
        [sys.executable, "-c", SEQGEN, "generate", "--stream", "--seed", "4"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    lines = [json.loads(process.stdout.readline()) for _ in range(50)]
    assert list(lines[0]) == ["onset", "duration", "pitch", "velocity", "part"]
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in said


def test_a_stream_is_what_is_generated(folder):
    streamed, _ = run(folder, "generate", "--stream", "--steps", 12, "--seed", 5)
    whole, _ = run(folder, "generate", "--steps", 12, "--seed", 5, "--fill", "--format", "jsonl")
    assert notes(streamed) == notes(whole)


def test_a_stream_that_must_end_is_one_piece_and_ends(folder):
    """What is asked of the whole holds of all that comes."""
    for seed in range(3):
        of_text = (folder, "generate", "--stream", "-m", "text.safetensors", "--seed", seed)
        data, _ = run(*of_text, "--length", 7, "--steps", 60)
        assert len(data.decode().removesuffix("\n")) in (6, 7)  # a line end may be its last character
        data, _ = run(*of_text, "--lines", 2, "--steps", 60)
        assert sum(bool(line.strip()) for line in data.decode().splitlines()) == 2


def test_a_stream_cut_before_the_end_it_must_have_says_so(folder):
    for seed in range(4):
        done = subprocess.run(
            [sys.executable, "-c", SEQGEN, "generate", "--stream", "--end", "tonic", "--key", "C-major",
             "--steps", "3", "--seed", str(seed)],
            capture_output=True, cwd=folder, timeout=100, check=False,
        )  # fmt: skip
        last = notes(done.stdout)[-1:]
        if done.returncode == 0:
            assert last[0]["pitch"] % 12 == 0
        else:
            assert b"did not come to an end within the steps of the stream" in done.stderr


def test_the_only_variation_has_a_number_too(folder):
    run(folder, "generate", "--steps", 2, "--count", 1, "-o", "only-{n}.mid")
    assert (folder / "only-1.mid").is_file()


def test_the_best_of_several_is_one_of_them(folder):
    best, _ = run(folder, "generate", "--steps", 16, "--seed", 6, "--best-of", 4, "--format", "jsonl")
    run(folder, "generate", "--steps", 16, "--seed", 6, "--count", 4, "-o", "one-{n}.jsonl")
    assert best in [(folder / f"one-{number}.jsonl").read_bytes() for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scale", "H-minor"], "there is no"),
        (["--scale", "D-minr"], "did you mean D-minor"),
        (["--key", "Z"], "such as D-minor, not 'Z'"),
        (["--range", "C4"], "range"),
        (["--range", "alto=C4-C5"], "alto"),
        (["--range", "C6-C4"], "C6"),
        (["--max-leap", -1], "leap"),
        (["--rhythm", "1/7"], "1/7"),
        (["--end", "dominant"], "'tonic'"),
        (["--chords", "Dm7 H7 | C"], "in bar 1 of the chords"),
        (["--chords-strict"], "there are none: give --chords"),
        (["--length", "many"], "--length is a number"),
        (["--lines", 3], "text"),
        (["--max-copy", "5 words"], "not counted in words"),
        (["--max-copy", "much"], "such as 2bars"),
        (["--temperature", "hot"], "temperature must be a number, or a curve"),
        (["--temperature", "0.5:-1"], "0 (greedy) to 100, not -1"),
        (["--top-k", "1.5"], "whole number"),
        (["--min-p", "2"], "min-p must be 0 (off) to 1"),
        (["--penalty", "0.5"], "1 (off) to 100"),
        (["--particles", 0], "particles must be 1 to 10,000"),
        (["--best-of", 0], "must be 1 to 10,000, not 0"),
        (["--tempo", 0], "tempo must be 1 to 1,000"),
        (["--instrument", 128], "instrument must be 0 to 127"),
        (["--continue-only"], "there is no prime to leave out"),
        (["--stream", "--bars", 3], "cannot be joined with --bars"),
        (["--stream", "--steps", 3, "--bars", 1], "cannot be joined with --bars"),
        (["--stream", "--steps", 3, "--instrument", 0], "cannot be joined with --instrument"),
        (["--stream", "--steps", 3, "--count", 2], "cannot be joined with --count"),
        (["--stream", "-o", "x.mid"], "cannot be joined with --output"),
        (["--stream", "--temperature", "0.5:1"], "not a curve"),
        (["--scale", "C-major", "--range", "C#4-C#4"], "no note of this model fits"),
        (["--key", "C-major", "--key", "D-minor", "--scale", "F#-major", "--range", "E4-E4"], "no note"),
    ],
)
def test_bad_input_gives_one_clear_line(folder, arguments, said):
    _, error = run(folder, "generate", *arguments, "--format", "jsonl", status=1)
    assert said in error
    assert len(error.splitlines()) == 1
    assert error.startswith("seqgen: ")


def test_models_are_listed(folder):
    done = subprocess.run(
        [sys.executable, "-c", SEQGEN, "models", "--json"], capture_output=True, check=True, cwd=folder
    )
    cards = json.loads(done.stdout)
    assert set(cards) == {"bach-chorales", "bach-harmony", "fiddle-tunes", "verses"}
    for name, card in cards.items():
        model = seqgen.load(name)
        assert card["size"] == os.path.getsize(shipped(name)) <= 2_500_000
        assert model.header.training.settings["seed"] == 0
        assert f"seqgen train {name.replace('harmony', 'chorales')} " in card["command"]
        assert isinstance(model, seqgen.Translator) or model.copy_index is not None


def shipped(name: str) -> Path:
    return Path(seqgen.__file__).parent.parent / "shipped" / f"{name}.safetensors"
