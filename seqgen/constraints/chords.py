"""Music over a progression of chords."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from seqgen.constraints.base import ANY_LENGTH, Bound, Constraint, Material, Moment, Strike
from seqgen.constraints.strikes import Strikes, near, of_classes
from seqgen.constraints.symbols import NO_CHORD, Chord, progression
from seqgen.errors import SamplingError

_STEP = 2  # semitones; more is a leap
_LONGEST_NAME = 40  # characters


class Chords(Constraint):
    """The music goes with chords: `Chords("Dm7 G7 | Cmaj7 | % | N.C.")`. Music only.

    A note struck on a beat, or reached by a leap of more than two semitones, is a tone of the chord; the others are of
    the chord's scale. What still sounds when the chord changes is a tone of the new one. With `strict`, all that sounds
    are tones of the chord.

    The chords of a bar share its beats evenly, the earlier ones taking those that are left over. A beat is a quarter,
    in x/2 a half, in 6/8, 9/8 and 12/8 three eighths, in other x/8 an eighth. They begin with the first bar after the
    prime, and begin again when they are through. Without a prime there is no pickup.
    """

    fills = True
    controls = MappingProxyType({"pickup": "0"})

    def __init__(self, text: str, strict: bool = False) -> None:
        """Raises ConfigError where there is no such chord, naming the bar."""
        self.progression, self.strict = progression(text), strict
        short = text.strip() if len(text.strip()) <= _LONGEST_NAME else text.strip()[: _LONGEST_NAME - 1] + "…"
        self.name = f"{'strict ' if strict else ''}chords {short}"

    @property
    def bars(self) -> int:
        """How many bars they are for."""
        return len(self.progression)

    def bind(self, material: Material, others: np.ndarray) -> "BoundChords":
        material.music_only("a progression of chords")
        return BoundChords(self, material, others)


class Layout:
    """The chords of a progression on the grid, for one meter and one beginning. Hashable as itself.

    origin: the grid step at which they begin. bar: grid steps a bar.
    """

    def __init__(self, chords: Chords, meter: str, bar: int, origin: int) -> None:
        """meter: "3/4", or "?" for a bar of four quarters.

        Raises:
            SamplingError: a bar has more chords than beats.
        """
        self.origin, self._bar, self._beats = origin, bar, _beats(meter)
        self.chords: list[Chord] = []  # of each grid step of the progression
        for number, spelled in enumerate(chords.progression, 1):
            if len(spelled) > self._beats:
                raise SamplingError(
                    f"bar {number} of {chords.name} has {len(spelled)} chords, and a bar of {meter} {self._beats} beats"
                )
            each, over = divmod(self._beats, len(spelled))
            by_beat = [chord for place, (_, chord) in enumerate(spelled) for _ in range(each + (place < over))]
            self.chords += [by_beat[step * self._beats // bar] for step in range(bar)]
        # of each pitch class where it must not go on: at changes to a chord it does not belong to
        self._stops: list[list[int]] = [[] for _ in range(12)]
        for step, chord in enumerate(self.chords):
            if chord != self.chords[step - 1]:
                for pitch_class in set(range(12)) - chord.tones:
                    self._stops[pitch_class].append(step)

    def at(self, time: int) -> Chord:
        """The chord of a grid step."""
        return self.chords[(time - self.origin) % len(self.chords)] if time >= self.origin else NO_CHORD

    def on_beat(self, time: int) -> bool:
        """Whether a beat begins there."""
        return (time - self.origin) * self._beats % self._bar == 0

    def room(self, pitch: int, time: int) -> int | None:
        """For how many grid steps a pitch may sound from a moment on; None without end."""
        if time < self.origin:
            if pitch % 12 not in self.chords[0].tones:
                return self.origin - time
            later = self.room(pitch, self.origin)
            return None if later is None else self.origin - time + later
        stops, cycle = self._stops[pitch % 12], len(self.chords)
        if not stops:
            return None
        step = (time - self.origin) % cycle
        after = bisect_left(stops, step + 1)
        return stops[after] - step if after < len(stops) else stops[0] + cycle - step


class BoundChords(Bound):
    """See `Chords`. The state is the layout."""

    far = True

    rules_lengths = True

    def __init__(self, chords: Chords, material: Material, others: np.ndarray) -> None:
        self.name, self._chords = chords.name, chords
        self._tokens, self._part = material.tokens, material.grammar.part
        self._only = Strikes(material.table).only
        striking = material.table.strikes & others
        for number, bar in enumerate(chords.progression, 1):
            for symbol, chord in bar:
                if not (striking & self._only(of_classes(chord.tones))).any():
                    place = f"{symbol} in bar {number} of {chords.name}"
                    raise SamplingError(f"no note of this model fits {place} and the other constraints")
        self._layout = lru_cache(64)(Layout)
        self._masks = lru_cache(4096)(self._mask)

    def of_prime(self) -> None:
        return None

    def start(self, given: Sequence[int], moment: Moment) -> Layout:
        meter = self._tokens[given[1]].partition("=")[2] if len(given) > 1 else "?"
        return self._layout(self._chords, meter or "?", moment.state.clock.bar, moment.next_bar)

    def legal(self, own: Layout, moment: Moment) -> np.ndarray | None:
        time = moment.state.clock.time
        chord = own.at(time)
        if chord is NO_CHORD:
            return None
        if self._chords.strict or own.on_beat(time):
            return self._masks(chord, ())
        return self._masks(chord, moment.sounding.before(self._part(moment.state)))

    def lengths(self, own: Layout, strike: Strike) -> int:
        allowed = ANY_LENGTH
        for pitch in strike.pitches:
            room = own.room(pitch, strike.onset)
            if room is not None:
                allowed &= (1 << room + 1) - 1
        return allowed

    def sounding(self, own: Layout, time: int | None) -> frozenset[int]:
        chords = own.chords if time is None else [own.at(time)]
        return frozenset().union(*(chord.tones if self._chords.strict else chord.scale for chord in chords))

    def _mask(self, chord: Chord, before: tuple[int, ...]) -> np.ndarray:
        """before: the pitches from which a step may lead to any tone of the scale."""
        pitches = of_classes(chord.tones)
        if before:
            pitches = pitches | (of_classes(chord.scale) & near(before, _STEP))
        return self._only(pitches)


def _beats(meter: str) -> int:
    """Beats a bar."""
    if "/" not in meter:
        return 4
    numerator, denominator = map(int, meter.split("/"))
    return numerator // 3 if denominator == 8 and numerator in (6, 9, 12) else numerator
