"""How near generated music comes to real music: statistics of sets of pieces, and the distances between them.

A statistic counts values in every piece, such as the pitch classes of its notes; the counts of a set of pieces are
added up. A rate counts yes (True) and no (False). The distance of two sets is the total variation distance of what they
counted, half the sum of |p - q|: the share of one set that would have to change to give the other. It lies between 0
and 1, needs no smoothing where one set lacks a value, and for a rate it is the absolute difference.

A small set is further from any other set than a large one of the same kind, by chance alone. So generated pieces are
compared in groups of as many pieces as were held out, and the distances of the groups are averaged.

Drums never count. A piece's key is its first.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import partial
from itertools import combinations
from math import fsum
from typing import Any, NamedTuple

import numpy as np

from seqgen.corpus.families import melodies
from seqgen.encodings.grid import drum_notes
from seqgen.errors import ConfigError
from seqgen.piece import Meter, Piece

LAGS = (1, 2, 4, 8)  # bars
LARGEST_INTERVAL = 12  # semitones; larger ones count as it
LONGEST_DURATION = 8  # quarter notes; longer ones count as it
VOICE_RANGES = {  # lowest and highest MIDI pitch, as harmony textbooks have them (Kostka and Payne, Tonal Harmony)
    "soprano": (60, 79),
    "alto": (55, 74),
    "tenor": (48, 67),
    "bass": (40, 60),
}
FIFTH, OCTAVE = 7, 0  # semitones, octaves aside

Counts = Counter[int | Fraction]  # how often each value occurs; True and False for a rate


class Statistic(NamedTuple):
    """Something to count in a piece."""

    name: str
    values: str  # what is counted, and in which unit
    counts: Callable[[Piece], Counts]
    rate: bool = False


class Compared(NamedTuple):
    """One statistic of the three sets of pieces."""

    statistic: Statistic
    training: Counts
    held_out: Counts
    generated: Counts  # all groups together
    distance_held_out: float | None  # from training, as the next; None where one of the two sets has nothing to count
    group_distances: tuple[float | None, ...]

    @property
    def distance_generated(self) -> float | None:
        """The mean of the groups that have something to count."""
        known = [distance for distance in self.group_distances if distance is not None]
        return fsum(known) / len(known) if known else None

    @property
    def ratio(self) -> float | None:
        """How many times as far from the training pieces the generated ones are as the held-out ones."""
        if self.distance_generated is None or not self.distance_held_out:
            return None
        return self.distance_generated / self.distance_held_out

    def as_dict(self) -> dict[str, Any]:
        """For JSON: of a histogram the share of each value, of a rate the share of yes."""
        shares = {name: getattr(self, name) for name in ("training", "held_out", "generated")}
        return {
            "name": self.statistic.name,
            "values": self.statistic.values,
            **{name: rate(counts) if self.statistic.rate else _shares(counts) for name, counts in shares.items()},
            "distance_generated": self.distance_generated,
            "distance_held_out": self.distance_held_out,
            "ratio": self.ratio,
            "group_distances": list(self.group_distances),
        }


class Comparison(NamedTuple):
    """The statistics of generated and of held-out pieces beside those of the training pieces."""

    training_pieces: int
    held_out_pieces: int
    generated_pieces: int
    groups: int  # of generated pieces, each as large as the held-out set
    statistics: tuple[Compared, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self._asdict(), "statistics": [compared.as_dict() for compared in self.statistics]}


def compare(
    training: Sequence[Piece], held_out: Sequence[Piece], generated: Sequence[Piece], *, four_part: bool = False
) -> Comparison:
    """Compare sets of pieces that went through the same encoding; the order of the pieces decides only the groups.

    generated: of more than fit into whole groups the last are not compared.
    four_part: count what only chorales have too; every piece then has soprano, alto, tenor and bass in this order,
    one note a part at a time.

    Raises:
        ConfigError: a set is empty, or fewer pieces are generated than held out.
    """
    if not training or not held_out:
        raise ConfigError("there are no training pieces or no held-out pieces to compare with")
    size, groups = len(held_out), whole_groups(len(generated), len(held_out))
    rows = []
    for statistic in (*STATISTICS, *(FOUR_PART if four_part else ())):
        real, other = pooled(statistic, training), pooled(statistic, held_out)
        drawn = [pooled(statistic, generated[begin : begin + size]) for begin in range(0, groups * size, size)]
        rows.append(
            Compared(
                statistic,
                real,
                other,
                _sum(drawn),
                distance(other, real),
                tuple(distance(counts, real) for counts in drawn),
            )
        )
    return Comparison(len(training), size, groups * size, groups, tuple(rows))


def whole_groups(generated: int, held_out: int) -> int:
    """Into how many groups of the size of the held-out set so many generated pieces can be split.

    Raises:
        ConfigError: not even one.
    """
    if generated < held_out:
        raise ConfigError(
            f"the generated pieces are compared in groups of as many as were held out, so at least {held_out} are "
            f"wanted, not {generated}"
        )
    return generated // held_out


def distance(one: Counts, other: Counts) -> float | None:
    """The total variation distance, 0 to 1; None where one of them has counted nothing."""
    if not one.total() or not other.total():
        return None
    # fsum is exact, so that the order of the values does not matter
    return fsum(abs(one[value] / one.total() - other[value] / other.total()) for value in one | other) / 2


def rate(counts: Counts) -> float | None:
    """The share of yes; None if nothing was asked."""
    return counts[True] / counts.total() if counts.total() else None


def _shares(counts: Counts) -> dict[str, float]:
    return {str(value): counts[value] / counts.total() for value in sorted(counts)}


def pooled(statistic: Statistic, pieces: Iterable[Piece]) -> Counts:
    return _sum(statistic.counts(piece) for piece in pieces)


def _sum(counts: Iterable[Counts]) -> Counts:
    total: Counts = Counter()
    for more in counts:
        total.update(more)
    return total


# --- music of any kind ------------------------------------------------------------------------------------------------


def pitch_classes(piece: Piece) -> Counts:
    """Notes by semitones above the tonic, 0 to 11; above C where the piece has no key."""
    return _counted((pitched(piece)["pitch"].astype(np.int64) - (tonic(piece) or 0)) % 12)


def melodic_intervals(piece: Piece) -> Counts:
    """Semitones from one note of a part to the next, across rests, -12 to 12; of notes struck together the highest."""
    counts: Counts = Counter()
    for pitches in melodies(piece):
        counts.update(_counted(np.clip(np.diff(pitches), -LARGEST_INTERVAL, LARGEST_INTERVAL)))
    return counts


def durations(piece: Piece) -> Counts:
    """Notes by their duration in quarter notes, at most 8."""
    longest = LONGEST_DURATION * piece.ticks_per_quarter
    return _counted(np.minimum(pitched(piece)["duration"], longest), piece.ticks_per_quarter)


def bar_positions(piece: Piece) -> Counts:
    """Notes by the quarter notes from the bar line to their onset."""
    return _counted(_placed(piece)[1], piece.ticks_per_quarter)


def repetition(piece: Piece, lag: int) -> Counts:
    """Whether a bar has the same pitches at the same places as the bar `lag` before.

    Asked of the bars in which notes begin and that have a bar so far before them; a pickup is a bar.
    """
    bars: dict[int, set[tuple[int, int]]] = {}
    for bar, position, pitch in zip(*(row.tolist() for row in _placed(piece)), strict=True):
        bars.setdefault(bar, set()).add((position, pitch))
    asked = [bar for bar in bars if bar >= lag]
    return _yes_and_no(sum(bars[bar] == bars.get(bar - lag) for bar in asked), len(asked))


# --- four-part chorales -----------------------------------------------------------------------------------------------


def parallels(piece: Piece, interval: int) -> Counts:
    """Whether two voices that move at once go in the same direction from `interval` to `interval`, octaves aside.

    Asked of every pair of voices at every moment at which both leave a sounding note for another pitch.
    """
    parallel = moves = 0
    for upper, lower in combinations(voices(piece), 2):
        steps = np.diff(upper), np.diff(lower)
        sounding = (upper >= 0) & (lower >= 0)
        move = (steps[0] != 0) & (steps[1] != 0) & sounding[1:] & sounding[:-1]
        there = np.abs(upper - lower) % 12 == interval
        parallel += int(np.count_nonzero(move & (np.sign(steps[0]) == np.sign(steps[1])) & there[1:] & there[:-1]))
        moves += int(np.count_nonzero(move))
    return _yes_and_no(parallel, moves)


def out_of_range(piece: Piece) -> Counts:
    """Whether a note lies outside the range of its voice, see VOICE_RANGES."""
    lowest, highest = np.array(list(VOICE_RANGES.values())).T
    part, pitch = piece.notes["part"], piece.notes["pitch"]
    outside = (pitch < lowest[part]) | (pitch > highest[part])
    return _yes_and_no(int(np.count_nonzero(outside)), len(outside))


def final_triad(piece: Piece) -> Counts:
    """Whether a piece of a known key ends on its tonic triad; the fifth may lack, and minor may end in major."""
    classes = _final_classes(piece)
    if classes is None:
        return Counter()
    thirds = {4} if piece.keys[0].mode == "major" else {3, 4}
    triads = [wanted for third in thirds for wanted in ({0, third}, {0, third, 7})]
    return _yes_and_no(set(classes) in triads, 1)


def final_bass(piece: Piece) -> Counts:
    """Whether the lowest note at the end of a piece of a known key is its tonic."""
    classes = _final_classes(piece)
    return Counter() if classes is None else _yes_and_no(classes[0] == 0, 1)


STATISTICS = (
    Statistic("pitch class", "semitones above the tonic, or above C without a key", pitch_classes),
    Statistic("melodic interval", "semitones from a note of a part to the next, -12 to 12", melodic_intervals),
    Statistic("duration", "quarter notes, at most 8", durations),
    Statistic("onset in the bar", "quarter notes from the bar line", bar_positions),
    *(
        Statistic(
            f"same as {lag} bar{'s' * (lag > 1)} before",
            "share of the bars with notes",
            partial(repetition, lag=lag),
            rate=True,
        )
        for lag in LAGS
    ),
)
_MOVES = "share of the moments at which two voices move at once"
FOUR_PART = (
    Statistic("parallel fifths", _MOVES, partial(parallels, interval=FIFTH), rate=True),
    Statistic("parallel octaves", _MOVES, partial(parallels, interval=OCTAVE), rate=True),
    Statistic("notes out of range", "share of the notes", out_of_range, rate=True),
    Statistic("ends on the tonic triad", "share of the pieces with a key", final_triad, rate=True),
    Statistic("ends on the tonic in the bass", "share of the pieces with a key", final_bass, rate=True),
)


def tonic(piece: Piece) -> int | None:
    """The pitch class of the tonic; None without a key, or where its mode is not known."""
    if not piece.keys or piece.keys[0].mode not in ("major", "minor"):
        return None
    return (piece.keys[0].fifths * 7 + (9 if piece.keys[0].mode == "minor" else 0)) % 12


def _final_classes(piece: Piece) -> list[int] | None:
    """Semitones above the tonic, 0 to 11, of the notes that end with the piece, from the lowest note up."""
    key, notes = tonic(piece), pitched(piece)
    if key is None or not len(notes):
        return None
    ends = notes["onset"] + notes["duration"]
    return [(pitch - key) % 12 for pitch in sorted(notes["pitch"][ends == ends.max()].tolist())]


def pitched(piece: Piece) -> np.ndarray:
    """`(n,)` of NOTE: the notes that are no drums."""
    return piece.notes[~drum_notes(piece)]


def _placed(piece: Piece) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pitched note the bar, counted from 0, the ticks since its bar line, and the pitch; each `(n,)`."""
    notes, lines = pitched(piece), np.array(piece.bar_lines())
    if piece.pickup_ticks:  # the line of its bar lies before the piece
        meter = piece.meters[0] if piece.meters else Meter(0, 4, 4)
        lines[0] = min(0, piece.pickup_ticks - meter.bar_ticks(piece.ticks_per_quarter))
    bars = np.searchsorted(lines, notes["onset"], side="right") - 1
    return bars, notes["onset"] - lines[bars], notes["pitch"]


def voices(piece: Piece) -> np.ndarray:
    """`(parts, n)` int: the pitch of each part between any two events of the piece, -1 where it is silent."""
    ends = piece.notes["onset"] + piece.notes["duration"]
    times = np.union1d(piece.notes["onset"], ends)
    pitches = np.full((len(piece.parts), len(times)), -1)
    for part, row in enumerate(pitches):
        own = piece.part_notes(part)
        first, last = np.searchsorted(times, own["onset"]), np.searchsorted(times, own["onset"] + own["duration"])
        for begin, end, pitch in zip(first, last, own["pitch"], strict=True):
            row[begin:end] = pitch
    return pitches


def _counted(values: np.ndarray, ticks_per_quarter: int = 0) -> Counts:
    """How often each value occurs; ticks as exact quarter notes."""
    found, counts = (array.tolist() for array in np.unique(values, return_counts=True))
    keys = [Fraction(value, ticks_per_quarter) for value in found] if ticks_per_quarter else found
    return Counter(dict(zip(keys, counts, strict=True)))


def _yes_and_no(yes: int, asked: int) -> Counts:
    return Counter({True: yes, False: asked - yes})
