"""How long notes may sound: what all constraints say of it, joined, as masks for every encoding of music.

It is asked before a note is struck, so that none is begun that could neither go on nor end.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from seqgen.constraints.base import ANY_LENGTH, Bound, Constraint, Material, Moment, Note, Strike, bind_each
from seqgen.encodings import Kind
from seqgen.errors import SamplingError
from seqgen.vocabulary import END

_ONE = 1 << 1  # the length of one grid step


def bind(constraints: Sequence[Constraint], material: Material) -> list[Bound]:
    """All of them, bound, and what they say together of the lengths of notes.

    Raises:
        ConfigError, SamplingError: as `Constraint.bind`; or together they leave nothing to generate.
    """
    bound = bind_each(constraints, material)
    if any(one.rules_lengths for one in bound):
        bound.append(Lengths(bound, material))
    return bound


class Lengths(Bound):
    """No note ends before or goes on after the lengths that the constraints allow.

    The state holds those of the constraints, as they began.
    """

    def __init__(self, bound: Sequence[Bound], material: Material) -> None:
        table = material.table
        self._material = material
        self._members = [one for one in bound if type(one).lengths is not Bound.lengths]
        self.name = f"the note lengths of {', '.join(one.name for one in self._members)}"
        self._part, self._n_values = material.grammar.part, len(table.kind)
        self._pitches = [tuple(np.flatnonzero(row)[::-1].tolist()) for row in table.pitches]
        self._notes = np.flatnonzero(table.kind == Kind.NOTE).tolist()
        self._holds = {self._pitches[id]: id for id in np.flatnonzero(table.kind == Kind.HOLD).tolist()}
        moves = np.flatnonzero(table.advance * np.isin(table.kind, (Kind.NOTE, Kind.DURATION)) > 0).tolist()
        self._advance = {id: int(table.advance[id]) for id in moves}
        durations = {self._advance[id] for id in moves if table.kind[id] == Kind.DURATION}
        self._of_durations = sum(1 << steps for steps in durations)
        self._allowed = lru_cache(100_000)(self._asked)
        self._strikes = lru_cache(4096)(self._may_be_struck)
        self._durations = lru_cache(4096)(self._may_last)
        framed = Kind.FRAME_END in table.kind
        # of each id in frames the pitch it comes after; the end of a frame comes after all of them
        self._place = np.array([pitches[0] if pitches else 128 for pitches in self._pitches])
        self._place[[END, *np.flatnonzero(table.kind == Kind.FRAME_END)]] = -1
        if framed:
            self._of_encoding = self._legal_in_frames
        else:
            self._of_encoding = self._legal_on_grid if self._holds else self._legal_in_events

    def of_prime(self) -> "Lengths | None":
        left = [kept for one in self._members if (kept := one.of_prime()) is not None]
        return Lengths(left, self._material) if left else None

    def start(self, given: Sequence[int], moment: Moment) -> tuple[Any, ...]:
        own = tuple([one.start(given, moment) for one in self._members])
        exactly = any(one.end(moment) is not None for one in self._members)
        self._check_end(own, moment.end - 1 if exactly and moment.end is not None else None)
        return own

    def legal(self, own: tuple, moment: Moment) -> np.ndarray:
        return self._of_encoding(own, moment)

    # encodings whose notes say how long they are

    def _legal_in_events(self, own: tuple, moment: Moment) -> np.ndarray:
        waits = moment.sounding.notes[0]
        if waits:
            pitches = tuple([note.pitch for note in waits])
            return self._durations(own, Strike(pitches, 0, waits[0].onset, moment.end))
        return self._strikes(own, 0, moment.state.clock.time, moment.end)

    def _may_last(self, own: tuple, strike: Strike) -> np.ndarray:
        allowed = self._allowed(own, strike)
        mask = np.ones(self._n_values, bool)
        for id, steps in self._advance.items():
            mask[id] = allowed >> steps & 1
        return mask

    # encodings on a grid, where a note goes on until it is ended

    def _legal_on_grid(self, own: tuple, moment: Moment) -> np.ndarray:
        time, part, sounding = moment.state.clock.time, self._part(moment.state), moment.sounding.notes
        mask = self._strikes(own, part, time, moment.end)
        if not any(sounding):
            return mask
        may_end = [not notes or self._may_end(own, notes[0], number, moment) for number, notes in enumerate(sounding)]
        held = sounding[part]
        if not held:
            may_go_on = True
        elif may_end[part]:
            may_go_on = self._may_go_on(own, held[0], part, moment)
        else:
            mask, may_go_on = np.zeros(self._n_values, bool), True
        mask = mask.copy()
        mask[self._holds[()]] = may_go_on
        mask[END] = all(may_end)
        return mask

    def _legal_in_frames(self, own: tuple, moment: Moment) -> np.ndarray:
        """Pitches descend: what is passed over has ended."""
        time, here = moment.state.clock.time, moment.sounding.here
        lowest = here[-1].pitch if here else 128
        mask = self._strikes(own, 0, time, moment.end)
        before = [note for note in moment.sounding.notes[0] if note.pitch < lowest]
        if not before:
            return mask
        mask = mask.copy()
        for note in before:
            hold = self._holds.get((note.pitch,))
            may_go_on = self._may_go_on(own, note, 0, moment)
            must_go_on = not self._may_end(own, note, 0, moment)
            if must_go_on:
                mask[self._place <= note.pitch] = False
            if hold is not None:
                mask[hold] = may_go_on
            if must_go_on:
                break
        return mask

    def _may_end(self, own: tuple, note: Note, part: int, moment: Moment) -> bool:
        """Whether a note may end at this moment."""
        strike = Strike((note.pitch,), part, note.onset, moment.end)
        return bool(self._allowed(own, strike) >> (moment.state.clock.time - note.onset) & 1)

    def _may_go_on(self, own: tuple, note: Note, part: int, moment: Moment) -> bool:
        """Whether a note may sound in the step that comes."""
        strike = Strike((note.pitch,), part, note.onset, moment.end)
        return bool(self._allowed(own, strike) >> (moment.state.clock.time - note.onset + 1))

    # all of them

    def _check_end(self, own: tuple, last: int | None) -> None:
        """Raises SamplingError where what must sound last does not go with what may sound.

        last: the grid step with which the piece ends, where it is one only.
        """
        members = list(zip(self._members, own, strict=True))
        for one, state in members:
            closing = one.closing(state)
            for other, others in members:
                there = other.sounding(others, last)
                if closing is not None and there is not None and not closing & there:
                    where = "" if last is None else "the last of "
                    raise SamplingError(f"{one.name} does not go with {where}{other.name}")

    def _asked(self, own: tuple, strike: Strike) -> int:
        allowed = ANY_LENGTH if strike.end is None else (1 << (strike.end - strike.onset + 1)) - 1
        for one, state in zip(self._members, own, strict=True):
            allowed &= one.lengths(state, strike)
        return allowed

    def _may_be_struck(self, own: tuple, part: int, time: int, end: int | None) -> np.ndarray:
        """Notes for which there is a length; anything else may come."""
        mask = np.ones(self._n_values, bool)
        for id in self._notes:
            pitches = self._pitches[id]
            allowed = self._asked(own, Strike(pitches, part, time, end))
            if self._of_durations:
                allowed &= self._of_durations
            elif id in self._advance:
                allowed &= 1 << self._advance[id]
            elif pitches not in self._holds and () not in self._holds:
                allowed &= _ONE
            mask[id] = allowed >> 1 != 0
        mask.flags.writeable = False
        return mask
