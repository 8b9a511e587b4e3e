"""A piece made anew in part: which notes stay, what the model makes of the rest, and how both become one piece."""

import re
from collections.abc import Iterable
from dataclasses import replace
from math import lcm
from typing import TYPE_CHECKING

import numpy as np

from seqgen.api.finish import mark
from seqgen.api.request import Request
from seqgen.constraints import Keep
from seqgen.encodings import Encoded, Kind
from seqgen.encodings.grid import CONTROLS, quantise, quantised_spans
from seqgen.errors import ConfigError, TokenError
from seqgen.piece import Piece
from seqgen.sampling import sample, streams
from seqgen.threads import one_thread

if TYPE_CHECKING:
    from seqgen.api.model import Model

_BARS = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?")


def vary(model: "Model", piece: Piece, keep_bars: str | Iterable[int], amount: float, request: Request) -> list[Piece]:
    """As many variations as the request's count; see `Model.vary`."""
    if model.unit != "music":
        raise ConfigError("vary is for music, and this model writes text")
    if not isinstance(piece, Piece):
        raise ConfigError("vary wants music, and this is text")
    if not 0 <= amount <= 1:
        raise ConfigError(f"the amount must be 0 (change nothing) to 1 (all that is not kept), not {amount:g}")
    plan = request.plan
    original = _Spelled(model, piece)
    bars, kept = _bars(original, keep_bars)
    varied = []
    for number, random in enumerate(streams(request.drawn_with, request.count or 1)):
        free, room = _set_free(original, bars, kept, amount, random)
        setting = model.setting([Keep(original.notes[~free], room)])
        with one_thread():
            (row,) = sample(
                setting,
                [original.controls],
                [original.length],
                strategy=plan,
                random=[random],
                particles=request.particles or 1,
            )
        tokens = model.vocabulary.to_tokens([*original.controls, *row.ids])
        new = _without(model.encoding.decode(tokens).notes, original.notes[~free])
        made = original.with_new(new, instead_of=original.notes[free])
        varied.append(replace(made, markers=(mark(model, request, number), *made.markers)))
    return varied


class _Spelled:
    """A piece as the model's encoding spells it.

    notes: what its tokens say, in grid steps and the encoding's own parts; length: grid steps. piece: with ticks that
    divide a grid step, of which there are `step_ticks`.
    """

    def __init__(self, model: "Model", piece: Piece) -> None:
        try:
            encoded: Encoded = model.encoding.encode(piece)[0]
        except TokenError as error:
            raise TokenError(f"the piece does not fit the model: {error}") from error
        self.grid: int = model.encoding.options["grid"]
        self.piece = on_ticks_of(piece, self.grid)
        self.step_ticks = self.piece.ticks_per_quarter // self.grid
        self.controls = model.vocabulary.to_ids(encoded.tokens[:CONTROLS]).tolist()
        decoded = model.encoding.decode(encoded.tokens)
        self.notes, self.length = decoded.notes, decoded.end_tick  # a tick is a grid step
        self.voices = encoded.voices
        self.merges = bool((model.table.kind == Kind.FRAME_END).any())  # any notes at once, of all parts
        self.onsets, self.ends, _ = quantised_spans(self.piece.notes, self.piece.ticks_per_quarter, self.grid)

    def made_of(self, notes: np.ndarray) -> np.ndarray:
        """`(n,)` bool: which notes of the piece these are made of; also what is lost in them, as grace notes are."""
        found = np.zeros(len(self.piece.notes), bool)
        for onset, duration, pitch, _, part in notes.tolist():
            here = np.isin(self.piece.notes["part"], self.voices[part])
            here &= (onset <= self.onsets) & (self.onsets < onset + duration)
            found |= here & (self.piece.notes["pitch"] == pitch) if self.merges else here
        return found

    def with_new(self, new: np.ndarray, instead_of: np.ndarray) -> Piece:
        """The piece with other notes, given as `notes` are. Each has the velocity of the note it lies nearest to, and
        its part where the encoding merges several."""
        kept = self.piece.notes[~self.made_of(instead_of)]
        rows = kept.tolist()
        for onset, duration, pitch, _, part in new.tolist():
            near = self.piece.notes[np.isin(self.piece.notes["part"], self.voices[part])]
            begin, end = onset * self.step_ticks, (onset + duration) * self.step_ticks
            nearest = near[np.lexsort((abs(near["pitch"].astype(int) - pitch), abs(near["onset"] - begin)))[0]]
            # a kept note off the grid may still sound: it is not for the new one to end it
            same = kept[(kept["pitch"] == pitch) & (kept["part"] == nearest["part"]) & (kept["onset"] <= begin)]
            begin = max([begin, *(same["onset"] + same["duration"]).tolist()])
            rows.append((begin, end - begin, pitch, int(nearest["velocity"]), int(nearest["part"])))
        built = Piece.build(rows, self.piece.ticks_per_quarter, self.piece.parts)
        return replace(self.piece, notes=built.notes)


def _numbers(bars: str | Iterable[int], most: int) -> set[int]:
    """The numbers of bars given as "1-4,8", or as they are; of a range past `most` only the first."""
    if not isinstance(bars, str):
        return {int(bar) for bar in bars}
    numbers: set[int] = set()
    for words in filter(str.strip, bars.split(",")):
        found = _BARS.fullmatch(words)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first:
            raise ConfigError(f"bars are given as 1-4,8, not as {bars!r}")
        numbers.update(range(first, max(first, min(last, most + 1)) + 1))
    return numbers


def _bars(original: _Spelled, keep_bars: str | Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    """`(length,)`: the bar of each grid step, and whether it is kept. A pickup is bar 0."""
    piece = original.piece
    lines, first = piece.bar_lines(), 0 if piece.pickup_ticks else 1
    last = first + len(lines) - 1
    keep = _numbers(keep_bars, last)
    missing = sorted(bar for bar in keep if not first <= bar <= last)
    if missing:
        raise ConfigError(f"there is no bar {missing[0]}: the piece has bars {first} to {last}")
    begins = [quantise(line, piece.ticks_per_quarter, original.grid) for line in lines]
    bars = np.searchsorted(begins, np.arange(original.length), side="right") - 1 + first
    kept = np.isin(bars, list(keep))
    if kept.all():
        raise ConfigError(f"there is nothing to vary: all bars are kept, and the piece has bars {first} to {last}")
    return bars, kept


def _set_free(
    original: _Spelled, bars: np.ndarray, kept: np.ndarray, amount: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Which notes are made anew, `(n,)` bool, and where, `(parts, length)` bool: see `Keep`.

    A share of the notes that do not sound in a kept bar, and of the rests, which bar lines divide. Where a part says
    its notes together, as chords, they are one.
    """
    notes = original.notes
    spans = [slice(onset, onset + duration) for onset, duration in zip(notes["onset"], notes["duration"], strict=True)]
    loose = np.array([not kept[span].any() for span in spans], bool)
    chords = notes["part"].astype(int) * original.length + notes["onset"]
    units = np.arange(len(notes)) if original.merges else chords
    free = loose & np.isin(units, _some(np.unique(units[loose]), amount, random))
    room = np.zeros((len(original.voices), original.length), bool)
    silent = np.tile(~kept, (len(room), 1))
    for part, span, is_loose, is_free in zip(notes["part"], spans, loose, free, strict=True):
        silent[part, span] &= not is_loose
        room[part, span] |= is_free
    rests = np.where(silent, np.cumsum(_begins(silent, bars), axis=1), 0)  # numbered from 1 in each part
    rests += np.where(silent, np.arange(len(room))[:, None] * original.length, 0)
    return free, room | (silent & np.isin(rests, _some(np.unique(rests[silent]), amount, random)))


def _begins(silent: np.ndarray, bars: np.ndarray) -> np.ndarray:
    """`(parts, length)` bool: where a rest begins, or goes on behind a bar line."""
    before = np.pad(silent[:, :-1], ((0, 0), (1, 0)))
    return silent & (~before | (np.diff(bars, prepend=bars[0]) > 0))


def _some(of: np.ndarray, amount: float, random: np.random.Generator) -> np.ndarray:
    """A share of them at random; at least one, unless the amount is 0."""
    count = max(round(amount * len(of)), 1) if amount > 0 else 0
    return random.permutation(of)[:count]


def _without(notes: np.ndarray, others: np.ndarray) -> np.ndarray:
    known = {(onset, duration, pitch, part) for onset, duration, pitch, _, part in others.tolist()}
    new = [(onset, duration, pitch, part) not in known for onset, duration, pitch, _, part in notes.tolist()]
    return notes[np.array(new, bool)]


def on_ticks_of(piece: Piece, grid: int) -> Piece:
    """The same with ticks so fine that a step of the grid is a whole number of them."""
    factor = lcm(piece.ticks_per_quarter, grid) // piece.ticks_per_quarter
    if factor == 1:
        return piece
    notes = piece.notes.copy()
    notes["onset"] *= factor
    notes["duration"] *= factor
    rows = {
        name: tuple(row._replace(tick=row.tick * factor) for row in getattr(piece, name))
        for name in ("tempi", "meters", "keys", "chords", "markers")
    }
    return replace(
        piece,
        notes=notes,
        ticks_per_quarter=piece.ticks_per_quarter * factor,
        pickup_ticks=piece.pickup_ticks * factor,
        fermatas=tuple(tick * factor for tick in piece.fermatas),
        **rows,
    )
