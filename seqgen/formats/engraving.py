"""How notes are laid out on paper: bars, voices, note values tied together, tuplets, spelling, accidentals.

Pure functions from a Piece to what a notation writer puts down; times are ticks of the piece.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from seqgen.piece import Meter, Piece

STEPS = "FCGDAEB"  # the line of fifths; seven further is a sharp more
TUPLETS = ((3, 2), (5, 4), (7, 4), (9, 8))  # so many in the time of so many
NAMES = ("whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th", "256th")
VALUES = {1 << power: name for power, name in enumerate(NAMES)}  # part of a whole note -> its name


class Bar(NamedTuple):
    """One bar: `number` as printed (0 is a pickup), `start`, `end` and `beat` in ticks, is it as long as its meter?"""

    number: int
    start: int
    end: int
    beat: int
    complete: bool


class Value(NamedTuple):
    """A note value: part `1/division` of a whole note, `dots`, and the tuplet it is in (actual, normal)."""

    division: int
    dots: int
    tuplet: tuple[int, int] | None


class Fragment(NamedTuple):
    """The part from `start` to `end` of a chord, or of a rest, that one sign on paper can say.

    `value` is None where no sign can. `notes` are (pitch, velocity), none for a rest. `onset` is where the whole
    chord begins; `tied` says that it goes on after `end`.
    """

    start: int
    end: int
    value: Value | None
    notes: tuple[tuple[int, int], ...]
    onset: int
    tied: bool


class Chord(NamedTuple):
    """Notes of one part that begin and end together; `notes` are (pitch, velocity), ascending."""

    start: int
    end: int
    notes: tuple[tuple[int, int], ...]


def bars(piece: Piece) -> list[Bar]:
    """The bars of a piece up to its end; the last one is complete."""
    lines = piece.bar_lines()
    meters = piece.meters or (Meter(0, 4, 4),)
    whole = 4 * piece.ticks_per_quarter
    found = []
    for index, start in enumerate(lines):
        meter = next((meter for meter in reversed(meters) if meter.tick <= start), meters[0])
        length = whole * meter.numerator // meter.denominator
        alone = start + max(piece.pickup_ticks if start == 0 and piece.pickup_ticks else length, 1)
        end = lines[index + 1] if index + 1 < len(lines) else alone
        beat = whole // meter.denominator
        if meter.numerator % 3 == 0 and meter.numerator > 3 and meter.denominator >= 8:
            beat *= 3  # 6/8 has two beats of three eighths
        found.append(Bar(len(found) + (piece.pickup_ticks <= 0), start, end, max(beat, 1), end - start == length))
    return found


def voices(notes: np.ndarray) -> list[list[Chord]]:
    """The chords of one part in as few voices as possible, so that nothing overlaps within a voice."""
    together: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for onset, duration, pitch, velocity, _ in notes.tolist():
        together.setdefault((onset, onset + duration), []).append((pitch, velocity))
    chords = [Chord(start, end, tuple(sorted(group))) for (start, end), group in together.items()]
    found: list[list[Chord]] = []
    for chord in sorted(chords, key=lambda chord: (chord.start, -chord.notes[-1][0])):
        free = next((voice for voice in found if voice[-1].end <= chord.start), None)
        if free is None:
            found.append([chord])
        else:
            free.append(chord)
    return found


def in_bars(voice: Iterable[Chord], layout: Sequence[Bar], ticks_per_quarter: int) -> list[list[Fragment]]:
    """For every bar of `layout` the fragments of a voice in it, rests between them; silent bars are empty lists."""
    found: list[list[Fragment]] = [[] for _ in layout]
    index = 0
    for chord in voice:
        while layout[index].end <= chord.start:
            index += 1
        here, start = index, chord.start
        while start < chord.end:
            bar, line = layout[here], found[here]
            place = line[-1].end if line else bar.start
            if start > place:
                line += _fragments(Chord(place, start, ()), bar, ticks_per_quarter)
            stop = min(chord.end, bar.end)
            line += (
                fragment._replace(onset=chord.start, tied=fragment.end < chord.end)
                for fragment in _fragments(Chord(start, stop, chord.notes), bar, ticks_per_quarter)
            )
            start, here = stop, here + 1
    for bar, line in zip(layout, found, strict=True):
        if line and line[-1].end < bar.end:
            line += _fragments(Chord(line[-1].end, bar.end, ()), bar, ticks_per_quarter)
    return found


def silence(bar: Bar, ticks_per_quarter: int) -> list[Fragment]:
    """The rests of a bar without notes: one for all of it if the bar is complete."""
    if bar.complete:
        return [Fragment(bar.start, bar.end, None, (), bar.start, False)]
    return _fragments(Chord(bar.start, bar.end, ()), bar, ticks_per_quarter)


def _fragments(chord: Chord, bar: Bar, ticks_per_quarter: int) -> list[Fragment]:
    """The chord, or rest, as note values tied together."""
    found: list[Fragment] = []
    start = chord.start
    while start < chord.end:
        stop = _cut(start, chord.end, bar, ticks_per_quarter)
        value = value_of(stop - start, ticks_per_quarter)
        found.append(Fragment(start, stop, value, chord.notes, chord.start, stop < chord.end))
        start = stop
    return found


def _cut(start: int, end: int, bar: Bar, ticks_per_quarter: int) -> int:
    """Where the first sign of a note from `start` to `end` ends: at its end if one sign can say it, else at a beat."""
    value = value_of(end - start, ticks_per_quarter)
    if value is not None:
        return end
    first_beat = start + bar.beat - (start - bar.start) % bar.beat
    if first_beat < end:
        on_beat = (start - bar.start) % bar.beat == 0
        last_beat = end - (end - bar.start) % bar.beat
        if on_beat and last_beat > start and value_of(last_beat - start, ticks_per_quarter):
            return last_beat
        return first_beat
    for division in VALUES:  # within a beat the largest plain value, if that leaves something one can write
        plain = 4 * ticks_per_quarter // division
        rest = end - start - plain
        if plain * division == 4 * ticks_per_quarter and rest > 0 and value_of(rest, ticks_per_quarter):
            return start + plain
    return end


def value_of(ticks: int, ticks_per_quarter: int) -> Value | None:
    """The one note value of this length, None if there is none.

    >>> value_of(720, 480), value_of(320, 480), value_of(600, 480)
    (Value(division=4, dots=1, tuplet=None), Value(division=4, dots=0, tuplet=(3, 2)), None)
    """
    length = Fraction(ticks, 4 * ticks_per_quarter)
    for actual, normal in ((1, 1), *TUPLETS):
        written = length * Fraction(actual, normal)
        dots = {1: 0, 3: 1, 7: 2}.get(written.numerator)
        division = written.denominator >> (dots or 0)
        if dots is not None and division in VALUES and division << dots == written.denominator:
            return Value(division, dots, None if actual == normal else (actual, normal))
    return None


def tuplet_ends(line: Sequence[Fragment], ticks_per_quarter: int) -> dict[int, set[str]]:
    """Which fragments of a voice's bar "start" and which "stop" a tuplet, by their index.

    A tuplet stops where the notes in it add up to a plain value, or where another kind of note follows.
    """
    found: dict[int, set[str]] = {}
    first = None
    for index, fragment in enumerate(line):
        tuplet = fragment.value and fragment.value.tuplet
        if not tuplet:
            first = None
            continue
        if first is None:
            first = index
            found.setdefault(index, set()).add("start")
        following = line[index + 1].value if index + 1 < len(line) else None
        length = Fraction(fragment.end - line[first].start, ticks_per_quarter)
        if length.denominator & (length.denominator - 1) == 0 or not following or following.tuplet != tuplet:
            found.setdefault(index, set()).add("stop")
            first = None
    return found


def spelling(pitch: int, fifths: int, mode: str = "") -> tuple[str, int, int]:
    """Step, alteration in semitones and octave of a MIDI pitch as a key spells it.

    Of all names the one nearest on the line of fifths to the key: from the minor third to the raised fifth of a
    major key, and up to the raised fourth of a minor one, whose leading tone is among them.

    >>> spelling(66, 0), spelling(63, 0), spelling(68, 0, "minor"), spelling(59, -7)
    (('F', 1, 4), ('E', -1, 4), ('G', 1, 4), ('C', -1, 4))
    """
    lowest = fifths - (2 if mode == "minor" else 3)
    place = lowest + (7 * pitch - lowest) % 12  # on the line of fifths, C is 0
    alter, step = divmod(place + 1, 7)
    return STEPS[step], alter, (pitch - alter) // 12 - 1


def accidentals(spelled: Iterable[tuple[str, int, int]], fifths: int) -> list[bool]:
    """For the notes of one bar in order of time: does each need a sign? One holds for its octave to the bar's end."""
    signature = {step: (fifths - index + 6) // 7 for index, step in enumerate(STEPS)}
    current: dict[tuple[str, int], int] = {}
    needed = []
    for step, alter, octave in spelled:
        needed.append(current.get((step, octave), signature[step]) != alter)
        current[step, octave] = alter
    return needed
