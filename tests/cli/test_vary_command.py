"""`seqgen vary` as a user has it: from a file to a file or a pipe, and one clear line when something is wrong."""

from pathlib import Path

import pytest
from cli_cases import run
from made import piece, untrained

import seqgen
from seqgen import formats


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tune, a model that has learned nothing, and what does not go with it."""
    folder = tmp_path_factory.mktemp("vary")
    sources = [piece(seed, bars=6, pickup=2) for seed in range(6)]
    untrained("notes", sources).save(folder / "model.safetensors")
    untrained("chars", ["a text"]).save(folder / "text.safetensors")
    formats.write(sources[0], folder / "tune.mid")
    (folder / "text.txt").write_text("a text")
    return folder


def in_bars(source: seqgen.Piece, first: int, last: int) -> list[tuple[int, ...]]:
    """The notes that begin in these bars of a piece with a pickup."""
    lines = [*source.bar_lines(), source.end_tick]
    return [row for row in source.notes.tolist() if lines[first] <= row[0] < lines[last + 1]]


def test_variations_of_a_file(folder, tmp_path):
    _, said = run(
        folder, "vary", "tune.mid", "--keep-bars", "1-3,6", "--seed", 5, "--count", 2, "-o", tmp_path / "v-{n}.mid"
    )  # fmt: skip
    assert f"seed 5\nwrote {tmp_path / 'v-1.mid'}\nwrote {tmp_path / 'v-2.mid'}\n" in said
    source, *varied = map(seqgen.read, (folder / "tune.mid", tmp_path / "v-1.mid", tmp_path / "v-2.mid"))
    for one in varied:
        assert in_bars(one, 1, 3) == in_bars(source, 1, 3)
        assert in_bars(one, 6, 6) == in_bars(source, 6, 6)
        assert in_bars(one, 4, 5) != in_bars(source, 4, 5)
    assert in_bars(varied[0], 4, 5) != in_bars(varied[1], 4, 5)


def test_through_a_pipe(folder):
    data = (folder / "tune.mid").read_bytes()
    options = ("--keep-bars", "0-4", "--amount", 0.5, "--particles", 4, "--temperature", 0.8, "--seed", 1)
    out, said = run(folder, "vary", "-", *options, stdin=data)
    assert out[:4] == b"MThd"
    assert said.endswith("seed 1\n")
    assert run(folder, "vary", "tune.mid", *options)[0] == out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("tune.mid --keep-bars 9", "there is no bar 9: the piece has bars 0 to 6"),
        ("tune.mid --keep-bars 0-6", "there is nothing to vary: all bars are kept, and the piece has bars 0 to 6"),
        ("tune.mid --keep-bars 4-2", "bars are given as 1-4,8, not as '4-2'"),
        ("tune.mid --amount 2", "the amount must be 0 (change nothing) to 1 (all that is not kept), not 2"),
        ("tune.mid --particles 0", "the particles must be 1 to 10,000, not 0"),
        ("tune.mid --count 2", "2 pieces do not fit into one stream: give -o 'out-{n}.mid'"),
        ("tune.mid -o out.txt", "can be written as mid, musicxml, svg, jsonl, npy, strudel, sonicpi, not as 'txt'"),
        ("missing.mid", "No such file or directory: missing.mid"),
        ("text.txt", "vary wants music, and text.txt is text"),
        ("text.txt -m text.safetensors", "vary is for music, and this model writes text"),
    ],
)
def test_what_is_wrong_is_one_line(folder, arguments, said):
    out, came = run(folder, "vary", *arguments.split(), status=1)
    assert out == b""
    (line,) = came.splitlines()
    assert line.startswith("seqgen: ")
    assert said in line
