"""How one side of a pair is spelled: as tokens of an encoding, or not at all, as vectors."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen import encodings
from seqgen.encodings import Encoding
from seqgen.modelfile import VECTORS, Side
from seqgen.vocabulary import END, START, Vocabulary


class Spelling(NamedTuple):
    """Encoding and vocabulary of a side; a side of vectors has neither."""

    values: int  # how many ids there are; of vectors how many numbers one has
    encoding: Encoding[Any] | None = None
    vocabulary: Vocabulary | None = None

    @staticmethod
    def of(side: Side) -> "Spelling":
        """What a model file says.

        Raises:
            ConfigError: no such encoding or option.
            TokenError: no vocabulary.
        """
        if side.encoding == VECTORS:
            return Spelling(side.options["size"])
        vocabulary = Vocabulary(side.vocabulary)
        return Spelling(len(vocabulary), encodings.make(side.encoding, **side.options), vocabulary)

    def side(self) -> Side:
        """The inverse of `of`."""
        if self.encoding is None or self.vocabulary is None:
            return Side(encoding=VECTORS, options={"size": self.values}, vocabulary=[])
        options = self.encoding.options
        return Side(encoding=self.encoding.name, options=options, vocabulary=list(self.vocabulary.tokens))

    @property
    def unit(self) -> str:
        """What it spells: "text", "music" or "vectors"."""
        return VECTORS if self.encoding is None else self.encoding.unit

    def ids(self, side: Sequence[str] | np.ndarray, *, start: bool = False) -> np.ndarray:
        """Tokens as ids `(n,)` with END as the last, and START as the first if that is wanted; vectors as they are.

        A token that the vocabulary does not have is UNK.
        """
        if isinstance(side, np.ndarray):
            return side
        assert self.vocabulary is not None  # of tokens
        found = np.full(len(side) + 1 + start, END, np.uint16 if self.values <= 1 << 16 else np.uint32)
        found[start:-1] = self.vocabulary.to_ids(side)
        if start:
            found[0] = START
        return found


def read_order(source: np.ndarray, reversed: bool) -> np.ndarray:
    """A source in the order an encoder reads it: ids with their END `(n,)`, or vectors `(n, size)`.

    >>> read_order(np.array([7, 8, 9, END]), reversed=True)
    array([9, 8, 7, 2])
    """
    if not reversed:
        return source
    return source[::-1] if source.ndim > 1 else np.append(source[-2::-1], source[-1])
