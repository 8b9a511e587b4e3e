"""`seqgen originality` in a process, and what a training leaves for later runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made import piece

import seqgen
from seqgen import formats, modelfile
from seqgen.api.originality import copied_passages
from seqgen.errors import ConfigError, CorpusError
from seqgen.originality import TENSORS

SEQGEN = str(Path(sys.executable).parent / "seqgen")
POEM = "The tide is out,\nthe sand is wide,\nthe boats are leaning in the mud.\n"


def run(*arguments, status: int = 0, stdin: bytes = b"") -> tuple[str, str]:
    done = subprocess.run(
        [SEQGEN, *map(str, arguments)],
        capture_output=True,
        env={**os.environ, "PYTHONWARNINGS": "error:::seqgen"},
        input=stdin,
        timeout=100,
        check=False,
    )
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def tunes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tunes")
    for seed in range(6):
        formats.write(piece(seed, parts=2, bars=6), folder / f"{seed}.mid")
    return folder


@pytest.fixture
def texts(tmp_path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "sea.txt").write_text(POEM)
    (folder / "land.txt").write_text("Ploughs go over the hill.\n")
    return folder


def test_a_transposed_copy_is_listed_and_drawn(tunes, tmp_path):
    own, picture = tmp_path / "own.mid", tmp_path / "own.svg"
    formats.write(piece(4, parts=2, bars=6).transposed(3), own)
    out, said = run("originality", own, tunes, "--top", "2", "-o", picture)
    first, second = out.splitlines()
    assert "as in 4.mid, part" in first
    assert "bar 1, beat 1" in second
    assert "3 semitones higher" in first
    assert said == f"wrote {picture}\n"
    drawn = ElementTree.parse(picture).getroot()
    assert {"1: 4.mid", "2: 4.mid"} <= {node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text")}


def test_json_says_what_python_does(tunes, tmp_path):
    own = tmp_path / "own.mid"
    formats.write(piece(2, parts=2, bars=6).transposed(-5), own)
    out, _ = run("originality", own, tunes, "--json", "--top", "3")
    found = json.loads(out)
    passages = copied_passages(seqgen.read(own), tunes, top=3)
    assert [row["notes"] for row in found["passages"]] == [passage.own.length for passage in passages]
    assert found["passages"][0]["source"]["name"] == "2.mid"
    assert found["passages"][0]["semitones"] == -5
    assert found["itself"] == []


def test_a_text_from_stdin(texts, tmp_path):
    page = tmp_path / "page.html"
    out, _ = run("originality", "-", texts, "-o", page, stdin=b"New <words>.\n\nTHE SAND is; wide: the boats\nfly.")
    first, *_ = out.splitlines()
    assert first == " 1  6 words: line 3; as in sea.txt, line 2"
    assert "New &lt;words&gt;." in page.read_text()
    assert (
        '<mark title="as in sea.txt, line 2">THE SAND is; wide: the boats</mark><sup>1</sup>\nfly.' in page.read_text()
    )


def test_a_file_among_its_sources_is_said(texts):
    out, said = run("originality", texts / "sea.txt", texts, "--top", "1")
    assert out == " 1  15 words: line 1; as in sea.txt, line 1\n"
    assert "is itself among the sources, as sea.txt" in said


def test_nothing_copied(texts):
    out, _ = run("originality", "-", texts, stdin=b"Something else entirely")
    assert out == "no passage of - is in texts\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{tunes}/0.mid", "{texts}"], "music cannot be compared with 'texts', which is text"),
        (["{tunes}/0.mid", "{tunes}", "-o", "out.html"], "the picture of music is a svg file"),
        (["{texts}/sea.txt", "{texts}", "-o", "out.svg"], "the picture of text is a html file"),
        (["{tunes}/0.mid", "{tunes}", "-o", "nowhere/out.svg"], "there is no folder 'nowhere'"),
        (["{tunes}/missing.mid", "{tunes}"], "missing.mid"),
        (["{tunes}/0.mid", "{tunes}/missing"], "missing"),
    ],
)
def test_what_is_wrong_is_one_line(tunes, texts, arguments, says):
    out, said = run("originality", *(word.format(tunes=tunes, texts=texts) for word in arguments), status=1)
    assert out == ""
    (line,) = said.splitlines()
    assert says in line


def test_python_refuses_the_same(tunes):
    with pytest.raises(ConfigError, match="text cannot be compared"):
        copied_passages("some words", tunes)
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        copied_passages(piece(1), tunes, top=0)
    with pytest.raises(CorpusError):
        copied_passages(piece(1))


def test_a_model_file_carries_the_index_of_what_it_learned_from(tunes, tmp_path):
    model = seqgen.train(tunes, max_steps=2, n_a=8, layers=1, batch_size=2, valid_fraction=0.3)
    model.save(tmp_path / "model.safetensors")
    loaded = seqgen.load(tmp_path / "model.safetensors")
    assert loaded.copy_index is not None
    assert loaded.statistics.unseen_copied == model.statistics.unseen_copied
    assert loaded.statistics.unseen_copied.pieces == len(loaded.header.corpus.held_out)
    learned = next(name for name in loaded.header.corpus.names if name not in loaded.header.corpus.held_out)
    whole = loaded.encoding.decode(loaded.encoding.encode(seqgen.read(tunes / learned))[0].tokens)
    assert loaded.copy_index.longest(whole).length == max(len(whole.part_notes(part)) for part in range(2))
    loaded.save(tmp_path / "again.safetensors")
    again = modelfile.load_index(tmp_path / "again.safetensors", TENSORS)
    assert again.keys() == set(TENSORS)
