"""The door to all formats: which file is what, reading, writing, and what importing costs."""

import io
import subprocess
import sys
from dataclasses import replace

import pytest

from seqgen import formats
from seqgen.errors import FormatError
from seqgen.piece import Part, Piece, Text

PIECE = Piece.build([(0, 480, 60, 64, 0)], 480, [Part("Alto", 52)], title="One")
TUNE = "X:{0}\nT:{0}\nK:C\nCDEF|\n"


def test_surface():
    assert sorted(formats.__all__) == [
        "READERS", "WRITERS", "lost", "read", "read_all", "read_bytes", "to_bytes", "unit", "write",
    ]  # fmt: skip
    assert set(formats.WRITERS) == {"mid", "txt", "jsonl", "npy", "svg", "musicxml", "strudel", "sonicpi"}
    assert set(formats.ENDINGS.values()) == set(formats.WRITERS)


def test_importing_loads_nothing_heavy():
    code = "import sys, seqgen.formats; print({'symusic', 'music21', 'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("unit", "names"),
    [
        ("music", "a.mid b.MIDI c.kar d.musicxml e.xml f.mxl g.abc h.krn songs/i.v2.mid readme.mid"),
        ("text", "a.txt b.TEXT c.md d.x.txt poems/e.txt"),
        (None, "LICENSE LICENSE.txt license.md README README.md readme.txt Copying.txt NOTICE.txt .hidden.mid ._a.mid"),
        (None, "a.png b.jpg c.wav d.mp3 e.pdf f.docx g.zip h.tar.gz i.toml j.py k.json l.css m.html n.csv o.tsv"),
        (None, "info p.safetensors q.npy r.jsonl s.svg Makefile .mid"),
    ],
)
def test_unit(unit, names):
    assert {name: formats.unit(name) for name in names.split()} == dict.fromkeys(names.split(), unit)


@pytest.mark.parametrize("name", ["a.mid", "a.MIDI", "a.musicxml", "a.xml"])
def test_music_comes_back_by_its_ending(tmp_path, name):
    formats.write(PIECE, tmp_path / name)
    again = formats.read(tmp_path / name)
    assert isinstance(again, Piece)
    assert (again.title, again.parts, len(again.notes)) == (PIECE.title, PIECE.parts, 1)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.jsonl", "a.npy"])
def test_text_comes_back_by_its_ending(tmp_path, name):
    formats.write("do\nré\n", tmp_path / name)
    assert formats.read(tmp_path / name) == "do\nré\n"


def test_unknown_endings_are_midi_or_text_by_content(tmp_path):
    (tmp_path / "a.tune").write_bytes(formats.to_bytes(PIECE, "mid"))
    (tmp_path / "b").write_text("words")
    assert isinstance(formats.read(tmp_path / "a.tune"), Piece)
    assert formats.read(tmp_path / "b") == "words"


def test_several_tunes(tmp_path):
    book = tmp_path / "book.abc"
    book.write_text(TUNE.format(1) + "\n" + TUNE.format(2))
    assert [piece.title for piece in formats.read_all(book)] == ["1", "2"]
    with pytest.raises(FormatError, match=r"book\.abc holds 2 tunes, not one; read_all"):
        formats.read(book)


def test_text_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes("señor".encode("latin-1"))
    assert formats.read(tmp_path / "a.txt", text_encoding="latin-1") == "señor"
    with pytest.raises(FormatError, match="0xf1 at offset 2"):
        formats.read(tmp_path / "a.txt")


def test_a_large_score_is_refused_before_it_is_loaded(tmp_path):
    with open(tmp_path / "a.xml", "wb") as file:
        file.truncate(2**40)  # a sparse terabyte
    with pytest.raises(FormatError, match="read up to"):
        formats.read(tmp_path / "a.xml")


def test_missing_files_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        formats.read(tmp_path / "none.mid")


def test_writing_into_an_open_file():
    for source, format in [(PIECE, "mid"), ("abc", "txt"), (PIECE, "svg"), ([1, 2], "npy")]:
        file = io.BytesIO()
        formats.write(source, file, format)
        assert file.getvalue() == formats.to_bytes(source, format)
    file = io.BytesIO()
    formats.write(PIECE, file)
    assert file.getvalue().startswith(b"MThd")


def test_a_given_format_beats_the_ending(tmp_path):
    formats.write(PIECE, tmp_path / "a.dat", "svg")
    assert (tmp_path / "a.dat").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("source", "name", "format", "says"),
    [
        ("words", "a.mid", None, "text cannot be written as mid; text can be written as txt, jsonl, npy"),
        (PIECE, "a.txt", None, "music can be written as mid, musicxml, svg, jsonl, npy"),
        ([4, 5], "a.mid", None, "token ids can be written as npy"),
        (PIECE, "a.mp3", None, "the ending '.mp3' names no format"),
        (PIECE, "a", None, "no ending"),
        (PIECE, "a.mid", "wav", "no format 'wav'"),
        (PIECE, "none/a.mid", None, "there is no folder"),
    ],
)
def test_says_why_it_cannot_write(tmp_path, source, name, format, says):
    with pytest.raises(FormatError) as caught:
        formats.write(source, tmp_path / name, format)
    assert says in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.mid"
    formats.write(PIECE, path)
    before = path.read_bytes()
    crowd = Piece.build([(0, 1, 60, 64, n) for n in range(16)], 480, [Part("", n) for n in range(16)])
    with pytest.raises(FormatError):
        formats.write(crowd, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.mid"]


def test_lost_counts_what_a_format_has_no_place_for():
    piece = replace(PIECE, fermatas=(0,), chords=(Text(0, "C"), Text(240, "G")))
    assert formats.lost(piece, "mid") == {"fermatas": 1, "chords": 2}
    assert formats.lost(piece, "musicxml") == {}
    assert formats.lost(piece, "npy") == {"title": 1, "parts": 1, "fermatas": 1, "chords": 2}
