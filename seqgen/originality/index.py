"""The copy index of a model: which passages of a few notes or words the corpus has, in a Bloom filter.

It tells of a passage that it is not in the corpus, or that it probably is: every passage of the corpus is found, and of
others a small known share too (Bloom, 1970). A longer passage that is copied is a run of such short ones, so a run of
those that are found is as long as what is copied, or longer.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from seqgen.corpus.hashes import ODD, mixed, window_hashes
from seqgen.errors import ModelFileError
from seqgen.originality.lines import Content, Line, Stretch, lines, stretch

NOTES, WORDS = 8, 4  # of a gram
MOST_BYTES = 1_000_000
_BITS = 10  # a gram, with so many hashes: 0.8 % false positives
_HASHES = 7
TENSORS = ("index/bits", "index/parameters")  # what a model file calls them
_LARGEST = {"a gram": 64, "hashes": 32}  # that a file may claim
_LOW = np.uint64(0xFFFFFFFF)


class CopyIndex:
    """A Bloom filter over the grams of a corpus: each `length` notes, or words, in a row."""

    def __init__(self, bits: np.ndarray, unit: str, length: int, hashes: int, grams: int) -> None:
        """bits: `(bytes,)` uint8. unit: "music" or "text". grams: how many different ones were put in."""
        self.bits, self.unit, self.length, self.hashes, self.grams = bits, unit, length, hashes, grams
        self._symbols = length - (unit == "music")

    @staticmethod
    def of(contents: Iterable[Content], unit: str, length: int | None = None) -> "CopyIndex | None":
        """The index of pieces or texts; None where it would take more than MOST_BYTES.

        length: notes or words of a gram, at least 2; else 8 notes or 4 words.
        """
        length = length or (NOTES if unit == "music" else WORDS)
        symbols = length - (unit == "music")
        known, waiting = np.empty(0, np.uint64), []
        for content in contents:
            waiting += [window_hashes(_codes(line.symbols), symbols) for line in lines(content)]
            if sum(map(len, waiting)) > max(len(known), 1 << 16):
                known, waiting = np.unique(np.concatenate([known, *waiting])), []
                if len(known) * _BITS > MOST_BYTES * 8:
                    return None
        known = np.unique(np.concatenate([known, *waiting]))
        if len(known) * _BITS > MOST_BYTES * 8:
            return None
        bits = np.zeros(max(1, -(-len(known) * _BITS // 8)), np.uint8)
        index = CopyIndex(bits, unit, length, _HASHES, len(known))
        flags = np.zeros(8 * len(bits), bool)
        flags[index._places(known)] = True
        bits[:] = np.packbits(flags, bitorder="little")
        return index

    @property
    def false_positives(self) -> float:
        """The share of grams the corpus does not have that are found all the same, by the bits that are set."""
        return float(np.bitwise_count(self.bits).sum() / (8 * len(self.bits))) ** self.hashes

    def follows(self, before: Sequence[str], candidates: Sequence[str]) -> np.ndarray:
        """`(len(candidates),)` bool: does the gram that ends with this symbol seem to be in the corpus?

        before: the symbols of the line so far (`note_symbol`, or a word in lower case); only the last ones that fill a
        gram are looked at, and while they are too few there is no gram. A passage grows by a note or word for each
        gram in a row that is found, from `length` of the first one on.
        """
        width = self._symbols - 1
        if len(before) < width:
            return np.zeros(len(candidates), bool)
        context = np.zeros(1, np.uint64)
        for code in mixed(_codes(before[len(before) - width :])):
            context = context * ODD + code
        return self.contains(mixed(context * ODD + mixed(_codes(candidates))))

    def contains(self, hashes: np.ndarray) -> np.ndarray:
        """`(n,)` bool: which of these hashes of grams are found."""
        places = self._places(hashes)
        return np.all(self.bits[places >> np.uint64(3)] >> (places & np.uint64(7)).astype(np.uint8) & 1, axis=0)

    def found(self, line: Line) -> np.ndarray:
        """`(grams,)` bool: which of the grams of a line are found, in order; none of a shorter line."""
        return self.contains(window_hashes(_codes(line.symbols), self._symbols))

    def longest(self, content: Content) -> Stretch | None:
        """The longest passage that seems copied; None where no gram is, so that it has fewer than `length`.

        A copied passage is never longer than this. Of equally long ones it is the first.
        """
        best: Stretch | None = None
        for line in lines(content):
            for begin, end in runs(self.found(line)):
                if best is None or end - begin + self.length - 1 > best.length:
                    best = stretch(content, line, begin, end - begin + self._symbols - 1)
        return best

    def tensors(self) -> dict[str, np.ndarray]:
        """What a model file keeps of it: the bits, and three numbers."""
        numbers = np.array([self.length, self.hashes, self.grams], np.uint32)
        return dict(zip(TENSORS, (self.bits, numbers), strict=True))

    @staticmethod
    def from_tensors(tensors: Mapping[str, np.ndarray], unit: str) -> "CopyIndex | None":
        """The inverse; None where there is no index among the tensors.

        Raises:
            ModelFileError: half an index, or one that seqgen does not write.
        """
        if not any(name in tensors for name in TENSORS):
            return None
        if missing := [name for name in TENSORS if name not in tensors]:
            raise ModelFileError(f"its copy index lacks the tensor {missing[0]!r}; copy or train it again")
        bits, numbers = (tensors[name] for name in TENSORS)
        if bits.dtype != np.uint8 or bits.ndim != 1 or not 1 <= len(bits) <= MOST_BYTES:
            raise ModelFileError(f"its copy index is {bits.dtype} {bits.shape}, not 1 to {MOST_BYTES:,} bytes")
        if numbers.dtype != np.uint32 or numbers.shape != (3,):
            raise ModelFileError(f"its copy index has parameters {numbers.dtype} {numbers.shape}, not 3 of uint32")
        length, hashes, grams = map(int, numbers)
        for (name, largest), least, value in zip(_LARGEST.items(), (2, 1), (length, hashes), strict=True):
            if not least <= value <= largest:
                raise ModelFileError(f"its copy index claims {value} for {name}, not {least} to {largest}")
        return CopyIndex(bits, unit, length, hashes, grams)

    def _places(self, hashes: np.ndarray) -> np.ndarray:
        """`(hashes, n)` uint64: the bits of each gram, from its two halves (Kirsch and Mitzenmacher, 2006)."""
        numbers = np.arange(self.hashes, dtype=np.uint64)[:, None]
        return ((hashes >> np.uint64(32)) + numbers * (hashes & _LOW | np.uint64(1))) % np.uint64(8 * len(self.bits))


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end of each run of set flags.

    >>> runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [(begin, end) for begin, end in edges.reshape(-1, 2).tolist()]


def _codes(symbols: Sequence[str]) -> np.ndarray:
    return np.fromiter(map(_code, symbols), np.uint64, len(symbols))


@lru_cache(1 << 18)
def _code(symbol: str) -> int:
    """The same number in every process and version."""
    return int.from_bytes(hashlib.blake2b(symbol.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
