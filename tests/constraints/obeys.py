"""Whether a piece obeys: for each constraint a judge of the decoded notes alone, which knows nothing of masks.

Times are in grid steps, which are the ticks of what an encoding decodes. Notes with an onset before `begin` were given.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

from seqgen.piece import Piece


class Played(NamedTuple):
    """A piece and how it came about."""

    piece: Piece
    meter: str
    begin: int  # grid steps that were given
    steps: int  # grid steps in all, the silence at the end included
    pickup: int


class Note(NamedTuple):
    onset: int
    end: int
    pitch: int
    part: int


Judge = Callable[[Played], bool]


def all_notes(played: Played) -> list[Note]:
    rows = played.piece.notes.tolist()
    return [Note(onset, onset + duration, pitch, part) for onset, duration, pitch, _, part in rows]


def new_notes(played: Played) -> Iterator[tuple[Note, set[int]]]:
    """The notes that are to be judged, each with the pitches from which its part reaches it."""
    notes = all_notes(played)
    for note in notes:
        if note.onset < played.begin:
            continue
        earlier = [other for other in notes if other.part == note.part and other.onset < note.onset]
        latest = max((other.onset for other in earlier), default=None)
        yield note, {other.pitch for other in earlier if other.onset == latest or other.end >= note.onset}


def of_classes(classes: set[int]) -> Judge:
    return lambda played: all(note.pitch % 12 in classes for note, _ in new_notes(played))


def in_range(*ranges: tuple[int, int]) -> Judge:
    """One range for all parts, or one for each."""
    return lambda played: all(
        low <= note.pitch <= high
        for note, _ in new_notes(played)
        for low, high in [ranges[note.part if len(ranges) > 1 else 0]]
    )


def leaps(most: int) -> Judge:
    return lambda played: all(
        not before or min(abs(note.pitch - other) for other in before) <= most for note, before in new_notes(played)
    )


def lasting(durations: set[Fraction]) -> Judge:
    def judge(played: Played) -> bool:
        quarter = played.piece.ticks_per_quarter
        return all(Fraction(note.end - note.onset, quarter) in durations for note, _ in new_notes(played))

    return judge


def bar_of(played: Played) -> Fraction:
    numerator, denominator = map(int, played.meter.split("/"))
    return Fraction(4 * numerator * played.piece.ticks_per_quarter, denominator)


def first_bar(played: Played) -> Fraction:
    """The first bar line that is not before the end of what was given."""
    time, bar = Fraction(played.pickup), bar_of(played)
    while time < played.begin:
        time += bar
    return time


def in_bars(count: int) -> Judge:
    return lambda played: played.steps == first_bar(played) + count * bar_of(played)


def ends_on(tonic: int, triad: set[int]) -> Judge:
    def judge(played: Played) -> bool:
        notes = all_notes(played)
        last = max(note.end for note in notes)
        sounding = [note for note in notes if note.end == last]
        lowest_part = max(note.part for note in sounding)
        lowest = min(note.pitch for note in sounding if note.part == lowest_part)
        return lowest % 12 == tonic and {note.pitch % 12 for note in sounding} <= triad

    return judge


BEATS = {"4/4": 4, "3/4": 3, "6/8": 2, "5/8": 5, "2/2": 2, "12/8": 4}
SHARES = {  # how many beats each chord of a bar has, by beats and chords
    (2, 1): [2], (2, 2): [1, 1],
    (3, 1): [3], (3, 2): [2, 1], (3, 3): [1, 1, 1],
    (4, 1): [4], (4, 2): [2, 2], (4, 3): [2, 1, 1], (4, 4): [1, 1, 1, 1],
    (5, 1): [5], (5, 2): [3, 2],
}  # fmt: skip
CHORDS = {  # tones and what the scale adds
    "C": ({0, 4, 7}, {2, 5, 9, 11}),
    "Cmaj7": ({0, 4, 7, 11}, {2, 5, 9}),
    "Dm7": ({2, 5, 9, 0}, {4, 7, 11}),
    "G7": ({7, 11, 2, 5}, {9, 0, 4}),
    "Am": ({9, 0, 4}, {11, 2, 6, 7}),
    "F/G": ({5, 9, 0, 7}, {2, 4, 10}),
    "Bm7b5": ({11, 2, 5, 9}, {0, 4, 7}),
    "E7alt": ({4, 7, 8, 0, 2}, {5, 10}),
    "Dsus4": ({2, 7, 9}, {4, 6, 11, 0}),
    "N.C.": (set(range(12)), set()),
}


def over(bars: list[list[str]], strict: bool) -> Judge:
    def judge(played: Played) -> bool:
        bar, origin, beats = bar_of(played), first_bar(played), BEATS[played.meter]

        def chord_at(time: int) -> str:
            if time < origin:
                return "N.C."
            number, position = divmod(time - origin, bar)
            chords = bars[int(number) % len(bars)]
            each = [
                chord for chord, share in zip(chords, SHARES[beats, len(chords)], strict=True) for _ in range(share)
            ]
            return each[int(position // (bar / beats))]

        for note, before in new_notes(played):
            tones, more = CHORDS[chord_at(note.onset)]
            by_step = any(abs(note.pitch - other) <= 2 for other in before)
            on_beat = (note.onset - origin) % (bar / beats) == 0
            if note.pitch % 12 not in (tones | more if by_step and not on_beat and not strict else tones):
                return False
            for time in range(note.onset + 1, note.end):
                changed = CHORDS[chord_at(time)] != CHORDS[chord_at(time - 1)]
                if (changed or strict) and note.pitch % 12 not in CHORDS[chord_at(time)][0]:
                    return False
        return True

    return judge
