"""Text files that are not held in memory: what is read is the same, and little memory is used."""

import tracemalloc

import numpy as np
import pytest
from corpus_cases import long, text

from seqgen import encodings
from seqgen.corpus import families, load, load_corpus
from seqgen.corpus.dataset import prepare
from seqgen.corpus.walk import MaskTable, conditions
from seqgen.longtext import LongText

MEGABYTES = 30


@pytest.fixture
def nothing_held(monkeypatch):
    monkeypatch.setattr(load, "_HELD_BYTES", 0)


def test_a_long_file_is_the_text_that_a_short_one_is(tmp_path, nothing_held, monkeypatch):
    (tmp_path / "a.txt").write_bytes("Ä\r\nbe\u0301\n".encode("utf-16"))
    (tmp_path / "b.txt").write_bytes(b"\xff\x00\x01")
    (tmp_path / "c.txt").write_bytes(b"")
    (tmp_path / "d.txt").write_bytes(b" \n")
    corpus = load_corpus(tmp_path)
    (document,) = corpus.documents
    assert isinstance(document.content, LongText)
    assert document.content.whole() == "Ä\nbé\n"
    monkeypatch.undo()
    held = load_corpus(tmp_path)
    assert held.documents[0].content == "Ä\nbé\n"
    assert corpus.digest == held.digest
    assert corpus.skipped == held.skipped


def test_a_file_with_a_separator_is_cut_as_before(tmp_path, nothing_held):
    (tmp_path / "a.txt").write_text("one\n%%\ntwo\n")
    (tmp_path / "corpus.toml").write_text('title = "T"\nseparator = "%%"')
    assert [document.content for document in load_corpus(tmp_path).documents] == ["one", "two"]


def test_the_sizes_of_all_files_decide(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "_HELD_BYTES", 20)
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("ten bytes.")
    assert all(isinstance(document.content, LongText) for document in load_corpus(tmp_path).documents)
    (tmp_path / "c.txt").unlink()
    assert all(isinstance(document.content, str) for document in load_corpus(tmp_path).documents)


@pytest.mark.parametrize("licences", [6, 0])
@pytest.mark.parametrize("characters", [1, 150, 201, 100_000])
def test_families_are_those_of_the_texts(tmp_path, characters, licences):
    """Equal but for white space; a shared passage, which begins and ends anywhere; a licence in most of them."""
    random = np.random.default_rng(0)

    def prose(words: int) -> str:
        return " ".join("".join(map(chr, random.integers(97, 110, 5))) for _ in range(words)) + "\n"

    licence = "".join(prose(12) for _ in range(licences))
    bodies = [prose(300) for _ in range(10 if licences else 8)]  # in eight a common line is no licence yet
    bodies[4] = prose(20) + bodies[1][300:560] + prose(20)
    bodies[7] = f" \n{bodies[2]}\n\n".replace(" ", "  ")
    short = [text(f"{licence}{body}", f"{number}") for number, body in enumerate(bodies)]
    wanted = [0, 1, 2, 3, 1, 5, 6, 2, 8, 9][: len(bodies)]
    assert families(short) == wanted
    assert families([long(document, tmp_path, characters) for document in short]) == wanted
    assert families([*(long(document, tmp_path, characters) for document in short[:5]), *short[5:]]) == wanted


@pytest.mark.parametrize("characters", [1, 4, 100])
def test_copies_are_family_up_to_white_space(tmp_path, characters):
    """Too short to share a passage."""
    short = [text(content) for content in ("To be,\n or not", " \n To be, or  not\n\n", "To be", "Tobe, or not")]
    assert families(short) == families([long(document, tmp_path, characters) for document in short]) == [0, 0, 2, 3]


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """Words in several scripts, line by line."""
    path = tmp_path_factory.mktemp("big") / "big.txt"
    words = ["the", "night", "is", "long", "façade", "Ångström", "και", "το", "να", "не", "на", "я", "曲水", "流觴"]
    random = np.random.default_rng(0)
    lines = "".join(" ".join(random.choice(words, 12)) + "\n" for _ in range(10_000)).encode()
    with open(path, "wb") as file:
        for _ in range(-(-MEGABYTES * 10**6 // len(lines))):
            file.write(lines)
    return path


@pytest.mark.parametrize("encoding", ["chars", "bytes"])
def test_memory_does_not_grow_with_the_text(big, encoding):
    """All that is allocated on the way to the first window; what is mapped from a file does not count."""
    from seqgen.training.lanes import Lanes  # TensorFlow is loaded before anything is counted

    encodings.make(encoding)
    tracemalloc.start()
    dataset = prepare(load_corpus(big), encoding=encoding)
    grammar, kinds = dataset.encoding.grammar(dataset.vocabulary), dataset.encoding.table(dataset.vocabulary).kind
    walks = [conditions(grammar, kinds, sequence, MaskTable()) for sequence in dataset.train]
    lanes = Lanes([sequence.ids for sequence in dataset.train], walks, batch_size=32, tx=128, seed=0)
    next(lanes.epoch(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lanes.tokens > 20e6 * (0.7 if encoding == "chars" else 1)
    assert (
        peak < MEGABYTES * 10**6
    )  # less than the file; as a str it takes twice its size, as a list of tokens eight times
