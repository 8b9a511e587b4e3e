"""The copy index: everything in the corpus is found, little else is, and word by word it says the same as at once."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import piece

from seqgen.corpus.hashes import window_hashes
from seqgen.errors import ModelFileError
from seqgen.originality import CopyIndex, lines
from seqgen.originality import index as module
from seqgen.originality.index import runs

words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=30)


def random_text(seed: int, count: int, different: int = 50) -> str:
    return " ".join(f"w{number}" for number in np.random.default_rng(seed).integers(different, size=count))


def index_of(*texts: str, length: int | None = None) -> CopyIndex:
    index = CopyIndex.of(texts, "text", length)
    assert index is not None
    return index


def by_hand(symbols: list[str]) -> int:
    """The hash of a gram, from the formula: a polynomial of mixed codes, in whole numbers."""
    odd = 0x9E3779B97F4A7C15

    def mixed(value: int) -> int:
        value = (value + odd) % 2**64
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
        return value ^ value >> 31

    total = 0
    for symbol in symbols:
        code = int.from_bytes(hashlib.blake2b(symbol.encode(), digest_size=8).digest(), "little")
        total = (total * odd + mixed(code)) % 2**64
    return mixed(total)


def set_bits(index: CopyIndex, gram: int) -> list[int]:
    size = 8 * len(index.bits)
    return [((gram >> 32) + number * (gram % 2**32 | 1)) % size for number in range(index.hashes)]


def test_the_bits_are_those_of_the_formula():
    """So that an index means the same in every version."""
    index = index_of("The sea, the sea", length=3)
    wanted = np.zeros(8 * len(index.bits), int)
    for gram in (["the", "sea", "the"], ["sea", "the", "sea"]):
        wanted[set_bits(index, by_hand(gram))] = 1
    assert np.unpackbits(index.bits, bitorder="little").tolist() == wanted.tolist()
    assert (index.grams, index.hashes, len(index.bits)) == (2, 7, 3)  # 10 bits a gram


@given(words, st.integers(1, 6))
def test_hashes_of_windows_are_those_of_the_formula(symbols, width):
    windows = [symbols[begin : begin + width] for begin in range(len(symbols) - width + 1)]
    assert window_hashes(module._codes(symbols), width).tolist() == list(map(by_hand, windows))


@given(words, words, st.integers(2, 6), st.sampled_from(["text", "music"]))
def test_going_on_symbol_by_symbol_finds_what_a_whole_line_does(corpus, line, length, unit):
    index = index_of(" ".join(corpus), length=length)
    index.unit, index._symbols = unit, length - (unit == "music")
    whole = lines(" ".join(line))[0]
    steps = [bool(index.follows(line[:end], [symbol, "z"])[0]) for end, symbol in enumerate(line)]
    width = index._symbols
    assert steps == [False] * min(width - 1, len(line)) + index.found(whole).tolist()


@given(words, st.integers(2, 5))
def test_everything_in_the_corpus_is_found(corpus, length):
    index = index_of(" ".join(corpus), length=length)
    assert index.found(lines(" ".join(corpus))[0]).all()


def test_the_share_of_false_positives_is_the_one_stated():
    index = index_of(random_text(0, 20_000))
    found = index.contains(np.random.default_rng(1).integers(2**64, size=100_000, dtype=np.uint64))
    assert index.false_positives == pytest.approx(0.0082, abs=0.0005)  # (1 - e^(-7/10))^7
    assert found.mean() == pytest.approx(index.false_positives, abs=0.001)


def test_a_transposed_copy_is_found_to_its_last_note():
    pieces = [piece(seed, parts=2, bars=8) for seed in range(6)]
    index = CopyIndex.of(pieces, "music")
    assert index is not None
    found = index.longest(pieces[4].transposed(5))
    assert found is not None
    assert found.length == max(len(line.starts) for line in lines(pieces[4]))
    other = index.longest(piece(77, parts=2, bars=8))
    assert other is None or other.length < found.length


def test_the_longest_run_is_where_it_stands():
    index = index_of(random_text(3, 300))
    own = "quite other words than those, then " + " ".join(random_text(3, 300).split()[100:120]) + " and others"
    found = index.longest(own)
    assert found is not None
    assert own[found.begin : found.end].split() == random_text(3, 300).split()[100:120]
    assert (found.first, found.length, found.bars) == (6, 20, None)


def test_too_few_words_are_no_passage():
    index = index_of("one two three four five")
    assert index.longest("one two three") is None
    assert index.longest("two three four five").length == 4
    assert not index.follows(["one", "two"], ["three"]).any()
    assert index.follows(["one", "two", "three"], ["four", "five"]).tolist() == [True, False]


def test_no_index_is_larger_than_it_may_be(monkeypatch):
    texts = [random_text(seed, 2000, 10_000) for seed in range(10)]
    assert len(index_of(*texts).bits) == pytest.approx(10 * 1997 * 10 / 8, rel=0.01)
    monkeypatch.setattr(module, "MOST_BYTES", 20_000)
    assert CopyIndex.of(texts, "text") is None
    assert CopyIndex.of(texts[:7], "text") is not None
    assert CopyIndex.of([texts[0]] * 100, "text") is not None  # the same passages once more take no room


def test_tensors_make_the_same_index():
    index = index_of(random_text(5, 100), length=3)
    again = CopyIndex.from_tensors(index.tensors(), "text")
    assert again is not None
    assert (again.length, again.hashes, again.grams) == (3, 7, index.grams)
    assert again.found(lines(random_text(5, 100))[0]).all()
    assert {name: array.dtype for name, array in index.tensors().items()} == {
        "index/bits": np.uint8,
        "index/parameters": np.uint32,
    }


def test_a_file_without_an_index_has_none():
    assert CopyIndex.from_tensors({"index/something": np.zeros(3, np.uint8)}, "text") is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("index/bits", np.zeros(0, np.uint8), "1 to 1,000,000 bytes"),
        ("index/bits", np.zeros((2, 2), np.uint8), "1 to 1,000,000 bytes"),
        ("index/bits", np.zeros(1_000_001, np.uint8), "1 to 1,000,000 bytes"),
        ("index/bits", np.zeros(8, np.uint32), "1 to 1,000,000 bytes"),
        ("index/bits", None, "lacks the tensor 'index/bits'"),
        ("index/parameters", None, "lacks the tensor 'index/parameters'"),
        ("index/parameters", np.array([8, 7], np.uint32), "not 3 of uint32"),
        ("index/parameters", np.array([8, 7, 1], np.uint8), "not 3 of uint32"),
        ("index/parameters", np.array([1, 7, 1], np.uint32), "claims 1 for a gram, not 2 to 64"),
        ("index/parameters", np.array([65, 7, 1], np.uint32), "claims 65 for a gram"),
        ("index/parameters", np.array([8, 0, 1], np.uint32), "claims 0 for hashes, not 1 to 32"),
        ("index/parameters", np.array([8, 2**32 - 1, 1], np.uint32), "for hashes"),
    ],
)
def test_an_index_that_seqgen_does_not_write_is_refused(name, value, says):
    tensors = {**index_of("one two three four five").tensors(), name: value}
    with pytest.raises(ModelFileError, match=says):
        CopyIndex.from_tensors({key: array for key, array in tensors.items() if array is not None}, "text")


@given(st.lists(st.booleans(), max_size=20))
def test_runs_are_all_there_is(flags):
    rebuilt = np.zeros(len(flags), bool)
    for begin, end in runs(np.array(flags, bool)):
        assert not rebuilt[max(0, begin - 1) : end].any()
        rebuilt[begin:end] = True
    assert rebuilt.tolist() == flags
