"""Some of a piece's parts, by name or number: what is given and what is to be found in a pair of music."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seqgen.errors import ConfigError, TokenError
from seqgen.piece import Piece

VOICES = ("soprano", "alto", "tenor", "bass")


def part_names(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """The names in `wanted`, which is a list of them or a text with commas between.

    Raises:
        ConfigError: no name, or one that comes twice.
    """
    names = tuple(name.strip() for name in (wanted.split(",") if isinstance(wanted, str) else wanted))
    if not names or not all(names):
        raise ConfigError(f"parts are names like soprano, or numbers from 1, not {wanted!r}")
    if len({name.casefold() for name in names}) < len(names):
        raise ConfigError(f"a part is named twice: {', '.join(names)}")
    return names


def take_parts(piece: Piece, wanted: Sequence[str]) -> Piece:
    """The piece with these parts alone, in this order.

    wanted: names of parts in upper or lower case. In a piece of four parts soprano, alto, tenor and bass are also the
    first to the last of them, if that one has none of these names. A number counts the parts that have notes, from 1.
    Drum parts are never taken.

    Raises:
        TokenError: the piece has no such part, or several of the name, or two of `wanted` are the same one.
    """
    taken = [find_part(piece, name) for name in wanted]
    if len(set(taken)) < len(taken):
        raise TokenError(f"two of the parts {', '.join(wanted)} are the same one in this piece")
    return with_parts(piece, taken)


def with_parts(piece: Piece, taken: Sequence[int]) -> Piece:
    """The piece with the parts of these indices alone, in this order."""
    place = np.full(len(piece.parts), -1)
    place[list(taken)] = range(len(taken))
    here = place[piece.notes["part"]]
    notes = piece.notes[here >= 0].copy()
    notes["part"] = here[here >= 0]
    notes = notes[np.lexsort((notes["pitch"], notes["part"], notes["onset"]))]
    return replace(piece, notes=notes, parts=tuple(piece.parts[part] for part in taken))


def find_part(piece: Piece, wanted: str) -> int:
    """The index of a part, called as in `take_parts`.

    Raises:
        TokenError: the piece has no such part, or several of the name.
    """
    pitched = [part for part in range(len(piece.parts)) if not piece.parts[part].drums]
    with_notes = set(piece.notes["part"].tolist())
    sounding = [part for part in pitched if part in with_notes]
    names = [part.name.strip().casefold() for part in piece.parts]
    name = wanted.casefold()
    called = [part for part in sounding if names[part] == name] or [part for part in pitched if names[part] == name]
    if len(called) > 1:
        raise TokenError(f"{len(called)} parts are called {wanted!r}; take them by number, from 1 to {len(sounding)}")
    if called:
        return called[0]
    if name in VOICES:
        four = next((parts for parts in (sounding, pitched) if len(parts) == len(VOICES)), None)
        if four is not None and names[part := four[VOICES.index(name)]] not in VOICES:
            return part
    elif name.isdecimal() and 1 <= int(name) <= len(sounding):
        return sounding[int(name) - 1]
    listed = ", ".join(repr(piece.parts[part].name) for part in sounding) or "none with notes"
    raise TokenError(f"has no part {wanted!r}; its parts are {listed}")
