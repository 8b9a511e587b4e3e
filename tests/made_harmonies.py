"""Models of four voices that have learned nothing, and melodies of every kind."""

from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from made import piece
from made_pairs import SHAPES, untrained_pairs

from seqgen.api.translator import Translator
from seqgen.api.vary import on_ticks_of
from seqgen.corpus.parts import with_parts
from seqgen.piece import Key, Meter, Part, Piece, Tempo, Text

GRID = 4  # steps a quarter note
METERS = [(4, 4), (3, 4), (6, 8)]
PICKUPS = [0, 2, 4]  # sixteenths
SHAPES["aligned"] = {"bridge": "none", "attention": "aligned", "alignment": (3, 4), "bidirectional": True}


@cache
def sources(parts: int = 4) -> list[Piece]:
    """At 4 ticks a quarter, pitches 55 to 71."""
    layouts = [(meter, pickup) for meter in METERS for pickup in PICKUPS]
    return [
        piece(seed, parts=parts, meter=meter, pickup=pickup, bars=3) for seed, (meter, pickup) in enumerate(layouts * 2)
    ]


@cache
def harmonizer(shape: str = "aligned", seed: int = 0) -> Translator:
    """Alto, tenor and bass under a soprano."""
    return untrained_pairs(shape, [(with_parts(source, [0]), source) for source in sources()], seed=seed)


@st.composite
def melodies(draw: st.DrawFn, lowest: int = 55, highest: int = 71) -> Piece:
    """On the grid and off it, with rests, ties over bar lines, a pickup, and everything else a piece may have."""
    ticks = draw(st.sampled_from([4, 12, 96, 480, 7, 10080]))
    on_grid = ticks % 4 == 0 and draw(st.booleans())
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    rows: list[tuple[int, int, int, int, int]] = []
    time = ticks * int(random.integers(0, 3)) * draw(st.booleans())
    for _ in range(draw(st.integers(1, 12))):
        length = max(1, ticks * int(random.integers(1, 10)) // 4 if on_grid else int(random.integers(1, 3 * ticks)))
        pitch, velocity = int(random.integers(lowest, highest + 1)), int(random.integers(1, 128))
        legato = 0 if on_grid else int(random.integers(0, max(1, ticks // 8)))
        rows.append((time, length + legato, pitch, velocity, 0))
        time += length + ticks * int(random.integers(0, 2)) * (random.random() < 0.2)
    meter = draw(st.sampled_from([(), (Meter(0, 4, 4),), (Meter(0, 3, 4), Meter(6 * ticks, 6, 8))]))
    fields: dict[str, Any] = {
        "title": "A tune",
        "tempi": (Tempo(0, 72.5), Tempo(3 * ticks, 60.0)),
        "meters": meter,
        "keys": draw(st.sampled_from([(), (Key(0, -3, "minor"),), (Key(0, 5, ""), Key(4 * ticks, 0, "major"))])),
        "pickup_ticks": draw(st.sampled_from([0, ticks, ticks // 2])),
        "fermatas": tuple(row[0] for row in rows[::3]),
        "chords": (Text(0, "Am"),),
        "markers": (Text(2 * ticks, "here"),),
    }
    return Piece.build(rows, ticks, [Part("Flute", 73)], **fields)


def line(*notes: tuple[int, int, int], ticks: int = 4, **fields) -> Piece:
    """One part of (onset, duration, pitch)."""
    return Piece.build([(*note, 80, 0) for note in notes], ticks, [Part("Tune")], **fields)


def untouched(made: Piece, melody: Piece) -> bool:
    """Whether all that the melody has is there, as it was."""
    wanted = on_ticks_of(melody, GRID)
    same = np.array_equal(made.part_notes(0), wanted.notes)
    names = ("ticks_per_quarter", "title", "tempi", "meters", "keys", "pickup_ticks", "fermatas", "chords")
    same &= all(getattr(made, name) == getattr(wanted, name) for name in names)
    return same and made.parts[0] == melody.parts[0] and made.markers[1:] == wanted.markers
