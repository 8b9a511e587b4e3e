"""The options of constraints, for every command that generates."""

from collections.abc import Callable
from typing import Any

import click

_OPTIONS = (
    click.option("--scale", metavar="NAME", help="Music: only notes of it: D-minor, Eb-dorian, A-blues, C-pentatonic."),
    click.option("--key", metavar="NAME", help="Music: in this key, D-minor or F-major; minor may raise 6 and 7."),
    click.option("--range", "range_", metavar="LOW-HIGH", help="Music: C4-C6, or soprano=C4-G5,bass=E2-C4."),
    click.option("--max-leap", type=int, metavar="N", help="Music: no part leaps more than N semitones."),
    click.option("--rhythm", metavar="LIST", help="Music: notes have only these lengths in quarter notes: 1/2,1,2."),
    click.option("--end", metavar="tonic", help="Music: end on the tonic; --steps is then an upper bound."),
    click.option("--chords", metavar="TEXT", help='Music: follow chords, bars by |: "Dm7 G7 | Cmaj7 | % | N.C."'),
    click.option("--chords-strict", is_flag=True, help="Chord tones only."),
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


def made(flags: dict[str, Any]) -> list[Any]:
    """The constraints that the flags ask for; the flags are taken out."""
    from seqgen import constraints
    from seqgen.errors import ConfigError

    def taken(name: str) -> Any:
        return flags.pop(name)

    found: list[Any] = []
    scale, key, end = taken("scale"), taken("key"), taken("end")
    for name, value in (("Scale", scale), ("Key", key)):
        if value is not None:
            found.append(getattr(constraints, name)(value))
    for name, flag in (("MaxLeap", "max_leap"), ("Lines", "lines"), ("Match", "match"), ("MaxCopy", "max_copy")):
        value = taken(flag)
        if value is not None:
            found.append(getattr(constraints, name)(value))
    if (value := taken("range_")) is not None:
        found.append(constraints.Range.of(value))
    if (value := taken("length")) is not None:
        found.append(constraints.Length.of(value))
    if (value := taken("rhythm")) is not None:
        found.append(constraints.Rhythm(*value.split(",")))
    if end is not None:
        found.append(constraints.End(end, key=key or scale))
    chords, strict = taken("chords"), taken("chords_strict")
    if strict and chords is None:
        raise ConfigError("--chords-strict says how to follow chords, and there are none: give --chords")
    if chords is not None:
        found.append(constraints.Chords(chords, strict=strict))
    return found
