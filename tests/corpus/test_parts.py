"""Parts of a piece by name or number."""

import numpy as np
import pytest
from made import piece

from seqgen.corpus.parts import part_names, take_parts, with_parts
from seqgen.errors import ConfigError, TokenError
from seqgen.piece import Part, Piece


def choir(*names: str, silent: tuple[int, ...] = (), drums: tuple[int, ...] = ()) -> Piece:
    """A note a part; the pitch says which."""
    rows = [(part, 2, 60 + part, 80, part) for part in range(len(names)) if part not in silent]
    return Piece.build(rows, 1, [Part(name, 0, part in drums) for part, name in enumerate(names)])


def taken(piece: Piece, *wanted: str) -> list[int]:
    """Which parts of a `choir` these are."""
    found = take_parts(piece, wanted)
    pitches = {int(note["part"]): int(note["pitch"]) - 60 for note in found.notes}
    assert found.parts == tuple(piece.parts[pitches[part]] for part in range(len(wanted)))
    return [pitches[part] for part in range(len(wanted))]


SATB = ("Soprano", "Alto", "Tenor", "Bass")


def test_by_name():
    assert taken(choir(*SATB), "tenor", "SOPRANO") == [2, 0]
    assert taken(choir("Horn", " alto ", *SATB[2:], "Soprano"), "soprano", "alto") == [4, 1]
    assert taken(choir("Flöte", "Straße"), "STRASSE", "flöte") == [1, 0]


@pytest.mark.parametrize(
    "names", [("", "", "", ""), ("Violin 1", "Violin 2", "Viola", "Cello"), ("S.", "A.", "T.", "B.")]
)
def test_four_parts_of_other_names(names):
    assert taken(choir(*names), "bass", "soprano", "alto", "tenor") == [3, 0, 1, 2]
    assert taken(choir("Drums", *names, drums=(0,)), "soprano", "bass") == [1, 4]
    assert taken(choir(*names[:2], "Silent", *names[2:], silent=(2,)), "soprano", "bass") == [0, 4]


def test_a_name_of_the_four_stands_for_no_other_part():
    assert taken(choir("Soprano", "Alto", "Tenor", "Baritone"), "bass") == [3]
    with pytest.raises(TokenError, match="has no part 'soprano'; its parts are 'Bass', 'Tenor', 'Alto', 'Descant'"):
        take_parts(choir("Bass", "Tenor", "Alto", "Descant"), ["soprano"])
    for names in (("", "", ""), ("", "", "", "", "")):
        with pytest.raises(TokenError, match="has no part 'soprano'"):
            take_parts(choir(*names), ["soprano"])


def test_by_number():
    there = choir("Drums", "Silent", "one", "two", silent=(1,), drums=(0,))
    assert taken(there, "2", "1") == [3, 2]
    assert taken(choir("2", "1", "x"), "1", "2") == [1, 0]  # a name comes first
    for number in ("0", "3", "-1", "1.5"):
        with pytest.raises(TokenError, match=f"has no part '{number}'; its parts are 'one', 'two'"):
            take_parts(there, [number])


def test_what_cannot_be_taken():
    with pytest.raises(TokenError, match="2 parts are called 'piano'; take them by number, from 1 to 2"):
        take_parts(choir("Piano", "Piano"), ["piano"])
    assert taken(choir("Piano", "Piano", silent=(0,)), "piano") == [1]  # the one that plays
    with pytest.raises(TokenError, match="two of the parts soprano, 1 are the same one"):
        take_parts(choir(*SATB), ["soprano", "1"])
    with pytest.raises(TokenError, match="its parts are none with notes"):
        take_parts(choir("Drums", drums=(0,)), ["drums"])
    silent = take_parts(choir(*SATB, silent=(1,)), ["alto"])  # named, though it does not sing
    assert (len(silent.notes), silent.parts) == (0, (Part("Alto"),))


def test_the_rest_of_a_piece_stays():
    whole = piece(3, parts=3, pickup=2, key=2)
    other = with_parts(whole, [2, 0])
    assert (other.meters, other.keys, other.tempi, other.pickup_ticks) == (
        whole.meters, whole.keys, whole.tempi, whole.pickup_ticks,
    )  # fmt: skip
    for part, origin in ((0, 2), (1, 0)):
        for name in ("onset", "duration", "pitch", "velocity"):
            np.testing.assert_array_equal(other.part_notes(part)[name], whole.part_notes(origin)[name])
    assert with_parts(whole, [0, 1, 2]) == whole
    assert other == Piece.build(other.notes, 4, other.parts, **{  # in the order of a Piece
        name: getattr(whole, name) for name in ("tempi", "meters", "keys", "pickup_ticks")
    })  # fmt: skip
    assert with_parts(other, [1, 0]) == with_parts(whole, [0, 2])


def test_names():
    assert part_names("Soprano, alto,2") == ("Soprano", "alto", "2")
    assert part_names([" bass "]) == ("bass",)
    for wrong in ("", [], ["a", ""], "a,,b"):
        with pytest.raises(ConfigError, match="parts are names like soprano, or numbers from 1"):
            part_names(wrong)
    with pytest.raises(ConfigError, match="a part is named twice: alto, Alto"):
        part_names(["alto", "Alto"])
