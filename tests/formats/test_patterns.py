"""Patterns: what a small reader of each language makes of them is the piece."""

import ast
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import piece

from seqgen import formats
from seqgen.formats.patterns import sonicpi_bytes, strudel_bytes
from seqgen.piece import Meter, Part, Piece, Tempo, Text

VOICES = Piece.build(
    [(0, 12, 60, 80, 0), (18, 6, 62, 80, 0), (18, 6, 65, 80, 0), (0, 24, 48, 80, 1), (6, 6, 48 + 7, 80, 1)],
    6,
    [Part("Upper"), Part("Lower")],
    tempi=(Tempo(0, 90.0), Tempo(6, 200.0)),
    meters=(Meter(0, 3, 4),),
    markers=(Text(0, "seqgen seed 1"), Text(6, "B")),
    title="Two\nvoices",
)

Notes = list[tuple[Fraction, Fraction, int]]  # onset and duration in quarter notes, pitch


def read_strudel(code: str) -> tuple[list[Notes], list[Fraction]]:
    """The notes of each line, and when it begins anew, by the rules of the mini-notation.

    In `<...>` a step lasts as many cycles as its weight (@, else 1); `*n` makes everything n times as fast.
    """
    bpm, quarters = re.search(r"^setcpm\(([\d.]+)/([\d.]+)\)$", code, re.M).groups()
    assert float(bpm) > 0
    lines, lengths = [], []
    for pattern, speed in re.findall(r'^  note\("<([^<>]*)>\*(\d+)"\),', code, re.M):
        notes, cycles = [], Fraction(0)
        for step in pattern.split(" "):
            sound, _, weight = step.partition("@")
            length = Fraction(weight or 1)
            for pitch in sound.strip("[]").split(","):
                if sound != "~":
                    notes.append((cycles, length, int(pitch)))
            cycles += length
        # Strudel counts in cycles; a cycle is `quarters` quarter notes
        cycle = Fraction(quarters) / int(speed)
        lines.append([(onset * cycle, length * cycle, pitch) for onset, length, pitch in notes])
        lengths.append(cycles * cycle)
    return lines, lengths


def read_sonicpi(code: str) -> list[Notes]:
    """The notes of each thread."""
    threads = []
    for array in re.findall(r"^in_thread do.*?\n(.*?)\.each do", code, re.M | re.S):
        array = re.sub(r"\b(\d+)/(\d+)r\b", r"(\1,\2)", array).replace(":r", "None")
        notes, time = [], Fraction(0)
        for sound, length in ast.literal_eval(array.strip()):
            length = Fraction(*length) if isinstance(length, tuple) else Fraction(str(length))
            for pitch in sound if isinstance(sound, list) else [sound]:
                if pitch is not None:
                    notes.append((time, length, pitch))
            time += length
        threads.append(notes)
    return threads


def expected(source: Piece) -> Notes:
    ticks = source.ticks_per_quarter
    rows = source.notes.tolist()
    return sorted((Fraction(onset, ticks), Fraction(duration, ticks), pitch) for onset, duration, pitch, *_ in rows)


def test_strudel():
    assert strudel_bytes(VOICES).decode().splitlines() == [
        "// Two voices",
        "// seqgen seed 1",
        "setcpm(90/3)",
        "stack(",
        '  note("<60@2 ~ [62,65] ~@2>*3"), // Upper',
        '  note("<48@4 ~@2>*3"), // Lower',
        '  note("<~ 55 ~@4>*3"), // Lower',
        ")",
    ]


def test_sonicpi():
    assert sonicpi_bytes(VOICES).decode().splitlines()[:10] == [
        "# Two voices",
        "# seqgen seed 1",
        "use_bpm 90",
        "",
        "in_thread do # Upper",
        "  [[60,2], [:r,1], [[62,65],1]].each do |n, d|",
        "    play n, sustain: d * 0.9, release: d * 0.1",
        "    sleep d",
        "  end",
        "end",
    ]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.integers(0, 127), st.integers(0, 2)), min_size=1),
    st.sampled_from([1, 3, 4, 480]),
    st.sampled_from([(4, 4), (3, 8), (7, 8), (2, 2)]),
)
def test_what_is_read_back_is_the_piece(notes, ticks, meter):
    rows = [(onset, duration, pitch, 80, part) for onset, duration, pitch, part in notes]
    source = Piece.build(rows, ticks, [Part() for _ in range(3)], meters=(Meter(0, *meter),))
    lines, lengths = read_strudel(strudel_bytes(source).decode())
    assert sorted(note for line in lines for note in line) == expected(source)
    (length,) = set(lengths)  # all lines begin anew together, on a bar line
    assert (length / Fraction(4 * meter[0], meter[1])).denominator == 1
    assert length >= Fraction(source.end_tick, ticks)
    threads = read_sonicpi(sonicpi_bytes(source).decode())
    assert sorted(note for thread in threads for note in thread) == expected(source)
    for voice in (*lines, *threads):  # a voice goes on when what sounds has ended
        ends = {onset: onset + duration for onset, duration, _ in voice}
        assert all(ends[onset] <= after for onset, after in zip(sorted(ends), sorted(ends)[1:], strict=False))


def test_triplets_are_exact():
    source = Piece.build([(0, 1, 60, 80, 0), (1, 1, 62, 80, 0), (2, 1, 64, 80, 0)], 3)
    assert b"[60,1/3r]" in sonicpi_bytes(source)
    assert b"<60 62 64 ~@9>*12" in strudel_bytes(source)


def test_drums_are_sounds():
    source = Piece.build([(0, 1, 36, 80, 0), (0, 1, 42, 80, 0), (1, 1, 38, 80, 0)], 1, [Part("Kit", drums=True)])
    assert b's("<[bd,hh] sd ~@2>*4"), // Kit' in strudel_bytes(source)
    assert b"[[:drum_bass_hard,:drum_cymbal_closed],1], [:drum_snare_hard,1]" in sonicpi_bytes(source)
    assert b"sample s" in sonicpi_bytes(source)


def test_a_piece_without_notes():
    empty = Piece.build([], 4, [Part()])
    assert strudel_bytes(empty) == b"setcpm(120/4)\nsilence\n"
    assert sonicpi_bytes(empty) == b"use_bpm 120\n"


@pytest.mark.parametrize(
    ("ending", "write"), [("strudel", strudel_bytes), ("sonicpi", sonicpi_bytes), ("rb", sonicpi_bytes)]
)
def test_files(ending, write, tmp_path):
    formats.write(piece(1), tmp_path / f"out.{ending}")
    assert (tmp_path / f"out.{ending}").read_bytes() == write(piece(1))
