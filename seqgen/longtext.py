"""A text too long to be held in memory: it lies in a file without a name and is read a piece at a time."""

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqgen.errors import CorpusError


class Scratch:
    """A file without a name, that is gone when nothing refers to it any more or the process ends."""

    def __init__(self, folder: Path) -> None:
        """folder: where it takes its room; if that cannot be written, it is the system's folder for such files."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # it is open as long as this lives
        except OSError:
            folder = Path(tempfile.gettempdir())
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._folder = folder
        weakref.finalize(self, self._file.close)

    def append(self, data: bytes) -> tuple[int, int]:
        """Write at the end; where that begins and ends, in bytes."""
        try:
            begin = self._file.seek(0, os.SEEK_END)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise CorpusError(
                f"a long text needs room for two to three times its size in {self._folder}: {error.strerror or error};"
                " make room there, or name a folder on a larger disk in SEQGEN_HOME"
            ) from error
        return begin, self._file.tell()

    def read(self, begin: int, end: int) -> bytes:
        self._file.seek(begin)
        return self._file.read(end - begin)

    def mapped(self, dtype: Any) -> np.ndarray:
        """`(n,)`, read-only: all that was written, mapped and not read. It outlives this object."""
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), dtype)


class _Piece(NamedTuple):
    begin: int  # bytes in the file
    end: int
    characters: int


class LongText:
    """As much of a str as is needed of a text that is not held. Slices share its file."""

    def __init__(self, scratch: Scratch, pieces: list[_Piece]) -> None:
        self._scratch, self._pieces = scratch, pieces
        self._starts = list(accumulate((piece.characters for piece in pieces), initial=0))  # in characters

    @staticmethod
    def write(pieces: Iterable[str], scratch: Scratch) -> "LongText":
        """The text that `pieces` make together, of which none is empty."""
        return LongText(
            scratch,
            [_Piece(*scratch.append(piece.encode("utf-8", "surrogatepass")), len(piece)) for piece in pieces],
        )

    def __len__(self) -> int:
        """Characters."""
        return self._starts[-1]

    def pieces(self) -> Iterator[str]:
        """The text in order, a piece at a time; they begin and end anywhere between two characters."""
        return (data.decode("utf-8", "surrogatepass") for data in self.blocks())

    def blocks(self) -> Iterator[bytes]:
        """The pieces in UTF-8."""
        return (self._scratch.read(piece.begin, piece.end) for piece in self._pieces)

    def whole(self) -> str:
        """All of it, held in memory after all."""
        return "".join(self.pieces())

    def __getitem__(self, part: slice) -> "LongText":
        first, last, step = part.indices(len(self))
        if step != 1:
            raise ValueError(f"a long text has slices of step 1, not {step}")
        kept = []
        for piece, start in zip(self._pieces, self._starts, strict=False):
            low, high = max(first - start, 0), min(last - start, piece.characters)
            if low < high:
                kept.append(piece if high - low == piece.characters else self._part(piece, low, high))
        return LongText(self._scratch, kept)

    def rfind(self, character: str, start: int, end: int) -> int:
        """As for a str, of a single character."""
        for piece, first in zip(reversed(self._pieces), reversed(self._starts[:-1]), strict=True):
            if first < end and first + piece.characters > start:
                found = self._text(piece).rfind(character, max(0, start - first), end - first)
                if found >= 0:
                    return first + found
        return -1

    def _text(self, piece: _Piece) -> str:
        return self._scratch.read(piece.begin, piece.end).decode("utf-8", "surrogatepass")

    def _part(self, piece: _Piece, low: int, high: int) -> _Piece:
        text = self._text(piece)
        begin = piece.begin + len(text[:low].encode("utf-8", "surrogatepass"))
        return _Piece(begin, begin + len(text[low:high].encode("utf-8", "surrogatepass")), high - low)


def pieces_of(text: str | LongText) -> Iterator[str]:
    """A text in order, a piece at a time; of one that is held there is one piece."""
    return iter([text]) if isinstance(text, str) else text.pieces()
