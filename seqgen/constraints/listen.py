"""What sounds, followed through the ids of any music encoding by its table alone."""

from typing import Any

import numpy as np

from seqgen.constraints.base import Note, Sounding
from seqgen.encodings import Kind, Table
from seqgen.encodings.music_grammar import MusicState
from seqgen.vocabulary import UNK


class Listener:
    """Keeps `Sounding` up to date, for a `MusicGrammar`."""

    def __init__(self, grammar: Any, table: Table) -> None:
        self._grammar = grammar
        self._kind = table.kind.tolist()
        self._advance = table.advance.tolist()
        self._pitches = [tuple(np.flatnonzero(row)[::-1].tolist()) for row in table.pitches]
        self.on_grid = not (table.advance[table.kind != Kind.FRAME_END] > 0).any()  # every step is a grid step
        self._framed = Kind.FRAME_END in table.kind

    def start(self) -> Sounding:
        """Silence."""
        parts = self._grammar.parts
        return Sounding(((),) * parts, ((),) * parts, (-1,) * parts)

    def advance(self, sounding: Sounding, before: MusicState, id: int) -> Sounding:
        """After one more id, which came in the grammar's state `before`."""
        kind = self._kind[id]
        if kind == Kind.NOTE:
            return self._struck(sounding, before, id)
        if kind == Kind.HOLD and self._framed:
            pitch = self._pitches[id][0]
            held = next((note for note in sounding.notes[0] if note.pitch == pitch), Note(pitch, before.clock.time))
            return sounding._replace(here=(*sounding.here, held))
        if kind == Kind.FRAME_END:
            return self._framed_end(sounding, before.clock.time)
        unknown = id == UNK and not self._framed
        if unknown or kind == Kind.REST or (kind == Kind.DURATION and sounding.notes[0]):
            part = self._grammar.part(before)
            return sounding._replace(notes=_replaced(sounding.notes, part, ())) if sounding.notes[part] else sounding
        return sounding

    def _struck(self, sounding: Sounding, before: MusicState, id: int) -> Sounding:
        part, time, pitches = self._grammar.part(before), before.clock.time, self._pitches[id]
        notes = tuple([Note(pitch, time) for pitch in pitches])
        if self._framed:
            return sounding._replace(here=(*sounding.here, *notes))
        over = self._advance[id] > 0  # joint: the duration has been said with it
        return Sounding(
            _replaced(sounding.notes, part, () if over else notes),
            _replaced(sounding.last, part, pitches),
            _replaced(sounding.struck, part, time),
        )

    def _framed_end(self, sounding: Sounding, time: int) -> Sounding:
        here = sounding.here
        struck = tuple([note.pitch for note in here if note.onset == time])
        if not struck:
            return sounding._replace(notes=(here,), here=())
        return Sounding((here,), (struck,), (time,))


def _replaced(values: tuple, index: int, value: object) -> tuple:
    return (*values[:index], value, *values[index + 1 :])
