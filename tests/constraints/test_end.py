"""The end on the tonic: whose tonic it is, and what is refused."""

import pytest
from made import piece, untrained
from obeys import Played, ends_on

from seqgen.constraints import Chords, End, Key, Scale
from seqgen.constraints.end import home
from seqgen.errors import ConfigError, SamplingError
from seqgen.piece import Piece

SOURCES = [piece(seed, parts=3) for seed in range(3)]  # in C major
CHORALE = untrained("chorale", SOURCES, parts=3)


@pytest.mark.parametrize("encoding", ["chorale", "frames"])
@pytest.mark.parametrize("bars", [1, 3, None])
def test_it_is_the_tonic_of_the_key_with_which_the_piece_begins(encoding, bars):
    model = untrained(encoding, SOURCES, **({"parts": 3} if encoding == "chorale" else {}))
    for constraints, tonic, triad in (([], 0, {0, 4, 7}), ([Key("A-minor")], 9, {9, 0, 4})):
        for seed in range(5):
            made = model.generate(None if bars else 30, bars=bars, seed=seed, constraints=[*constraints, End("tonic")])
            assert ends_on(tonic, triad)(Played(made, "4/4", 0, 0, 0))
            ends = made.notes["onset"] + made.notes["duration"]
            last = made.notes[ends == ends.max()]
            assert not bars or (ends.max() - last["onset"] >= 4).all()  # a quarter note


@pytest.mark.parametrize(
    ("key", "triad"),
    [
        ("D-minor", {2, 5, 9}), ("Eb-lydian", {3, 7, 10}), ("B-locrian", {11, 2, 5}), ("C-whole-tone", {0, 4, 8}),
        ("A-blues", {9, 0, 4}), ("C-chromatic", {0, 4, 7}),
    ],
)  # fmt: skip
def test_home_is_the_triad_of_a_scale(key, triad):
    assert home(key).triad == triad


def test_without_a_key_there_is_no_tonic():
    model = untrained("notes", [Piece.build(piece(1).notes, 4)])
    with pytest.raises(ConfigError, match="ending on the tonic needs a key, and the piece begins without one"):
        model.generate(4, constraints=[End("tonic")])
    model.generate(4, constraints=[End("tonic", key="C-major")])


def test_what_is_refused():
    with pytest.raises(ConfigError, match="a piece can end on its 'tonic', not on 'dominant'"):
        End("dominant")
    with pytest.raises(ConfigError, match="no scale 'C-majr'"):
        End("tonic", key="C-majr")
    with pytest.raises(SamplingError, match="no note of this model fits ending on the tonic of B-minor"):
        CHORALE.generate(bars=1, constraints=[Scale("C-pentatonic"), End("tonic", key="B-minor")])
    with pytest.raises(SamplingError, match="A-minor does not go with the last of strict chords C"):
        CHORALE.generate(constraints=[Chords("C | G7", strict=True), End("tonic", key="A-minor")])
    with pytest.raises(SamplingError, match="A-minor does not go with strict chords C"):
        CHORALE.generate(9, constraints=[Chords("C | G7", strict=True), End("tonic", key="A-minor")])
