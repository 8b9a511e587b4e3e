"""How much of a piece or text is copied: exactly, beside its corpus; and without it, by an index in the model file.

A copied passage is a run of equal symbols, see `lines`: of music the steps from note to note, so that a transposed copy
is a copy, of text the words.
"""

from seqgen.originality.index import TENSORS, CopyIndex
from seqgen.originality.lines import Line, Stretch, lines, note_symbol, word_symbol
from seqgen.originality.longest import Passage, longest_passages
from seqgen.originality.unseen import Unseen, of_dataset, sentence, unseen_copied

__all__ = [
    "TENSORS",
    "CopyIndex",
    "Line",
    "Passage",
    "Stretch",
    "Unseen",
    "lines",
    "longest_passages",
    "note_symbol",
    "of_dataset",
    "sentence",
    "unseen_copied",
    "word_symbol",
]
