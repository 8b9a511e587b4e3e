"""The melody that is to be harmonised: which parts of a piece it is, and how the model reads it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seqgen.api.vary import on_ticks_of
from seqgen.corpus.parts import find_part, part_names, with_parts
from seqgen.encodings.chorale import Chorale
from seqgen.errors import ConfigError, TokenError
from seqgen.piece import Meter, Piece

if TYPE_CHECKING:
    from seqgen.api.translator import Translator


@dataclass(frozen=True)
class Melody:
    """One part or several that are given.

    piece: these parts alone, untouched but for ticks that divide a step of the model's grid. tokens: the controls and
    what the parts do at each grid step, as the model reads it. losses: what it does not see of them, counted by reason.
    left_out: the names of the other parts of the piece.
    """

    piece: Piece
    tokens: tuple[str, ...]
    losses: dict[str, int]
    left_out: tuple[str, ...]


def read_melody(translator: "Translator", piece: Piece, part: str | Sequence[str] | None = None) -> Melody:
    """The melody in a piece. Off the grid it is read as if it were on it, and legato as if notes ended in time.

    part: a name, or a number from 1; names with commas between for a model that is given several parts. Without it the
    only part with notes, or the one with the name of what the model has learned from, such as soprano.

    Raises:
        ConfigError: the model harmonises nothing, or there is no such part, no notes, or only drums.
        TokenError: two notes sound at once, or the model's encoding cannot hold the melody.
    """
    encoding = _encoding(translator)
    taken = _taken(translator, piece, encoding.parts, part)
    given = on_ticks_of(with_parts(piece, taken), encoding.grid)
    try:
        encoded = encoding.encode(_as_read(given, given.ticks_per_quarter // encoding.grid))[0]
    except TokenError as error:
        raise TokenError(f"the melody does not fit the model: {error}") from error
    others = sorted(set(piece.notes["part"].tolist()) - set(taken))
    return Melody(given, tuple(encoded.tokens), encoded.losses, tuple(_called(piece, other) for other in others))


def _encoding(translator: "Translator") -> Chorale:
    """Of what is given."""
    source, target = translator.source_encoding, translator.encoding
    if not isinstance(source, Chorale) or not isinstance(target, Chorale):
        raise ConfigError(
            f"this model reads {translator.source_unit} and writes {translator.unit}; to harmonise takes one that has"
            " learned from scores: seqgen train bach-chorales --from-part soprano --to-part alto,tenor,bass"
        )
    return source


def _taken(translator: "Translator", piece: Piece, wanted: int, part: str | Sequence[str] | None) -> list[int]:
    """The indices of the parts that are given."""
    sounding = sorted(set(piece.notes["part"].tolist()))
    pitched = [index for index in sounding if not piece.parts[index].drums]
    if not pitched:
        raise ConfigError(f"the piece has {'only drums' if sounding else 'no notes'}, and a melody is needed")
    if part is not None:
        names = part_names(part)
        if len(names) != wanted:
            raise ConfigError(f"this model is given {_parts(wanted)}, not {len(names)}: {', '.join(names)}")
        try:
            return _indices(piece, names)
        except TokenError as error:
            raise ConfigError(f"the piece {error}") from error
    if len(pitched) == wanted:
        return pitched
    for names in (translator.statistics.from_parts, ("melody",)):
        try:
            found = _indices(piece, names)
        except TokenError:
            continue
        if len(found) == wanted:
            return found
    listed = ", ".join(_called(piece, index) for index in pitched)
    raise ConfigError(
        f"the piece has {_parts(len(pitched))} with notes ({listed}), and this model is given {wanted}: say which with"
        " --part, in Python part, by name or number"
    )


def _indices(piece: Piece, names: Sequence[str]) -> list[int]:
    """Of the parts of these names that have notes.

    Raises:
        TokenError: there is one that there is not.
    """
    found = [find_part(piece, name) for name in names]
    for name, index in zip(names, found, strict=True):
        if not len(piece.part_notes(index)):
            raise TokenError(f"has no notes in its part {name!r}")
    if len(set(found)) < len(found):
        raise TokenError(f"has one part for two of {', '.join(names)}")
    return found


def _parts(count: int) -> str:
    return "1 part" if count == 1 else f"{count} parts"


def _called(piece: Piece, part: int) -> str:
    return piece.parts[part].name.strip() or f"part {part + 1}"


def _as_read(piece: Piece, step_ticks: int) -> Piece:
    """With notes that end where the next one of their part begins; they may sound on for less than a grid step.

    Raises:
        TokenError: two begin at once, or one sounds on for longer.
    """
    kept = []
    for part in range(len(piece.parts)):
        notes = piece.part_notes(part).copy()
        over = (notes["onset"] + notes["duration"])[:-1] - notes["onset"][1:]
        at_once = np.flatnonzero((over >= step_ticks) | (np.diff(notes["onset"]) == 0))
        if at_once.size:
            tick = int(notes["onset"][at_once[0] + 1])
            raise TokenError(
                f"{_called(piece, part)} has two notes at once in {_place(piece, tick)}, and a melody has one: take the"
                " others out, or name another part with --part, in Python part"
            )
        notes["duration"][:-1] -= np.maximum(over, 0)
        kept.append(notes)
    notes = np.concatenate(kept)
    return replace(piece, notes=notes[np.lexsort((notes["pitch"], notes["part"], notes["onset"]))])


def _place(piece: Piece, tick: int) -> str:
    lines = [line for line in piece.bar_lines() if line <= tick]
    number = len(lines) - bool(piece.pickup_ticks)  # a pickup is bar 0
    begin = lines[-1]
    if piece.pickup_ticks and not number:
        meter = piece.meters[0] if piece.meters else Meter(0, 4, 4)
        begin = piece.pickup_ticks - meter.bar_ticks(piece.ticks_per_quarter)
    return f"bar {number}, quarter {(tick - begin) / piece.ticks_per_quarter + 1:g}"
