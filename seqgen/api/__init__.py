"""The public Python interface: load, train, generate, read, write."""

from seqgen.api.load import load
from seqgen.api.model import Model
from seqgen.api.train import train
from seqgen.corpus import Corpus, load_corpus
from seqgen.formats import read, write
from seqgen.formats.events import Event
from seqgen.piece import Piece

__all__ = ["Corpus", "Event", "Model", "Piece", "load", "load_corpus", "read", "train", "write"]
