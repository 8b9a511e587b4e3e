"""`seqgen embed`: vectors as numpy or JSON, who is near whom, and a picture."""

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from cli_cases import answered, refused, run
from made import untrained
from made_pairs import untrained_pairs

import seqgen
from seqgen.api.vectors import neighbours

LINES = ["Go.", "Be nice.", "I am here.", "Wait!", "Hi."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("embed")
    untrained_pairs("attention").save(folder / "model.safetensors")
    untrained("chars", ["a text"]).save(folder / "generator.safetensors")
    return folder


@pytest.fixture(scope="module")
def vectors(folder) -> np.ndarray:
    return seqgen.load(folder / "model.safetensors").embed(LINES)


@pytest.fixture
def embed(folder, capsysbinary, monkeypatch):
    """The command in this process."""
    monkeypatch.chdir(folder)
    return lambda *arguments: answered(capsysbinary, "embed", *arguments)


def test_a_matrix_on_the_standard_output_and_in_a_file(folder, embed, tmp_path, vectors):
    out, said = embed(*LINES)
    np.testing.assert_allclose(np.load(io.BytesIO(out)), vectors, atol=1e-6)
    assert said.endswith(": 5 vectors of 12 numbers\n")
    run(folder, "embed", "-o", tmp_path / "v.npy", stdin="\n".join(LINES).encode())
    np.testing.assert_allclose(np.load(tmp_path / "v.npy"), vectors, atol=1e-6)
    embed("-o", tmp_path / "v.json", *LINES)
    rows = json.loads((tmp_path / "v.json").read_text())
    assert [row["text"] for row in rows] == LINES
    np.testing.assert_allclose([row["vector"] for row in rows], vectors, atol=1e-6)


def test_json_lines_with_neighbours(embed, vectors):
    out, _ = embed("--json", "--neighbours", 2, *LINES)
    near = neighbours(vectors, 2)
    for line, text, vector, others in zip(out.splitlines(), LINES, vectors, near, strict=True):
        row = json.loads(line)
        assert row["text"] == text
        np.testing.assert_allclose(row["vector"], vector, atol=1e-6)
        assert [one["text"] for one in row["neighbours"]] == [LINES[other.row] for other in others]
        similarities = [other.similarity for other in others]
        assert [one["similarity"] for one in row["neighbours"]] == pytest.approx(similarities, abs=1e-4)


def test_neighbours_for_people(embed, vectors):
    out, _ = embed("--neighbours", 1, *LINES)
    (first,) = neighbours(vectors, 1)[0]
    assert out.decode().splitlines()[0] == f"Go.\t{LINES[first.row]} ({first.similarity:.3f})"


def test_a_picture_has_every_phrase(embed, tmp_path):
    out, said = embed("--plot", tmp_path / "plane.svg", *LINES)
    assert out == b""
    assert f"wrote {tmp_path / 'plane.svg'}" in said
    root = ElementTree.fromstring((tmp_path / "plane.svg").read_text())
    assert [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")][1:] == LINES


def test_empty_lines_are_left_out(embed):
    out, said = embed("Go.", "", " ", "Hi.")
    assert np.load(io.BytesIO(out)).shape == (2, 12)
    assert "2 empty lines are left out" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["", " "], "there is nothing to embed"),
        (["Go.", "--neighbours", 0], "--neighbours must be at least 1, not 0"),
        (["Go.", "--plot", "a.svg"], "a plane needs at least 2 vectors, not 1"),
        (["Go.", "--plot", "a.png"], "a.png cannot be written: its name should end in .svg"),
        (["Go.", "-o", "a.csv"], "its name should end in .npy or .json"),
        (["Go.", "-o", "nowhere/a.npy"], "there is no folder 'nowhere'"),
        (["Go.", "-m", "generator.safetensors"], "'seqgen generate' uses it"),
        (["Go.", "x" * 1000], "line 2 has 1,000 tokens"),
    ],
)
def test_what_is_wrong_is_one_line(folder, capsysbinary, monkeypatch, arguments, said):
    monkeypatch.chdir(folder)
    assert said in refused(capsysbinary, "embed", *arguments)
