"""A Piece as bytes and back: what the reading processes send and the cache keeps. Plain data, no pickle."""

import hashlib

import msgspec
import numpy as np

from seqgen.longtext import LongText
from seqgen.piece import NOTE, Key, Meter, Part, Piece, Tempo, Text


class _Stored(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The fields of Piece in their order; `notes` are the raw bytes of an array of NOTE, which is little-endian."""

    notes: bytes
    ticks_per_quarter: int
    parts: tuple[Part, ...]
    title: str
    tempi: tuple[Tempo, ...]
    meters: tuple[Meter, ...]
    keys: tuple[Key, ...]
    pickup_ticks: int
    fermatas: tuple[int, ...]
    chords: tuple[Text, ...]
    markers: tuple[Text, ...]
    losses: dict[str, int]


_FIELDS = _Stored.__struct_fields__
_decode = msgspec.msgpack.Decoder(list[_Stored]).decode
_encode = msgspec.msgpack.Encoder().encode


def pack(pieces: list[Piece]) -> bytes:
    """The pieces of one file as bytes."""
    return _encode([_stored(piece) for piece in pieces])


def unpack(data: bytes) -> list[Piece]:
    """The inverse of `pack`; the note arrays are read-only.

    Raises:
        ValueError: these are not the bytes of pieces (msgspec's errors are ValueErrors too).
    """
    pieces = []
    for stored in _decode(data):
        values = {name: getattr(stored, name) for name in _FIELDS}
        values["notes"] = np.frombuffer(stored.notes, NOTE)
        pieces.append(Piece(**values))
    return pieces


def digest(content: Piece | str | LongText) -> str:
    """SHA-256 in hexadecimal of all that a listener or reader could tell; what was lost in reading does not count."""
    if isinstance(content, str):
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    if isinstance(content, LongText):
        text = hashlib.sha256()
        for block in content.blocks():
            text.update(block)
        return text.hexdigest()
    stored = _stored(content)
    stored.losses = {}
    return hashlib.sha256(_encode(stored)).hexdigest()


def _stored(piece: Piece) -> _Stored:
    values = {name: getattr(piece, name) for name in _FIELDS}
    values["notes"] = np.ascontiguousarray(piece.notes, NOTE).tobytes()
    values["losses"] = dict(piece.losses)
    return _Stored(**values)
