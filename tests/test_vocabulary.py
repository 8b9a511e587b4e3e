"""Vocabulary: ids and tokens are inverse, specials come first, errors name what was wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import TokenError
from seqgen.vocabulary import END, PAD, SPECIALS, START, UNK, Vocabulary

TOKENS = st.lists(st.text(max_size=3))


@given(TOKENS)
def test_ids_and_tokens_are_inverse(tokens):
    vocabulary = Vocabulary.of(tokens)
    ids = vocabulary.to_ids(tokens)
    assert vocabulary.to_tokens(ids) == tokens
    assert UNK not in ids
    assert ids.dtype == np.int64
    assert vocabulary.to_ids(vocabulary.tokens).tolist() == list(range(len(vocabulary)))


@given(TOKENS)
def test_the_order_of_the_corpus_does_not_matter(tokens):
    vocabulary = Vocabulary.of(tokens)
    assert vocabulary == Vocabulary.of(reversed(tokens)) == Vocabulary(vocabulary.tokens)
    assert hash(vocabulary) == hash(Vocabulary(list(vocabulary.tokens)))
    assert vocabulary.tokens == (*SPECIALS, *sorted(set(tokens)))
    assert vocabulary != vocabulary.tokens
    assert vocabulary != Vocabulary.of([*tokens, "another token"])


def test_the_specials_have_fixed_ids():
    vocabulary = Vocabulary.of("ab")
    assert vocabulary.to_ids(["<pad>", "<start>", "<end>", "<unk>"]).tolist() == [PAD, START, END, UNK] == [0, 1, 2, 3]


def test_an_unknown_token_becomes_unk():
    vocabulary = Vocabulary.of("ab")
    assert vocabulary.to_ids(["a", "c", "", "b"]).tolist() == [4, UNK, UNK, 5]
    assert vocabulary.to_ids([]).shape == (0,)
    assert vocabulary.to_tokens(np.array([4, 3], np.uint16)) == ["a", "<unk>"]


@pytest.mark.parametrize("id", [-1, 6, 10**6])
def test_an_id_outside_is_an_error(id):
    with pytest.raises(TokenError, match=f"id {id} is outside the vocabulary of 6 tokens"):
        Vocabulary.of("ab").to_tokens([4, id, 5])


@pytest.mark.parametrize("tokens", [[], ["a"], ["<pad>", "<start>", "<end>"], ["<start>", "<pad>", "<end>", "<unk>"]])
def test_specials_must_come_first(tokens):
    with pytest.raises(TokenError, match="a vocabulary begins with"):
        Vocabulary(tokens)


@pytest.mark.parametrize("tokens", [["a", "b", "a"], ["a", "<pad>"]])
def test_a_token_may_occur_once(tokens):
    with pytest.raises(TokenError, match=f"token '{tokens[-1]}' occurs twice"):
        Vocabulary([*SPECIALS, *tokens])
