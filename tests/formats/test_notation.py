"""Scores read through music21: what becomes of each thing on the page, and refusals."""

import contextlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from seqgen.errors import FormatError, MissingExtra
from seqgen.formats import notation
from seqgen.piece import SCORE_TICKS, Key, Meter, Part, Piece, Tempo, Text

music21 = pytest.importorskip("music21")
CORPUS = Path(music21.__file__).parent / "corpus"
Q = SCORE_TICKS  # a quarter


def xml(*parts: str, names: str = "", head: str = "") -> bytes:
    """A score of parts given as measures; divisions 4 unless a part says otherwise."""
    listed = "".join(
        f'<score-part id="P{n}"><part-name>{name}</part-name></score-part>'
        for n, name in enumerate((names or "A B C D").split()[: len(parts)], start=1)
    )
    body = "".join(f'<part id="P{n}">{part}</part>' for n, part in enumerate(parts, start=1))
    return f"<score-partwise>{head}<part-list>{listed}</part-list>{body}</score-partwise>".encode()


def measure(*content: str, number: int = 1) -> str:
    return f'<measure number="{number}">{"".join(content)}</measure>'


ATTRIBUTES = "<attributes><divisions>4</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"


def note(step: str, octave: int, duration: int, *more: str, before: str = "") -> str:
    pitch = f"<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
    length = f"<duration>{duration}</duration>" if duration else ""
    return f"<note>{before}{pitch}{length}{''.join(more)}</note>"


def rest(duration: int, attributes: str = "") -> str:
    return f"<note><rest{attributes}/><duration>{duration}</duration></note>"


def read(data: bytes, name: str = "a.musicxml") -> Piece:
    (piece,) = notation.read_bytes(data, name)
    return piece


def rows(piece: Piece) -> list[tuple[int, ...]]:
    return [(onset, duration, pitch, part) for onset, duration, pitch, _, part in piece.notes.tolist()]


def test_a_chorale():
    piece = read((CORPUS / "bach" / "bwv66.6.mxl").read_bytes(), "bwv66.6.mxl")
    assert len(piece.notes) == 163
    assert [part.name for part in piece.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert piece.ticks_per_quarter == Q
    assert (piece.meters, piece.keys) == ((Meter(0, 4, 4),), (Key(0, 3, "minor"),))
    assert piece.pickup_ticks == Q
    assert piece.bar_lines()[:3] == [0, Q, 5 * Q]
    assert piece.tempi == (Tempo(0, 96.0),)
    assert rows(piece)[:5] == [
        (0, Q // 2, 73, 0), (0, Q, 64, 1), (0, Q // 2, 57, 2), (0, Q // 2, 57, 3), (Q // 2, Q // 2, 71, 0),
    ]  # fmt: skip
    assert len(piece.fermatas) == 6  # a phrase each
    assert set(piece.fermatas) <= set(piece.notes["onset"].tolist())


def test_notes_equal_those_of_music21s_own_slow_way():
    path = CORPUS / "bach" / "bwv133.6.mxl"
    score = music21.converter.parse(path, forceSource=True, storePickle=False).stripTies()
    expected = sorted(
        (round(note.getOffsetInHierarchy(score) * Q), round(note.quarterLength * Q), note.pitch.midi, index)
        for index, part in enumerate(score.parts)
        for note in part.recurse().notes
    )
    assert sorted(rows(read(path.read_bytes(), path.name))) == expected


def test_ties_are_joined_across_bars_and_in_chords():
    start, both, stop = '<tie type="start"/>', '<tie type="stop"/><tie type="start"/>', '<tie type="stop"/>'
    data = xml(
        measure(ATTRIBUTES, note("C", 4, 16, start), note("E", 4, 16, before="<chord/>"))
        + measure(note("C", 4, 16, both), number=2)
        + measure(note("C", 4, 4, stop), note("C", 4, 12), number=3)
    )
    assert rows(read(data)) == [(0, 9 * Q, 60, 0), (0, 4 * Q, 64, 0), (9 * Q, 3 * Q, 60, 0)]


def test_a_tie_that_leads_nowhere_is_a_note():
    data = xml(
        measure(ATTRIBUTES, note("C", 4, 4, '<tie type="start"/>'), rest(4), note("C", 4, 8, '<tie type="stop"/>'))
    )
    assert rows(read(data)) == [(0, Q, 60, 0), (2 * Q, 2 * Q, 60, 0)]


def test_voices_stay_in_their_part():
    backup = "<backup><duration>16</duration></backup>"
    data = xml(
        measure(ATTRIBUTES, note("G", 4, 16, "<voice>1</voice>"), backup, note("C", 4, 8, "<voice>2</voice>"), rest(8))
    )
    assert rows(read(data)) == [(0, 2 * Q, 60, 0), (0, 4 * Q, 67, 0)]


def test_grace_notes_are_dropped_and_counted():
    data = xml(measure(ATTRIBUTES, note("D", 4, 0, before="<grace/>"), note("C", 4, 16)))
    assert rows(read(data)) == [(0, 4 * Q, 60, 0)]
    assert read(data).losses == {"grace notes dropped": 1}


def test_a_pickup_with_a_full_measure_rest_beside_it():
    second = measure(note("E", 3, 16), number=2)
    pickup = '<measure number="0" implicit="yes">'
    data = xml(
        pickup + ATTRIBUTES + rest(4, ' measure="yes"') + "</measure>" + measure(note("E", 5, 16), number=2),
        pickup + ATTRIBUTES + note("D", 3, 4) + "</measure>" + second,
    )
    piece = read(data)
    assert piece.pickup_ticks == Q
    assert rows(piece) == [(0, Q, 50, 1), (Q, 4 * Q, 76, 0), (Q, 4 * Q, 52, 1)]


def test_a_bar_that_is_wrong_in_one_part_shifts_nothing():
    last = measure(note("C", 4, 16), number=2)
    right, short, long = (measure(ATTRIBUTES, note("C", 4, length)) + last for length in (16, 12, 20))
    piece = read(xml(right, short, long))
    assert [row[0] for row in rows(piece)] == [0, 0, 0, 4 * Q, 4 * Q, 4 * Q]
    assert piece.losses == {"bars of unequal length aligned": 1, "overlapping notes shortened": 1}


def test_transposing_instruments_sound_as_they_sound_only_where_the_score_says_so():
    transpose = "<attributes><transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes>"
    key = "<attributes><key><fifths>2</fifths></key></attributes>"
    piece = read(xml(measure(key, ATTRIBUTES, transpose, note("D", 5, 16)), names="Clarinet"))
    assert rows(piece) == [(0, 4 * Q, 72, 0)]
    assert rows(read(xml(measure(ATTRIBUTES, note("D", 5, 16)), names="Clarinet"))) == [(0, 4 * Q, 74, 0)]


def test_chord_symbols_are_no_notes():
    harmony = "<harmony><root><root-step>A</root-step></root><kind>minor-seventh</kind></harmony>"
    piece = read(xml(measure(ATTRIBUTES, note("C", 4, 8), harmony, note("E", 4, 8))))
    assert piece.chords == (Text(2 * Q, "Am7"),)
    assert rows(piece) == [(0, 2 * Q, 60, 0), (2 * Q, 2 * Q, 64, 0)]


def test_marks():
    direction = "<direction><direction-type>{}</direction-type></direction>"
    metronome = "<metronome><beat-unit>half</beat-unit><per-minute>60</per-minute></metronome>"
    fermata = "<notations><fermata/></notations>"
    repeat = '<barline location="right"><repeat direction="backward"/></barline>'
    piece = read(
        xml(
            measure(
                ATTRIBUTES,
                direction.format(metronome),
                note("C", 4, 8),
                direction.format("<rehearsal>B</rehearsal>"),
                note("E", 4, 8, fermata),
                repeat,
            ),
            head="<work><work-title>A\n  song</work-title></work>",
        )
    )
    assert piece.title == "A song"
    assert piece.tempi == (Tempo(0, 120.0),)
    assert piece.markers == (Text(2 * Q, "B"),)
    assert piece.fermatas == (2 * Q,)
    assert piece.losses == {"repeat marks not expanded": 1}


def test_unpitched_percussion_is_a_drum_part():
    place = "<unpitched><display-step>C</display-step><display-octave>5</display-octave></unpitched>"
    hit = f"<note>{place}<duration>16</duration></note>"
    piece = read(xml(measure(ATTRIBUTES, hit), names="Kit"))
    assert piece.parts == (Part("Kit", 0, True),)
    assert rows(piece) == [(0, 4 * Q, 38, 0)]


def test_tuplets_are_whole_ticks():
    third = "<attributes><divisions>15</divisions></attributes>"
    piece = read(xml(measure(third, *[note("C", 4, 5)] * 3, *[note("C", 4, 3)] * 5, rest(30))))
    assert piece.notes["duration"].tolist() == [Q // 3] * 3 + [Q // 5] * 5
    assert piece.losses == {}


ABC = """X:1
T:First
M:3/4
L:1/4
K:G
D|GAB|"Em"e2 d|]
"""


def test_abc():
    piece = read(ABC.encode(), "a.abc")
    assert (piece.title, piece.meters, piece.keys) == ("First", (Meter(0, 3, 4),), (Key(0, 1, "major"),))
    assert piece.pickup_ticks == Q
    assert rows(piece)[:2] == [(0, Q, 62, 0), (Q, Q, 67, 0)]
    assert piece.chords == (Text(4 * Q, "Em"),)


def test_a_tune_book_gives_every_tune():
    book = "% a header\n" + ABC + "\n" + ABC.replace("X:1", "X:7").replace("First", "Zweite")
    assert [piece.title for piece in notation.read_bytes(book.encode(), "book.abc")] == ["First", "Zweite"]
    with pytest.raises(FormatError, match=r"tune 2 of book\.abc has no notes"):
        notation.read_bytes((ABC + "\nX:2\nT:Empty\nK:C\n").encode(), "book.abc")


def test_kern():
    data = b"**kern\t**kern\n*M3/4\t*M3/4\n4C\t4c\n=1\t=1\n2.D\t4d\n.\t2e\n==\t==\n*-\t*-\n"
    piece = read(data, "a.krn")
    assert piece.pickup_ticks == Q
    assert sorted(row[:3] for row in rows(piece)) == [
        (0, Q, 48), (0, Q, 60), (Q, Q, 62), (Q, 3 * Q, 50), (2 * Q, 2 * Q, 64),
    ]  # fmt: skip


def mxl(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return target.getvalue()


def test_compressed_scores():
    score = xml(measure(ATTRIBUTES, note("C", 4, 16)))
    other = xml(measure(ATTRIBUTES, note("D", 4, 16)))
    container = b'<container><rootfiles><rootfile full-path="b.xml"/></rootfiles></container>'
    assert rows(read(mxl(a_xml=score), "a.mxl")) == [(0, 4 * Q, 60, 0)]
    data = mxl(**{"META-INF__container_xml": container, "a_xml": score, "b_xml": other})
    assert rows(read(data, "a.mxl")) == [(0, 4 * Q, 62, 0)]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.xml", b"", "is empty"),
        ("a.xml", b"no markup", "no XML"),
        ("a.xml", b"<html><body/></html>", "<html>"),
        ("a.xml", b"<score-timewise/>", "score-partwise"),
        ("a.xml", b"<score-partwise><part", "cannot be read as MusicXML"),
        ("a.xml", xml(measure(ATTRIBUTES, rest(16))), "no notes"),
        ("a.xml", b'<!DOCTYPE score-partwise [<!ENTITY a "aaaa">]><score-partwise>&a;</score-partwise>', "entities"),
        ("a.mxl", b"PK\x03\x04 cut off", "not a compressed MusicXML"),
        ("a.mxl", mxl(a_txt=b"hello"), "no score"),
        ("a.mxl", mxl(a_xml=b" " * (notation.MAX_UNPACKED_BYTES + 1)), "unpacks to more"),
        ("a.abc", b" " * (notation.MAX_TEXT_BYTES + 1), "read up to"),
        ("a.abc", b"X:1\nK:C\n", "no notes"),
        ("a.krn", b"nothing", "kern"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_says_what_is_wrong_with_a_file(name, data, says):
    with pytest.raises(FormatError, match=name) as caught:
        notation.read_bytes(data, name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mutants_raise_only_format_errors():
    data = xml(measure(ATTRIBUTES, note("C", 4, 16), number=1))
    for place in range(0, len(data), 7):
        for change in (b"", b"9", b"<", b"x" * 5):
            with contextlib.suppress(FormatError):
                notation.read_bytes(data[:place] + change + data[place + 1 :], "a.xml")


def test_encodings_of_older_files():
    assert read(ABC.replace("First", "Mörk").encode("latin-1"), "a.abc").title == "Mörk"
    text = xml(measure(ATTRIBUTES, note("C", 4, 16)), head="<work><work-title>Ö</work-title></work>").decode()
    declared = '<?xml version="1.0" encoding="{}"?>' + text
    assert read(declared.format("ISO-8859-1").encode("latin-1")).title == "Ö"
    assert read(declared.format("UTF-16").encode("utf-16")).title == "Ö"
    assert read(declared.format("UTF-8").encode("utf-8-sig")).title == "Ö"


def test_reading_is_silent(capfd):
    read((CORPUS / "bach" / "bwv66.6.mxl").read_bytes(), "a.mxl")
    assert capfd.readouterr() == ("", "")


def test_a_missing_music21_names_the_command():
    code = """
import sys
sys.modules["music21"] = None
from seqgen.errors import MissingExtra
from seqgen.formats import notation
try:
    notation.read_bytes(b"X:1", "a.abc")
except MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{MissingExtra('Reading ABC', 'notation')}\n"
    assert "seqgen[notation]" in done.stdout
