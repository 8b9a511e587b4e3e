"""MIDI: bytes written by hand, round trips, and other people's readers."""

import contextlib
import io
from dataclasses import replace
from fractions import Fraction

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen.errors import FormatError
from seqgen.formats import midi
from seqgen.piece import Key, Meter, Part, Piece, Tempo, Text

HEADER = b"MThd\x00\x00\x00\x06\x00\x01"  # 6 bytes follow, format 1; then tracks and ticks a quarter
END = b"\x00\xff\x2f\x00"


def track(*events: bytes) -> bytes:
    body = b"".join(events) + END
    return b"MTrk" + len(body).to_bytes(4, "big") + body


def song(*tracks: bytes, ticks: int = 480) -> bytes:
    return HEADER + len(tracks).to_bytes(2, "big") + ticks.to_bytes(2, "big") + b"".join(tracks)


def rows(piece: Piece) -> list[tuple[int, ...]]:
    return [tuple(note) for note in piece.notes.tolist()]


ONE_NOTE = track(
    b"\x00\x90\x3c\x40",  # at 0 channel 1 strikes middle C with velocity 64
    b"\x60\x80\x3c\x00",  # 96 ticks later it ends
)


def test_reads_what_a_file_says():
    conductor = track(
        b"\x00\xff\x03\x05Tanz\xcc",  # a name that is no UTF-8 does not stop anything
        b"\x00\xff\x51\x03\x07\xa1\x20",  # 500,000 microseconds a quarter: 120
        b"\x00\xff\x58\x04\x03\x03\x18\x08",  # 3/8
        b"\x00\xff\x59\x02\xfd\x01",  # three flats, minor
        b"\x81\x40\xff\x06\x01B",  # marker at 192
    )
    flute = track(
        b"\x00\xff\x03\x07Fl\xc3\xb6te!",
        b"\x00\xc2\x49",  # channel 3 plays program 73
        b"\x60\x92\x48\x50",  # at 96
        b"\x60\x48\x00",  # running status, velocity 0: the note ends
    )
    drums = track(b"\x00\x99\x24\x7f", b"\x18\x89\x24\x00")
    piece = midi.read_bytes(song(conductor, flute, drums, ticks=96), "a.mid")
    assert piece.ticks_per_quarter == 96
    assert piece.title.startswith("Tanz")
    assert piece.parts == (Part("Flöte!", 73, False), Part("", 0, True))
    assert piece.tempi == (Tempo(0, 120.0),)
    assert piece.meters == (Meter(0, 3, 8),)
    assert piece.keys == (Key(0, -3, "minor"),)
    assert piece.markers == (Text(192, "B"),)
    assert rows(piece) == [(0, 24, 36, 127, 1), (96, 96, 72, 80, 0)]
    assert piece.losses == {}


def test_a_first_track_with_notes_is_a_part_not_the_title():
    piece = midi.read_bytes(song(track(b"\x00\xff\x03\x05Piano", ONE_NOTE[8:-4])), "a.mid")
    assert (piece.title, piece.parts[0].name) == ("", "Piano")


def test_format_0_has_a_title_and_a_part_for_each_channel():
    mixed = track(
        b"\x00\xff\x03\x02Hi",
        b"\x00\x90\x3c\x40", b"\x00\x91\x3c\x41", b"\x00\x99\x24\x42",
        b"\x0a\x80\x3c\x00", b"\x0a\x81\x3c\x00", b"\x0a\x89\x24\x00",
    )  # fmt: skip
    piece = midi.read_bytes(b"MThd\0\0\0\6\0\0\0\1\1\xe0" + mixed, "a.mid")
    assert piece.title == "Hi"
    assert [part.drums for part in piece.parts] == [False, False, True]
    assert rows(piece) == [(0, 10, 60, 64, 0), (0, 20, 60, 65, 1), (0, 30, 36, 66, 2)]


def test_one_channel_on_two_tracks_keeps_the_tracks_apart():
    lower = track(b"\x00\x90\x3c\x40", b"\x05\x80\x3c\x00")  # 0 to 5
    upper = track(b"\x02\x90\x3c\x41", b"\x0a\x80\x3c\x00")  # 2 to 12, the same pitch on the same channel
    assert rows(midi.read_bytes(song(lower, upper), "a.mid")) == [(0, 5, 60, 64, 0), (2, 10, 60, 65, 1)]


def test_overlapping_notes_of_one_pitch_are_cut_and_counted():
    piece = midi.read_bytes(
        song(track(b"\x00\x90\x3c\x01", b"\x05\x90\x3c\x02", b"\x05\x80\x3c\x00", b"\x0a\x80\x3c\x00")), "a.mid"
    )
    assert rows(piece) == [(0, 5, 60, 1, 0), (5, 15, 60, 2, 0)]
    assert piece.losses == {"overlapping notes shortened": 1}


def test_a_note_without_end_lasts_to_the_end_and_spoils_no_other():
    hanging = track(
        b"\x00\x90\x3c\x40",  # never ended
        b"\x00\x90\x40\x40", b"\x0a\x80\x40\x00",  # E from 0 to 10
        b"\x5a\x90\x3c\x41", b"\x0a\x80\x3c\x00",  # C again from 100 to 110
        b"\x5a\x90\x3c\x42", b"\x0a\x80\x3c\x00",  # and from 200 to 210
        b"\x00\x90\x43\x40",  # never ended either, and at the very end
        b"\x32\xb0\x07\x7f",  # 50 ticks later something else
    )  # fmt: skip
    piece = midi.read_bytes(song(hanging), "a.mid")
    assert rows(piece) == [
        (0, 100, 60, 64, 0), (0, 10, 64, 64, 0), (100, 10, 60, 65, 0), (200, 10, 60, 66, 0), (210, 50, 67, 64, 0),
    ]  # fmt: skip
    assert piece.losses["notes without an end"] == 2
    assert piece.losses["control changes dropped"] == 1


def test_a_strike_before_the_end_at_one_tick_is_two_notes():
    piece = midi.read_bytes(
        song(track(b"\x00\x90\x3c\x01", b"\x0a\x90\x3c\x02", b"\x00\x80\x3c\x00", b"\x0a\x80\x3c\x00")), "a.mid"
    )
    assert rows(piece) == [(0, 10, 60, 1, 0), (10, 10, 60, 2, 0)]


def test_impossible_marks_are_dropped_and_counted():
    odd = track(
        b"\x00\xff\x51\x03\x00\x00\x00",  # no time a quarter
        b"\x00\xff\x58\x04\x00\x02\x18\x08",  # 0/4
        b"\x00\xff\x59\x02\x09\x00",  # nine sharps
    )
    piece = midi.read_bytes(song(odd, ONE_NOTE), "a.mid")
    assert (piece.tempi, piece.meters, piece.keys) == ((), (), ())
    assert sum(piece.losses.values()) == 3


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"Hello, I am a text.", "not a MIDI file"),
        (song(ONE_NOTE)[:10], "header"),
        (song(ONE_NOTE)[:30], "damaged"),
        (song(ONE_NOTE)[:-1], "damaged"),
        (song(track()), "no notes"),
        (HEADER + b"\0\0\1\xe0", "no notes"),
        (b"MThd\0\0\0\6\0\2\0\1\1\xe0" + ONE_NOTE, "format 2"),
        (b"MThd\0\0\0\6\0\1\0\1\xe7\x28" + ONE_NOTE, "SMPTE"),  # 25 frames of 40 ticks
        (song(ONE_NOTE, ticks=0), "0 ticks"),
        (b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + song(ONE_NOTE), "RIFF"),
        (song(track(*[b"\xff\xff\xff\x7f\x90\x3c\x40", b"\xff\xff\xff\x7f\x80\x3c\x00"] * 6)), "2^31"),
    ],
)
def test_says_what_is_wrong_with_a_file(data, says):
    with pytest.raises(FormatError, match=r"odd\.mid") as caught:
        midi.read_bytes(data, "odd.mid")
    assert says in str(caught.value)


def test_a_missing_last_track_is_counted():
    data = bytearray(song(ONE_NOTE))
    data[11] = 3
    assert midi.read_bytes(bytes(data), "a.mid").losses == {"tracks missing at the end of the file": 2}


@given(st.binary(max_size=200))
def test_mutants_raise_only_format_errors(tail):
    for data in (song(ONE_NOTE)[:22] + tail, tail, song(track(tail))):
        with contextlib.suppress(FormatError):
            midi.read_bytes(data, "x.mid")


def test_bytes_of_a_small_piece():
    piece = Piece.build(
        [(0, 1, 60, 64, 0), (1, 1, 60, 0, 0)], 2, [Part("Viola", 41)], tempi=[Tempo(0, 120)], keys=(Key(0, 9),)
    )
    assert midi.to_bytes(piece) == song(
        track(
            b"\x00\xff\x59\x02\xfd\x00",  # nine sharps are three flats
            b"\x00\xff\x51\x03\x07\xa1\x20",  # 500,000 microseconds
        ),
        track(
            b"\x00\xff\x03\x05Viola",
            b"\x00\xc0\x29",
            b"\x00\x90\x3c\x40",
            b"\x81\x70\x80\x3c\x00",  # after 240 ticks the end comes first,
            b"\x00\x90\x3c\x01",  # then the strike; velocity 0 would be an end
            b"\x81\x70\x80\x3c\x00",
        ),
    )


@pytest.mark.parametrize(
    ("own", "times", "expected"),
    [
        (10080, [0, 2520, 3360], 480),  # sixteenths and triplets fit into 480
        (10080, [0, 2016], 480),  # so do fifths
        (10080, [0, 1440], 10080),  # sevenths do not
        (384, [0, 3], 384),
        (384, [0, 4], 480),
        (1_000_000, [0, 500_000], 480),
        (1_000_000, [0, 15625], 64),  # 64ths of a quarter: the fewest ticks that do
        (1_000_000, [0, 1], 30240),  # nothing does
    ],
)
def test_resolution(own, times, expected):
    piece = Piece.build([(time, own, 60, 64, 0) for time in times[1:]], own)
    assert midi.resolution(piece) == expected


def test_what_cannot_be_exact_is_rounded_and_stays_in_order():
    piece = Piece.build([(0, 1, 60, 64, 0), (1, 1, 60, 64, 0), (999_999, 7, 60, 64, 0)], 1_000_000)
    again = midi.read_bytes(midi.to_bytes(piece), "x.mid")
    assert again.ticks_per_quarter == 30240
    assert rows(again)[-1][0] == 30240


def test_a_pickup_is_a_short_first_bar():
    piece = Piece.build([(0, 480, 60, 64, 0), (480, 1440, 62, 64, 0)], 480, meters=(Meter(0, 3, 4),), pickup_ticks=480)
    meters = [m for m in mido.MidiFile(file=io.BytesIO(midi.to_bytes(piece))).tracks[0] if m.type == "time_signature"]
    assert [(m.time, m.numerator, m.denominator) for m in meters] == [(0, 1, 4), (480, 3, 4)]
    assert midi.read_bytes(midi.to_bytes(piece), "x.mid") == piece


def test_a_pickup_no_meter_can_say_keeps_the_notes():
    piece = Piece.build([(0, 160, 60, 64, 0)], 480, meters=(Meter(0, 3, 4),), pickup_ticks=160)
    assert midi.read_bytes(midi.to_bytes(piece), "x.mid") == replace(piece, pickup_ticks=0)


def test_channels():
    def piece(programs, drums=0):
        parts = [Part("", program) for program in programs] + [Part("", 0, True)] * drums
        return Piece.build([(0, 1, 60, 64, index) for index in range(len(parts))], 480, parts)

    def channels(piece):
        tracks = mido.MidiFile(file=io.BytesIO(midi.to_bytes(piece))).tracks[1:]
        return [next(message.channel for message in track if message.type == "note_on") for track in tracks]

    assert channels(piece(range(15), drums=1)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 9]
    assert channels(piece([5, 6] * 10, drums=2)) == [0, 1] * 10 + [9, 9]
    crowd = piece([5, 6] * 10, drums=2)
    assert midi.read_bytes(midi.to_bytes(crowd), "x.mid") == crowd
    with pytest.raises(FormatError, match="16 melodic parts with 16 different programs"):
        midi.to_bytes(piece(range(16)))


@pytest.mark.parametrize("meter", [Meter(0, 4, 3), Meter(0, 300, 4), Meter(0, 4, 128)])
def test_meters_midi_cannot_say(meter):
    with pytest.raises(FormatError, match=f"{meter.numerator}/{meter.denominator}"):
        midi.to_bytes(Piece.build([(0, 1, 60, 64, 0)], 480, meters=(meter,)))


def test_too_long():
    with pytest.raises(FormatError, match="too long"):
        midi.to_bytes(Piece.build([(0, 2**31, 60, 64, 0)], 480))


@given(st.integers(midi.MAX_MICROSECONDS // 1000, midi.MAX_MICROSECONDS))
def test_shortest_bpm_is_stored_as_the_same_microseconds(microseconds):
    bpm = midi.shortest_bpm(microseconds)
    assert round(60e6 / bpm) == microseconds


@given(st.integers(4, 1000), st.integers(0, 99))
def test_tempi_people_write_come_back_exactly(whole, hundredths):
    bpm = float(f"{whole}.{hundredths:02}") if whole < 500 else float(whole)
    assert midi.shortest_bpm(round(60e6 / bpm)) == bpm


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
ticks = st.integers(0, 20_000)


@st.composite
def pieces(draw):
    """A Piece MIDI can say in full: every part has a note, keys have modes, one tempo, meter and key at a tick."""
    parts = draw(st.lists(st.builds(Part, names, st.integers(0, 127), st.booleans()), min_size=1, max_size=5))
    note = st.tuples(ticks, st.integers(1, 3000), st.integers(0, 127), st.integers(1, 127))
    rows = [(*draw(note), part) for part in range(len(parts))]
    rows += draw(st.lists(st.builds(lambda n, p: (*n, p), note, st.integers(0, len(parts) - 1)), max_size=30))

    def marks(kind, *values):
        found = draw(st.lists(st.builds(kind, ticks, *values), max_size=4, unique_by=lambda mark: mark.tick))
        return tuple(sorted(found))

    meters = marks(Meter, st.integers(1, 255), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
    piece = Piece.build(
        rows,
        draw(st.sampled_from([1, 96, 220, 480, 1000, 10080, 32767])),
        parts,
        title=draw(names.filter(lambda name: name.strip().casefold() not in midi.NOT_TITLES)),
        tempi=marks(Tempo, st.integers(midi.MAX_MICROSECONDS // 500, midi.MAX_MICROSECONDS).map(midi.shortest_bpm)),
        meters=meters,
        keys=marks(Key, st.integers(-7, 7), st.sampled_from(["major", "minor"])),
        markers=tuple(
            sorted(draw(st.lists(st.builds(Text, ticks, names.filter(bool)), max_size=4)), key=lambda mark: mark.tick)
        ),
    )
    split, pickup = midi._split_pickup(list(meters), piece.ticks_per_quarter)
    return replace(piece, meters=split, pickup_ticks=pickup)


def at(piece: Piece, ticks_per_quarter: int) -> Piece:
    """The same piece counted in other ticks, which must be whole."""

    def scaled(tick: int) -> int:
        exact = Fraction(tick) * ticks_per_quarter / piece.ticks_per_quarter
        assert exact.denominator == 1
        return int(exact)

    notes = piece.notes.copy()
    notes["onset"] = [scaled(tick) for tick in piece.notes["onset"].tolist()]
    notes["duration"] = [scaled(tick) for tick in piece.notes["duration"].tolist()]
    moved = {
        field: tuple(mark._replace(tick=scaled(mark.tick)) for mark in getattr(piece, field))
        for field in ("tempi", "meters", "keys", "markers")
    }
    pickup = scaled(piece.pickup_ticks)
    return replace(piece, notes=notes, ticks_per_quarter=ticks_per_quarter, pickup_ticks=pickup, **moved)


@settings(deadline=None)
@given(pieces())
def test_round_trip(piece):
    data = midi.to_bytes(piece)
    again = midi.read_bytes(data, "x.mid")
    assert again == at(piece, again.ticks_per_quarter)
    assert again.losses == {}
    assert midi.to_bytes(again) == data


def notes_of_mido(data: bytes) -> list[list[tuple[int, int, int, int]]]:
    """(onset, duration, pitch, velocity) by track, paired by us from mido's messages."""
    found = []
    for track in mido.MidiFile(file=io.BytesIO(data), charset="utf-8").tracks[1:]:
        now, open_notes, notes = 0, {}, []
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity:
                assert message.note not in open_notes, "a note is struck before it has ended"
                open_notes[message.note] = (now, message.velocity)
            elif message.type in ("note_on", "note_off"):
                onset, velocity = open_notes.pop(message.note)
                notes.append((onset, now - onset, message.note, velocity))
        assert not open_notes
        found.append(sorted(notes))
    return found


def notes_of_piece(piece: Piece) -> list[list[tuple[int, int, int, int]]]:
    return [sorted(tuple(note)[:4] for note in piece.part_notes(i).tolist()) for i in range(len(piece.parts))]


@settings(deadline=None, max_examples=30)
@given(pieces())
def test_mido_reads_the_same(piece):
    data = midi.to_bytes(piece)
    piece = at(piece, midi.resolution(piece))
    file = mido.MidiFile(file=io.BytesIO(data), charset="utf-8")
    assert file.type == 1
    assert file.ticks_per_beat == piece.ticks_per_quarter
    assert notes_of_mido(data) == notes_of_piece(piece)
    assert [track.name for track in file.tracks] == [piece.title, *(part.name for part in piece.parts)]
    programs = [message.program for track in file.tracks for message in track if message.type == "program_change"]
    assert programs == [part.program for part in piece.parts]
    on_drums = [{m.channel for m in track if m.type == "note_on"} == {9} for track in file.tracks[1:]]
    assert on_drums == [part.drums for part in piece.parts]
    now, tempi = 0, []
    for message in file.tracks[0]:
        now += message.time
        if message.type == "set_tempo":
            tempi.append((now, message.tempo))
    assert tempi == [(tempo.tick, round(60e6 / tempo.bpm)) for tempo in piece.tempi]


def test_music21_reads_the_same(tmp_path):
    converter = pytest.importorskip("music21").converter
    piece = Piece.build(
        [(0, 480, 60, 64, 0), (480, 480, 60, 70, 0), (480, 240, 64, 1, 0), (1920, 160, 67, 127, 0),
         (0, 960, 48, 64, 1), (960, 120, 50, 64, 1), (1200, 80, 36, 100, 2)],
        480,
        [Part("Violin", 40), Part("Cello", 42), Part("Kit", 0, True)],
        tempi=(Tempo(0, 96.0),),
        meters=(Meter(0, 3, 4),),
        keys=(Key(0, -2, "minor"),),
    )  # fmt: skip
    path = tmp_path / "a.mid"
    path.write_bytes(midi.to_bytes(piece))
    score = converter.parse(path, quantizePost=False, forceSource=True, storePickle=False)
    by_name = {part.partName: part for part in score.parts}
    for index, part in enumerate(piece.parts[:2]):
        found = [
            (round(note.getOffsetInHierarchy(score) * 480), round(note.quarterLength * 480), pitch.midi)
            for note in by_name[part.name].stripTies().recurse().notes
            for pitch in note.pitches
        ]
        assert sorted(found) == sorted(tuple(note)[:3] for note in piece.part_notes(index).tolist())
    assert score.recurse().getElementsByClass("MetronomeMark").first().number == 96
    assert score.recurse().getElementsByClass("TimeSignature").first().ratioString == "3/4"


@given(st.lists(st.integers(0, 0x0FFFFFFF), min_size=1))
def test_lengths_are_what_mido_writes(numbers):
    from mido.midifiles.meta import encode_variable_int

    for number in numbers:
        assert midi._length(number) == bytes(encode_variable_int(number))


def test_first_end_is_the_next_end_of_the_voice():
    voice = np.array([1, 1, 1, 2])
    onset = np.array([0, 100, 200, 5])
    end = np.array([110, 210, 300, 9])  # paired first to first, one end missing
    assert midi._first_end(voice, onset, end).tolist() == [110, 110, 210, 9]
