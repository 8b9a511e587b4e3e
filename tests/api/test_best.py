"""The most typical of several: within the corpus, about as surprising as unseen pieces, and not copied."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from made import piece, untrained

from seqgen.api.best import ranked
from seqgen.corpus import Corpus, Document
from seqgen.corpus.dataset import encode_with
from seqgen.evaluate import Typical, surprises, typical
from seqgen.originality import CopyIndex, Unseen
from seqgen.piece import Piece

TUNES = [piece(seed, bars=8) for seed in range(12)]


@pytest.fixture
def model():
    """A model without an index that knows what is usual in TUNES."""
    model = untrained("notes", TUNES)
    model.statistics = msgspec.structs.replace(model.statistics, typical=typical(TUNES, []))
    return model


def monotone(pitch: int) -> Piece:
    notes = TUNES[0].notes.copy()
    notes["pitch"] = pitch
    return replace(TUNES[0], notes=notes)


def test_what_is_unlike_the_corpus_comes_last(model):
    low, high = int(TUNES[0].notes["pitch"].min()), int(TUNES[0].notes["pitch"].max())
    assert ranked(model, [monotone(low), TUNES[3], monotone(high)])[0] == 1


def test_surprise_near_the_median_is_preferred(model):
    """With nothing usual but the surprise, the order is that of the distance from its median."""
    corpus = Corpus("all", "music", tuple(Document(str(n), tune, "") for n, tune in enumerate(TUNES)))
    sequences, _ = encode_with(model.encoding, model.vocabulary, corpus)
    nats = np.array(surprises(model.stepper, model.encoding, model.vocabulary, sequences))
    middle = float(nats[5])
    model.statistics = msgspec.structs.replace(model.statistics, typical=Typical(nats=(middle - 1, middle, middle + 1)))
    assert ranked(model, TUNES) == np.argsort(np.abs(nats - middle), kind="stable").tolist()


def test_a_copy_comes_after_everything_else(model):
    """Of two tunes the corpus has one; it is the more typical, and still comes last."""
    other = monotone(60)
    assert ranked(model, [TUNES[1], other]) == [0, 1]
    index = CopyIndex.of([TUNES[1]], "music")
    assert index is not None
    model.copy_index = index
    model.statistics = msgspec.structs.replace(model.statistics, unseen_copied=Unseen(3, (8.0, 9.0)))
    assert ranked(model, [TUNES[1], other]) == [1, 0]
