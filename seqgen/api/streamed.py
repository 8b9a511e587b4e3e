"""What a stream hands out, and what it hears: pieces of text, or notes. See `stream.Stream`.

`Texts` and `Music` have the same methods: `begin` and `end` of a piece, `step` with the ids of one step, `hear`, and
`restrict` for what may come next.
"""

from collections.abc import Sequence
from copy import copy
from math import floor, isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seqgen.constraints import Moment, Note, Sounding
from seqgen.corpus.loudness import shaped, with_velocities_of
from seqgen.encodings import Clock, Kind
from seqgen.encodings.grid import CONTROLS, control_fields
from seqgen.errors import ConfigError, TokenError
from seqgen.formats.events import Event
from seqgen.piece import Piece
from seqgen.vocabulary import END

if TYPE_CHECKING:
    from seqgen.api.model import Model

_LONGEST = 10_000  # quarter notes


class Texts:
    """Text: a step gives the characters that it adds, spaces before a word included."""

    def __init__(self, model: "Model") -> None:
        self._model = model
        self.tail: list[str] = []  # the tokens the next ones follow, which decide about the space between

    def begin(self, given: Sequence[str], before: Moment | None, moment: Moment, prime: object = None) -> list[str]:
        self.tail = list(given)
        return [] if before is None else [self._model.statistics.separator or "\n\n"]

    def step(self, moments: Sequence[Moment], ids: Sequence[int]) -> list[str]:
        tokens = self._model.vocabulary.to_tokens(ids)
        decode = self._model.encoding.decode
        before, self.tail = self.tail, tokens
        text = decode([*before, *tokens])[len(decode(before)) :]
        return [text] if text else []

    def end(self, moment: Moment) -> list[str]:
        return []

    def hear(self, text: str) -> list[int]:
        """The ids to be fed.

        Raises:
            TokenError: characters or words that the model has never seen.
        """
        tokens = self._model.prime_tokens(text)
        unknown = sorted({token for token in tokens if token not in self._model.vocabulary.ids})
        if unknown:
            raise TokenError(
                f"the model has never seen {', '.join(map(repr, unknown[:5]))}, so it cannot hear {text!r}"
            )
        self.tail = tokens or self.tail
        return self._model.vocabulary.to_ids(tokens).tolist()

    def follow(self, tail: list[str]) -> None:
        """Go on after these tokens. Raises ValueError or TokenError where they are none."""
        self._model.encoding.decode(tail)
        self.tail = tail

    def restrict(self, legal: np.ndarray, moment: Moment) -> None:
        pass

    def copy(self) -> "Texts":
        return copy(self)


class Pin(NamedTuple):
    """A heard note that is still to be spelled, or is sounding."""

    pitch: int
    left: int  # grid steps; 0: it has just ended, so nothing may hold it on
    begun: bool


class Music:
    """Music: a note is handed out when its end is known. Times are counted in grid steps.

    What the ids mean is read off the encoding's table alone: a note with its duration in its own id (joint), in the
    next id, or going on step by step in its part (`hold`) or by its pitch (frames).
    """

    def __init__(self, model: "Model") -> None:
        table = model.table
        self._model = model
        self._grammar: Any = model.grammar  # a MusicGrammar
        self._grid = self._grammar.grid
        self._kind, self._kinds, self._advance = table.kind, table.kind.tolist(), table.advance.tolist()
        self._pitches = [tuple(np.flatnonzero(row).tolist()) for row in table.pitches]
        self._framed, self._held_on = Kind.FRAME_END in table.kind, Kind.HOLD in table.kind
        # of ids that stand for one pitch; -1 for all others
        self._pitch = np.array([pitches[0] if len(pitches) == 1 else -1 for pitches in self._pitches])
        self.offset = 0  # when the present piece began; before 0 where a prime came first
        self.begun = 0  # when the stream did, within the first piece: notes of the prime sound on from there
        self._velocities: list[int] = []  # by the grid step in the bar, of the present piece
        self._bar_offset = 0  # the step on which it began
        self.velocities: dict[Note, int] = {}  # of notes of the prime that sound on
        self.pins: dict[int, tuple[Pin, ...]] = {}  # by part, or by pitch in frames: the notes heard, in order
        self.heard: frozenset[tuple[int, Note]] = frozenset()  # part and note: sounding, but not ours to hand out

    def begin(
        self, given: Sequence[str], before: Moment | None, moment: Moment, prime: Piece | None = None
    ) -> list[Event]:
        """A piece begins at `moment`, after its controls and its prime; `before` the last one had ended.

        Its first full bar begins on a bar line of the last one.
        """
        clock: Clock = moment.state.clock
        fields, _ = control_fields(given[:CONTROLS], self._grid, ticks_per_step=1)
        bar = Piece.build(
            [(step, 1, 60, 64, 0) for step in range(clock.bar)], self._grid, meters=fields.get("meters", ())
        )
        self._velocities = shaped(bar, self._model.statistics.velocities).notes["velocity"].tolist()
        self._bar_offset = clock.offset
        if before is None:
            self.offset, self.begun = -clock.time, clock.time
            if prime is not None:
                self.velocities = self._primed(given, moment, prime)
            return []
        last: Clock = before.state.clock
        pickup = clock.bar - clock.offset if clock.offset else 0
        bar_line = last.time + pickup
        self.velocities = {}
        bar_line += -(bar_line + last.offset) % last.bar
        self.offset += bar_line - pickup
        self.begun = 0
        return []

    def _primed(self, given: Sequence[str], moment: Moment, prime: Piece) -> dict[Note, int]:
        """The velocities of what sounds at `moment`."""
        piece = with_velocities_of(shaped(self._model.encoding.decode(given), self._model.statistics.velocities), prime)
        names = ["pitch", "onset", "velocity"]
        sounding = {note for notes in _sounding(moment).notes for note in notes}
        found = {Note(pitch, onset): velocity for pitch, onset, velocity in piece.notes[names].tolist()}
        return {note: velocity for note, velocity in found.items() if note in sounding}

    def step(self, moments: Sequence[Moment], ids: Sequence[int]) -> list[Event]:
        self._count(moments[0].state.clock.time)
        born = []
        for before, id, after in zip(moments, ids, moments[1:], strict=False):
            time = before.state.clock.time
            if self._kinds[id] == Kind.NOTE and self._advance[id] > 0:
                notes = [Note(pitch, time) for pitch in self._pitches[id]]
                born += [self._event(note, time + self._advance[id], 0) for note in notes]
                continue
            end = after.state.clock.time if self._kinds[id] == Kind.DURATION else time
            born += self._ended(_sounding(before), _sounding(after), end)
        return sorted(born, key=_order)

    def end(self, moment: Moment) -> list[Event]:
        """What sounds when the piece ends, or the stream."""
        sounding = _sounding(moment)
        silence = sounding._replace(notes=((),) * len(sounding.notes))
        return sorted(self._ended(sounding, silence, moment.state.clock.time), key=_order)

    def _ended(self, before: Sounding, after: Sounding, end: int) -> list[Event]:
        born = []
        if before.notes is after.notes:
            return born
        for part, (was, now) in enumerate(zip(before.notes, after.notes, strict=True)):
            for note in was:
                if note in now:
                    continue
                if (part, note) in self.heard:
                    self.heard -= {(part, note)}
                elif end > self.begun:
                    born.append(self._event(note, end, part))
        return born

    def _event(self, note: Note, end: int, part: int) -> Event:
        onset = max(note.onset, self.begun)
        place = (note.onset + self._bar_offset) % len(self._velocities)
        velocity = self.velocities.get(note, self._velocities[place])
        return Event((self.offset + onset) / self._grid, (end - onset) / self._grid, note.pitch, velocity, part)

    # hearing

    def hear(self, note: Event) -> list[int]:
        """The ids to be fed, where a note is spelled at once; else it waits for its steps.

        Raises:
            ConfigError: no such part, or a duration out of range. TokenError: the model has no such note.
        """
        if not isfinite(note.duration) or not 0 < note.duration <= _LONGEST:
            raise ConfigError(f"a heard note lasts above 0 to {_LONGEST:,} quarter notes, not {note.duration:g}")
        if not 0 <= note.part < self._grammar.parts:
            raise ConfigError(f"the model has the parts 0 to {self._grammar.parts - 1}, so it cannot hear {note.part}")
        steps = max(1, floor(note.duration * self._grid + 0.5))
        struck = self._ids(Kind.NOTE, note.pitch)
        if not struck:
            known = self._pitch[(self._kind == Kind.NOTE) & (self._pitch >= 0)]
            span = f"{known.min()} to {known.max()}" if len(known) else "chords"
            raise TokenError(f"the model does not know the pitch {note.pitch}; it knows {span}")
        if self._held_on:
            self._pin(note, steps)
            return []
        lengths = struck if self._advance[struck[0]] else self._ids(Kind.DURATION)
        fits = [id for id in lengths if self._advance[id] == steps]
        if not fits:
            known = ", ".join(f"{steps / self._grid:g}" for steps in sorted(self._advance[id] for id in lengths))
            raise TokenError(
                f"the model does not know a note of {steps / self._grid:g} quarter notes on {note.pitch}; "
                f"it knows {known}"
            )
        return fits if lengths is struck else [struck[0], *fits]

    def wait(self, key: int, pin: Pin) -> None:
        """One more heard note for a part, or in frames a pitch. Raises ConfigError where there is no such."""
        if not self._held_on or (key != pin.pitch if self._framed else key >= self._grammar.parts):
            raise ConfigError(f"nothing can be heard at {key}")
        if not self._ids(Kind.NOTE, pin.pitch):
            raise ConfigError(f"the model does not know the pitch {pin.pitch}")
        self.pins = {**self.pins, key: (*self.pins.get(key, ()), pin)}

    def _pin(self, note: Event, steps: int) -> None:
        key = note.pitch if self._framed else note.part
        if steps > 1 and not self._ids(Kind.HOLD, note.pitch if self._framed else None):
            raise TokenError(f"the model has never held the pitch {note.pitch}, so it knows only the shortest notes")
        waiting = tuple([pin for pin in self.pins.get(key, ()) if pin.left])
        self.pins = {**self.pins, key: (*waiting, Pin(note.pitch, steps, False))}

    def _ids(self, kind: Kind, pitch: int | None = None) -> list[int]:
        found = self._kind == kind
        return np.flatnonzero(found if pitch is None else found & (self._pitch == pitch)).tolist()

    def restrict(self, legal: np.ndarray, moment: Moment) -> None:
        """Leave in `legal` what spells the heard notes, whatever the constraints say of them."""
        if not self.pins:
            return
        if any(pin.left for pins in self.pins.values() for pin in pins):
            legal[END] = False  # not before they have ended
        if self._framed:
            self._restrict_frame(legal, moment)
        elif pins := self.pins.get(self._grammar.part(moment.state)):
            pin = pins[0]
            hold = self._ids(Kind.HOLD)
            if pin.left:
                legal[:] = False
                legal[hold if pin.begun else self._ids(Kind.NOTE, pin.pitch)] = True
            else:
                _bar(legal, hold)

    def _restrict_frame(self, legal: np.ndarray, moment: Moment) -> None:
        """A frame is spelled downwards: go no further than to the highest heard pitch that is not there yet."""
        here = _sounding(moment).here
        below = here[-1].pitch if here else 128
        wanted = [pitch for pitch, pins in self.pins.items() if pins[0].left and pitch < below]
        for pitch, pins in self.pins.items():
            if not pins[0].left:
                _bar(legal, self._ids(Kind.HOLD, pitch))
        if wanted:
            legal &= self._pitch > max(wanted)
            pin = self.pins[max(wanted)][0]
            legal[self._ids(Kind.HOLD if pin.begun else Kind.NOTE, pin.pitch)] = True

    def _count(self, time: int) -> None:
        """A step that began at `time` is over: one less of every heard note."""
        pins: dict[int, tuple[Pin, ...]] = {}
        for key, (first, *rest) in self.pins.items():
            if first.left == 0:
                continue
            if not first.begun:
                self.heard |= {(0 if self._framed else key, Note(first.pitch, time))}
            left = [first._replace(left=first.left - 1, begun=True), *rest]
            pins[key] = tuple(left[1:] if left[0].left == 0 and rest else left)
        self.pins = pins

    def copy(self) -> "Music":
        return copy(self)  # what it holds is replaced, never changed


def _sounding(moment: Moment) -> Sounding:
    assert moment.sounding is not None  # music is always listened to here
    return moment.sounding


def _bar(legal: np.ndarray, ids: Sequence[int]) -> None:
    """Without `ids`, if that leaves anything."""
    rest = legal.copy()
    rest[ids] = False
    if rest.any():
        legal[:] = rest


def _order(event: Event) -> tuple[float, int, int]:
    return event.onset, event.part, event.pitch
