"""Piano rolls: well-formed, complete, inside their frame, escaped."""

from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen.formats import pianoroll
from seqgen.piece import Key, Meter, Part, Piece, Tempo, Text

SVG = "{http://www.w3.org/2000/svg}"

PIECE = Piece.build(
    [(0, 480, 60, 127, 0), (480, 480, 67, 10, 0), (0, 960, 48, 64, 1), (480, 1, 38, 90, 2)],
    480,
    [Part("Alto <1>", 0), Part("", 1), Part("Kit", 0, True)],
    title="A & B",
    tempi=(Tempo(0, 96.5),),
    meters=(Meter(0, 3, 4),),
    keys=(Key(0, -3, "minor"),),
    chords=(Text(0, "Cm"),),
    markers=(Text(0, "seqgen 1.0 seed 7"), Text(960, "Coda")),
)


def tree(piece: Piece) -> ElementTree.Element:
    return ElementTree.fromstring(pianoroll.to_svg(piece))


def labels(piece: Piece) -> list[str]:
    return [text.text or "" for text in tree(piece).iter(f"{SVG}text")]


def notes(piece: Piece) -> list[tuple[str, dict[str, str]]]:
    return [
        (group.get("fill", ""), rect.attrib)
        for group in tree(piece).iter(f"{SVG}g")
        for rect in group.iter(f"{SVG}rect")
    ]


def test_says_what_the_piece_is():
    root = tree(PIECE)
    assert root.findtext(f"{SVG}title") == "A & B"
    assert "Alto <1>" in root.findtext(f"{SVG}desc", "")
    assert root.findtext(f"{SVG}metadata") == "seqgen 1.0 seed 7"
    found = labels(PIECE)
    assert found[:2] == ["A & B", "♩ = 96.5  ·  3/4  ·  C minor  ·  1 bar  ·  4 notes"]
    assert {"Alto <1>", "Part 2", "Kit", "C4", "snare", "1", "Cm", "Coda"} <= set(found)
    assert not any("seed" in label for label in found)


def test_notes_differ_by_part_pitch_time_and_velocity():
    (high, loud), (other, quiet), (low, _), (kit, _) = notes(PIECE)
    assert high == other
    assert len({high, low, kit}) == 3
    assert float(loud["y"]) > float(quiet["y"])  # higher is further up
    assert float(loud["x"]) < float(quiet["x"])
    assert float(loud["opacity"]) > float(quiet["opacity"])


def test_one_part_needs_no_legend():
    alone = Piece.build([(0, 1, 60, 64, 0)], 1, [Part("Flute")])
    assert "Flute" not in labels(alone)


def test_lengths_are_sensible():
    def width(quarters: int) -> float:
        return float(tree(Piece.build([(0, quarters, 60, 64, 0)], 1)).get("width", 0))

    assert 200 < width(4) < 500
    assert 1000 < width(64) < 1300
    assert 9000 < width(1000) < 12000


def test_the_same_piece_gives_the_same_picture():
    assert pianoroll.to_bytes(PIECE) == pianoroll.to_bytes(replace(PIECE))


anything = st.text(max_size=40)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(1, 60), st.integers(0, 127), st.integers(0, 127), st.integers(0, 2)),
        max_size=20,
    ),
    anything,
    anything,
    st.integers(0, 5),
    st.booleans(),
)
def test_every_piece_gives_a_picture_that_holds_its_notes(rows, title, name, pickup, drums):
    parts = [Part(name), Part(drums=drums), Part("x")]
    piece = Piece.build(
        rows, 4, parts, title=title, pickup_ticks=pickup, meters=(Meter(0, 5, 8),), markers=(Text(3, name),)
    )
    root = tree(piece)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    found = notes(piece)
    assert len(found) == len(piece.notes)
    for _, note in found:
        assert 0 <= float(note["x"]) <= float(note["x"]) + float(note["width"]) <= width
        assert 0 <= float(note["y"]) <= float(note["y"]) + float(note["height"]) <= height


def test_highlights_frame_their_notes_and_no_others():
    highlight = pianoroll.Highlight(0, 480, 960, "1: a <b>")
    root = ElementTree.fromstring(pianoroll.to_svg(PIECE, [highlight]))
    (frame,) = (rect for rect in root.iter(f"{SVG}rect") if rect.get("fill") == pianoroll.FOUND)
    left, top = float(frame.get("x", "")), float(frame.get("y", ""))
    right, bottom = left + float(frame.get("width", "")), top + float(frame.get("height", ""))
    within = [
        left <= float(note["x"]) < right and top <= float(note["y"]) < bottom for _, note in notes(PIECE)
    ]  # the first two are of part 0, and the second begins at 480
    assert within == [False, True, False, False]
    assert "1: a <b>" in [text.text for text in root.iter(f"{SVG}text")]
    assert pianoroll.to_svg(PIECE, []) == pianoroll.to_svg(PIECE)


def test_labels_of_highlights_are_read_in_any_viewer_and_cover_none():
    """The paper around the letters is a text of its own below; two that begin at one corner stand below each other."""
    both = [pianoroll.Highlight(0, 480, 960, "1: a"), pianoroll.Highlight(0, 480, 960, "2: b")]
    root = ElementTree.fromstring(pianoroll.to_svg(PIECE, both))
    found = [text for text in root.iter(f"{SVG}text") if text.text in ("1: a", "2: b")]
    assert [(text.text, text.get("stroke") is None) for text in found] == [
        ("1: a", False), ("1: a", True), ("2: b", False), ("2: b", True),
    ]  # fmt: skip
    first, second = (float(text.get("y", "")) for text in found if text.get("stroke") is None)
    assert second - first >= 10
