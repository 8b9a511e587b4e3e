"""The longest passages that a piece or text shares with a corpus, exactly, and where they stand."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from seqgen.corpus import Document
from seqgen.originality.lines import Content, Line, Stretch, lines, stretch
from seqgen.originality.matching import match_lengths, occurrences
from seqgen.piece import Piece

_END = -1


class Passage(NamedTuple):
    """A passage of a piece, and the first of the places in the corpus where it stands."""

    own: Stretch
    document: Document
    theirs: Stretch
    semitones: int  # by which the copy is higher than the document; 0 for text
    documents: int  # how many of the corpus have this passage


class Symbols:
    """Symbols as numbers, the same number for the same symbol."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def sequence(self, all_lines: Iterable[Line]) -> np.ndarray:
        """`(n,)` int64: the symbols of the lines one after the other, -1 after each line."""
        ids = self._ids
        parts = [np.array([*(ids.setdefault(symbol, len(ids)) for symbol in line.symbols), _END]) for line in all_lines]
        return np.concatenate([np.empty(0, np.int64), *parts])


def longest_passages(content: Content, documents: Sequence[Document], top: int = 5) -> list[Passage]:
    """The longest passages of `content` that are in `documents`, the longest first and no two of them overlapping.

    Where a longer one has taken a part of another, the rest counts for itself. A passage is two notes or more, or a
    word or more. Of equally long ones the first comes first.
    """
    symbols = Symbols()
    own = lines(content)
    query = symbols.sequence(own)
    corpus = [symbols.sequence(lines(document.content)) for document in documents]
    ends = np.cumsum([len(part) for part in corpus])
    whole = np.concatenate([np.empty(0, np.int64), *corpus])
    begins = np.cumsum([0, *(len(line.symbols) + 1 for line in own)])
    found = []
    for begin, length in _longest(match_lengths(query, whole), begins[:-1], top, own[0].more if own else 0):
        places = occurrences(whole, query[begin : begin + length])
        holders = np.searchsorted(ends, places, side="right")
        line = int(np.searchsorted(begins, begin, side="right")) - 1
        first = int(holders[0])
        document = documents[first]
        place = int(places[0] - (ends[first] - len(corpus[first])))
        mine = stretch(content, own[line], begin - int(begins[line]), length)
        theirs = _stretch_at(document.content, place, length)
        semitones = _first_pitch(content, mine) - _first_pitch(document.content, theirs)
        found.append(Passage(mine, document, theirs, semitones, len(np.unique(holders))))
    return found


def _longest(lengths: np.ndarray, begins: np.ndarray, top: int, more: int) -> list[tuple[int, int]]:
    """Begin and length, in symbols, of the longest matches that share no note and no word."""
    left = lengths.copy()
    chosen: list[tuple[int, int]] = []
    while len(chosen) < top and len(left) and (begin := int(left.argmax())) >= 0 and left[begin]:
        length = int(left[begin])
        chosen.append((begin, length))
        left[begin : begin + length + more] = 0
        # what begins before it in its line ends before it
        first = int(begins[np.searchsorted(begins, begin, side="right") - 1])
        left[first:begin] = np.minimum(left[first:begin], np.maximum(np.arange(begin - first, 0, -1) - more, 0))
    return chosen


def _stretch_at(content: Content, place: int, symbols: int) -> Stretch:
    """The passage at a place of the sequence of all lines."""
    for line in lines(content):
        if place <= len(line.symbols):
            return stretch(content, line, place, symbols)
        place -= len(line.symbols) + 1
    raise IndexError(place)


def _first_pitch(content: Content, passage: Stretch) -> int:
    if not isinstance(content, Piece):
        return 0
    notes = content.part_notes(passage.part)
    return int(notes["pitch"][notes["onset"] == passage.begin].max())
