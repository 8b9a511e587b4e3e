"""Pieces are read once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_cases import counting, misbehaving
from hypothesis import given
from hypothesis import strategies as st

from seqgen.corpus import Corpus, cache, load_corpus
from seqgen.corpus.packed import digest, pack, unpack
from seqgen.piece import Key, Meter, Part, Piece, Tempo, Text


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Three files with four pieces, and a home of their own."""
    monkeypatch.setenv("SEQGEN_HOME", str(tmp_path / "home"))
    scores = tmp_path / "scores"
    (scores / "deep").mkdir(parents=True)
    for name, content in (("a.krn", "note 60"), ("b.krn", "note 62 64"), ("deep/c.krn", "note 65")):
        (scores / name).write_text(content)
    return scores


def load(folder: Path, **options) -> Corpus:
    return load_corpus(folder, reader=counting, workers=1, **options)


def calls(folder: Path) -> int:
    """How many files were read since the last time, in `folder` and below."""
    found = list(folder.rglob(".calls"))
    count = sum(len(path.read_bytes()) for path in found)
    for path in found:
        path.unlink()
    return count


def packs(folder: Path) -> list[Path]:
    return sorted((folder.parent / "home" / "cache" / "pieces").glob("*.pack"))


def test_what_was_read_once_is_not_read_again(folder, monkeypatch):
    first = load(folder)
    assert calls(folder) == 3
    monkeypatch.setitem(sys.modules, "pebble", None)  # not even the processes are started
    second = load(folder)
    assert calls(folder) == 0
    assert second == first
    assert second.digest == first.digest


def test_only_a_changed_or_new_file_is_read_again(folder):
    load(folder)
    calls(folder)
    (folder / "b.krn").write_text("note 70")
    (folder / "d.krn").write_text("note 71")
    corpus = load(folder)
    assert calls(folder) == 2
    assert [piece.notes["pitch"].tolist() for piece in pieces(corpus)] == [[60], [70], [71], [65]]


def pieces(corpus: Corpus) -> list[Piece]:
    return [document.content for document in corpus.documents if isinstance(document.content, Piece)]


def test_single_files_and_their_folder_share_a_cache(folder):
    load_corpus(folder / "a.krn", reader=counting, workers=1)
    load_corpus(folder / "b.krn", reader=counting, workers=1)
    assert calls(folder) == 2
    load(folder)
    assert calls(folder) == 1


def test_files_that_are_gone_are_forgotten(folder):
    load(folder)
    (folder / "a.krn").unlink()
    (folder / "new.krn").write_text("note 60")
    load(folder)
    assert set(cache.fetch(folder)) == {"b.krn", "new.krn"}


def test_another_reader_or_version_does_not_use_it(folder, monkeypatch):
    load(folder)
    calls(folder)
    monkeypatch.setattr("importlib.metadata.version", lambda library: "0")
    load(folder)
    assert calls(folder) == 3
    assert cache.key(folder / "a.krn", b"1") != cache.key(folder / "a.krn", b"2")
    (folder / "a.xml").write_bytes((folder / "a.krn").read_bytes())
    assert cache.key(folder / "a.krn", b"1") != cache.key(folder / "a.xml", b"1")


def test_without_the_cache_everything_is_read_and_nothing_is_kept(folder):
    load(folder, cache=False)
    load(folder, cache=False)
    assert calls(folder) == 6
    assert packs(folder) == []


def test_failures_are_not_kept(folder):
    (folder / "a.krn").write_text("broken")
    load(folder)
    calls(folder)
    corpus = load(folder)
    assert calls(folder) == 1
    assert [skip.name for skip in corpus.skipped] == ["a.krn"]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_cache_is_read_over_and_repaired(folder, damage):
    first = load(folder)
    calls(folder)
    for path in packs(folder):
        data = bytearray(path.read_bytes())
        if damage == "flip":
            data[len(data) // 2] ^= 1
        path.write_bytes({"cut": data[:-3], "flip": data, "empty": b"", "other": b"something else"}[damage])
    assert load(folder) == first
    assert calls(folder) == 3
    assert load(folder) == first
    assert calls(folder) == 0


def test_an_entry_that_is_no_piece_is_read_over(folder):
    first = load(folder)
    calls(folder)
    key = cache.fetch(folder)["a.krn"][0]
    cache.store(folder, {"a.krn": (key, b"\x93\x01\x02\x03")})
    assert load(folder) == first
    assert calls(folder) == 1


def test_a_home_that_cannot_be_written_does_no_harm(folder, monkeypatch):
    (folder.parent / "file").write_text("in the way")
    monkeypatch.setenv("SEQGEN_HOME", str(folder.parent / "file"))
    assert len(load(folder).documents) == 4


def test_what_was_read_before_an_interrupt_is_kept(folder):
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(folder, progress=interrupt)
    calls(folder)
    load(folder)
    assert calls(folder) == 1


def test_two_processes_at_once(folder):
    body = (
        "import sys\nfrom corpus_cases import misbehaving\nfrom seqgen.corpus import load_corpus\n"
        "print(load_corpus(sys.argv[1], reader=misbehaving, workers=1).digest)\n"
    )
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here.parents[1]), str(here)])}
    running = [
        subprocess.Popen([sys.executable, "-c", body, str(folder)], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    digests = {process.communicate(timeout=60)[0].strip() for process in running}
    assert len(digests) == 1
    assert digests == {load_corpus(folder, reader=misbehaving, workers=1).digest}
    assert set(cache.fetch(folder)) == {"a.krn", "b.krn"}
    assert all(path.suffix == ".pack" for path in (folder.parent / "home" / "cache" / "pieces").iterdir())


def test_the_home_is_the_systems_place_for_caches(monkeypatch):
    monkeypatch.delenv("SEQGEN_HOME")
    assert cache.home().name in ("seqgen", "Cache")


FULL = Piece.build(
    [(0, 480, 60, 80, 0), (0, 960, 36, 100, 1), (480, 480, 62, 1, 0)],
    480,
    [Part("Flöte", 73), Part("Drums", 0, True)],
    title="Stück",
    tempi=(Tempo(0, 96.5),),
    meters=(Meter(0, 3, 4),),
    keys=(Key(0, -3, "minor"),),
    pickup_ticks=240,
    fermatas=(480,),
    chords=(Text(0, "Cm7"),),
    markers=(Text(480, "Coda"),),
    losses={"grace notes dropped": 2},
)


def test_packed_pieces_are_the_same_in_every_field():
    (back,) = unpack(pack([FULL]))
    assert back == FULL
    assert back.losses == FULL.losses
    assert back.notes.dtype == FULL.notes.dtype
    assert unpack(pack([])) == []


@given(st.binary(max_size=60))
def test_other_bytes_are_refused(data):
    try:
        unpack(data)
    except ValueError:
        return
    assert unpack(pack(unpack(data))) == unpack(data)


def test_the_digest_is_of_the_content():
    assert digest(FULL) == digest(unpack(pack([FULL]))[0])
    assert digest(FULL) != digest(FULL.transposed(1))
    lossless = Piece(**{**{name: getattr(FULL, name) for name in FULL.__dataclass_fields__}, "losses": {}})
    assert digest(FULL) == digest(lossless)
    assert digest("a") != digest("b")
