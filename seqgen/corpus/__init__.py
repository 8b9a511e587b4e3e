"""Sources to documents, and documents to families that must not be torn apart by a split.

`load_corpus` reads files, folders and named corpora; `families` finds pieces that share a passage; `split` sends whole
families to one side. `load_pairs` reads what belongs together: a source, and the target that is to be found from it.
"""

from seqgen.corpus.families import families, split
from seqgen.corpus.load import Corpus, Document, Skipped, load_corpus
from seqgen.corpus.pairs import Pair, PairCorpus, are_pairs, load_pairs

__all__ = [
    "Corpus",
    "Document",
    "Pair",
    "PairCorpus",
    "Skipped",
    "are_pairs",
    "families",
    "load_corpus",
    "load_pairs",
    "split",
]
