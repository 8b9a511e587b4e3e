"""The public Python interface: load, train, generate, translate, read, write."""

from seqgen.api.load import load
from seqgen.api.model import Model
from seqgen.api.train import train
from seqgen.api.train_pairs import train_pairs
from seqgen.api.translator import Translator
from seqgen.corpus import Corpus, load_corpus
from seqgen.corpus.pairs import PairCorpus, load_pairs
from seqgen.formats import read, write
from seqgen.formats.events import Event
from seqgen.piece import Piece

__all__ = [
    "Corpus",
    "Event",
    "Model",
    "PairCorpus",
    "Piece",
    "Translator",
    "load",
    "load_corpus",
    "load_pairs",
    "read",
    "train",
    "train_pairs",
    "write",
]
