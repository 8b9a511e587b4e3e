"""How a piece ends."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from seqgen.constraints import names
from seqgen.constraints.base import ANY_LENGTH, Bound, Constraint, Material, Moment, Note, Strike
from seqgen.constraints.strikes import Strikes, of_classes
from seqgen.encodings import Kind
from seqgen.errors import ConfigError, SamplingError
from seqgen.vocabulary import END


class End(Constraint):
    """The last thing that sounds is the tonic, with nothing above it but its triad: `End("tonic")`. Music only.

    The tonic is below all else: in the lowest part that sounds, where there are several parts, else as the lowest
    note. A single note is the tonic itself. In encodings on a grid it sounds for a quarter note at least, where the end
    is known, as with bars, and notes may be so long.

    key: a key or scale, such as "D-minor"; without it the key with which the piece begins.
    """

    whole = True
    fills = True

    def __init__(self, on: str, key: str | None = None) -> None:
        """Raises ConfigError where there is no such ending or key."""
        if on != "tonic":
            raise ConfigError(f"a piece can end on its 'tonic', not on {on!r}")
        self.home = None if key is None else home(key)
        self.name = "ending on the tonic" + (f" of {key.strip()}" if key else "")

    def bind(self, material: Material, others: np.ndarray) -> "BoundEnd":
        material.music_only(self.name)
        bound = BoundEnd(self, material, others)
        if self.home is not None:
            bound.check(self.home)
        return bound


class Home(NamedTuple):
    """Where a piece ends. Hashable."""

    tonic: int  # pitch class
    triad: frozenset[int]  # pitch classes


def home(key: str) -> Home:
    """The tonic triad of a key or scale: with its third and fifth, the major and the perfect one where it has both.

    >>> home("A-minor")
    Home(tonic=9, triad=frozenset({0, 9, 4}))
    """
    tonic, tones = names.scale(key)
    third = 4 if 4 in tones else 3
    fifth = next(tone for tone in (7, 8 if third == 4 else 6) if tone in tones)
    return Home(tonic, frozenset((tonic + tone) % 12 for tone in (0, third, fifth)))


class BoundEnd(Bound):
    """See `End`. The state is where home is, and whether what sounded last would do as the end."""

    far = True
    must_end = True
    rules_lengths = True

    def __init__(self, end: End, material: Material, others: np.ndarray) -> None:
        self.name, self._home = end.name, end.home
        self._grammar, self._tokens, self._others = material.grammar, material.tokens, others
        table = material.table
        self._kind, self._strikes, self._advance = table.kind, table.strikes, table.advance
        self._pitches, self._only = table.pitches, Strikes(table).only
        self._last_part = material.grammar.parts - 1
        self._framed = Kind.FRAME_END in table.kind
        self._durations = table.kind == Kind.DURATION
        said = (table.advance > 0) & ((table.kind == Kind.NOTE) | self._durations) & others
        moves = set(table.advance[said].tolist())
        self._in_events = bool(moves)
        lengths = material.note_lengths & (sum(1 << steps for steps in moves) if moves else ~1)
        if not moves:  # on a grid the last note lasts a quarter note at least, where such notes may be
            lengths = lengths >> material.grammar.grid << material.grammar.grid or lengths
        self._shortest = max(1, (lengths & -lengths).bit_length() - 1)  # of the notes that may be last
        waits = table.advance[self._durations]  # for a duration
        self._shortest_rest = int(waits.min()) if waits.size else 0
        self._last_masks = lru_cache(256)(self._may_be_last)
        self._rest_masks = lru_cache(4096)(self._rests)
        self._not_end = np.arange(len(table.kind)) != END

    def check(self, home: Home) -> None:
        """Raises SamplingError where no note is a tonic."""
        tonics = self._only(of_classes(frozenset([home.tonic]))) & self._strikes & self._others
        if not tonics.any():
            raise SamplingError(f"no note of this model fits {self.name} and the other constraints")

    def of_prime(self) -> None:
        return None

    def start(self, given: Sequence[int], moment: Moment) -> tuple[Home, bool]:
        place = self._home
        if place is None:
            key = self._tokens[given[0]].partition("=")[2] if given else ""
            if key in ("", "?"):
                raise ConfigError(f"{self.name} needs a key, and the piece begins without one; give it one")
            place = home(key)
            self.check(place)
        return self.advance((place, False), -1, moment)

    def advance(self, own: tuple[Home, bool], id: int, moment: Moment) -> tuple[Home, bool]:
        place, _ = own
        if not self._grammar.at_step(moment.state):
            return own
        if self._in_events:
            return place, _ends(place, moment.sounding.last[0])
        sounding = [[note.pitch for note in notes] for notes in moment.sounding.notes if notes]
        if not sounding:
            return own
        lowest = min(sounding[-1])
        return place, _ends(place, (lowest, *[pitch for part in sounding for pitch in part]), lowest)

    def legal(self, own: tuple[Home, bool], moment: Moment) -> np.ndarray | None:
        place, ends = own
        if self._in_events:
            left = None if moment.end is None else moment.end - moment.state.clock.time
            return self._rest_masks(ends, left, bool(moment.sounding.notes[0]))
        if moment.end is not None and 0 < moment.end - moment.state.clock.time <= self._shortest:
            mask = self._last_note(place, ends, moment)
            begun = ends and moment.end - moment.state.clock.time < self._shortest
            return mask & ~self._strikes if begun else mask
        return None if ends else self._not_end

    def lengths(self, own: tuple[Home, bool], strike: Strike) -> int:
        if strike.end is None:
            return ANY_LENGTH
        left = strike.end - strike.onset
        before = (1 << max(0, left - self._shortest) + 1) - 1  # leaves time for another note
        if self._in_events:
            return ANY_LENGTH if _ends(own[0], strike.pitches) else before
        fits = strike.pitches[0] % 12 in self._may_end_in(own[0], strike.part)
        return before | 1 << left if fits else before & ~(1 << left)

    def closing(self, own: tuple[Home, bool]) -> frozenset[int]:
        return frozenset([own[0].tonic])

    def _rests(self, ends: bool, left: int | None, note_waits: bool) -> np.ndarray:
        """In encodings whose notes say how long they are: after what would not do, a rest leaves time for a note."""
        mask = np.ones(len(self._kind), bool)
        mask[END] = ends
        if ends or left is None or note_waits:
            return mask
        rests = (self._kind == Kind.REST) | self._durations
        mask[rests] = (left - np.maximum(self._advance, self._shortest_rest) >= self._shortest)[rests]
        return mask

    def _last_note(self, place: Home, ends: bool, moment: Moment) -> np.ndarray:
        """In encodings on a grid, where there is no time but for one more note: what sounds now, sounds last."""
        part = self._grammar.part(moment.state)
        if self._framed:
            here: tuple[Note, ...] = moment.sounding.here
            closes = here[-1].pitch % 12 == place.tonic if here else ends
            return self._last_masks(place, part, closes, True)
        held = moment.sounding.notes[part]
        others = [notes[0].pitch for notes in moment.sounding.notes[:part] if notes]
        may_rest = part < self._last_part or (others[-1] % 12 == place.tonic if others else ends)
        return self._last_masks(place, part, may_rest, not held or held[0].pitch % 12 in self._may_end_in(place, part))

    def _may_be_last(self, place: Home, part: int, may_rest: bool, may_hold: bool) -> np.ndarray:
        """may_rest: or end the frame. may_hold: what sounds in the part."""
        classes = of_classes(self._may_end_in(place, part))
        if self._framed:
            tonics = self._only(of_classes(frozenset([place.tonic]))) & self._strikes & self._others
            lowest = int(np.flatnonzero(self._pitches[tonics].any(axis=0))[0])
            classes &= np.arange(128) >= lowest
        mask = np.logical_not(
            np.any(self._pitches & ~classes, axis=1)
        )  # of what is struck and, in frames, of what is held
        mask[(self._kind == Kind.REST) | (self._kind == Kind.FRAME_END)] = may_rest
        if not self._framed:
            mask[self._kind == Kind.HOLD] = may_hold
        mask[END] = False
        return mask

    def _may_end_in(self, place: Home, part: int) -> frozenset[int]:
        """The pitch classes in which a part may end."""
        return frozenset([place.tonic]) if part == self._last_part and not self._framed else place.triad


def _ends(place: Home, pitches: Sequence[int], lowest: int | None = None) -> bool:
    """Whether a piece may end with what sounds."""
    if not pitches:
        return False
    lowest = min(pitches) if lowest is None else lowest
    return lowest % 12 == place.tonic and all(pitch % 12 in place.triad for pitch in pitches)
