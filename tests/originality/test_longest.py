"""The longest shared passages, where they are, and that none is missed."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import document, piece

from seqgen.originality import lines, longest_passages
from seqgen.originality.longest import _longest
from seqgen.piece import Part, Piece, joined

words = st.lists(st.sampled_from(["a", "b", "c"]), max_size=25).map(" ".join)


def shared(own: str, other: str) -> int:
    """The longest run of words that two texts share, by trying all."""
    one, two = own.split(), other.split()
    runs = {tuple(two[begin:end]) for begin, end in product(range(len(two)), range(len(two) + 1)) if begin < end}
    found = [
        end - begin for begin, end in product(range(len(one)), range(len(one) + 1)) if tuple(one[begin:end]) in runs
    ]
    return max(found, default=0)


@given(words, st.lists(words, min_size=1, max_size=3))
def test_the_longest_is_the_longest(own, texts):
    documents = [document(text, f"{number}") for number, text in enumerate(texts)]
    found = longest_passages(own, documents)
    assert max([passage.own.length for passage in found], default=0) == max(shared(own, text) for text in texts)
    taken: set[int] = set()
    for passage in found:
        mine = own[passage.own.begin : passage.own.end]
        assert mine == passage.document.content[passage.theirs.begin : passage.theirs.end]
        assert passage.documents == sum(f" {mine} " in f" {text} " for text in texts)
        covered = set(range(passage.own.first, passage.own.first + passage.own.length))
        assert not covered & taken
        taken |= covered
    assert [passage.own.length for passage in found] == sorted((passage.own.length for passage in found), reverse=True)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(0, 1))
def test_passages_share_no_note(lengths, more):
    """`lengths` are cut so that each is possible: what matches from a place on also matches one further on."""
    matched = np.minimum(np.array(lengths), np.arange(len(lengths), 0, -1))
    chosen = _longest(matched, np.array([0]), 20, more)
    covered = [place for begin, length in chosen for place in range(begin, begin + length + more)]
    assert len(covered) == len(set(covered))
    assert all(length <= matched[begin] for begin, length in chosen)
    assert bool(chosen) == bool(matched.any())


@pytest.mark.parametrize("semitones", [0, 4, -9])
def test_a_transposed_quotation_is_found_where_it_stands(semitones):
    corpus = [document(piece(seed, parts=2, bars=6), f"{seed}.mid") for seed in range(5)]
    quoted = corpus[3].content
    line = lines(quoted)[1]
    begin, end = int(line.starts[4]), int(line.starts[15])
    notes = quoted.part_notes(1)
    notes = notes[(notes["onset"] >= begin) & (notes["onset"] <= end)]
    rows = [(int(on) - begin, int(length), int(pitch) + semitones, 80, 0) for on, length, pitch, *_ in notes.tolist()]
    own = joined([Piece.build([(0, 4, 20, 80, 0), (4, 3, 99, 80, 0)], 4, [Part()]), Piece.build(rows, 4, [Part()])])
    first = longest_passages(own, corpus, top=1)[0]
    assert (first.document.name, first.semitones, first.documents) == ("3.mid", semitones, 1)
    assert first.theirs[:4] == (1, 4, 12, begin)
    assert first.own[:4] == (0, 2, 12, 16)
    assert first.own.bars == first.theirs.bars


def test_a_piece_is_a_copy_of_itself():
    corpus = [document(piece(seed, parts=2), f"{seed}.mid") for seed in range(3)]
    found = longest_passages(corpus[1].content, corpus, top=2)
    assert {passage.document.name for passage in found} == {"1.mid"}
    assert sorted(passage.own.length for passage in found) == sorted(
        len(line.starts) for line in lines(piece(1, parts=2))
    )


def test_the_first_of_several_places_is_named():
    texts = ["nothing", "x one two three", "one two three one two three"]
    (found,) = longest_passages("one two three", [document(text, text[0]) for text in texts])
    assert (found.document.name, found.theirs.begin, found.documents) == ("x", 2, 2)


def test_lines_do_not_run_on_into_each_other():
    texts = [document("one two", "1"), document("three four", "2")]
    assert [passage.own.length for passage in longest_passages("one two three four", texts)] == [2, 2]


@pytest.mark.parametrize("own", ["", "...", "other"])
def test_nothing_shared_is_no_passage(own):
    assert longest_passages(own, [document("words here", "1")]) == []


def test_drums_alone_share_nothing():
    drums = Piece.build([(0, 4, 36, 80, 0), (4, 4, 38, 80, 0)], 4, [Part(drums=True)])
    assert longest_passages(drums, [document(drums, "1")]) == []
