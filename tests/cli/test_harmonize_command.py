"""`seqgen harmonize` as a user has it: a melody from a file or a pipe, and one clear line when something is wrong."""

from pathlib import Path

import numpy as np
import pytest
from cli_cases import answered, refused, run
from made import piece, untrained
from made_harmonies import harmonizer, line, sources
from made_pairs import untrained_pairs

import seqgen
from seqgen import formats
from seqgen.api.harmonize import harmonize
from seqgen.constraints import MaxLeap, Range
from seqgen.corpus.parts import with_parts
from seqgen.piece import Part, Piece


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model that has learned nothing, melodies, and what does not go with it."""
    folder = tmp_path_factory.mktemp("harmonize")
    harmonizer().save(folder / "model.safetensors")
    (folder / "other").mkdir()
    untrained("notes", [piece(1)]).save(folder / "other" / "model.safetensors")
    untrained_pairs().save(folder / "words.safetensors")
    formats.write(with_parts(sources()[1], [0]), folder / "tune.mid")
    formats.write(sources()[1], folder / "choir.musicxml")
    formats.write(line((0, 4, 60), (4, 4, 60), (4, 4, 64)), folder / "chords.mid")
    formats.write(Piece.build([(0, 4, 36, 80, 0)], 4, [Part("Kit", drums=True)]), folder / "drums.mid")
    (folder / "text.txt").write_text("a text")
    return folder


def test_a_file_to_a_file(folder, tmp_path):
    _, said = run(folder, "harmonize", "tune.mid", "--seed", 5, "--count", 2, "-o", tmp_path / "h-{n}.mid")
    assert said.splitlines()[-3].startswith("model model.safetensors ")
    assert said.endswith(f", seed 5\nwrote {tmp_path / 'h-1.mid'}\nwrote {tmp_path / 'h-2.mid'}\n")
    tune, first, second = map(seqgen.read, (folder / "tune.mid", tmp_path / "h-1.mid", tmp_path / "h-2.mid"))
    for made in (first, second):
        assert np.array_equal(made.part_notes(0), tune.notes)
        assert (made.meters, made.keys, made.tempi, made.pickup_ticks) == (
            tune.meters, tune.keys, tune.tempi, tune.pickup_ticks,
        )  # fmt: skip
        assert [part.name for part in made.parts[1:]] == ["Alto", "Tenor", "Bass"]
    assert first.notes.tolist() != second.notes.tolist()


def test_through_a_pipe_as_in_python(folder, monkeypatch, capsysbinary):
    options = ("--temperature", 0.7, "--top-p", 0.9, "--range", "bass=G3-A3", "--max-leap", 4, "--seed", 1)
    out, said = run(folder, "harmonize", "-", *options, stdin=(folder / "tune.mid").read_bytes())
    assert out[:4] == b"MThd"
    assert said.endswith("seed 1\n")
    monkeypatch.chdir(folder)
    assert answered(capsysbinary, "harmonize", "tune.mid", *options)[0] == out
    limits = [Range.of("bass=G3-A3"), MaxLeap(4)]
    (made,) = harmonize(
        seqgen.load("model.safetensors"),
        seqgen.read("tune.mid"),
        temperature=0.7,
        top_p=0.9,
        constraints=limits,
        seed=1,
    )
    assert formats.to_bytes(made, "mid") == out
    bass = formats.read_bytes(out, "out")[0].part_notes(3)
    assert set(bass["pitch"].tolist()) <= {55, 56, 57}
    events, _ = answered(capsysbinary, "harmonize", "tune.mid", *options, "--format", "jsonl")
    assert len(events.splitlines()) == len(formats.read_bytes(out, "out")[0].notes)


def test_the_part_of_a_score(folder, monkeypatch, capsysbinary, tmp_path):
    monkeypatch.chdir(folder)
    target = tmp_path / "out.mid"
    _, said = answered(
        capsysbinary, "harmonize", "choir.musicxml", "--part", 3, "--seed", 2, "--instrument", 19, "-o", target
    )
    assert "left out, beside the melody: " in said
    choir, made = seqgen.read(folder / "choir.musicxml"), seqgen.read(target)
    wanted, ours = choir.part_notes(2), made.part_notes(0)
    assert (ours["pitch"] == wanted["pitch"]).all()
    assert (ours["onset"] * choir.ticks_per_quarter == wanted["onset"] * made.ticks_per_quarter).all()
    assert [part.program for part in made.parts[1:]] == [19] * 3


def test_what_the_model_does_not_see_is_said(folder, tmp_path, monkeypatch, capsysbinary):
    monkeypatch.chdir(folder)
    formats.write(line((0, 480, 60), (500, 460, 90), ticks=480), tmp_path / "odd.mid")
    _, said = answered(capsysbinary, "harmonize", tmp_path / "odd.mid", "--seed", 1)
    assert "what the model does not see of the melody: notes moved to the grid (1)\n" in said
    assert "seqgen: the melody has 1 token the model has never seen ('90'), read as unknown\n" in said
    assert "seqgen: the melody states no key; --key names one, to which the voices then keep\n" in said


def test_without_a_model_that_harmonises_it_is_the_one_that_comes_with_seqgen(folder, monkeypatch, capsysbinary):
    """A generator of the same name is no hindrance."""
    harmonizer().save(folder / "bach-harmony.safetensors")
    monkeypatch.setattr("seqgen.api.shipped.bundled", lambda name: folder)
    monkeypatch.chdir(folder / "other")
    _, said = answered(capsysbinary, "harmonize", "../tune.mid", "--seed", 1)
    assert said.startswith("there is no model.safetensors that harmonises here, so this is bach-harmony, which comes ")
    assert "\nmodel bach-harmony " in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("chords.mid", "has two notes at once in bar 1, quarter 2, and a melody has one"),
        ("drums.mid", "the piece has only drums, and a melody is needed"),
        ("text.txt", "harmonize wants music, and text.txt is text"),
        ("missing.mid", "No such file or directory: missing.mid"),
        ("tune.mid --part oboe", "the piece has no part 'oboe'"),
        ("tune.mid --count 2", "2 pieces do not fit into one stream: give -o 'out-{n}.mid'"),
        ("tune.mid -o out.txt", "can be written as mid, musicxml, svg, jsonl, npy, strudel, sonicpi, not as 'txt'"),
        ("tune.mid --best-of 0", "the number to choose the best of must be 1 to 10,000, not 0"),
        ("tune.mid --temperature hot", "temperature must be a number"),
        ("tune.mid --chords-strict", "--chords-strict says how to follow chords, and there are none"),
        ("tune.mid -m other/model.safetensors", "'seqgen generate' uses it"),
        ("tune.mid -m words.safetensors", "this model reads text and writes text; to harmonise takes one that has"),
        ("tune.mid --range alto=C7-C8", "no note of the part Alto of this model fits range alto=C7-C8"),
    ],
)
def test_what_is_wrong_is_one_line(folder, monkeypatch, capsysbinary, arguments, said):
    monkeypatch.chdir(folder)
    assert said in refused(capsysbinary, "harmonize", *arguments.split())
