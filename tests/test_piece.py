"""Piece: what build normalises, where bars begin, transposition, equality."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made import piece as made_piece

from seqgen.piece import NOTE, Key, Meter, Part, Piece, Tempo, Text, joined

ROWS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(-2, 8), st.integers(60, 61), st.integers(0, 127), st.integers(0, 1)),
    max_size=14,
)
FIELDS = ("onset", "duration", "pitch", "velocity", "part")
DROPPED, MERGED, SHORTENED = "notes without length dropped", "doubled notes merged", "overlapping notes shortened"


# --- build ------------------------------------------------------------------------------------------------------------


@given(ROWS)
@example([(0, 2, 60, 1, 0), (0, 5, 60, 2, 0), (4, 3, 60, 3, 0)])
def test_build_keeps_one_note_a_pitch_and_part(rows):
    piece = Piece.build(rows, 4, [Part(), Part()])
    # the same in plain words: of one onset the longest, and it ends where the next begins
    longest: dict = defaultdict(dict)
    for onset, duration, pitch, _, part in rows:
        if duration > 0:
            voice = longest[part, pitch]
            voice[onset] = max(voice.get(onset, 0), duration)
    wanted, shortened = set(), 0
    for (part, pitch), voice in longest.items():
        onsets = sorted(voice)
        for onset, following in zip(onsets, [*onsets[1:], 10**9], strict=True):
            wanted.add((onset, min(voice[onset], following - onset), pitch, part))
            shortened += onset + voice[onset] > following
    notes = piece.notes.tolist()
    assert {(onset, duration, pitch, part) for onset, duration, pitch, _, part in notes} == wanted
    assert len(notes) == len(wanted)
    with_length = [row for row in rows if row[1] > 0]
    losses = {DROPPED: len(rows) - len(with_length), MERGED: len(with_length) - len(wanted), SHORTENED: shortened}
    assert piece.losses == {reason: count for reason, count in losses.items() if count}
    assert notes == sorted(notes, key=lambda note: (note[0], note[4], note[2]))
    assert {(onset, pitch, part): velocity for onset, _, pitch, velocity, part in notes}.items() <= {
        ((onset, pitch, part), velocity) for onset, _, pitch, velocity, part in rows
    }


@given(ROWS)
def test_build_is_idempotent_and_takes_rows_in_any_form(rows):
    piece = Piece.build(rows, 4, [Part(), Part()])
    for form in (piece.notes, iter(piece.notes.tolist()), piece.notes[::-1]):
        again = Piece.build(form, 4, piece.parts)
        assert again == piece
        assert again.losses == {}
    assert piece.notes.dtype == NOTE


def test_build_adds_to_the_losses_it_is_given():
    piece = Piece.build([(0, 0, 60, 64, 0), (0, 4, 60, 64, 0)], 4, losses={DROPPED: 2, "lyrics dropped": 1})
    assert piece.losses == {DROPPED: 3, "lyrics dropped": 1}


@pytest.mark.parametrize("form", [list, lambda rows: np.array(rows, [(name, "<i8") for name in FIELDS])])
@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((-1, 1, 60, 64, 0), "must not be negative"),
        ((0, 1, 60, 64, -1), "must not be negative"),
        ((0, 1, 128, 64, 0), "0 to 127"),
        ((0, 1, -1, 64, 0), "0 to 127"),
        ((0, 1, 300, 64, 0), "0 to 127"),
        ((0, 1, 60, 128, 0), "0 to 127"),
        ((0, 1, 60, -1, 0), "0 to 127"),
        ((0, 1, 60, 64, 2), "names part 2, but there are 2 parts"),
        ((0, 1, 60, 64, 1 << 16), "names part 65536, but there are 2 parts"),
    ],
)
def test_build_refuses_what_is_out_of_range(form, row, said):
    with pytest.raises(ValueError, match=said):
        Piece.build(form([(0, 1, 60, 64, 0), row]), 4, [Part(), Part()])


def test_build_refuses_ticks_below_one():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Piece.build([], 0)


def test_an_empty_piece_is_a_piece():
    piece = Piece.build([], 4)
    assert (piece.parts, piece.end_tick, piece.bar_lines()) == ((), 0, [0])
    assert piece.transposed(3) == piece
    assert "0 notes" in repr(piece)


def test_parts_come_from_the_notes_where_none_are_given():
    piece = Piece.build([(0, 4, 0, 0, 2), (0, 4, 127, 127, 0)], 4)
    assert piece.parts == (Part(), Part(), Part())
    assert [len(piece.part_notes(part)) for part in range(3)] == [1, 0, 1]


# --- bar lines --------------------------------------------------------------------------------------------------------

_METERS = [(4, 4), (3, 4), (2, 2), (6, 8), (7, 8), (3, 2), (5, 16)]


@given(
    st.lists(st.tuples(st.sampled_from(_METERS), st.integers(1, 4)), max_size=4),
    st.integers(0, 15),
    st.integers(0, 15),
)
def test_bars_follow_the_meters_from_the_end_of_the_pickup(changes, pickup, rest):
    """Whole bars of each meter in turn, then an incomplete one."""
    lines, meters, tick = [0], [], pickup
    for (numerator, denominator), bars in changes:
        meters.append(Meter(tick if meters else 0, numerator, denominator))
        for _ in range(bars):
            lines.append(tick)
            tick += 16 * numerator // denominator
    last = changes[-1][0] if changes else (4, 4)
    lines.append(tick)
    end = tick + 1 + rest % (16 * last[0] // last[1])
    piece = Piece.build([(0, end, 60, 64, 0)], 4, meters=tuple(meters), pickup_ticks=pickup)
    assert piece.bar_lines() == sorted(set(lines))


def test_a_bar_line_is_drawn_where_a_meter_changes_within_a_bar():
    piece = Piece.build([(0, 30, 60, 64, 0)], 4, meters=(Meter(0, 4, 4), Meter(20, 2, 4)))
    assert piece.bar_lines() == [0, 16, 20, 28]


def test_bars_shorter_than_a_tick_end():
    assert Piece.build([(0, 3, 60, 64, 0)], 1, meters=(Meter(0, 1, 64),)).bar_lines() == [0, 1, 2]


def test_the_end_of_a_piece_is_no_bar_line():
    assert Piece.build([(0, 32, 60, 64, 0)], 4).bar_lines() == [0, 16]
    assert Piece.build([(0, 3, 60, 64, 0)], 4, pickup_ticks=3).bar_lines() == [0]
    assert Piece.build([(0, 3, 60, 64, 0)], 4, pickup_ticks=50).bar_lines() == [0]


# --- transposition ----------------------------------------------------------------------------------------------------


def full(**changes) -> Piece:
    fields = {
        "title": "Air",
        "tempi": (Tempo(0, 90.0),),
        "meters": (Meter(0, 3, 4),),
        "keys": (Key(0, 2, "major"), Key(8, -3, "minor")),
        "pickup_ticks": 2,
        "fermatas": (4,),
        "chords": (Text(0, "D"),),
        "markers": (Text(0, "A"),),
        **changes,
    }
    parts = fields.pop("parts", [Part("Flute", 73), Part("Kit", drums=True)])
    return Piece.build([(0, 4, 60, 64, 0), (4, 4, 70, 65, 0), (0, 2, 36, 99, 1)], 4, parts, **fields)


@given(st.integers(-60, 57))
def test_transposing_moves_pitched_notes_and_keys(semitones):
    piece = full()
    moved = piece.transposed(semitones)
    assert (moved.part_notes(0)["pitch"].astype(int) - semitones).tolist() == [60, 70]
    assert moved.part_notes(1)["pitch"].tolist() == [36]
    assert replace(moved, notes=piece.notes, keys=piece.keys) == piece
    for key, own in zip(moved.keys, piece.keys, strict=True):
        assert (key.tick, key.mode) == (own.tick, own.mode)
        assert (7 * key.fifths) % 12 == (7 * own.fifths + semitones) % 12  # the tonic moves by as much
        assert -7 <= key.fifths <= 7
    assert moved.transposed(-semitones) == piece


@given(st.integers(-7, 7), st.sampled_from([-12, 0, 12, 24]))
def test_by_octaves_a_key_keeps_its_spelling(fifths, semitones):
    piece = full(keys=(Key(0, fifths, "major"),))
    assert piece.transposed(semitones).keys == piece.keys


def test_transposing_out_of_range_is_an_error():
    for semitones in (-61, 58):
        with pytest.raises(ValueError, match=f"transposed by {semitones}"):
            full().transposed(semitones)


# --- one after the other ----------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from([None, (4, 4), (3, 4), (7, 8)]), st.integers(0, 10), st.integers(1, 40)),
        min_size=1,
        max_size=3,
    )
)
def test_a_joined_piece_begins_its_first_full_bar_on_the_next_bar_line(shapes):
    meter = shapes[0][0]
    pieces = [
        Piece.build(
            [(0, length, 60, 64, 0)],
            4,
            keys=(Key(0, length % 5, "major"),),
            meters=(Meter(0, *own),) if own and (meter or not place) else (),
            pickup_ticks=pickup,
            markers=(Text(length // 2, "here"),),
            fermatas=(length // 2,),
            losses={"lyrics dropped": 1},
        )
        for place, (own, pickup, length) in enumerate(shapes)
    ]
    whole = joined(pieces)
    begins, now = [0], meter or (4, 4)
    line = pieces[0].pickup_ticks  # the last bar line drawn
    for place, piece in enumerate(pieces):
        if place:
            end = begins[-1] + pieces[place - 1].end_tick
            while line < end + piece.pickup_ticks:
                line += 16 * now[0] // now[1]
            begins.append(line - piece.pickup_ticks)
        now = piece.meters[0][1:] if piece.meters else now
    assert whole.notes["onset"].tolist() == begins
    assert whole.notes["duration"].tolist() == [length for _, _, length in shapes]
    for name in ("keys", "markers"):
        assert getattr(whole, name) == tuple(
            row._replace(tick=row.tick + begin)
            for begin, piece in zip(begins, pieces, strict=True)
            for row in getattr(piece, name)
        )
    assert whole.fermatas == tuple(begin + length // 2 for begin, (_, _, length) in zip(begins, shapes, strict=True))
    assert whole.losses == {"lyrics dropped": len(shapes)}
    for begin, piece in zip(begins, pieces, strict=True):
        assert begin + piece.pickup_ticks in whole.bar_lines() or begin + piece.pickup_ticks >= whole.end_tick
    assert list(whole.meters) == sorted(whole.meters)


def test_only_pieces_of_the_same_parts_are_joined():
    piece = full()
    for other in (full(parts=[Part("Flute", 74), Part("Kit", drums=True)]), replace(piece, ticks_per_quarter=8)):
        with pytest.raises(ValueError, match="same parts and resolution"):
            joined([piece, other])
    with pytest.raises(ValueError, match="unpack"):
        joined([])


# --- equality ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Gigue"},
        {"tempi": (Tempo(0, 91.0),)},
        {"meters": ()},
        {"keys": (Key(0, 2, ""),)},
        {"pickup_ticks": 0},
        {"fermatas": ()},
        {"chords": (Text(0, "D7"),)},
        {"markers": ()},
        {"parts": [Part("Flute", 74), Part("Kit", drums=True)]},
    ],
)
def test_pieces_that_differ_in_anything_heard_or_read_differ(changes):
    assert full() == full()
    assert full(**changes) != full()


def test_losses_do_not_count_and_notes_do():
    assert full(losses={"lyrics dropped": 1}) == full()
    for field in FIELDS:
        notes = full().notes.copy()
        notes[field][0] += 1
        assert replace(full(), notes=notes) != full()
    assert replace(full(), notes=full().notes[:-1]) != full()
    assert replace(full(), ticks_per_quarter=8) != full()
    assert full() != "a piece"
    with pytest.raises(TypeError, match="unhashable"):
        hash(full())


# --- what follows a moment --------------------------------------------------------------------------------------------


def test_from_a_tick_the_rest_of_a_piece_begins():
    notes = [(0, 4, 60, 80, 0), (4, 4, 62, 81, 0), (8, 8, 64, 82, 0), (6, 4, 48, 83, 1)]
    whole = Piece.build(
        notes,
        4,
        meters=(Meter(0, 4, 4), Meter(16, 3, 4)),
        keys=(Key(0, 1, "major"),),
        tempi=(Tempo(0, 100.0), Tempo(12, 80.0)),
        markers=(Text(0, "begin"), Text(8, "middle")),
        fermatas=(4, 12),
    )
    rest = whole.from_tick(7)
    assert rest.notes[["onset", "duration", "pitch", "velocity"]].tolist() == [
        (0, 1, 62, 81),  # what sounds there is cut
        (0, 3, 48, 83),
        (1, 8, 64, 82),
    ]
    assert rest.meters == (Meter(0, 4, 4), Meter(9, 3, 4))
    assert rest.keys == (Key(0, 1, "major"),)
    assert rest.tempi == (Tempo(0, 100.0), Tempo(5, 80.0))
    assert rest.markers == (Text(1, "middle"),)
    assert rest.fermatas == (5,)
    assert rest.pickup_ticks == 9  # to the next bar line


@given(st.integers(0, 40), st.integers(0, 10**6), st.integers(0, 3))
def test_from_a_tick_is_what_sounds_from_there(tick, seed, pickup):
    whole = made_piece(seed, parts=2, pickup=pickup)
    rest = whole.from_tick(tick)

    def sounding(source, shift):
        return {
            (time + shift, pitch, part)
            for onset, duration, pitch, _, part in source.notes.tolist()
            for time in range(onset, onset + duration)
            if time + shift >= tick
        }

    assert sounding(rest, tick) == sounding(whole, 0)
    lines = {line for line in whole.bar_lines() if line > tick}
    assert {line + tick for line in rest.bar_lines() if line} == lines
