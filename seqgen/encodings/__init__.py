"""Piece or text to tokens and back. `make(name, **options)` gives an encoding; NAMES lists them."""

import inspect
from collections.abc import Iterable
from typing import Any

from seqgen.encodings.base import Clock, Encoded, Encoding, Grammar, Kind, Table
from seqgen.encodings.chorale import Chorale
from seqgen.encodings.frames import Frames
from seqgen.encodings.notes import Notes, melody_part
from seqgen.encodings.text import Bytes, Chars
from seqgen.encodings.words import Words
from seqgen.errors import ConfigError
from seqgen.piece import Piece

__all__ = ["NAMES", "Clock", "Encoded", "Encoding", "Grammar", "Kind", "Table", "choose", "make", "melody_part"]

_ENCODINGS = {kind.name: kind for kind in (Chars, Bytes, Words, Notes, Chorale, Frames)}
NAMES = tuple(_ENCODINGS)


def make(name: str, **options: Any) -> Encoding[Any]:
    """The encoding called `name`.

    Raises:
        ConfigError: an unknown name, or an option that the encoding does not have or cannot take.
    """
    if name not in _ENCODINGS:
        raise ConfigError(f"there is no encoding {name!r}; there are: {', '.join(NAMES)}")
    known = inspect.signature(_ENCODINGS[name]).parameters
    for option, value in options.items():
        if option not in known:
            takes = ", ".join(known) or "no options"
            raise ConfigError(f"the encoding {name} has no option {option!r}; it takes: {takes}")
        if type(value) is not type(known[option].default):
            wanted = type(known[option].default).__name__
            raise ConfigError(f"the option {option!r} of {name} is a {wanted}, not {value!r}")
    return _ENCODINGS[name](**options)


def option_names(name: str) -> tuple[str, ...]:
    """The options that `make(name, ...)` takes."""
    return tuple(inspect.signature(_ENCODINGS[name]).parameters)


def training_options(name: str) -> dict[str, Any]:
    """Options that training gives an encoding unless it is told otherwise; a model file states them."""
    sees = getattr(_ENCODINGS.get(name), "SEES", None)
    return {} if sees is None else {"sees": sees}


def choose(pieces: Iterable[Piece]) -> tuple[str, dict[str, Any], str]:
    """The encoding that fits most of `pieces`: its name, its options, and the reason in words.

    One voice: `notes`. Two to six one-note parts, the same number in most pieces: `chorale`. Else `frames`.
    """
    shapes = [_shape(piece) for piece in pieces]
    most = max(set(shapes), key=shapes.count, default=0)
    share = f"{shapes.count(most)} of {len(shapes)} pieces"
    if most == 0:
        return "frames", {}, f"{share} have parts with chords, or many parts"
    if 2 * shapes.count(most) < len(shapes):
        return "frames", {}, "the pieces differ in their number of parts"
    if most == 1:
        return "notes", {}, f"{share} have one voice"
    return "chorale", {"parts": most}, f"{share} have {most} parts of one note at a time"


def _shape(piece: Piece) -> int:
    """The number of parts if every part has one note at a time and there are at most six, else 0."""
    parts = [part for part in range(len(piece.parts)) if len(piece.part_notes(part)) and not piece.parts[part].drums]
    for part in parts:
        notes = piece.part_notes(part)
        if (notes["onset"][1:] < (notes["onset"] + notes["duration"])[:-1]).any():
            return 0
    return len(parts) if len(parts) <= 6 else 0
