"""Sources to documents."""

import dataclasses
import subprocess
import sys

import pytest
from corpus_cases import FOLK, midi, misbehaving

from seqgen.corpus import load_corpus
from seqgen.errors import ConfigError, CorpusError, MissingExtra
from seqgen.piece import Piece


def test_texts(tmp_path):
    (tmp_path / "a.txt").write_bytes("Ä\r\nb".encode())
    (tmp_path / "b.txt").write_bytes(b"\xff\x00\x01")
    (tmp_path / "c.txt").write_bytes(b"")
    (tmp_path / "d.txt").write_bytes(b" \n")
    seen: list[tuple[int, int]] = []
    corpus = load_corpus(tmp_path, progress=lambda *done: seen.append(done))
    assert [(document.name, document.content) for document in corpus.documents] == [("a.txt", "Ä\nb")]
    assert (corpus.unit, corpus.title, corpus.encoding, corpus.options) == ("text", tmp_path.name, None, {})
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [skip.name for skip in corpus.skipped if skip.failed] == ["b.txt", "c.txt", "d.txt"]
    reasons = [skip.reason for skip in corpus.skipped]
    assert reasons[1:] == ["is empty", "holds only white space"]
    assert str(tmp_path) not in reasons[0]


def test_a_text_encoding_can_be_named(tmp_path):
    (tmp_path / "a.txt").write_bytes("Ä".encode("latin-1"))
    assert load_corpus(tmp_path, text_encoding="latin-1").documents[0].content == "Ä"
    with pytest.raises(CorpusError, match="UTF-8"):
        load_corpus(tmp_path)
    with pytest.raises(ConfigError, match="klingon"):
        load_corpus(tmp_path, text_encoding="klingon")


def test_the_separator_cuts_files_into_documents(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\n\ntwo\n\n\n\nthree\n\n\n")
    (tmp_path / "b.txt").write_text("four\n")
    (tmp_path / "corpus.toml").write_text(
        'title = "T"\nencoding = "words"\nseparator = "\\n\\n\\n"\n[options]\nlower = true'
    )
    corpus = load_corpus(tmp_path)
    assert {document.name: document.content for document in corpus.documents} == {
        "a.txt#1": "one", "a.txt#2": "two", "a.txt#3": "three", "b.txt": "four",
    }  # fmt: skip
    assert (corpus.title, corpus.separator, corpus.encoding, corpus.options) == (
        "T",
        "\n\n\n",
        "words",
        {"lower": True},
    )


def test_the_verses():
    corpus = load_corpus("verses")
    assert len(corpus.documents) == 344
    assert not corpus.skipped
    assert all(isinstance(document.content, str) and document.content[0].isalpha() for document in corpus.documents)


def test_midi_with_broken_files_among_it(tmp_path):
    (tmp_path / "a.mid").write_bytes(midi(FOLK))
    (tmp_path / "b.mid").write_bytes(b"")
    (tmp_path / "c.mid").write_bytes(b"this is no MIDI")
    (tmp_path / "d.mid").write_bytes(midi([]))
    (tmp_path / "e.mid").write_bytes(midi([60, 62]))
    corpus = load_corpus(tmp_path)
    assert [document.name for document in corpus.documents] == ["a.mid", "e.mid"]
    first = corpus.documents[0].content
    assert isinstance(first, Piece)
    assert first.notes["pitch"].tolist() == FOLK
    assert [skip.name for skip in corpus.skipped] == ["b.mid", "c.mid", "d.mid"]
    assert corpus.skipped[0].reason == "is empty"
    assert not any(str(tmp_path) in skip.reason for skip in corpus.skipped)
    assert corpus == load_corpus(tmp_path)  # the second time from the cache


def test_books_number_their_pieces_and_skip_the_silent(tmp_path):
    (tmp_path / "book.krn").write_text("note 60 62")
    (tmp_path / "silent.krn").write_text("silent")
    seen: list[tuple[int, int]] = []
    corpus = load_corpus(tmp_path, reader=misbehaving, progress=lambda *done: seen.append(done))
    assert [document.name for document in corpus.documents] == ["book.krn#1", "book.krn#2"]
    assert [(skip.name, skip.reason) for skip in corpus.skipped] == [("silent.krn", "has no notes")]
    assert seen == [(1, 2), (2, 2)]
    load_corpus(tmp_path, reader=misbehaving, progress=lambda *done: seen.append(done))
    assert seen[2:] == [(2, 2)]


def test_nothing_readable_names_the_first_reasons(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.krn").write_text("broken")
    with pytest.raises(CorpusError) as caught:
        load_corpus(tmp_path, reader=misbehaving)
    reasons = "; ".join(f"{number}.krn: is not what its name says" for number in range(3))
    assert str(caught.value) == f"{tmp_path.name}: none of the 5 files can be read as music: {reasons}; and 2 more"


def test_files_that_all_need_an_extra_say_so(tmp_path):
    (tmp_path / "a.krn").write_text("extra")
    (tmp_path / "b.krn").write_text("extra")
    with pytest.raises(MissingExtra, match=r"Reading a\.krn needs .*seqgen\[notation\]") as caught:
        load_corpus(tmp_path, reader=misbehaving)
    assert caught.value.extra == "notation"
    (tmp_path / "c.krn").write_text("note 60")
    assert len(load_corpus(tmp_path, reader=misbehaving).skipped) == 2


def test_losses_are_summed_by_reason(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    corpus = load_corpus(tmp_path)
    assert corpus.losses() == {}
    documents = [
        dataclasses.replace(corpus.documents[0], content=Piece.build([], 1, losses=losses))
        for losses in ({"few": 1, "many": 2}, {"many": 3})
    ]
    losses = dataclasses.replace(corpus, documents=tuple(documents)).losses()
    assert list(losses.items()) == [("many", 5), ("few", 1)]


def test_the_digest_covers_names_and_contents(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.txt").write_text("y")
    one = load_corpus(tmp_path).digest
    assert load_corpus(tmp_path).digest == one
    (tmp_path / "b.txt").rename(tmp_path / "c.txt")
    two = load_corpus(tmp_path).digest
    (tmp_path / "c.txt").write_text("z")
    assert len({one, two, load_corpus(tmp_path).digest}) == 3


def test_importing_and_reading_from_the_cache_load_no_heavy_library(tmp_path):
    (tmp_path / "a.mid").write_bytes(midi(FOLK))
    load_corpus(tmp_path)
    body = (
        "import sys\nfrom seqgen.corpus import load_corpus\n"
        "heavy = {'music21', 'tensorflow', 'keras', 'rich', 'pebble', 'symusic'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        f"load_corpus({str(tmp_path)!r})\nprint(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["[]", "[]"]


def test_scores_of_music21(tmp_path):
    """The real path through notation, on three chorales."""
    music21 = pytest.importorskip("importlib.util").find_spec("music21")
    if music21 is None:
        pytest.skip("music21 is not installed")
    (tmp_path / "corpus.toml").write_text(
        'title = "Three"\nsource = "music21:bach"\nencoding = "chorale"\ninclude = ["bwv26[67].*", "bwv277.*"]'
    )
    corpus = load_corpus(tmp_path)
    assert [document.name for document in corpus.documents] == ["bwv266.mxl", "bwv267.mxl", "bwv277.mxl"]
    assert all(isinstance(it.content, Piece) and len(it.content.parts) == 4 for it in corpus.documents)
    assert [(skip.name, skip.failed) for skip in corpus.skipped] == [("bwv277.krn", False)]
