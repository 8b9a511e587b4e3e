"""Names of notes, keys and scales, as musicians write them."""

import difflib
import re
from collections.abc import Iterable

from seqgen.errors import ConfigError

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "♯": 1, "b": -1, "♭": -1, "x": 2, "𝄪": 2, "𝄫": -2}
_NOTE = r"([A-Ga-g])([#♯b♭x𝄪𝄫]{0,3})"
_PITCH = rf"{_NOTE}(-?\d{{1,2}})"
_RANGE = re.compile(rf"\s*({_PITCH})\s*(?:-|–|\.\.|to)\s*({_PITCH})\s*")

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_MODES = {  # on which degree of a major scale each begins
    "ionian": 0,
    "dorian": 1,
    "phrygian": 2,
    "lydian": 3,
    "mixolydian": 4,
    "aeolian": 5,
    "locrian": 6,
}
SCALES: dict[str, tuple[int, ...]] = {  # semitones above the tonic
    **{name: tuple(sorted((step - _MAJOR[degree]) % 12 for step in _MAJOR)) for name, degree in _MODES.items()},
    "major": _MAJOR,
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "natural-minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic-minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic-minor": (0, 2, 3, 5, 7, 9, 11),  # as it ascends
    "pentatonic": (0, 2, 4, 7, 9),
    "major-pentatonic": (0, 2, 4, 7, 9),
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "minor-blues": (0, 3, 5, 6, 7, 10),
    "major-blues": (0, 2, 3, 4, 7, 9),
    "whole-tone": (0, 2, 4, 6, 8, 10),
    "whole-half": (0, 2, 3, 5, 6, 8, 9, 11),
    "half-whole": (0, 1, 3, 4, 6, 7, 9, 10),
    "altered": (0, 1, 3, 4, 6, 8, 10),
    "chromatic": tuple(range(12)),
}
_ALIASES = {"harmonic": "harmonic-minor", "melodic": "melodic-minor"}
_KEY_TONES = {"major": _MAJOR, "minor": (0, 2, 3, 5, 7, 8, 9, 10, 11)}  # sixth and seventh also raised
_KEY_NAMES = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}  # as the key tokens of the encodings are spelled


def nearest(name: str, names: Iterable[str]) -> str:
    """What to offer for a name that does not exist: "; did you mean ...?", or nothing."""
    by_folded: dict[str, str] = {}
    for other in names:
        by_folded.setdefault(other.casefold(), other)
    near = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(by_folded[other] for other in near)}?" if near else ""


def note_class(name: str) -> int:
    """The pitch class of a note's name without an octave: C 0, C# and Db 1.

    Raises:
        ConfigError: there is no such note.
    """
    match = re.fullmatch(_NOTE, name.strip())
    if match is None:
        raise ConfigError(_no_note(name, "A note is a letter, A to G, and perhaps # or b"))
    return _semitones(*match.groups()) % 12


def pitch(name: str | int) -> int:
    """The MIDI number of a note's name with its octave: C4 is 60. A number is taken as it is.

    >>> pitch("C4"), pitch("F#3"), pitch("B♭-1"), pitch("Cbb5")
    (60, 54, 10, 70)

    Raises:
        ConfigError: there is no such note, or MIDI has none.
    """
    if isinstance(name, int):
        number = name
    else:
        match = re.fullmatch(_PITCH, name.strip())
        if match is None:
            raise ConfigError(_no_note(name, "A note is a letter, perhaps # or b, and its octave; C4 is middle C"))
        number = _semitones(*match.groups()[:2]) + 12 * (int(match[3]) + 1)
    if not 0 <= number <= 127:
        raise ConfigError(f"notes lie between C-1 and G9, and {name} does not")
    return number


def pitch_range(text: str) -> tuple[int, int]:
    """The MIDI numbers of "C4-C6".

    Raises:
        ConfigError: it is no range of notes.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        for end in text.strip().rsplit("-", 1) if "-" in text.strip()[1:] else ():
            pitch(end)
        raise ConfigError(f"a range is two notes such as C4-C6, not {text!r}")
    low, high = pitch(match[1]), pitch(match[5])
    if low > high:
        raise ConfigError(f"the range {text.strip()} begins above its end; turn it round")
    return low, high


def scale(name: str) -> tuple[int, tuple[int, ...]]:
    """Tonic, as a pitch class, and tones, in semitones above it, of "D-minor" or "F#-harmonic-minor".

    >>> scale("Eb-dorian")
    (3, (0, 2, 3, 5, 7, 9, 10))

    Raises:
        ConfigError: there is no such scale.
    """
    tonic, kind = _split(name)
    if not tonic and kind == "chromatic":
        return 0, SCALES[kind]
    kind = _ALIASES.get(kind, kind)
    if not tonic or kind not in SCALES:
        raise ConfigError(_no("scale", name, tonic, kind, SCALES))
    return note_class(tonic), SCALES[kind]


def key(name: str) -> tuple[str, frozenset[int]]:
    """A key as its token spells it, and its pitch classes; in minor sixth and seventh may be raised.

    >>> key("Gb-major")[0], key("d-minor")[0]
    ('F#-major', 'D-minor')

    Raises:
        ConfigError: there is no such key.
    """
    tonic, mode = _split(name)
    if not tonic or mode not in _KEY_TONES:
        raise ConfigError(_no("key", name, tonic, mode, _KEY_TONES))
    root = note_class(tonic)
    return f"{_KEY_NAMES[mode][root]}-{mode}", frozenset((root + tone) % 12 for tone in _KEY_TONES[mode])


def _split(name: str) -> tuple[str, str]:
    """Tonic and kind; no tonic where the name does not begin with a note."""
    words = re.split(r"[-\s_]+", name.strip())
    if re.fullmatch(_NOTE, words[0]):
        return words[0], "-".join(words[1:]).casefold()
    return "", "-".join(words).casefold()


def _no_note(name: str, rule: str) -> str:
    """What to say of a note that does not exist."""
    name = name.strip()
    near = [f"{name}{octave}" for octave in (3, 4, 5)] if re.fullmatch(_NOTE, name) else []
    if name[:1] in ("h", "H"):  # as German has it
        near = [f"B{name[1:]}"]
    elif name[:1].upper() in _LETTERS and not near:
        octave = re.search(r"-?\d$", name)
        near = [name[0].upper() + sign + (octave.group() if octave else "") for sign in ("", "#", "b")]
    return f"there is no note {name!r}{'; did you mean ' + ' or '.join(near) + '?' if near else '.'} {rule}"


def _no(what: str, name: str, tonic: str, kind: str, kinds: Iterable[str]) -> str:
    """What to say of a scale or key that does not exist."""
    if tonic and kind:
        near = nearest(f"{tonic}-{kind}", [f"{tonic}-{other}" for other in kinds])
        return f"there is no {what} {name!r}{near or '; there are ' + ', '.join(kinds)}"
    if tonic:
        return f"a {what} is a note and a kind, such as {tonic}-major or {tonic}-minor, not {name!r}"
    first, _, rest = kind.partition("-")
    if rest in kinds:
        note_class(first.capitalize())  # says which notes there are
    return f"a {what} is a note and a kind, such as D-{kind if kind in kinds else 'minor'}, not {name!r}"


def _semitones(letter: str, accidentals: str) -> int:
    return _LETTERS[letter.upper()] + sum(_ACCIDENTALS[sign] for sign in accidentals)
