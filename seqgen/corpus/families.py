"""Which documents belong together, and a split that keeps them together.

A held-out piece says nothing if its tune is also in the training side. Documents are of one family if they are equal,
transposed or not, or share a long passage; families go to one side as a whole.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from seqgen.corpus.hashes import window_hashes
from seqgen.corpus.load import Document
from seqgen.errors import ConfigError
from seqgen.longtext import LongText, pieces_of
from seqgen.piece import Piece

# Music: 16 notes in a row. 12 notes chain half of the Bach chorales or the fiddle tunes into one family, 16 notes none
# larger than 13 of them.
PASSAGE_NOTES = 16
_DISTINCT_PITCHES = 5  # with fewer, with fewer changes of direction, or as one figure repeated: anybody's passage
_TURNS = 4
_FIGURES = (1, 2, 3, 4)  # notes until a figure repeats
_SAME_STEP = 1  # semitones: a figure repeated on another step of the scale has thirds and seconds of both sizes

# Text: about two lines of print
PASSAGE_CHARACTERS = 200
_MOST_WINDOWS = 1 << 22  # of a larger text, only a sample of the passages is compared
_BLOCK_CHARACTERS = 1 << 18
_BOILERPLATE_DOCUMENTS = 8  # a line in more than these and in more than half of all is a header or a licence


def families(documents: Sequence[Document]) -> list[int]:
    """The family of each document: the index of its first member.

    Pieces are of one family if they are equal up to transposition, or if 16 consecutive notes of some part have the
    same intervals. Of notes that begin at once the highest counts. Passages that hardly change direction, repeat one
    figure or have fewer than five different pitches do not count, and drum parts share nothing. Texts are of one
    family if they are equal up to white space, or share 200 characters, not counting lines that most of them have; of
    more than four million characters only a sample of the passages is compared, so that a short one may be missed.
    """
    joined = _Joined(len(documents))
    if len(documents) < 2:
        return joined.roots()
    first: dict[bytes, int] = {}
    for index, document in enumerate(documents):
        content = document.content
        whole = _whole_piece(content) if isinstance(content, Piece) else _whole_text(content)
        joined.join(index, first.setdefault(whole, index))
    joined.join_equal(*_passages([document.content for document in documents]))
    return joined.roots()


def split(
    documents: Sequence[Document], families: Sequence[int], fraction: float, seed: int
) -> tuple[list[int], list[int]]:
    """Indices of the documents to train on and of those held out, both ascending; whole families on one side.

    The held-out side comes as near to `fraction` of the size (notes or characters) as families drawn in the order of a
    hash allow. The draw depends on the seed and the content of each family, not on the order of the documents. With
    two families or more neither side is empty; with fewer nothing is held out.

    Raises:
        ConfigError: `fraction` is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"the held-out fraction must be between 0 and 1, not {fraction:g}")
    members: dict[int, list[int]] = {}
    for index, family in enumerate(families):
        members.setdefault(family, []).append(index)
    sizes = [_size(document.content) for document in documents]
    drawn = sorted(members.values(), key=lambda family: _draw(documents, family, seed))
    wanted = fraction * sum(sizes)
    held_out: list[list[int]] = []
    rest: list[list[int]] = []
    held = 0
    for family in drawn:
        size = sum(sizes[index] for index in family)
        fits = held + size <= wanted
        (held_out if fits else rest).append(family)
        held += size * fits
    # one more family where that comes nearer, or where none fitted
    if rest and len(drawn) > 1:
        nearest = min(rest, key=lambda family: sum(sizes[index] for index in family))
        over = held + sum(sizes[index] for index in nearest) - wanted
        if len(rest) > 1 and (not held_out or over < wanted - held):
            rest.remove(nearest)
            held_out.append(nearest)
    return sorted(chain.from_iterable(rest)), sorted(chain.from_iterable(held_out))


def _draw(documents: Sequence[Document], family: list[int], seed: int) -> tuple[str, list[str]]:
    names = sorted(documents[index].name for index in family)  # decide only between equal contents
    digests = sorted(documents[index].digest for index in family)
    return hashlib.sha256(f"{seed} {' '.join(digests)}".encode()).hexdigest(), names


def _size(content: Piece | str | LongText) -> int:
    return max(1, len(content.notes) if isinstance(content, Piece) else len(content))


class _Joined:
    """Union-find over indices; the smallest of a set is its root."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def _root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self._root(one), self._root(other)))
        self._parent[high] = low

    def join_equal(self, hashes: np.ndarray, owners: np.ndarray) -> None:
        """Join the owners of equal hashes; both `(n,)`, sorted by hash, then owner, without doublets."""
        same = np.flatnonzero(hashes[1:] == hashes[:-1])
        pairs = np.unique(np.stack([owners[same], owners[same + 1]]), axis=1)
        for one, other in pairs.T.tolist():
            self.join(one, other)

    def roots(self) -> list[int]:
        return [self._root(index) for index in range(len(self._parent))]


def _passages(contents: Sequence[Piece | str | LongText]) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of all passages that count and the documents they are in, as `join_equal` takes them."""
    texts = [content for content in contents if not isinstance(content, Piece)]
    common = _common_lines(texts)
    step = 1 + sum(map(len, texts)) // _MOST_WINDOWS
    hashes, owners = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for index, content in enumerate(contents):
        passages = _melody_passages(content) if isinstance(content, Piece) else _text_passages(content, common, step)
        hashes.append(np.unique(passages))
        owners.append(np.full(len(hashes[-1]), index))
    all_hashes, all_owners = np.concatenate(hashes), np.concatenate(owners)
    order = np.lexsort((all_owners, all_hashes))
    return all_hashes[order], all_owners[order]


def melody_notes(piece: Piece) -> Iterator[tuple[int, np.ndarray]]:
    """Each pitched part with notes: its index, and its notes in time, of those struck together the highest."""
    for part in range(len(piece.parts)):
        notes = piece.part_notes(part)  # sorted by onset, then pitch: the last of each onset is the highest
        if not piece.parts[part].drums and len(notes):
            yield part, notes[np.append(notes["onset"][1:] != notes["onset"][:-1], True)]


def melodies(piece: Piece) -> Iterator[np.ndarray]:
    """The pitches of `melody_notes`, a part at a time."""
    return (notes["pitch"].astype(np.int64) for _, notes in melody_notes(piece))


def _melody_passages(piece: Piece) -> np.ndarray:
    found = [np.empty(0, np.uint64)]
    width = PASSAGE_NOTES - 1
    for pitches in melodies(piece):
        if len(pitches) < PASSAGE_NOTES:
            continue
        intervals = np.diff(pitches)
        ordered = np.sort(np.lib.stride_tricks.sliding_window_view(pitches, PASSAGE_NOTES), axis=1)
        counts = (np.diff(ordered, axis=1) != 0).sum(axis=1) + 1 >= _DISTINCT_PITCHES
        counts &= _within(_turns(intervals)[1:], width - 1) >= _TURNS
        for lag in _FIGURES:
            repeats = np.abs(intervals[lag:] - intervals[:-lag]) <= _SAME_STEP
            counts &= _within(repeats, width - lag) < width - lag
        found.append(window_hashes(intervals + 128, width)[counts])
    return np.concatenate(found)


def _turns(intervals: np.ndarray) -> np.ndarray:
    """`(n,)` bool: the melody moves the other way than it last did; a repeated note is no move."""
    direction = np.sign(intervals)
    last = np.maximum.accumulate(np.where(direction != 0, np.arange(len(direction)), 0))
    direction = direction[last]
    return np.append(False, direction[1:] * direction[:-1] < 0)


def _within(flags: np.ndarray, width: int) -> np.ndarray:
    """How many of each `width` consecutive flags are set; `(n - width + 1,)`."""
    sums = np.concatenate([[0], np.cumsum(flags)])
    return sums[width:] - sums[:-width]


def _whole_piece(piece: Piece) -> bytes:
    """The notes alone, in quarter notes, from their lowest pitch and first onset."""
    notes = piece.notes
    drums = np.array([part.drums for part in piece.parts] or [False])[notes["part"]]
    pitches = notes["pitch"].astype(np.int64)
    pitches -= np.where(drums, 0, pitches[~drums].min(initial=128))
    onsets = (notes["onset"] - notes["onset"].min(initial=0)) / piece.ticks_per_quarter
    # the order within an onset goes by part and pitch, both the same after transposition
    rows = np.stack([onsets.round(6), (notes["duration"] / piece.ticks_per_quarter).round(6), pitches, notes["part"]])
    return hashlib.sha256(rows.tobytes()).digest()


def _folded(pieces: Iterable[str]) -> Iterator[str]:
    """The text that `pieces` make together, a piece at a time, with one space for white space and none at its ends."""
    between = ""  # what stands before the next word
    begun = False
    for piece in pieces:
        words = " ".join(piece.split())
        if piece[:1].isspace() and begun:
            between = " "
        if words:
            yield between + words
            begun = True
            between = " " if piece[-1].isspace() else ""


def _whole_text(text: str | LongText) -> bytes:
    digest = hashlib.sha256()
    for piece in _folded(pieces_of(text)):
        digest.update(piece.encode("utf-8", "surrogatepass"))
    return digest.digest()


def _lines(text: str | LongText) -> Iterator[list[str]]:
    """The lines of a text, many at a time."""
    rest = ""
    for piece in pieces_of(text):
        *lines, rest = (rest + piece).splitlines(keepends=True) or [""]
        yield [line.splitlines()[0] for line in lines]
    yield rest.splitlines()


def _common_lines(texts: Sequence[str | LongText]) -> set[int]:
    """Hashes of the lines that most texts have."""
    if len(texts) <= _BOILERPLATE_DOCUMENTS:
        return set()
    lines = [np.unique(np.fromiter(map(hash, chain.from_iterable(_lines(text))), np.int64)) for text in texts]
    distinct, counts = np.unique(np.concatenate(lines), return_counts=True)
    return set(distinct[counts > max(_BOILERPLATE_DOCUMENTS, len(texts) // 2)].tolist())


def _text_passages(text: str | LongText, common: set[int], step: int) -> np.ndarray:
    """Hashes of the passages; about one in `step` of them, and in every text the same ones."""
    pieces = pieces_of(text)
    if common:
        pieces = ("\n".join([*(line for line in lines if hash(line) not in common), ""]) for lines in _lines(text))
    found = [np.empty(0, np.uint64)]
    before = ""
    for piece in _folded(pieces):
        folded = before + piece
        for begin in range(0, len(folded), _BLOCK_CHARACTERS):  # a block at a time: hashes take 8 bytes a character
            block = folded[begin : begin + _BLOCK_CHARACTERS + PASSAGE_CHARACTERS - 1]
            codes = np.frombuffer(block.encode("utf-32-le", "surrogatepass"), "<u4")
            hashes = window_hashes(codes, PASSAGE_CHARACTERS)
            found.append(hashes[hashes % np.uint64(step) == 0])
        before = folded[1 - PASSAGE_CHARACTERS :]
    return np.concatenate(found)
