"""The collapse watch: signs by hand, and a model that loops."""

import math

import numpy as np
import pytest
from made import Toy, vocabulary_of

from seqgen import encodings
from seqgen.corpus.dataset import Dataset, IdSequence
from seqgen.training.watch import Signs, Watch, collapsed, signs


def test_the_signs_of_known_rows():
    varied = signs([list(range(20))])
    assert varied.repeat_rate == 0
    assert varied.entropy == pytest.approx(math.log(20))
    loop = signs([[4, 5] * 50])
    assert loop.repeat_rate == pytest.approx(91 / 93)  # of 93 passages of 8 two are new
    assert loop.entropy == pytest.approx(math.log(2))
    assert signs([[4] * 8, [4] * 8]).repeat_rate == 0  # what came before in another row is no repetition


@pytest.mark.parametrize(
    ("sampled", "corpus", "verdict"),
    [
        (Signs(0.2, 2.0), Signs(0.1, 2.2), False),
        (Signs(0.6, 2.0), Signs(0.1, 2.2), True),
        (Signs(0.85, 2.0), Signs(0.8, 2.0), False),  # the corpus is like that
        (Signs(0.2, 1.0), Signs(0.2, 2.2), True),
    ],
)
def test_the_corpus_is_the_measure(sampled, corpus, verdict):
    assert collapsed(sampled, corpus) is verdict


class Says(Toy):
    """What comes after `time` ids, by a table."""

    def __init__(self, vocabulary, table):
        super().__init__(len(vocabulary))
        self.table = table

    def logits(self, row, time):
        scores = np.full(self.n_values, -30.0, np.float32)
        scores[self.table[(time + 7 * row) % len(self.table)]] = 30.0
        return scores


def test_a_looping_model_is_seen_and_a_varied_one_is_not():
    random = np.random.default_rng(1)
    text = "".join(random.choice(list("abcdefghij"), 2000))
    encoding = encodings.make("chars")
    vocabulary = vocabulary_of(encoding, [text])
    ids = vocabulary.to_ids(["<start>", *text, "<end>"]).astype(np.uint16)
    dataset = Dataset(encoding, vocabulary, (IdSequence("t", ids, len(text)),), (), (), {}, "", {})
    watch = Watch(dataset, seed=0)
    seen = watch.look(Says(vocabulary, vocabulary.to_ids(list("abc"))))
    assert seen is not None
    assert collapsed(*seen)
    assert seen[1].repeat_rate == 0
    seen = watch.look(Says(vocabulary, ids[1:-1]))
    assert seen is not None
    assert not collapsed(*seen)
    assert watch.look(Says(vocabulary, [2])) is None  # it ends at once
