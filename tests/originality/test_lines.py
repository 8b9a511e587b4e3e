"""What a copy is: the same steps from note to note, or the same words."""

from fractions import Fraction

import pytest
from made import piece

from seqgen.longtext import LongText, Scratch
from seqgen.originality import lines, note_symbol
from seqgen.originality.lines import stretch
from seqgen.piece import Meter, Part, Piece

QUARTER = 480


def music(notes, parts=1, **rest) -> Piece:
    """Rows of (onset, duration, pitch, part), in quarter notes."""
    rows = [(int(on * QUARTER), int(length * QUARTER), pitch, 80, part) for on, length, pitch, part in notes]
    return Piece.build(rows, QUARTER, [Part() for _ in range(parts)], **rest)


def test_symbols_are_steps_from_note_to_note():
    (line,) = lines(music([(0, 1, 60, 0), (1, 0.5, 62, 0), (1.5, 0.25, 59, 0), (3, 1, 59, 0)]))
    assert line.symbols == ["+2 1", "-3 1/2", "+0 3/2"]
    assert line.starts.tolist() == [0, 480, 720, 1440]
    assert line.ends.tolist() == [480, 720, 840, 1920]
    assert line.symbols[1] == note_symbol(-3, Fraction(1, 2))


def test_of_notes_struck_together_the_highest_counts():
    (line,) = lines(music([(0, 1, 60, 0), (0, 1, 67, 0), (1, 1, 55, 0), (1, 2, 69, 0)]))
    assert line.symbols == ["+2 1"]
    assert line.ends.tolist() == [480, 1440]


@pytest.mark.parametrize("semitones", [-7, 1, 12])
def test_transposing_changes_no_symbol(semitones):
    original = piece(3, parts=3)
    assert [line.symbols for line in lines(original.transposed(semitones))] == [
        line.symbols for line in lines(original)
    ]


def test_neither_resolution_nor_place_nor_the_length_of_notes_matters():
    first = music([(0, 1, 60, 0), (1, 0.5, 62, 0), (1.5, 1, 64, 0)])
    rows = [(7 + 0, 1, 60, 20, 0), (7 + 6, 1, 62, 90, 0), (7 + 9, 30, 64, 1, 0)]
    assert lines(Piece.build(rows, 6, [Part("Oboe", 68)]))[0].symbols == lines(first)[0].symbols


def test_parts_are_lines_of_their_own_and_drums_are_none():
    original = music([(0, 1, 60, 0), (1, 1, 62, 0), (0, 1, 40, 1), (0, 2, 50, 2), (2, 1, 48, 2)], parts=4)
    drums = Piece(original.notes, QUARTER, (Part(), Part(drums=True), Part(), Part()))
    assert [(line.part, line.symbols) for line in lines(drums)] == [(0, ["+2 1"]), (2, ["-2 2"])]


def test_words_have_no_capitals_marks_or_spacing():
    text = "The  sea;\nit’s DEEP, señor — 月が"
    (line,) = lines(text)
    assert line.symbols == ["the", "sea", "it's", "deep", "señor", "月", "が"]
    assert [text[begin:end] for begin, end in zip(line.starts, line.ends, strict=True)][:3] == ["The", "sea", "it’s"]
    assert line.more == 0


def test_a_text_without_words_is_an_empty_line():
    (line,) = lines(" ... \n")
    assert line.symbols == []
    assert line.starts.shape == (0,)


def test_a_long_text_is_a_text(tmp_path):
    halves = ["one wo", "rd across"]
    assert lines(LongText.write(halves, Scratch(tmp_path)))[0].symbols == ["one", "word", "across"]


@pytest.mark.parametrize(
    ("meters", "bars"),
    [((), 0.75), ((Meter(0, 6, 8),), 1.0), ((Meter(0, 4, 4), Meter(QUARTER, 2, 4)), 1.5), ((Meter(QUARTER, 3, 4),), 1)],
)
def test_bars_go_from_the_first_onset_to_the_last_by_the_meter_there(meters, bars):
    whole = music([(0, 1, 60, 0), (1, 1, 62, 0), (2, 1, 64, 0), (4, 2, 60, 0)], meters=meters)
    found = stretch(whole, lines(whole)[0], 1, 2)
    assert found == (0, 1, 3, QUARTER, 6 * QUARTER, bars)
