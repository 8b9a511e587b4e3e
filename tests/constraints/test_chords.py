"""Progressions: where their chords begin, and how long a piece over them is."""

import pytest
from made import piece, untrained
from obeys import Played, over

from seqgen.api.generate import Request, prime_breaks
from seqgen.constraints import Bars, Chords, End, Rhythm, Scale
from seqgen.constraints.chords import Layout
from seqgen.constraints.symbols import chord
from seqgen.errors import ConfigError, SamplingError

CHORALE = untrained("chorale", [piece(seed, parts=2, pickup=4) for seed in range(3)], parts=2)


def spelled(text: str, meter: str, bar: int) -> list[str]:
    """For each grid step of a layout the first symbol that means its chord."""
    layout = Layout(Chords(text), meter, bar, 0)
    symbols = {chord(symbol): symbol for symbol in reversed(text.replace("|", " ").split()) if symbol != "%"}
    return [symbols[layout.at(time)] for time in range(bar * Chords(text).bars)]


@pytest.mark.parametrize(
    ("text", "meter", "bar", "wanted"),
    [
        ("C G", "4/4", 16, "C" * 8 + "G" * 8),
        ("C G F", "4/4", 16, "C" * 8 + "G" * 4 + "F" * 4),
        ("C G", "3/4", 12, "C" * 8 + "G" * 4),
        ("C G", "6/8", 12, "C" * 6 + "G" * 6),
        ("C G F", "12/8", 24, "C" * 12 + "G" * 6 + "F" * 6),
        ("C G", "5/8", 10, "C" * 6 + "G" * 4),
        ("C G", "2/2", 16, "C" * 8 + "G" * 8),
        ("C G", "6/8", 3, "CCG"),  # a grid that does not hold the beat: the step in which it begins is the old chord's
        ("C | % | G", "3/4", 3, "CCCCCCGGG"),
        ("C G", "?", 16, "C" * 8 + "G" * 8),
    ],
)
def test_chords_share_the_beats_of_their_bar(text, meter, bar, wanted):
    assert "".join(spelled(text, meter, bar)) == wanted


@pytest.mark.parametrize(
    ("meter", "bar", "beats"),
    [
        ("4/4", 16, {0, 4, 8, 12}),
        ("6/8", 12, {0, 6}),
        ("9/8", 18, {0, 6, 12}),
        ("5/8", 10, {0, 2, 4, 6, 8}),
        ("2/2", 16, {0, 8}),
        ("3/4", 12, {0, 4, 8}),
        ("?", 16, {0, 4, 8, 12}),
    ],
)
def test_beats(meter, bar, beats):
    layout = Layout(Chords("C"), meter, bar, 5)
    assert {time for time in range(bar) if layout.on_beat(time + 5 + 2 * bar)} == beats


def test_how_long_a_pitch_may_sound():
    """Up to the first change to a chord that does not have it, also when the chords begin again."""
    layout = Layout(Chords("C | Am | F"), "4/4", 4, 4)
    assert layout.room(60, 4) is layout.room(60, 0) is None  # C is in all of them
    assert layout.room(67, 5) == 3  # G: to Am
    assert layout.room(64, 4) == 8  # E: to F
    assert layout.room(69, 12) == 4  # A: to C again
    assert layout.room(69, 1) == 3  # before the first
    assert layout.room(67, 1) == 7


def test_more_chords_than_beats_are_said_at_the_start():
    with pytest.raises(SamplingError, match=r"bar 2 of chords C \| C D E F G has 5 chords, and a bar of 4/4 4 beats"):
        CHORALE.generate(constraints=[Chords("C | C D E F G")])


def test_a_chord_that_no_note_fits_is_said_at_the_start():
    with pytest.raises(SamplingError, match=r"no note of this model fits F# in bar 2 of chords C \| F# \| C and"):
        CHORALE.generate(constraints=[Chords("C | F# | C"), Scale("C-pentatonic")])


def test_text_has_no_chords():
    with pytest.raises(ConfigError, match="a progression of chords is for music, and this model writes text"):
        untrained("chars", ["some text"]).generate(4, constraints=[Chords("C")])


def test_a_piece_is_as_long_as_its_chords():
    """And begins on its first bar line, although all pieces the model knows have a pickup."""
    bars = [["C"], ["Dm7", "G7"], ["Cmaj7"]]
    for strict in (False, True):
        for seed in range(5):
            made = CHORALE.generate(constraints=[Chords("C | Dm7 G7 | Cmaj7", strict)], seed=seed)
            assert made.pickup_ticks == 0
            assert 32 < made.end_tick <= 48
            assert over(bars, strict)(Played(made, "4/4", 0, 48, 0))


def test_they_begin_again():
    made = CHORALE.generate(bars=4, constraints=[Chords("C | Dm7", strict=True)], seed=1)
    assert over([["C"], ["Dm7"], ["C"], ["Dm7"]], True)(Played(made, "4/4", 0, 64, 0))


def test_they_begin_after_the_prime_which_keeps_its_pickup():
    prime = piece(7, parts=2, pickup=4, bars=1)
    made = CHORALE.generate(constraints=[Chords("C | G7", strict=True)], prime=prime, seed=1)
    assert made.pickup_ticks == 4
    assert made.end_tick <= 52
    assert over([["C"], ["G7"]], True)(Played(made, "4/4", 20, 52, 4))


def test_the_prime_is_not_held_to_them():
    """They begin after it; a scale or a rhythm it can break."""
    prime = piece(7, parts=2, durations=(1,), bars=1)
    constraints = [Chords("N.C. C#", strict=True), Bars(1), End("tonic"), Scale("C-major"), Rhythm(1)]
    names = prime_breaks(CHORALE, Request(prime=prime, constraints=constraints))
    assert names == ["scale C-major", "the note lengths of rhythm 1"]
    only_chords = [Chords("N.C. C#", strict=True), End("tonic"), Bars(1)]
    assert prime_breaks(CHORALE, Request(prime=prime, constraints=only_chords)) == []
