"""Sources to documents, and documents to families that must not be torn apart by a split.

`load_corpus` reads files, folders and named corpora; `families` finds pieces that share a passage; `split` sends whole
families to one side.
"""

from seqgen.corpus.families import families, split
from seqgen.corpus.load import Corpus, Document, Skipped, load_corpus

__all__ = ["Corpus", "Document", "Skipped", "families", "load_corpus", "split"]
