"""What the music encodings share: the grid, the control tokens at the start of a piece, transposition.

The controls are always three tokens in this order: `key=D-minor`, `meter=3/4`, `pickup=2` (grid steps before the first
full bar). What is not known is spelled `?`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen.encodings.base import Encoded, Kind, Table
from seqgen.errors import ConfigError, TokenError
from seqgen.piece import Key, Meter, Piece
from seqgen.vocabulary import SPECIALS, UNK, Vocabulary

TRANSPOSITIONS = range(-6, 6)  # semitones; every key once
CONTROL_NAMES = ("key", "meter", "pickup")
CONTROLS = len(CONTROL_NAMES)
LONGEST = 1_000_000  # grid steps; more, days of music, come from damaged files and would fill the memory
_LONGEST_BAR = 10_000  # grid steps; each is a value of a feature

_MAJOR = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")  # by pitch class
_MINOR = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
_NAMES = {"major": _MAJOR, "minor": _MINOR}
KEYS = (*(f"key={name}-{mode}" for mode, names in _NAMES.items() for name in names), "key=?")


def check_grid(grid: int) -> int:
    """`grid`, steps a quarter note, if it is usable."""
    if not 1 <= grid <= 96:
        raise ConfigError(f"the grid must be 1 to 96 steps a quarter note, not {grid}")
    return grid


def quantise(ticks: np.ndarray | int, ticks_per_quarter: int, grid: int) -> Any:
    """The nearest grid step of a tick, halves up, exactly."""
    return (2 * grid * ticks + ticks_per_quarter) // (2 * ticks_per_quarter)


def quantised_spans(notes: np.ndarray, ticks_per_quarter: int, grid: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Onsets and ends of notes in grid steps, each at least one step long, and how many notes were off the grid.

    Raises:
        TokenError: the notes reach further than `LONGEST` steps.
    """
    ends = notes["onset"] + notes["duration"]
    onset = quantise(notes["onset"], ticks_per_quarter, grid)
    end = np.maximum(quantise(ends, ticks_per_quarter, grid), onset + 1)
    if len(end) and end.max() > LONGEST:
        raise TokenError(f"the piece is {end.max()} grid steps long; at most {LONGEST} can be encoded")
    off = (onset * ticks_per_quarter != notes["onset"] * grid) | (end * ticks_per_quarter != ends * grid)
    return onset, end, int(np.count_nonzero(off))


def drum_notes(piece: Piece) -> np.ndarray:
    """`(n,)` bool: which notes belong to a drum part."""
    return np.array([part.drums for part in piece.parts] or [False])[piece.notes["part"]]


def add_loss(losses: dict[str, int], reason: str, count: int) -> None:
    """Count a loss, if there is one."""
    if count:
        losses[reason] = losses.get(reason, 0) + int(count)


# --- control tokens ---------------------------------------------------------------------------------------------------


def control_tokens(piece: Piece, grid: int) -> tuple[list[str], dict[str, int]]:
    """Key, meter and pickup of a piece as tokens, and what they cannot say."""
    losses: dict[str, int] = {}
    add_loss(losses, "key changes not kept", len({key[1:] for key in piece.keys}) - 1 if piece.keys else 0)
    add_loss(losses, "meter changes not kept", len({meter[1:] for meter in piece.meters}) - 1 if piece.meters else 0)
    meter = piece.meters[0] if piece.meters else None
    bar = bar_steps(meter.numerator, meter.denominator, grid) if meter else None
    add_loss(losses, "meters that do not fit the grid not kept", meter is not None and bar is None)
    pickup = int(quantise(piece.pickup_ticks, piece.ticks_per_quarter, grid))
    add_loss(losses, "pickups moved to the grid", pickup * piece.ticks_per_quarter != piece.pickup_ticks * grid)
    if pickup >= (bar or 4 * grid):
        add_loss(losses, "pickups longer than a bar not kept", 1)
        pickup = 0
    meter_name = f"{meter.numerator}/{meter.denominator}" if meter and bar else "?"
    return [_key_token(piece), f"meter={meter_name}", f"pickup={pickup}"], losses


def control_fields(tokens: Sequence[str], grid: int, ticks_per_step: int) -> tuple[dict[str, Any], list[str]]:
    """The inverse: arguments for Piece.build, and the tokens after the controls.

    Raises:
        TokenError: another token stands in the place of a control.
    """
    fields: dict[str, Any] = {}
    bar = 4 * grid
    for name, token in zip(CONTROL_NAMES, tokens, strict=False):
        if token == SPECIALS[UNK]:
            continue
        if not token.startswith(f"{name}="):
            raise TokenError(f"the {name} token belongs here, not {token!r}")
        value = token.partition("=")[2]
        if value == "?":
            continue
        if name == "key":
            tonic, _, mode = value.partition("-")
            fields["keys"] = (Key(0, _fifths(_NAMES[mode].index(tonic), mode), mode),)
        elif name == "meter":
            numerator, denominator = map(int, value.split("/"))
            fields["meters"] = (Meter(0, numerator, denominator),)
            bar = bar_steps(numerator, denominator, grid) or bar
        elif int(value) < bar:
            fields["pickup_ticks"] = int(value) * ticks_per_step
    return fields, list(tokens[CONTROLS:])


def _key_token(piece: Piece) -> str:
    """The first key signature. A mode it leaves open is read off the last bass note, as a musician would."""
    notes = piece.notes[~drum_notes(piece)]
    if not piece.keys or not len(notes):
        return "key=?"
    key = piece.keys[0]
    major_tonic = key.fifths * 7 % 12
    mode = key.mode
    if mode not in _NAMES:
        ends = notes["onset"] + notes["duration"]
        bass = int(notes["pitch"][ends == ends.max()].min())
        mode = "minor" if bass % 12 == (major_tonic + 9) % 12 else "major"
    return f"key={_NAMES[mode][major_tonic if mode == 'major' else (major_tonic + 9) % 12]}-{mode}"


def _fifths(tonic: int, mode: str) -> int:
    """The key signature of a tonic's pitch class, spelled as its name is: F# major 6, Db major -5, Eb minor -6."""
    fifths = (tonic if mode == "major" else tonic + 3) * 7 % 12
    return fifths - 12 if fifths > (6 if mode == "major" else 5) else fifths


def bar_steps(numerator: int, denominator: int, grid: int) -> int | None:
    """Grid steps a bar, None if that is not a whole number, or absurdly many."""
    steps, rest = divmod(4 * grid * numerator, denominator)
    return steps if 0 < steps <= _LONGEST_BAR and not rest else None


# --- vocabulary, table, transposition ---------------------------------------------------------------------------------


def control_vocabulary(sequences: Iterable[Encoded]) -> set[str]:
    """All keys, and the meters and pickups that occur or may be unknown."""
    seen = {token for sequence in sequences for token in sequence.tokens[:CONTROLS]}
    return {*KEYS, "meter=?", "pickup=0", *seen}


def body_tokens(sequences: Iterable[Encoded]) -> set[str]:
    """The distinct tokens after the controls."""
    return {token for sequence in sequences for token in set(sequence.tokens[CONTROLS:])}


class Meaning(NamedTuple):
    """What a body token of a music encoding is; a Table is made from these."""

    kind: Kind
    pitches: tuple[int, ...] = ()
    strikes: bool = False
    advance: int = 0  # grid steps


def music_table(vocabulary: Vocabulary, meaning: Callable[[str], Meaning]) -> Table:
    """The table of a vocabulary whose body tokens `meaning` explains."""
    n_values = len(vocabulary)
    table = Table(
        kind=np.zeros(n_values, np.uint8),
        pitches=np.zeros((n_values, 128), bool),
        strikes=np.zeros(n_values, bool),
        advance=np.zeros(n_values, np.int32),
    )
    for id, token in enumerate(vocabulary.tokens):
        if id < len(SPECIALS):
            means = Meaning(Kind.SPECIAL)
        elif is_control(token):
            means = Meaning(Kind.CONTROL)
        else:
            means = meaning(token)
            pitches = all(0 <= pitch < 128 for pitch in means.pitches)
            if not pitches or not (means.kind == Kind.DURATION) <= means.advance <= LONGEST:
                raise TokenError(f"there is no token {token[:40]!r} in this encoding")
        table.kind[id] = means.kind
        table.pitches[id, list(means.pitches)] = True
        table.strikes[id] = means.strikes
        table.advance[id] = means.advance
    return table


def is_control(token: str) -> bool:
    """Whether a token of a music encoding is a control."""
    return token.startswith(("key=", "meter=", "pickup="))


_CONTROLS = (
    re.compile("|".join(map(re.escape, KEYS))),
    re.compile(r"meter=(?:\?|[1-9][0-9]{0,5}/[1-9][0-9]{0,5})"),
    re.compile(r"pickup=(?:0|[1-9][0-9]{0,5})"),
)


def check_control(token: str, place: int) -> None:
    """Raises TokenError: it is none of the tokens that `control_tokens` puts in this place."""
    if not _CONTROLS[place].fullmatch(token):
        raise TokenError(f"there is no {CONTROL_NAMES[place]} token {token[:40]!r}")


_NUMBER = re.compile(r"\d+")


def transpose_token(token: str, semitones: int, transpose_body: Callable[[str, int], str]) -> str:
    """A token `semitones` higher: keys move around the circle, meters stay, body tokens as `transpose_body` says."""
    if token.startswith("key=") and token != "key=?":
        tonic, _, mode = token[4:].partition("-")
        return f"key={_NAMES[mode][(_NAMES[mode].index(tonic) + semitones) % 12]}-{mode}"
    return token if is_control(token) else transpose_body(token, semitones)


def transpose_table(vocabulary: Vocabulary, semitones: int, transpose_body: Callable[[str, int], str]) -> np.ndarray:
    """`(n_values,)` ids; UNK where the transposed token is not in the vocabulary."""
    ids = np.arange(len(vocabulary))
    for id in range(len(SPECIALS), len(vocabulary)):
        moved = transpose_token(vocabulary.tokens[id], semitones, transpose_body)
        ids[id] = vocabulary.ids.get(moved, UNK)
    return ids


def shift_numbers(token: str, semitones: int) -> str:
    """Every number of a token `semitones` higher: for tokens whose numbers are pitches."""
    return _NUMBER.sub(lambda match: str(int(match.group()) + semitones), token)


def pitch_range(tokens: Iterable[str]) -> range:
    """The pitches from the lowest to the highest number in `tokens`."""
    pitches = {int(number) for token in set(tokens) for number in _NUMBER.findall(token)}
    return range(min(pitches), max(pitches) + 1) if pitches else range(0)
