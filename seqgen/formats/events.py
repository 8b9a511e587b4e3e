"""Notes and texts as data for other programs: JSON lines and NumPy arrays. Times are in quarter notes.

| format | of a Piece | of a text | of ids |
|---|---|---|---|
| jsonl | a line for each note: onset, duration, pitch, velocity, part | a line for each line: text | |
| npy | float64 `(n, 5)`, columns as above | int32 `(characters,)` code points | int64 `(n,)` |

They hold the notes alone: parts come back unnamed, titles, tempi and meters not at all. What is read has 10080 ticks
a quarter. A file of 0 notes is refused. Every line of a text comes back with a line end.
"""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen.errors import FormatError
from seqgen.piece import SCORE_TICKS, Piece


class Event(NamedTuple):
    """A note. Times are in quarter notes, pitch and velocity as in MIDI, the part counts from 0."""

    onset: float
    duration: float
    pitch: int
    velocity: int = 80
    part: int = 0


KEYS = Event._fields


def rows(piece: Piece) -> list[Event]:
    """Every note."""
    ticks = piece.ticks_per_quarter
    return [Event(onset / ticks, duration / ticks, *rest) for onset, duration, *rest in piece.notes.tolist()]


def jsonl_bytes(source: Piece | str) -> bytes:
    """JSON lines of a piece or a text; the keys of a note are always in the same order."""
    if isinstance(source, str):
        lines = source.removesuffix("\n").split("\n") if source else []
        objects: list[dict[str, Any]] = [{"text": line} for line in lines]
    else:
        objects = [row._asdict() for row in rows(source)]
    return b"".join(_line(item) for item in objects)


def event_bytes(event: Event) -> bytes:
    """The line of one note."""
    return _line(event._asdict())


def _line(item: Mapping[str, object]) -> bytes:
    return (json.dumps(item, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def npy_bytes(source: Piece | str | Sequence[int]) -> bytes:
    """A .npy file of a piece, a text, or ids."""
    if isinstance(source, Piece):
        array = np.array(rows(source), dtype=np.float64).reshape(-1, len(KEYS))
    elif isinstance(source, str):
        array = np.array([ord(character) for character in source], dtype=np.int32)
    else:
        array = np.asarray(source, dtype=np.int64)
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def read_jsonl(data: bytes, name: str) -> Piece | str:
    """The piece or text `jsonl_bytes` wrote.

    Raises:
        FormatError: damaged, empty, or neither notes nor texts.
    """
    try:
        objects = [json.loads(line) for line in data.decode().split("\n") if line.strip()]
    except ValueError as error:
        raise FormatError(f"{name} is not JSON lines: {error}") from error
    if not objects:
        raise FormatError(f"{name} is empty")
    try:
        if all("text" in item for item in objects):
            return "".join(f"{item['text']}\n" for item in objects)
        return _piece([[float(item[key]) for key in KEYS] for item in objects], name)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{name}: each line is an object with {', '.join(KEYS)}, or with text") from error


def read_npy(data: bytes, name: str) -> Piece | str:
    """The piece or text `npy_bytes` wrote.

    Raises:
        FormatError: damaged, empty, an array of another shape, or one of Python objects.
    """
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        raise FormatError(f"{name} is not a NumPy array file: {error}") from error
    if not isinstance(array, np.ndarray) or not array.size:
        raise FormatError(f"{name} is not a NumPy array of notes or characters")
    if array.ndim == 1 and array.dtype == np.int32 and array.min() >= 0 and array.max() < 0x110000:
        return "".join(map(chr, array.tolist()))
    if array.ndim == 2 and array.shape[1] == len(KEYS) and array.dtype == np.float64:
        return _piece(array, name)
    raise FormatError(f"{name} holds a {array.dtype} array of shape {array.shape}, not notes (n, 5) float64")


def _piece(values: Sequence[Sequence[float]] | np.ndarray, name: str) -> Piece:
    table = np.array(values, dtype=np.float64)
    table[:, :2] *= SCORE_TICKS
    if not np.isfinite(table).all() or table.min() < 0 or table.max() >= 2**53 or table[:, 2:].max() > 65535:
        raise FormatError(f"{name} holds a note with a number out of range")
    ticks = np.rint(table).astype(np.int64)
    rounded = int(np.count_nonzero(np.abs(table[:, :2] - ticks[:, :2]) > 1e-3))
    losses = {"times rounded to 1/10080 of a quarter": rounded} if rounded else {}
    try:
        return Piece.build([tuple(row) for row in ticks.tolist()], SCORE_TICKS, losses=losses)
    except (ValueError, OverflowError) as error:
        raise FormatError(f"{name} holds an impossible note: {error}") from error
