"""What a piece or text has in common with a corpus, passage by passage."""

import os

from seqgen.api.train import as_corpus
from seqgen.corpus import Corpus
from seqgen.errors import ConfigError
from seqgen.originality import Passage, longest_passages
from seqgen.piece import Piece


def copied_passages(content: Piece | str, *sources: str | os.PathLike[str] | Corpus, top: int = 5) -> list[Passage]:
    """The longest passages of a piece, or of a text, that are in the sources, exactly; transposed copies too.

    sources: as for `seqgen.train`. top: at most so many, the longest first; they do not overlap.

    Raises:
        CorpusError: no sources, or nothing readable in them. ConfigError: music beside text, or `top` below 1.
    """
    corpus = as_corpus(sources)
    check(content, corpus, top)
    return longest_passages(content, corpus.documents, top)


def check(content: Piece | str, corpus: Corpus, top: int) -> None:
    """Raises: ConfigError: music is to be compared with text, or `top` is below 1."""
    if top < 1:
        raise ConfigError(f"the number of passages must be at least 1, not {top}")
    unit = "music" if isinstance(content, Piece) else "text"
    if unit != corpus.unit:
        raise ConfigError(f"{unit} cannot be compared with {corpus.title!r}, which is {corpus.unit}")
