"""make and choose."""

import pytest
from encoding_cases import CASES, case, made_piece

from seqgen import encodings
from seqgen.errors import ConfigError
from seqgen.piece import Part, Piece


@pytest.mark.parametrize("name", CASES)
def test_the_options_make_the_same_encoding_again(name):
    made = case(name)
    again = encodings.make(made.encoding.name, **made.encoding.options)
    assert again.options == made.encoding.options
    stated = [option for option in encodings.option_names(again.name) if option != "sees" or again.options.get(option)]
    assert list(again.options) == stated  # an older seqgen reads what does not use the newer option
    assert again.encode(made.sources[0]) == made.encoding.encode(made.sources[0])


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("choral", {}, "no encoding 'choral'; there are: chars, bytes, words, notes, chorale, frames"),
        ("chorale", {"gird": 4}, "chorale has no option 'gird'; it takes: grid, parts"),
        ("chars", {"grid": 4}, "chars has no option 'grid'; it takes: no options"),
        ("frames", {"grid": "4"}, "'grid' of frames is a int, not '4'"),
        ("frames", {"grid": True}, "'grid' of frames is a int, not True"),
        ("notes", {"joint": 1}, "'joint' of notes is a bool, not 1"),
        ("frames", {"grid": 0}, "1 to 96 steps a quarter note, not 0"),
        ("frames", {"grid": 97}, "1 to 96 steps a quarter note, not 97"),
        ("chorale", {"parts": 0}, "1 to 6 parts, not 0"),
        ("chorale", {"parts": 7}, "1 to 6 parts, not 7"),
        ("notes", {"part": ""}, "'auto', 'all', a part's name or its number"),
        ("words", {"min_count": 0}, "at least 1, not 0"),
    ],
)
def test_a_wrong_option_is_said(name, options, said):
    with pytest.raises(ConfigError) as error:
        encodings.make(name, **options)
    assert said in str(error.value)


def voices(number: int, chords: bool = False) -> Piece:
    return made_piece(number, number, 4, chords)


def test_the_encoding_that_fits_most_pieces_is_chosen():
    assert encodings.choose([voices(1)])[:2] == ("notes", {})
    for parts in range(2, 7):
        assert encodings.choose([voices(parts)] * 2 + [voices(1)])[:2] == ("chorale", {"parts": parts})
    for other in (voices(7), voices(3, chords=True), Piece.build([], 4)):
        assert encodings.choose([other, other, voices(4)])[:2] == ("frames", {})
    name, options, why = encodings.choose([voices(4), voices(4), voices(3), voices(7)])
    assert (name, options, why) == ("chorale", {"parts": 4}, "2 of 4 pieces have 4 parts of one note at a time")


def test_the_reason_is_true():
    assert encodings.choose([voices(7), voices(8), voices(2)])[2] == (
        "2 of 3 pieces have parts with chords, or many parts"
    )
    assert encodings.choose([voices(1), voices(2), voices(3)]) == (
        ("frames", {}, "the pieces differ in their number of parts")
    )
    assert encodings.choose([])[0] == "frames"


def test_what_is_chosen_can_encode():
    drums = Part("Kit", drums=True)
    for parts in range(1, 9):
        plain = voices(parts)
        notes = [*plain.notes.tolist(), (0, 4, 36, 90, parts), (3, 40, 38, 90, parts), (4, 1, 36, 90, parts)]
        for piece in (plain, Piece.build(notes, 4, [*plain.parts, drums]), voices(parts, chords=True)):
            name, options, _ = encodings.choose([piece])
            assert encodings.make(name, **options).encode(piece)
        with_drums = Piece.build(notes, 4, [*plain.parts, drums])
        assert encodings.choose([with_drums]) == encodings.choose([plain])  # drums are no voice
    # overlapping by one tick is two notes at once
    assert encodings.choose([Piece.build([(0, 5, 60, 80, 0), (4, 4, 62, 80, 0)], 4)])[0] == "frames"
