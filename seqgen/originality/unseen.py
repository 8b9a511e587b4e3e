"""What is copied by chance: the longest passages that real unseen pieces share with the corpus, to compare with."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from seqgen.corpus.dataset import Dataset, IdSequence
from seqgen.originality.index import CopyIndex
from seqgen.originality.lines import Content, Line, Stretch, length_of, lines, stretch
from seqgen.originality.longest import Symbols
from seqgen.originality.matching import match_lengths
from seqgen.piece import Piece

MOST_PIECES = 200
MOST_SYMBOLS = 2_000_000  # of the corpus, and of what is unseen
PAGE_WORDS = 200  # a text is cut into so many, as long as what a model writes when nobody says how much


class Unseen(msgspec.Struct, frozen=True, omit_defaults=True):
    """The longest passages that real unseen pieces, or pages, share with the corpus: median and 95 % quantile."""

    pieces: int
    length: tuple[float, float]  # notes or words
    bars: tuple[float, float] | None = None  # music only

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return msgspec.json.decode(msgspec.json.encode(self))


def of_dataset(dataset: Dataset) -> tuple[CopyIndex | None, Unseen | None]:
    """The copy index of what is trained on, and how much of it the held-out side has too.

    All pieces go through the encoding, as what is generated. No index where it would be too large, as that of a long
    text is, which is not read for it; nothing to compare with where nothing is held out.
    """
    if any(sequence.digest for sequence in (*dataset.train, *dataset.held_out)):
        return None, None

    def decoded(sequence: IdSequence) -> Content:
        return dataset.encoding.decode(dataset.vocabulary.to_tokens(sequence.ids[1:-1]))

    corpus = list(map(decoded, dataset.train))
    return CopyIndex.of(corpus, dataset.encoding.unit), unseen_copied(corpus, map(decoded, dataset.held_out))


def unseen_copied(corpus: Iterable[Content], unseen: Iterable[Content]) -> Unseen | None:
    """The longest passage that each unseen piece, or page of text, shares with the corpus; None if there is nothing.

    Of more than 200 pieces, or of more than two million notes or words, the first are taken.
    """
    symbols = Symbols()
    known = symbols.sequence(_first_lines(corpus))
    pieces = _pieces(unseen)
    if not pieces or not len(known):
        return None
    sequences = [symbols.sequence(own) for _, own in pieces]
    cuts = np.cumsum([len(sequence) for sequence in sequences])[:-1]
    lengths = np.split(match_lengths(np.concatenate(sequences), known), cuts)
    longest = [_longest(content, own, row) for (content, own), row in zip(pieces, lengths, strict=True)]
    bars = [passage.bars for passage in longest if passage.bars is not None]
    return Unseen(len(longest), _quantiles([passage.length for passage in longest]), _quantiles(bars) if bars else None)


def sentence(passage: Stretch | None, index: CopyIndex, unseen: Unseen | None) -> str:
    """How long the longest copied passage is, beside the same of unseen pieces, in one line.

    passage: what `index.longest` found.

    >>> index, unseen = CopyIndex.of([], "music"), Unseen(35, (11, 18), (2.5, 4))
    >>> sentence(Stretch(0, 4, 9, 0, 960, 2.0), index, unseen)
    'longest copied passage: 9 notes (2 bars); unseen pieces: median 11 (2.5), 95 % 18 (4)'
    >>> sentence(None, index, None)
    'longest copied passage: fewer than 8 notes'
    """
    music = index.unit == "music"
    own = length_of(passage) if passage is not None else f"fewer than {index.length} {'notes' if music else 'words'}"
    if unseen is None:
        return f"longest copied passage: {own}"
    median, most = (
        f"{length:g}" + (f" ({unseen.bars[place]:g})" if unseen.bars else "")
        for place, length in enumerate(unseen.length)
    )
    real = "pieces" if music else f"pages of {PAGE_WORDS} words"
    return f"longest copied passage: {own}; unseen {real}: median {median}, 95 % {most}"


def _first_lines(contents: Iterable[Content]) -> Iterable[Line]:
    left = MOST_SYMBOLS
    for content in contents:
        for line in lines(content):
            if left <= 0:
                return
            yield line._replace(symbols=line.symbols[:left])
            left -= len(line.symbols)


def _pieces(contents: Iterable[Content]) -> list[tuple[Content, list[Line]]]:
    """Pieces with a step from note to note, or pages with a word, and their lines."""
    found: list[tuple[Content, list[Line]]] = []
    left = MOST_SYMBOLS
    for content in contents:
        own = lines(content)
        for part in [own] if isinstance(content, Piece) else [[page] for page in _pages(own[0])]:
            size = sum(len(line.symbols) for line in part)
            left -= size
            if len(found) == MOST_PIECES or left < 0:
                return found
            if size:
                found.append((content, part))
    return found


def _pages(text: Line) -> list[Line]:
    """A text cut into pages; a rest of less than half a page belongs to the last one."""
    count = max(1, round(len(text.symbols) / PAGE_WORDS))
    cuts = [*(PAGE_WORDS * number for number in range(count)), len(text.symbols)]
    return [
        Line(0, text.symbols[begin:end], text.starts[begin:end], text.ends[begin:end]) for begin, end in pairwise(cuts)
    ]


def _longest(content: Content, own: Sequence[Line], lengths: np.ndarray) -> Stretch:
    """The first of the longest matches of a piece; lengths as `Symbols.sequence` lays its lines out."""
    place = int(lengths.argmax())
    for line in own:
        if place <= len(line.symbols):
            return stretch(content, line, place, int(lengths.max()))
        place -= len(line.symbols) + 1
    raise IndexError(place)


def _quantiles(values: Sequence[float]) -> tuple[float, float]:
    """Of the values that occur, as many notes are."""
    median, most = np.quantile(values, (0.5, 0.95), method="inverted_cdf").tolist()
    return float(median), float(most)
