"""A piece as code for live coding: a pattern for Strudel (strudel.cc), or threads for Sonic Pi (sonic-pi.net).

Each part is a line of its own, or several where its notes overlap. Pitches and times are exact; of the tempi the first
is kept, velocities and instruments are not, so that sounds can be chosen there. Drums play the nearest sound of each.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import gcd
from textwrap import fill
from typing import NamedTuple

from seqgen.piece import Meter, Part, Piece

_BPM = 120.0  # where a piece has no tempo, as in MIDI
_WIDTH = 100
# General MIDI percussion: Strudel's sound, Sonic Pi's sample
_DRUMS = {
    **dict.fromkeys((35, 36), ("bd", "drum_bass_hard")),
    37: ("rim", "drum_snare_soft"),
    **dict.fromkeys((38, 40), ("sd", "drum_snare_hard")),
    39: ("cp", "perc_snap"),
    **dict.fromkeys((41, 43), ("lt", "drum_tom_lo_hard")),
    **dict.fromkeys((45, 47), ("mt", "drum_tom_mid_hard")),
    **dict.fromkeys((48, 50), ("ht", "drum_tom_hi_hard")),
    42: ("hh", "drum_cymbal_closed"),
    44: ("hh", "drum_cymbal_pedal"),
    46: ("oh", "drum_cymbal_open"),
    **dict.fromkeys((49, 52, 55, 57), ("cr", "drum_splash_hard")),
    **dict.fromkeys((51, 53, 59), ("rd", "drum_cymbal_hard")),
    54: ("tb", "drum_cymbal_soft"),
    56: ("cb", "drum_cowbell"),
}
_OTHER_DRUM = ("misc", "drum_cymbal_soft")


class _Chord(NamedTuple):
    """Notes of one part that begin and end together; in ticks."""

    onset: int
    end: int
    pitches: tuple[int, ...]


def strudel_bytes(piece: Piece) -> bytes:
    """A `stack` with a line for each voice; a cycle is a bar of the first meter.

    `<60@4 ~@2 [60,64]>*16` is: a note of four units, two of silence, a chord of one, sixteen units a bar.
    """
    bar = Fraction(piece.ticks_per_quarter * 4 * _meter(piece).numerator, _meter(piece).denominator)
    lines = list(_voices(piece))
    unit = _unit([*lines], bar)
    length = -(-Fraction(piece.end_tick) // bar) * bar  # whole bars, so that the parts stay together when it repeats
    code = [f"setcpm({_number(_bpm(piece))}/{_number(bar / piece.ticks_per_quarter)})"]
    if not lines:
        return _joined("//", piece, [*code, "silence"])
    code.append("stack(")
    for part, voice in lines:
        steps = [
            (_strudel_sound(part, pitches), (end - begin) / unit) for begin, end, pitches in _gapless(voice, length)
        ]
        pattern = " ".join(f"{sound}@{weight}" if weight != 1 else sound for sound, weight in steps)
        function = "s" if part.drums else "note"
        name = f" // {_one_line(part.name)}" if part.name else ""
        code.append(f'  {function}("<{pattern}>*{bar / unit}"),{name}')
    return _joined("//", piece, [*code, ")"])


def sonicpi_bytes(piece: Piece) -> bytes:
    """A thread for each voice: pairs of what sounds, `:r` for silence, and for how many quarter notes."""
    code = [f"use_bpm {_number(_bpm(piece))}"]
    for part, voice in _voices(piece):
        steps = [
            f"[{_sonicpi_sound(part, pitches)},{_beats(Fraction(end - begin) / piece.ticks_per_quarter)}]"
            for begin, end, pitches in _gapless(voice, None)
        ]
        play = "[n].flatten.each { |s| sample s unless s == :r }" if part.drums else (
            "play n, sustain: d * 0.9, release: d * 0.1"
        )  # fmt: skip
        code += [
            "",
            f"in_thread do # {_one_line(part.name)}".removesuffix(" # "),
            fill(f"[{', '.join(steps)}]", _WIDTH, initial_indent="  ", subsequent_indent="   ") + ".each do |n, d|",
            f"    {play}",
            "    sleep d",
            "  end",
            "end",
        ]
    return _joined("#", piece, code)


def _voices(piece: Piece) -> Iterator[tuple[Part, list[_Chord]]]:
    """Each part as voices of chords that do not overlap, as few as it needs."""
    for number, part in enumerate(piece.parts):
        chords: dict[tuple[int, int], list[int]] = {}
        for onset, duration, pitch, *_ in piece.part_notes(number).tolist():
            chords.setdefault((onset, onset + duration), []).append(pitch)
        voices: list[list[_Chord]] = []
        for (onset, end), pitches in sorted(chords.items()):
            voice = next((voice for voice in voices if voice[-1].end <= onset), None)
            if voice is None:
                voices.append(voice := [])
            voice.append(_Chord(onset, end, tuple(pitches)))
        yield from ((part, voice) for voice in voices)


def _gapless(voice: Sequence[_Chord], length: Fraction | None) -> Iterator[tuple[int, int | Fraction, tuple[int, ...]]]:
    """The chords with the silence between them, and up to `length`, as chords without a pitch."""
    time = 0
    for chord in voice:
        if chord.onset > time:
            yield time, chord.onset, ()
        yield chord
        time = chord.end
    if length is not None and length > time:
        yield time, length, ()


def _unit(lines: Sequence[tuple[Part, Sequence[_Chord]]], bar: Fraction) -> Fraction:
    """The longest time of which all times are multiples, in ticks."""
    times = {time for _, voice in lines for chord in voice for time in (chord.onset, chord.end)}
    return Fraction(gcd(bar.numerator, *(time * bar.denominator for time in times)), bar.denominator)


def _strudel_sound(part: Part, pitches: Sequence[int]) -> str:
    names = [_DRUMS.get(pitch, _OTHER_DRUM)[0] if part.drums else str(pitch) for pitch in pitches]
    return f"[{','.join(dict.fromkeys(names))}]" if len(names) > 1 else names[0] if names else "~"


def _sonicpi_sound(part: Part, pitches: Sequence[int]) -> str:
    names = [f":{_DRUMS.get(pitch, _OTHER_DRUM)[1]}" if part.drums else str(pitch) for pitch in pitches]
    return f"[{','.join(names)}]" if len(names) > 1 else names[0] if names else ":r"


def _meter(piece: Piece) -> Meter:
    return piece.meters[0] if piece.meters else Meter(0, 4, 4)


def _bpm(piece: Piece) -> float:
    return piece.tempi[0].bpm if piece.tempi else _BPM


def _number(value: float | Fraction) -> str:
    return f"{float(value):.10g}"


def _beats(value: Fraction) -> str:
    """Ruby has exact fractions: `2/3r`."""
    exact = str(value.numerator) if value.denominator == 1 else _number(value)
    return exact if Fraction(exact) == value else f"{value}r"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _joined(comment: str, piece: Piece, code: Sequence[str]) -> bytes:
    """With what is said at the start of the piece in front: its title, and where it comes from."""
    said = [piece.title, *(marker.text for marker in piece.markers if marker.tick == 0)]
    return "\n".join([*(f"{comment} {_one_line(text)}" for text in said if text), *code, ""]).encode("utf-8", "replace")
