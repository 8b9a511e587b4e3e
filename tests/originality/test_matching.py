"""Exact matching against comparing everything with everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.originality.matching import match_lengths, occurrences

few = st.lists(st.integers(-1, 2), max_size=40)  # few symbols, so that there is much to find; -1 ends a line


def array(values) -> np.ndarray:
    return np.array(values, np.int64)


def by_hand(query, corpus) -> list[int]:
    def common(one, other):
        length = 0
        while one + length < len(query) and other + length < len(corpus):
            if query[one + length] < 0 or query[one + length] != corpus[other + length]:
                break
            length += 1
        return length

    return [max((common(one, other) for other in range(len(corpus))), default=0) for one in range(len(query))]


@given(few, few)
def test_lengths_are_those_of_comparing_everything(query, corpus):
    assert match_lengths(array(query), array(corpus)).tolist() == by_hand(query, corpus)


@given(few, few, st.integers(1, 7))
def test_chunks_change_nothing(query, corpus, chunk):
    assert match_lengths(array(query), array(corpus), chunk).tolist() == by_hand(query, corpus)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(0, 40), st.integers(1, 30))
def test_what_is_copied_is_found(corpus, begin, length):
    copied = corpus[begin : begin + length]
    assert match_lengths(array(copied), array(corpus)).tolist() == list(range(len(copied), 0, -1))


def test_a_long_repetition_takes_no_longer_than_other_music():
    """A match of n symbols takes log2(n) rounds; comparing symbol by symbol would take 10^10 here."""
    same = np.zeros(100_000, np.int64)
    assert match_lengths(same, same).tolist() == list(range(100_000, 0, -1))


@given(few, st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_occurrences_are_all_places(corpus, passage):
    places = [place for place in range(len(corpus)) if corpus[place : place + len(passage)] == passage]
    assert occurrences(array(corpus), array(passage)).tolist() == places


@pytest.mark.parametrize(("query", "corpus"), [([], []), ([], [1, 2]), ([1, 2], []), ([-1], [-1])])
def test_nothing_matches_nothing(query, corpus):
    assert not match_lengths(array(query), array(corpus)).any()
