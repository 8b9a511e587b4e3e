"""What is usual in a corpus, and pieces within and outside it."""

import numpy as np
import pytest
from made import document, piece, random_stepper, vocabulary_of

from seqgen import encodings
from seqgen.corpus import Corpus
from seqgen.corpus.dataset import encode_with
from seqgen.evaluate import Typical, place, score, surprises, typical
from seqgen.evaluate.typical import traits
from seqgen.piece import Piece

TUNES = [piece(seed, bars=6) for seed in range(20)]
TEXTS = [f"the rose number {number} is red\nand so am I\n" for number in range(20)]


@pytest.mark.parametrize("contents", [TUNES, TEXTS])
def test_nine_in_ten_of_the_corpus_lie_within_each_trait(contents):
    nats = np.linspace(1, 2, 20)
    usual = typical(contents, nats.tolist())
    assert usual.nats == pytest.approx((1.05, 1.5, 1.95))
    for name, (low, middle, high) in usual.traits.items():
        values = [traits(content)[name] for content in contents]
        assert sum(low - 1e-4 <= value <= high + 1e-4 for value in values) >= 18
        assert low <= middle <= high


def test_surprise_is_measured_from_the_median_in_both_directions():
    usual = Typical(nats=(1.0, 1.5, 2.0))
    found = [place(usual, TUNES[0], nats).distance for nats in (0.5, 1.5, 2.5)]
    assert found == [1.0, 0.0, 1.0]
    assert place(Typical(), TUNES[0], 9.0).distance == 0  # nothing was held out


def test_a_piece_that_is_unlike_the_corpus_says_in_what():
    usual = typical(TUNES, [1.0] * 20)
    stuck = Piece.build([(tick, 1, 100, 80, 0) for tick in range(64)], 4)
    outside = place(usual, stuck, 1.0).outside
    assert {"repeated notes", "highest pitch", "different pitches", "bars that return", "notes a quarter"} <= set(
        outside
    )
    words = place(typical(TEXTS, [1.0] * 20), "word " * 50, 1.0).outside
    assert "pairs of words that return" in words


@pytest.mark.parametrize("empty", ["", " \n", Piece.build([], 4)])
def test_an_empty_one_has_no_traits(empty):
    assert traits(empty) == {}


def test_surprises_are_the_parts_of_the_score():
    encoding = encodings.make("notes")
    vocabulary = vocabulary_of(encoding, TUNES)
    corpus = Corpus("made", "music", tuple(document(tune, f"{n}") for n, tune in enumerate(TUNES)))
    sequences, _ = encode_with(encoding, vocabulary, corpus)
    stepper = random_stepper(encoding, vocabulary)
    each = surprises(stepper, encoding, vocabulary, sequences)
    alone = [score(stepper, encoding, vocabulary, [sequence]).nats_per_token for sequence in sequences]
    assert each == pytest.approx(alone)
