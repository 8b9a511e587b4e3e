"""Piece: the one music type. Formats read and write it, encodings spell it as tokens.

Time is in ticks, `ticks_per_quarter` to the quarter note, counted from the start of the piece. A pickup is the
first bar: tick 0 is its first note, and `bar_lines()` says where the full bars begin.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

SCORE_TICKS = 10080  # 2^5 * 3^2 * 5 * 7: notated tuplets and 1/128 notes are whole numbers of ticks

NOTE = np.dtype(
    [("onset", "<i8"), ("duration", "<i8"), ("pitch", "u1"), ("velocity", "u1"), ("part", "<u2")]
)  # onset and duration in ticks, pitch and velocity as in MIDI (0 to 127), part an index into Piece.parts
_WIDE = np.dtype([(name, "<i8") for name in NOTE.names or ()])  # holds what is out of range, so that it can be said


class Part(NamedTuple):
    """One voice or instrument. `program` is the General MIDI program, 0 to 127."""

    name: str = ""
    program: int = 0
    drums: bool = False


class Tempo(NamedTuple):
    """Quarter notes a minute from `tick` on."""

    tick: int
    bpm: float


class Meter(NamedTuple):
    """A time signature from `tick` on."""

    tick: int
    numerator: int
    denominator: int

    def bar_ticks(self, ticks_per_quarter: int) -> int:
        """The length of a bar; what is less than a tick is left out."""
        return max(1, 4 * ticks_per_quarter * self.numerator // self.denominator)


class Key(NamedTuple):
    """A key signature from `tick` on: sharps positive, flats negative, -7 to 7; mode "major", "minor" or ""."""

    tick: int
    fifths: int
    mode: str = ""


class Text(NamedTuple):
    """A marker or a chord symbol at `tick`."""

    tick: int
    text: str


@dataclass(frozen=True, eq=False)
class Piece:
    """Notes with their parts, tempi, meters, keys and marks.

    Build one with `Piece.build`, which sorts the notes and normalises overlaps; what it had to change is counted in
    `losses`, and every reader adds what it could not carry.
    """

    notes: np.ndarray  # (n,) of NOTE, sorted by onset, part, pitch
    ticks_per_quarter: int
    parts: tuple[Part, ...]
    title: str = ""
    tempi: tuple[Tempo, ...] = ()
    meters: tuple[Meter, ...] = ()
    keys: tuple[Key, ...] = ()
    pickup_ticks: int = 0  # length of an incomplete first bar, 0 if the piece starts on a bar line
    fermatas: tuple[int, ...] = ()  # ticks of the notes that carry one
    chords: tuple[Text, ...] = ()
    markers: tuple[Text, ...] = ()
    losses: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def build(
        notes: Iterable[tuple[int, int, int, int, int]] | np.ndarray,
        ticks_per_quarter: int,
        parts: Sequence[Part] | None = None,
        **rest,
    ) -> "Piece":
        """A Piece from (onset, duration, pitch, velocity, part) rows in any order.

        Notes without length are dropped; where a part strikes a pitch that still sounds, the sounding note ends at
        the new onset; of two notes with the same onset, pitch and part the longer stays. All are counted in `losses`.

        Raises:
            ValueError: a value out of range, or a part that does not exist.
        """
        wide = np.array(notes if isinstance(notes, np.ndarray) else list(notes), dtype=_WIDE)
        if ticks_per_quarter < 1:
            raise ValueError(f"ticks_per_quarter must be at least 1, not {ticks_per_quarter}")
        if any((wide[name] < 0).any() or (wide[name] > 127).any() for name in ("pitch", "velocity")):
            raise ValueError("pitch and velocity must be 0 to 127")
        if (wide["onset"] < 0).any() or (wide["part"] < 0).any():
            raise ValueError("onsets and parts must not be negative")
        highest = int(wide["part"].max()) if len(wide) else -1
        if parts is None:
            parts = [Part() for _ in range(highest + 1)]
        if highest >= len(parts):
            raise ValueError(f"a note names part {highest}, but there are {len(parts)} parts")
        losses = dict(rest.pop("losses", {}))
        array, counted = _normalised(wide.astype(NOTE))
        for reason, count in counted.items():
            losses[reason] = losses.get(reason, 0) + count
        return Piece(array, ticks_per_quarter, tuple(parts), losses=losses, **rest)

    @property
    def end_tick(self) -> int:
        """Where the last note ends."""
        return int((self.notes["onset"] + self.notes["duration"]).max()) if len(self.notes) else 0

    def part_notes(self, part: int) -> np.ndarray:
        """The notes of one part, in order of onset."""
        return self.notes[self.notes["part"] == part]

    def bar_lines(self) -> list[int]:
        """Ticks at which bars begin, up to the end of the piece: 0, then the end of the pickup, then by the meters."""
        end = self.end_tick
        return [0, *takewhile(lambda tick: tick < end, (tick for tick in self._bars() if tick))]

    def _bars(self) -> Iterator[int]:
        """Where full bars begin, without end: the last meter goes on after the piece. A new meter begins a new bar."""
        meters = list(self.meters) or [Meter(0, 4, 4)]
        tick, index = self.pickup_ticks, 0
        while True:
            yield tick
            while index + 1 < len(meters) and meters[index + 1].tick <= tick:
                index += 1
            bar = meters[index].bar_ticks(self.ticks_per_quarter)
            following = meters[index + 1].tick if index + 1 < len(meters) else tick + bar
            tick = min(tick + bar, max(following, tick + 1))

    def transposed(self, semitones: int) -> "Piece":
        """The same piece `semitones` higher; drum parts stay. Key signatures move along, chord symbols do not.

        Raises:
            ValueError: a note would leave 0 to 127.
        """
        notes = self.notes.copy()
        pitched = ~np.array([part.drums for part in self.parts] or [False])[notes["part"]]
        moved = notes["pitch"].astype(int) + np.where(pitched, semitones, 0)
        if len(moved) and (moved.min() < 0 or moved.max() > 127):
            raise ValueError(f"transposed by {semitones}, pitches {moved.min()} to {moved.max()} leave 0 to 127")
        notes["pitch"] = moved
        keys = self.keys
        if semitones % 12:  # by octaves a key keeps its spelling
            keys = tuple(key._replace(fifths=(key.fifths + 7 * semitones + 5) % 12 - 5) for key in keys)
        return replace(self, notes=notes, keys=keys)

    def from_tick(self, tick: int) -> "Piece":
        """What sounds from `tick` on, which becomes tick 0; notes that are sounding there begin there.

        Its first bar is what is left of the bar that `tick` falls into.
        """
        notes = self.notes[self.notes["onset"] + self.notes["duration"] > tick].copy()
        ends = notes["onset"] + notes["duration"] - tick
        notes["onset"] = np.maximum(notes["onset"] - tick, 0)
        notes["duration"] = ends - notes["onset"]
        notes = notes[np.lexsort((notes["pitch"], notes["part"], notes["onset"]))]
        rows: dict[str, Any] = {}
        for name in ("tempi", "meters", "keys"):
            held = [row for row in getattr(self, name) if row.tick <= tick][-1:]  # what holds at `tick`
            later = [row for row in getattr(self, name) if row.tick > tick]
            rows[name] = tuple(row._replace(tick=max(0, row.tick - tick)) for row in [*held, *later])
        for name in ("chords", "markers"):
            rows[name] = tuple(row._replace(tick=row.tick - tick) for row in getattr(self, name) if row.tick >= tick)
        next_bar = next(bar for bar in self._bars() if bar >= tick)
        fermatas = tuple(fermata - tick for fermata in self.fermatas if fermata >= tick)
        return replace(self, notes=notes, pickup_ticks=next_bar - tick, fermatas=fermatas, **rows)

    def __eq__(self, other: object) -> bool:
        """Equal in everything a listener or reader could tell; losses do not count."""
        if not isinstance(other, Piece):
            return NotImplemented
        names = ("ticks_per_quarter", "parts", "title", "tempi", "meters", "keys", "pickup_ticks", "fermatas")
        same = all(getattr(self, name) == getattr(other, name) for name in (*names, "chords", "markers"))
        return same and np.array_equal(self.notes, other.notes)

    __hash__ = None  # type: ignore[assignment]  # holds an array

    def __repr__(self) -> str:
        quarters = self.end_tick / self.ticks_per_quarter
        return f"<Piece {self.title!r}: {len(self.notes)} notes, {len(self.parts)} parts, {quarters:g} quarters>"


def _normalised(notes: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """Sorted notes in which no part strikes a pitch that still sounds, and what was changed."""
    counted: dict[str, int] = {}

    def count(reason: str, number: int | np.integer) -> None:
        if number:
            counted[reason] = int(number)

    count("notes without length dropped", np.count_nonzero(notes["duration"] <= 0))
    notes = notes[notes["duration"] > 0]
    # within one part and pitch by time; of equal onsets the longest first
    notes = notes[np.lexsort((-notes["duration"], notes["onset"], notes["pitch"], notes["part"]))]
    same_voice = (notes["part"][1:] == notes["part"][:-1]) & (notes["pitch"][1:] == notes["pitch"][:-1])
    doubled = np.concatenate([[False], same_voice & (notes["onset"][1:] == notes["onset"][:-1])])[: len(notes)]
    count("doubled notes merged", np.count_nonzero(doubled))
    notes = notes[~doubled].copy()
    same_voice = (notes["part"][1:] == notes["part"][:-1]) & (notes["pitch"][1:] == notes["pitch"][:-1])
    room = np.where(same_voice, notes["onset"][1:] - notes["onset"][:-1], np.iinfo(np.int64).max)
    overlapping = notes["duration"][:-1] > room
    count("overlapping notes shortened", np.count_nonzero(overlapping))
    notes["duration"][:-1] = np.minimum(notes["duration"][:-1], room)
    return notes[np.lexsort((notes["pitch"], notes["part"], notes["onset"]))], counted


def joined(pieces: Sequence[Piece]) -> Piece:
    """Pieces of the same parts one after the other, the first full bar of each on the next bar line.

    Raises:
        ValueError: no piece, or pieces with other parts or another resolution.
    """
    first, *others = pieces
    for other in others:
        if other.parts != first.parts or other.ticks_per_quarter != first.ticks_per_quarter:
            raise ValueError("only pieces of the same parts and resolution can be joined")
        first = _followed(first, other)
    return first


def _followed(first: Piece, other: Piece) -> Piece:
    earliest = first.end_tick + other.pickup_ticks
    begin = next(tick for tick in first._bars() if tick >= earliest) - other.pickup_ticks
    notes = other.notes.copy()
    notes["onset"] += begin
    rows = ("tempi", "meters", "keys", "chords", "markers")
    moved = {name: tuple(row._replace(tick=row.tick + begin) for row in getattr(other, name)) for name in rows}
    # a meter begins a bar, so the one of the first bar waits until the pickup is over; one that goes on is not repeated
    meters = [row._replace(tick=max(row.tick, begin + other.pickup_ticks)) for row in moved["meters"]]
    moved["meters"] = tuple(meters[1:] if first.meters and meters and first.meters[-1][1:] == meters[0][1:] else meters)
    return replace(
        first,
        notes=np.concatenate([first.notes, notes]),
        fermatas=(*first.fermatas, *(tick + begin for tick in other.fermatas)),
        losses=dict(Counter(first.losses) + Counter(other.losses)),
        **{name: (*getattr(first, name), *moved[name]) for name in rows},
    )
