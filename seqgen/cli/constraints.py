"""The options of constraints, for every command that generates."""

from collections.abc import Callable
from typing import Any

import click

_OF_VOICES = (
    click.option("--scale", metavar="NAME", help="Music: only notes of it: D-minor, Eb-dorian, A-blues, C-pentatonic."),
    click.option("--key", metavar="NAME", help="Music: in this key, D-minor or F-major; minor may raise 6 and 7."),
    click.option("--range", "range_", metavar="LOW-HIGH", help="Music: C4-C6, or soprano=C4-G5,bass=E2-C4."),
    click.option("--max-leap", type=int, metavar="N", help="Music: no part leaps more than N semitones."),
    click.option("--rhythm", metavar="LIST", help="Music: notes have only these lengths in quarter notes: 1/2,1,2."),
    click.option("--end", metavar="tonic", help="Music: end on the tonic; --steps is then an upper bound."),
    click.option("--chords", metavar="TEXT", help='Music: follow chords, bars by |: "Dm7 G7 | Cmaj7 | % | N.C."'),
    click.option("--chords-strict", is_flag=True, help="Chord tones only."),
)
_OPTIONS = (
    *_OF_VOICES,
    click.option("--length", metavar="N|N-M", help="Text: exactly so many characters or words, or between."),
    click.option("--lines", type=int, metavar="N", help="Text: exactly so many lines."),
    click.option("--match", metavar="REGEX", help="Text: all of it matches."),
    click.option("--max-copy", metavar="LENGTH", help="Copy no longer passage of the corpus: 2bars, 8notes, 5words."),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command, which takes them as `**flags`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def options_of_voices(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds those for voices of music whose length is known."""
    for option in reversed(_OF_VOICES):
        command = option(command)
    return command


def made(flags: dict[str, Any]) -> list[Any]:
    """The constraints that the flags ask for; the flags are taken out."""
    from seqgen.constraints import Chords, End, Key, Length, Lines, Match, MaxCopy, MaxLeap, Range, Rhythm, Scale
    from seqgen.errors import ConfigError

    makers: dict[str, Callable[[Any], Any]] = {
        "scale": Scale,
        "key": Key,
        "max_leap": MaxLeap,
        "lines": Lines,
        "match": Match,
        "max_copy": MaxCopy,
        "range_": Range.of,
        "length": lambda text: Length(*_numbers(text)),
        "rhythm": lambda text: Rhythm(*text.split(",")),
    }
    asked = {flag: flags.pop(flag, None) for flag in (*makers, "end", "chords", "chords_strict")}
    found = [make(asked[flag]) for flag, make in makers.items() if asked[flag] is not None]
    if asked["end"] is not None:
        found.append(End(asked["end"], key=asked["key"] or asked["scale"]))
    if asked["chords_strict"] and asked["chords"] is None:
        raise ConfigError("--chords-strict says how to follow chords, and there are none: give --chords")
    if asked["chords"] is not None:
        found.append(Chords(asked["chords"], strict=asked["chords_strict"]))
    return found


def _numbers(text: str) -> list[int]:
    """`40` or `20-40`."""
    from seqgen.errors import ConfigError

    parts = text.split("-")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise ConfigError(f"--length is a number, or two of them such as 20-40, not {text!r}")
    return [int(part) for part in parts]
