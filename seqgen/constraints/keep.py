"""Notes that stay, and where others may sound: what a piece keeps while the rest of it is made anew."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgen.constraints.base import Bound, Constraint, Material, Moment
from seqgen.encodings import Kind
from seqgen.errors import ConfigError, SamplingError
from seqgen.vocabulary import END

_FREE, _STRUCK_OR_SILENT, _REST, _HOLD = -1, -2, -3, -4  # what a part does in a step, beside striking a pitch


class Keep(Constraint):
    """Kept notes come out exactly as they are, and other notes only where there is room for them. Music only.

    notes: of `seqgen.piece.NOTE`, in grid steps, as the encoding decodes them; what several parts share is one note
    where the encoding merges parts. room: `(parts, length)` bool, in which grid steps of each part of the encoding
    other notes may sound; elsewhere it is silent but for the kept notes. The piece is `length` grid steps long.
    """

    fills = True

    def __init__(self, notes: np.ndarray, room: np.ndarray) -> None:
        self.notes, self.room = notes, room

    def bind(self, material: Material, others: np.ndarray) -> Bound:
        if material.unit != "music":
            raise ConfigError("notes are kept in music, and this model writes text")
        kind = material.table.kind
        if Kind.FRAME_END in kind:
            return _KeepInFrames(self.notes, self.room, material, others)
        moves = (kind == Kind.NOTE) | (kind == Kind.DURATION)
        bound = _KeepInEvents if material.table.advance[moves].any() else _KeepInSteps
        return bound(self.notes, self.room, material, others)


class _Keep(Bound, ABC):
    """What the three have in common."""

    name = "the kept notes"
    far = True
    must_end = True

    def __init__(self, notes: np.ndarray, room: np.ndarray, material: Material, others: np.ndarray) -> None:
        self._room, self._length = room, room.shape[1]
        self._table, self._others = material.table, others
        self._grammar: Any = material.grammar  # of music
        self._ids = np.arange(len(material.tokens))
        self._may_go_on = self._ids != END
        self._masks: dict[Any, np.ndarray] = {}
        self._hold(notes)

    @abstractmethod
    def _hold(self, notes: np.ndarray) -> None:
        """Take the notes over."""

    def end(self, moment: Moment) -> int:
        return self._length

    def _ending(self, moment: Moment) -> bool:
        return moment.state.clock.time == self._length and self._grammar.at_step(moment.state)

    def _only(self, ids: np.ndarray, what: str, onset: int) -> np.ndarray:
        """The mask of the ids that spell something kept.

        Raises:
            SamplingError: there are none.
        """
        if not ids.any():
            quarter = onset / self._grammar.grid + 1
            raise SamplingError(f"the model has no token for {what} at quarter note {quarter:g}, which is to be kept")
        return ids

    def _cached(self, key: Any, made: Any) -> np.ndarray:
        if key not in self._masks:
            self._masks[key] = made()
        return self._masks[key]


class _KeepInSteps(_Keep):
    """One note a part at a time, an id for every grid step: `chorale`."""

    def _hold(self, notes: np.ndarray) -> None:
        kind, pitches = self._table.kind, self._table.pitches
        self._does = np.where(self._room, _FREE, _REST)  # (parts, length)
        for onset, duration, pitch, _, part in notes.tolist():
            end = onset + duration
            self._does[part, onset] = pitch
            self._does[part, onset + 1 : end] = _HOLD
            if end < self._length and self._does[part, end] == _FREE:  # a hold would make the kept note longer
                self._does[part, end] = _STRUCK_OR_SILENT
            self._masks[pitch] = self._only(self._table.strikes & pitches[:, pitch], f"the pitch {pitch}", onset)
        self._masks |= {
            _FREE: self._may_go_on,
            _STRUCK_OR_SILENT: self._may_go_on & (kind != Kind.HOLD),
            _REST: kind == Kind.REST,
            _HOLD: kind == Kind.HOLD,
        }

    def legal(self, own: None, moment: Moment) -> np.ndarray:
        if self._ending(moment):
            return self._ids == END
        return self._masks[int(self._does[self._grammar.part(moment.state), moment.state.clock.time])]


class _KeepInFrames(_Keep):
    """Any pitches at once, from the top, an id for each and one for the end of the step: `frames`."""

    def _hold(self, notes: np.ndarray) -> None:
        table = self._table
        self._pitch = np.where(table.pitches.any(axis=1), table.pitches.argmax(axis=1), -1)  # (n_values,)
        self._wanted: list[dict[int, np.ndarray]] = [{} for _ in range(self._length)]  # in each step, by pitch
        self._over: list[set[int]] = [set() for _ in range(self._length + 1)]  # pitches whose notes end there
        strikes, holds = table.strikes, table.kind == Kind.HOLD
        for onset, duration, pitch, _, _ in notes.tolist():
            for step in range(onset, onset + duration):
                ids = (strikes if step == onset else holds) & (self._pitch == pitch)
                self._wanted[step][pitch] = self._only(ids, f"the pitch {pitch}", onset)
            self._over[onset + duration].add(pitch)

    def legal(self, own: None, moment: Moment) -> np.ndarray:
        if self._ending(moment):
            return self._ids == END
        assert moment.sounding is not None  # music
        here, step = moment.sounding.here, moment.state.clock.time
        lowest = here[-1].pitch if here else 128
        following = max((pitch for pitch in self._wanted[step] if pitch < lowest), default=-1)
        return self._cached((step, following), lambda: self._mask(step, following))

    def _mask(self, step: int, following: int) -> np.ndarray:
        """Legal in a step whose next kept pitch is `following`, -1 for none."""
        mask = self._table.kind == Kind.FRAME_END if following < 0 else self._wanted[step][following]
        if self._room[0, step]:
            too_long = (self._table.kind == Kind.HOLD) & np.isin(self._pitch, list(self._over[step]))
            mask = mask | ((self._pitch > following) & ~too_long)
        return mask


class _KeepInEvents(_Keep):
    """Notes and rests one after the other, with their durations: `notes`.

    What is free between two kept notes must be filled exactly, so an id is legal only if the rest can still be filled
    behind it. Rests may reach from where there is room to where there is none.
    """

    def _hold(self, notes: np.ndarray) -> None:
        table, length = self._table, self._length
        self._onsets: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # for each onset the ids of what, and of how long
        self._lengths: dict[int, int] = {}
        taken = np.zeros(length, bool)
        for onset in np.unique(notes["onset"]).tolist():
            chord = notes[notes["onset"] == onset]
            duration = int(chord["duration"][0])
            wanted = np.isin(np.arange(128), chord["pitch"])
            what = (table.pitches == wanted).all(axis=1) & np.isin(table.advance, (0, duration)) & table.strikes
            how_long = (table.kind == Kind.DURATION) & (table.advance == duration)
            name = "the pitches " + ".".join(map(str, np.flatnonzero(wanted)))
            self._only(what, f"{name} for {duration / self._grammar.grid:g} quarters", onset)
            if not table.advance[what].any():
                self._only(how_long, f"a note of {duration / self._grammar.grid:g} quarters", onset)
            self._onsets[onset], self._lengths[onset] = (what, how_long), duration
            taken[onset : onset + duration] = True
        # up to where a note, and a rest, may last that begins in a step
        self._notes_to = _run_ends(self._room[0] & ~taken)
        self._rests_to = _run_ends(~taken)
        timed = (table.advance > 0) & self._others
        self._moves = {
            rest: np.unique(table.advance[timed & (table.kind != (Kind.NOTE if rest else Kind.REST))])
            for rest in (False, True)
        }
        self._reach()

    def _reach(self) -> None:
        """`self._filled[after_rest][step]`: whether everything from a step on can be filled."""
        self._filled = {after: np.zeros(self._length + 1, bool) for after in (False, True)}
        for filled in self._filled.values():
            filled[self._length] = True
        for step in reversed(range(self._length)):
            if step in self._lengths:
                note = rest = bool(self._filled[False][step + self._lengths[step]])
                rest = False
            else:
                note, rest = (bool(self._lasting(kind, step).size) for kind in (False, True))
            self._filled[True][step] = note
            self._filled[False][step] = note or rest

    def _lasting(self, rest: bool, step: int) -> np.ndarray:
        """How long a free note or a rest that begins in a step may last."""
        moves = self._moves[rest]
        moves = moves[step + moves <= (self._rests_to if rest else self._notes_to)[step]]
        return moves[self._filled[rest][step + moves]]

    def start(self, given: Sequence[int], moment: Moment) -> int | None:
        if not self._filled[False][moment.state.clock.time]:
            raise SamplingError("no sequence of this model's durations fills what is free between the kept notes")
        return None

    def advance(self, own: int | None, id: int, moment: Moment) -> int | None:
        """The note or rest that waits for its duration; else None."""
        return None if self._grammar.at_step(moment.state) else id

    def legal(self, own: int | None, moment: Moment) -> np.ndarray:
        if self._ending(moment):
            return self._ids == END
        step = moment.state.clock.time
        waits = None if own is None else int(self._table.kind[own])
        return self._cached((step, waits), lambda: self._mask(step, waits))

    def _mask(self, step: int, waits: int | None) -> np.ndarray:
        """Legal at a step, where an event begins or, of the kind `waits`, wants its duration."""
        if step in self._onsets:
            return self._onsets[step][waits is not None]
        kind, advance = self._table.kind, self._table.advance
        note, rest = self._lasting(False, step), self._lasting(True, step)
        if waits is not None:
            return (kind == Kind.DURATION) & np.isin(advance, note if waits == Kind.NOTE else rest)
        # without a duration of its own, what may come is what a duration can follow
        notes = (kind == Kind.NOTE) & (np.isin(advance, note) | ((advance == 0) & bool(note.size)))
        rests = (kind == Kind.REST) & (np.isin(advance, rest) | ((advance == 0) & bool(rest.size)))
        return notes | rests


def _run_ends(free: np.ndarray) -> np.ndarray:
    """`(n,)` ints: for each place where the run of True around it ends; the place itself where it is False."""
    ends = np.arange(len(free))
    for place in reversed(range(len(free))):
        if free[place]:
            ends[place] = ends[place + 1] if place + 1 < len(free) and free[place + 1] else place + 1
    return ends
