"""Chord symbols, as lead sheets have them: `Dm7`, `F#m7b5`, `CΔ`, `G7sus4`, `Bb/D`, `N.C.`, and progressions of them.

The chord scale is the one a player would first think of: Ionian, Lydian with #11, Dorian for minor, Mixolydian for
sevenths and suspended chords, Locrian for half-diminished ones, and so on, with the chord's own alterations.
"""

import re
from typing import NamedTuple

from seqgen.constraints.names import SCALES, nearest, note_class
from seqgen.errors import ConfigError


class Chord(NamedTuple):
    """What a symbol means, in pitch classes. Hashable; two symbols that mean the same are equal."""

    tones: frozenset[int]  # with the bass
    scale: frozenset[int]  # the tones among them


_ALL = frozenset(range(12))
NO_CHORD = Chord(_ALL, _ALL)

_NOTE = r"[A-G](?:[#♯]{1,2}|[b♭]{1,2}|[x𝄪𝄫])?"
_SYMBOL = re.compile(rf"({_NOTE})(.*?)(?:/({_NOTE}))?")
_KINDS = {
    "half-diminished": r"[øØ]7?|hdim7?",
    "diminished": r"dim|[°ºo]",
    "major": r"[Mm]aj(?:or)?|ma(?=6|7|9|1|$)|M|Δ7?",
    "minor": r"minor|min|mi|m|-",
    "augmented": r"aug|\+",
    "dominant": r"dom|",
}
_QUALITY = re.compile(
    rf"(?:{'|'.join(f'(?P<{kind[:4]}>{signs})' for kind, signs in _KINDS.items())})"
    r"(?P<seventh>[Mm]aj(?=7|9|1|$)|ma(?=7|9|1|$)|M(?=7|9|1|$)|Δ)?(?P<number>69|13|11|9|7|6|5)?(?P<changes>.*)"
)
_CHANGE = re.compile(r"(sus24|sus2|sus4|sus|alt)|(add|no|omit)?([#+b-]?)(13|11|9|7|6|5|4|3|2)|(\+)")
_SIGNS = {"": 0, "#": 1, "+": 1, "b": -1, "-": -1}
_NATURAL = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 10}  # semitones above the root by degree; a ninth is a second
_SUSPENDED = {"sus": {4: {5}}, "sus4": {4: {5}}, "sus2": {2: {2}}, "sus24": {2: {2}, 4: {5}}}
_TRIADS = {
    "half-diminished": (3, 6),
    "diminished": (3, 6),
    "major": (4, 7),
    "minor": (3, 7),
    "augmented": (4, 8),
    "dominant": (4, 7),
}
_STACKED = {"9": (2,), "11": (2, 4), "13": (2, 6), "69": (6, 2), "6": (6,)}  # beside the seventh
_COMMON = (
    *("", "7", "m7", "maj7", "M7", "m", "6", "m6", "69", "9", "m9", "maj9", "11", "m11", "13", "dim", "dim7", "m7b5"),
    *("aug", "7#5", "sus2", "sus4", "7sus4", "9sus4", "7b9", "7#9", "7#11", "7alt", "maj7#11", "mMaj7", "add9", "5"),
)  # to offer for one that does not exist


def chord(symbol: str) -> Chord:
    """What a chord symbol means.

    >>> sorted(chord("Dm7").tones), sorted(chord("C/Bb").tones)
    ([0, 2, 5, 9], [0, 4, 7, 10])

    Raises:
        ConfigError: there is no such chord.
    """
    if re.fullmatch(r"n\.?c\.?", symbol.casefold()):
        return NO_CHORD
    found = _SYMBOL.fullmatch(symbol.replace("6/9", "69"))
    degrees = found and _degrees(found[2])
    if not found or not degrees:
        root = re.match(_NOTE, symbol[:1].upper().replace("H", "B") + symbol[1:])
        names = [f"{root.group()}{quality}" for quality in _COMMON] if root else []
        raise ConfigError(f"there is no chord {symbol!r}{nearest(symbol, names)}")
    root = note_class(found[1])
    tones = {tone for degree in degrees.values() for tone in degree}
    scale = _scale(degrees, "alt" in found[2]) | tones
    bass = {note_class(found[3])} if found[3] else set()
    above = {(root + tone) % 12 for tone in tones}
    return Chord(frozenset(above | bass), frozenset({(root + tone) % 12 for tone in scale} | bass))


def progression(text: str) -> list[list[tuple[str, Chord]]]:
    """The chords of each bar of "Dm7 G7 | Cmaj7 | % | N.C.", as they are spelled and what they mean.

    Raises:
        ConfigError: there is no such chord, or a bar is empty; naming the bar.
    """
    stripped = text.strip().removeprefix("|").removesuffix("|")
    bars: list[list[tuple[str, Chord]]] = []
    for number, bar in enumerate(stripped.split("|"), 1):
        place = f"in bar {number} of the chords, {bar.strip()!r}"
        symbols = bar.split()
        if not symbols:
            raise ConfigError(
                f"bar {number} of the chords {text!r} is empty; % repeats the bar before, N.C. is no chord"
            )
        if symbols == ["%"]:
            if not bars:
                raise ConfigError(f"{place}: % repeats the bar before, and there is none")
            bars.append(bars[-1])
            continue
        try:
            bars.append([(symbol, chord(symbol)) for symbol in symbols])
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from error
    return bars


def _degrees(quality: str) -> dict[int, set[int]] | None:
    """The tones of a quality, in semitones above the root, by degree 1 to 7; None where there is no such quality."""
    quality = re.sub(r"[(),]", "", quality).replace("♯", "#").replace("♭", "b")
    quality = re.sub("[–−‑]", "-", re.sub("[△∆^]", "Δ", quality))
    found = _QUALITY.fullmatch(quality)
    if found is None:
        return None
    kind = next(kind for kind in _KINDS if found[kind[:4]] is not None)
    number = found["number"]
    third, fifth = _TRIADS[kind]
    degrees: dict[int, set[int]] = {1: {0}, 3: {third}, 5: {fifth}}
    delta = "Δ" in found[kind[:4]]
    if number == "5" and kind == "dominant":
        del degrees[3]
    elif number == "5":
        return None
    if number in ("7", "9", "11", "13") or found["seventh"] or delta or kind == "half-diminished":
        large = kind == "major" or found["seventh"]
        degrees[7] = {11 if large else 9 if kind == "diminished" else 10}
    for degree in _STACKED.get(number or "", ()):
        degrees[degree] = {_NATURAL[degree]}
    if number == "13" and third == 3:
        degrees[4] = {5}  # over a major third it is left out
    return degrees if _changed(degrees, found["changes"]) else None


def _changed(degrees: dict[int, set[int]], changes: str) -> bool:
    """Apply suspensions, alterations, additions and omissions; whether all are known."""
    altered: set[int] = set()
    at = 0
    while at < len(changes):
        found = _CHANGE.match(changes, at)
        if found is None:
            return False
        at = found.end()
        word, verb, sign, number, plus = found.groups()
        if word == "alt":
            degrees |= {2: {3}, 5: {8}, 7: {10}}
        elif word:
            degrees.pop(3, None)
            degrees |= _SUSPENDED[word]
        elif verb in ("no", "omit"):
            if sign or degrees.pop(int(number), None) is None:
                return False
        elif not (verb or sign or plus):
            return False
        else:
            degree = 5 if plus else (int(number) - 1) % 7 + 1
            tone = (_NATURAL[degree] + _SIGNS[plus or sign]) % 12
            degrees[degree] = degrees.get(degree, set()) | {tone} if degree in altered or verb else {tone}
            altered.add(degree)
    return True


def _scale(degrees: dict[int, set[int]], altered: bool) -> set[int]:
    """The chord's scale, in semitones above the root."""
    third, fifth, seventh, ninth = (degrees.get(degree, set()) for degree in (3, 5, 7, 2))
    if altered or (fifth == {8} and seventh == {10} and ninth & {1, 3}):
        return set(SCALES["altered"])
    if third == {3} and fifth == {6} and seventh != {10}:
        return set(SCALES["whole-half"])
    if third == {4} and fifth == {8} and seventh != {11}:
        return set(SCALES["whole-tone"])
    if third == {4} and fifth == {8}:
        base = (0, 2, 4, 6, 8, 9, 11)  # Lydian augmented
    elif third == {3} and fifth == {6}:
        base = SCALES["locrian"]
    elif third == {3}:
        base = SCALES["melodic-minor" if seventh == {11} else "dorian"]
    else:
        base = SCALES["mixolydian" if seventh == {10} or not third else "ionian"]
    return {tone for degree, natural in enumerate(base, 1) for tone in degrees.get(degree, {natural})}
