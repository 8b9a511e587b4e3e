"""Encoder-decoders for tests: small, of any shape, with weights that have learned nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from made import random_weights

from seqgen import __version__, modelfile
from seqgen.api.translator import Translator
from seqgen.architecture import Seq2Seq
from seqgen.corpus.pair_dataset import prepare_pairs
from seqgen.corpus.pairs import PairCorpus
from seqgen.modelfile import Header, Sides, Training

PAIRS = [
    ("Go.", "Va !"),
    ("Hi.", "Salut !"),
    ("Run!", "Cours !"),
    ("Wait!", "Attends !"),
    ("Be nice.", "Sois gentil."),
    ("Drop it!", "Laisse tomber !"),
    ("Get out!", "Sors !"),
    ("I am here.", "Je suis là."),
]

SHAPES: dict[str, dict[str, Any]] = {
    "states": {},
    "repeat": {"bridge": "repeat", "feedback": False},
    "attention": {"bridge": "none", "attention": "additive", "bidirectional": True},
    "multiplicative": {"attention": "multiplicative", "encoder_layers": 2, "decoder_layers": 2},
    "reversed": {"attention": "additive", "reversed": True, "cell": "gru"},
    "placewise": {"bridge": "none", "feedback": False, "decoder_layers": 0, "length": 12, "bidirectional": True},
}


def corpus_of(pairs: Sequence[tuple[Any, Any]] = PAIRS) -> PairCorpus:
    return PairCorpus.of([source for source, _ in pairs], [target for _, target in pairs])


def untrained_pairs(
    shape: str = "states",
    pairs: Sequence[tuple[Any, Any]] = PAIRS,
    seed: int = 0,
    scale: float = 0.8,
    fraction: float = 0,
    **how: Any,
) -> Translator:
    """A model of one of SHAPES that has learned nothing but the vocabularies of the pairs that are not held out.

    how: as `prepare_pairs` takes it.
    """
    corpus = corpus_of(pairs)
    dataset = prepare_pairs(corpus, fraction=fraction, **how)
    source, target = dataset.source_spelling, dataset.spelling
    sizes = {"source_values": source.values, "n_values": target.values}
    vectors = {"source_vectors": source.encoding is None, "target_vectors": target.encoding is None}
    layers = {"cell": "lstm", "n_a": 6, "encoder_layers": 1, "decoder_layers": 1}
    features = () if dataset.encoding is None else dataset.encoding.grammar(dataset.vocabulary).feature_sizes
    architecture = Seq2Seq(**{**layers, **sizes, **vectors, "feature_sizes": tuple(features), **SHAPES[shape]})
    header = Header(
        kind="seq2seq",
        architecture=architecture,
        sides=Sides(source=source.side(), target=target.side()),
        training=Training(seed=0, steps=0, epochs=0.0, seconds=0.0),
        corpus=modelfile.Corpus(digest=corpus.digest, names=[], statistics=dataset.statistics),
        version=__version__,
    )
    weights = random_weights(architecture, seed, scale)
    if not vectors["target_vectors"]:
        weights["densor/bias"][2] += np.float32(1.0)  # so that END comes now and then
    return Translator(header, weights)
