"""Files to Piece or text, and back. `READERS` goes by the ending of a name, `WRITERS` by the name of a format.

Importing this loads neither symusic nor music21; the reader that needs one does.

>>> import io
>>> file = io.BytesIO()
>>> write("do re mi", file, "txt")
>>> file.getvalue()
b'do re mi'
>>> unit("song.mid"), unit("README.md"), unit("cover.png")
('music', None, None)
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from seqgen.durable import replacing
from seqgen.errors import FormatError
from seqgen.formats import events, midi, musicxml, notation, patterns, pianoroll, text
from seqgen.piece import Piece

__all__ = ["READERS", "WRITERS", "lost", "read", "read_all", "read_bytes", "to_bytes", "unit", "write"]

Source = Piece | str | Sequence[int]  # a sequence of ints are ids


class Reader(NamedTuple):
    """How files of one ending are read. `unit` is None where the name does not tell: no candidate of a folder."""

    unit: Literal["music", "text"] | None
    pieces: Callable[[bytes, str], Sequence[Piece | str]]


class Writer(NamedTuple):
    """How a format is written, of which kinds of source, and which fields of a Piece it keeps beside the notes."""

    kinds: tuple[str, ...]
    to_bytes: Callable[..., bytes]
    keeps: frozenset[str] = frozenset()


def _one(read: Callable[[bytes, str], Piece | str]) -> Callable[[bytes, str], Sequence[Piece | str]]:
    return lambda data, name: [read(data, name)]


MIDI = Reader("music", _one(midi.read_bytes))
SCORE = Reader("music", notation.read_bytes)
TEXT = Reader("text", _one(text.read_bytes))

READERS = {
    **dict.fromkeys((".mid", ".midi", ".kar"), MIDI),
    **dict.fromkeys(notation.KINDS, SCORE),
    **dict.fromkeys((".txt", ".text", ".md"), TEXT),
    ".jsonl": Reader(None, _one(events.read_jsonl)),
    ".npy": Reader(None, _one(events.read_npy)),
}

_TIMES = frozenset({"tempi", "meters", "keys", "markers", "pickup_ticks", "title", "parts"})
WRITERS = {
    "mid": Writer(("music",), midi.to_bytes, _TIMES),
    "musicxml": Writer(("music",), musicxml.to_bytes, _TIMES | {"chords", "fermatas"}),
    "svg": Writer(("music",), pianoroll.to_bytes, _TIMES - {"tempi", "keys"} | {"chords"}),
    "txt": Writer(("text",), text.to_bytes),
    "jsonl": Writer(("music", "text"), events.jsonl_bytes),
    "npy": Writer(("music", "text", "ids"), events.npy_bytes),
    "strudel": Writer(("music",), patterns.strudel_bytes, frozenset({"tempi"})),
    "sonicpi": Writer(("music",), patterns.sonicpi_bytes, frozenset({"tempi"})),
}
ENDINGS = {
    **{f".{name}": name for name in WRITERS},
    ".midi": "mid",
    ".xml": "musicxml",
    ".text": "txt",
    ".md": "txt",
    ".rb": "sonicpi",
}

# names that say something about a collection rather than being part of it
ABOUT = ("readme", "license", "licence", "copying", "copyright", "notice", "authors", "credits", "contributing",
         "changes", "changelog", "requirements")  # fmt: skip
KINDS = {"music": "music", "text": "text", "ids": "token ids"}


def unit(path: str | os.PathLike[str]) -> Literal["music", "text"] | None:
    """What a file of this name may give a corpus; None: it is no candidate. The file is not opened."""
    name = Path(path).name.lower()
    reader = READERS.get(Path(name).suffix)
    if reader is None or name.startswith(".") or (reader.unit == "text" and name.startswith(ABOUT)):
        return None
    return reader.unit


def read(path: str | os.PathLike[str], *, text_encoding: str | None = None) -> Piece | str:
    """The one piece or text in a file.

    Raises:
        FormatError: not readable as what its ending says, or several pieces (`read_all` reads those).
        MissingExtra: a score, and music21 is not installed.
        ConfigError: no encoding has that name.
        OSError: the file is missing or may not be read.
    """
    found = read_all(path, text_encoding=text_encoding)
    if len(found) > 1:
        raise FormatError(f"{path} holds {len(found)} tunes, not one; read_all reads them all")
    return found[0]


def read_all(path: str | os.PathLike[str], *, text_encoding: str | None = None) -> list[Piece] | list[str]:
    """All pieces in a file, at least one. Only ABC files hold more than one. Raises as `read` does."""
    file = Path(path)
    limit = notation.MAX_TEXT_BYTES if READERS.get(file.suffix.lower()) is SCORE else None
    if limit is not None and file.stat().st_size > limit:  # refused before it is loaded
        raise FormatError(f"{path} has {file.stat().st_size:,} bytes; scores are read up to {limit:,}")
    return read_bytes(file.read_bytes(), str(path), text_encoding=text_encoding)


def read_bytes(data: bytes, name: str, *, text_encoding: str | None = None) -> list[Piece] | list[str]:
    """What `read_all` finds in a file of this name and content; a name of no known ending is MIDI or text."""
    reader = READERS.get(Path(name).suffix.lower()) or (MIDI if data.startswith(b"MThd") else TEXT)
    if reader is TEXT:
        return [text.read_bytes(data, name, text_encoding)]
    return list(reader.pieces(data, name))  # type: ignore[return-value]  # never a mixture


def write(source: Source, file: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> None:
    """Write a piece, a text or ids to a path (old or new at every moment) or into an open binary file.

    `format` is a key of `WRITERS`; without it the ending of the path says which.

    Raises:
        FormatError: no such format, one that cannot hold this source, or no such folder.
        OSError: the disk is full, the folder not writable.
    """
    if not isinstance(file, (str, os.PathLike)):
        file.write(to_bytes(source, format or _default(source)))
        return
    path = Path(file)
    if format is None:
        format = ENDINGS.get(path.suffix.lower())
        if format is None:
            ending = f"the ending {path.suffix!r}" if path.suffix else "no ending"
            raise FormatError(f"{path}: {ending} names no format; {_possible(source)}")
    data = to_bytes(source, format)
    if not path.parent.is_dir():
        raise FormatError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise FormatError(f"{path} is a folder")
    with replacing(path) as target:
        target.write(data)


def to_bytes(source: Source, format: str) -> bytes:
    """The file `write` makes.

    Raises:
        FormatError: no such format, or one that cannot hold this source.
    """
    writer = WRITERS.get(format)
    if writer is None:
        raise FormatError(f"there is no format {format!r}; {_possible(source)}")
    kind = _kind(source)
    if kind not in writer.kinds:
        raise FormatError(f"{KINDS[kind]} cannot be written as {format}; {_possible(source)}")
    return writer.to_bytes(source)


def lost(piece: Piece, format: str) -> dict[str, int]:
    """How many of a piece's tempi, meters, keys, chords, fermatas, markers ... `format` has no place for."""
    present = {
        "title": bool(piece.title),
        "parts": sum(part != type(part)() for part in piece.parts),
        "tempi": len(piece.tempi),
        "meters": len(piece.meters),
        "keys": len(piece.keys),
        "pickup_ticks": bool(piece.pickup_ticks),
        "fermatas": len(piece.fermatas),
        "chords": len(piece.chords),
        "markers": len(piece.markers),
    }
    return {name: int(count) for name, count in present.items() if count and name not in WRITERS[format].keeps}


def _kind(source: Source) -> str:
    return "music" if isinstance(source, Piece) else "text" if isinstance(source, str) else "ids"


def _possible(source: Source) -> str:
    kind = _kind(source)
    return f"{KINDS[kind]} can be written as " + ", ".join(n for n, w in WRITERS.items() if kind in w.kinds)


def _default(source: Source) -> str:
    return {"music": "mid", "text": "txt", "ids": "npy"}[_kind(source)]
