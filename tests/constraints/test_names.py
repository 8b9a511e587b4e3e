"""Names of notes, scales, keys and chords, against music21's."""

import pytest
from music21 import harmony, scale
from music21 import key as keys
from music21 import pitch as pitches

from seqgen.constraints import names, symbols
from seqgen.encodings.grid import KEYS
from seqgen.errors import ConfigError

TONICS = ["C", "F#", "Gb", "Bb", "E", "A#", "Cb", "B#"]
OF_MUSIC21 = {
    "major": scale.MajorScale,
    "ionian": scale.MajorScale,
    "minor": scale.MinorScale,
    "natural-minor": scale.MinorScale,
    "harmonic-minor": scale.HarmonicMinorScale,
    "harmonic": scale.HarmonicMinorScale,
    "dorian": scale.DorianScale,
    "phrygian": scale.PhrygianScale,
    "lydian": scale.LydianScale,
    "mixolydian": scale.MixolydianScale,
    "aeolian": scale.MinorScale,
    "locrian": scale.LocrianScale,
    "whole-tone": scale.WholeToneScale,
    "chromatic": scale.ChromaticScale,
}


def classes(name: str) -> set[int]:
    tonic, tones = names.scale(name)
    return {(tonic + tone) % 12 for tone in tones}


def of_music21(name: str) -> str:
    return name[0] + name[1:].replace("b", "-")


@pytest.mark.parametrize("tonic", TONICS)
@pytest.mark.parametrize("kind", OF_MUSIC21)
def test_scales_are_those_of_music21(tonic, kind):
    wanted = OF_MUSIC21[kind](of_music21(tonic)).getPitches("C3", "C6")
    assert classes(f"{tonic}-{kind}") == {pitch.pitchClass for pitch in wanted}


def test_scales_that_music21_does_not_have():
    """By what they leave out of others, or are elsewhere."""
    assert classes("C-pentatonic") == classes("C-major") - {5, 11}
    assert classes("A-minor-pentatonic") == classes("C-major-pentatonic")
    assert classes("A-blues") == classes("A minor pentatonic") | {3}
    assert classes("C-major-blues") == classes("A-minor-blues")
    assert classes("A-melodic-minor") == classes("A-harmonic-minor") - {5} | {6}
    assert classes("B-altered") == classes("C_melodic minor")
    assert classes("C-whole-half") == classes("B-half-whole") == {0, 3, 6, 9} | {2, 5, 8, 11}


@pytest.mark.parametrize("name", ["C4", "F#3", "Bb5", "Cb4", "B#3", "C##4", "Ebb2", "a0", "C-1", "G9", "d-1"])
def test_notes_are_those_of_music21(name):
    head, octave = (name[:-2], "-1") if name.endswith("-1") else (name[:-1], name[-1])
    assert names.pitch(name) == pitches.Pitch(of_music21(head.capitalize())).pitchClass + 12 * (
        int(octave) + 1
    ) + 12 * {"Cb": -1, "B#": 1}.get(head, 0)


def test_signs_have_several_spellings():
    assert names.pitch("F♯3") == names.pitch("F#3") == 54
    assert names.pitch("B♭♭3") == names.pitch("B𝄫3") == names.pitch("Bbb3") == 57
    assert names.pitch("Cx4") == names.pitch("C𝄪4") == names.pitch("C##4") == 62
    assert names.pitch(60) == 60
    assert names.pitch_range("C-1-C4") == (0, 60)
    assert names.pitch_range(" bb2 – F#4 ") == names.pitch_range("Bb2..F#4") == (46, 66)


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", TONICS)
def test_keys_are_spelled_as_their_tokens(tonic, mode):
    spelled, allowed = names.key(f"{tonic} {mode.capitalize()}")
    assert f"key={spelled}" in KEYS
    wanted = keys.Key(of_music21(tonic), mode)
    assert keys.Key(of_music21(spelled.partition("-")[0]), mode).tonic.pitchClass == wanted.tonic.pitchClass
    more = {(wanted.tonic.pitchClass + raised) % 12 for raised in (9, 11)} if mode == "minor" else set()
    assert allowed == {pitch.pitchClass for pitch in wanted.getPitches("C3", "C5")} | more


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (lambda: names.scale("D-minr"), "there is no scale 'D-minr'; did you mean D-minor"),
        (lambda: names.scale("D"), "is a note and a kind, such as D-major or D-minor, not 'D'"),
        (lambda: names.scale("dorian"), "such as D-dorian, not 'dorian'"),
        (lambda: names.scale("H-minor"), "no note 'H'; did you mean B?"),
        (lambda: names.key("D-dorian"), "there is no key 'D-dorian'; did you mean D-m"),
        (lambda: names.pitch("H4"), "there is no note 'H4'; did you mean B4?"),
        (lambda: names.pitch("c#"), "did you mean c#3 or c#4 or c#5?"),
        (lambda: names.pitch("C12"), "notes lie between C-1 and G9, and C12 does not"),
        (lambda: names.pitch(128), "and 128 does not"),
        (lambda: names.pitch_range("C6-C4"), "the range C6-C4 begins above its end"),
        (lambda: names.pitch_range("C4"), "two notes such as C4-C6, not 'C4'"),
        (lambda: names.pitch_range("C4-J5"), "there is no note 'J5'"),
        (lambda: symbols.chord("Cmoj7"), "there is no chord 'Cmoj7'; did you mean Cmaj7"),
        (lambda: symbols.chord("H7"), "there is no chord 'H7'; did you mean B7"),
        (lambda: symbols.chord("C/H"), "there is no chord 'C/H'"),
        (lambda: symbols.chord("dm7"), "did you mean Dm7"),
        (lambda: symbols.progression("C | Gq7 A | F"), "in bar 2 of the chords, 'Gq7 A': there is no chord 'Gq7'"),
        (lambda: symbols.progression("% | C"), "in bar 1 of the chords, '%': % repeats the bar before"),
        (lambda: symbols.progression("C | | F"), "bar 2 of the chords 'C | | F' is empty"),
        (lambda: symbols.progression(""), "bar 1 of the chords '' is empty"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_said_with_what_is_near(named, message):
    with pytest.raises(ConfigError) as error:
        named()
    assert message in str(error.value)


QUALITIES = {  # as written here, and by music21
    "": "", "maj": "", "m": "m", "min": "m", "-": "m", "mi": "m",
    "7": "7", "dom7": "7", "m7": "m7", "min7": "m7", "-7": "m7",
    "maj7": "maj7", "M7": "maj7", "Δ": "maj7", "Δ7": "maj7", "^7": "maj7", "ma7": "maj7", "Maj7": "maj7",
    "mM7": "mM7", "m(maj7)": "mM7", "mΔ": "mM7", "-Δ7": "mM7", "minmaj7": "mM7",
    "6": "6", "m6": "m6", "9": "9", "m9": "m9", "maj9": "M9", "Δ9": "M9", "11": "11", "m11": "m11", "m13": "m13",
    "dim": "dim", "°": "dim", "o": "dim", "dim7": "dim7", "°7": "dim7", "o7": "dim7",
    "ø": "ø7", "ø7": "ø7", "m7b5": "ø7", "-7b5": "ø7", "m7(b5)": "ø7", "m7♭5": "ø7",
    "aug": "aug", "+": "aug", "7#5": "7+", "+7": "7+", "aug7": "7+", "7+": "7+",
    "sus": "sus4", "sus4": "sus4", "sus2": "sus2", "5": "power",
}  # fmt: skip


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("root", ["F#", "E♭"])
def test_chords_are_those_of_music21(root, quality):
    figure = of_music21(root.replace("♭", "b")) + QUALITIES[quality]
    tones = {pitch.pitchClass for pitch in harmony.ChordSymbol(figure).pitches}
    assert symbols.chord(root + quality).tones == tones


@pytest.mark.parametrize(
    ("symbol", "tones"),
    [
        ("C69", {0, 2, 4, 7, 9}),
        ("C6/9", {0, 2, 4, 7, 9}),
        ("C13", {0, 2, 4, 7, 9, 10}),
        ("C7b9", {0, 1, 4, 7, 10}),
        ("C7-9", {0, 1, 4, 7, 10}),
        ("C7(b9,#11)", {0, 1, 4, 6, 7, 10}),
        ("C7b9#9", {0, 1, 3, 4, 7, 10}),
        ("C7b5", {0, 4, 6, 10}),
        ("C7alt", {0, 3, 4, 8, 10}),
        ("Cmaj7#11", {0, 4, 6, 7, 11}),
        ("Cmaj7#5", {0, 4, 8, 11}),
        ("Cadd9", {0, 2, 4, 7}),
        ("Cmadd9", {0, 2, 3, 7}),
        ("C7no5", {0, 4, 10}),
        ("C7sus4", {0, 5, 7, 10}),
        ("C9sus4", {0, 2, 5, 7, 10}),
        ("C7b9sus4", {0, 1, 5, 7, 10}),
        ("C/Bb", {0, 4, 7, 10}),
        ("Dm7/G", {2, 5, 7, 9, 0}),
        ("N.C.", set(range(12))),
    ],
)
def test_chords_by_their_tones(symbol, tones):
    assert symbols.chord(symbol).tones == tones


@pytest.mark.parametrize(
    ("symbol", "scale_name"),
    [
        ("Cmaj7", "C-ionian"), ("C", "C-ionian"), ("C6", "C-ionian"), ("Cmaj7#11", "C-lydian"), ("Dm7", "D-dorian"),
        ("Dm", "D-dorian"), ("G7", "G-mixolydian"), ("G7sus4", "G-mixolydian"), ("Bm7b5", "B-locrian"),
        ("Bdim7", "B-whole-half"), ("C+", "C-whole-tone"), ("C7#5", "C-whole-tone"), ("CmMaj7", "C-melodic-minor"),
        ("G7alt", "G-altered"), ("G7#11", "D-melodic-minor"), ("G7b13", "C-melodic-minor"),
        ("Cmaj7#5", "A-melodic-minor"),
    ],
)  # fmt: skip
def test_chord_scales(symbol, scale_name):
    assert symbols.chord(symbol).scale == classes(scale_name)


@pytest.mark.parametrize("quality", QUALITIES)
def test_the_tones_of_a_chord_are_of_its_scale(quality):
    assert symbols.chord(f"D{quality}/Eb").tones <= symbols.chord(f"D{quality}/Eb").scale


def test_bars_of_a_progression():
    bars = symbols.progression("| Dm7 G7 | Cmaj7 | % | N.C. |")
    assert [[symbol for symbol, _ in bar] for bar in bars] == [["Dm7", "G7"], ["Cmaj7"], ["Cmaj7"], ["N.C."]]
