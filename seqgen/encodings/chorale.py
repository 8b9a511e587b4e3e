"""`chorale`: a fixed number of one-note parts on a grid. For every step one token a part, from the first part down.

A token is a pitch (struck), `hold` (the note before goes on) or `rest`. Unisons and crossings are kept, since every
part has its own token. A step of `--steps` is a grid step.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from seqgen.encodings import grid as on_grid
from seqgen.encodings.base import Clock, Encoded, Kind, Table
from seqgen.encodings.grid import Meaning
from seqgen.encodings.music_grammar import MusicGrammar, MusicState
from seqgen.encodings.recall import Feature, History, Sees
from seqgen.errors import ConfigError, TokenError
from seqgen.piece import Part, Piece
from seqgen.vocabulary import END, Vocabulary

_CHOIR = 52  # General MIDI "Choir Aahs"
_NAMES = {
    4: ("Soprano", "Alto", "Tenor", "Bass"),
    3: ("Upper", "Middle", "Lower"),
    2: ("Upper", "Lower"),
    1: ("Melody",),
}


class Chorale:
    """`parts` voices (1 to 6) at `grid` steps a quarter note; `sees` as in `seqgen.encodings.recall`."""

    name = "chorale"
    unit = "music"
    SEES = "key bar sounding parallel 1 2 4 8"

    def __init__(self, grid: int = 4, parts: int = 4, sees: str = "") -> None:
        if not 1 <= parts <= 6:
            raise ConfigError(f"chorale holds 1 to 6 parts, not {parts}")
        self.grid, self.parts = on_grid.check_grid(grid), parts
        self.sees, self._sees = sees, Sees.of(sees)

    @property
    def options(self) -> dict[str, Any]:
        return {"grid": self.grid, "parts": self.parts, **({"sees": self.sees} if self.sees else {})}

    def encode(self, source: Piece) -> list[Encoded]:
        """Parts without notes are left out, unless with them the number is right.

        Raises TokenError where the parts do not fit: their number, or two notes at once in one of them.
        """
        pitched = [part for part in range(len(source.parts)) if not source.parts[part].drums]
        sounding = [part for part in pitched if len(source.part_notes(part))]
        voices = pitched if len(pitched) == self.parts else sounding
        if len(voices) != self.parts or not sounding:
            wanted = "1 pitched part" if self.parts == 1 else f"{self.parts} pitched parts"
            raise TokenError(f"chorale wants {wanted} with notes, the piece has {len(sounding)}")
        tokens, losses = on_grid.control_tokens(source, self.grid)
        on_grid.add_loss(losses, "drum notes not kept", int(np.count_nonzero(on_grid.drum_notes(source))))
        spelled = [self._spell(source, part, losses) for part in voices]
        length = max(len(part) for part in spelled)
        rows = [part + ["rest"] * (length - len(part)) for part in spelled]
        tokens += [token for step in zip(*rows, strict=True) for token in step]
        return [Encoded(tokens, losses, voices=tuple((part,) for part in voices))]

    def _spell(self, piece: Piece, part: int, losses: dict[str, int]) -> list[str]:
        """The tokens of one part up to the end of its last note."""
        notes = piece.part_notes(part)
        overlapping = notes["onset"][1:] < (notes["onset"] + notes["duration"])[:-1]
        if overlapping.any():
            quarter = notes["onset"][1:][overlapping][0] / piece.ticks_per_quarter
            name = piece.parts[part].name or f"part {part + 1}"
            raise TokenError(f"chorale holds one note a part at a time; {name} has two at quarter note {quarter:g}")
        onset, end, off = on_grid.quantised_spans(notes, piece.ticks_per_quarter, self.grid)
        on_grid.add_loss(losses, "notes moved to the grid", off)
        tokens = ["rest"] * int(end.max(initial=0))
        # of notes that begin on the same step the last one stays; the others were shorter than it
        on_grid.add_loss(losses, "notes shorter than a grid step lost", int(np.count_nonzero(onset[1:] == onset[:-1])))
        for pitch, first, last in zip(notes["pitch"], onset, end, strict=True):
            tokens[first:last] = [str(pitch)] + ["hold"] * (last - first - 1)
        return tokens

    def decode(self, tokens: Sequence[str]) -> Piece:
        fields, body = on_grid.control_fields(tokens, self.grid, ticks_per_step=1)
        notes: list[tuple[int, int, int, int, int]] = []
        losses: dict[str, int] = {}
        on_grid.add_loss(losses, "unfinished steps closed", len(body) % self.parts > 0)
        for part in range(self.parts):
            row = [*body[part :: self.parts], "rest"]
            begun = 0
            for step, token in enumerate(row):
                if token == "hold":
                    continue
                if step and row[begun].isdigit():
                    notes.append((begun, step - begun, int(row[begun]), 80, part))
                begun = step
        parts = [Part(name, _CHOIR) for name in _names(self.parts)]
        return Piece.build(notes, self.grid, parts, losses=losses, **fields)

    def vocabulary(self, sequences: Sequence[Encoded]) -> Vocabulary:
        pitches = on_grid.pitch_range(on_grid.body_tokens(sequences))
        return Vocabulary.of({*on_grid.control_vocabulary(sequences), *map(str, pitches), "hold", "rest"})

    def grammar(self, vocabulary: Vocabulary) -> "ChoraleGrammar":
        return ChoraleGrammar(vocabulary, self.grid, self.parts, self._sees)

    def table(self, vocabulary: Vocabulary) -> Table:
        def meaning(token: str) -> Meaning:
            if token.isdigit():
                return Meaning(Kind.NOTE, (int(token),), strikes=True)
            return Meaning(Kind.HOLD if token == "hold" else Kind.REST)

        return on_grid.music_table(vocabulary, meaning)

    def transpose_ids(self, vocabulary: Vocabulary, semitones: int) -> np.ndarray:
        return on_grid.transpose_table(vocabulary, semitones, on_grid.shift_numbers)


class _Body(NamedTuple):
    part: int  # whose token is next
    sounding: tuple[int, ...]  # a value of the feature for each part: 0 a pitch that is not known, _SILENT, a pitch
    before: tuple[int, ...]  # what sounded when the step began
    history: History | None  # of the feature: what each part had at each step; None where it is not seen


_SILENT = 1
_PERFECT = (0, 7)  # semitones, octaves aside
_AN_UNKNOWN, _HOLD, _REST = range(3)  # values of what stood there, before the pitches


class ChoraleGrammar(MusicGrammar):
    """The body of a state is a `_Body`."""

    def __init__(self, vocabulary: Vocabulary, grid: int, parts: int, sees: Sees) -> None:
        pitches = [token for token in vocabulary.tokens if token.isdigit()]
        sounds, stood = ("?", "rest", *pitches), ("?", "hold", "rest", *pitches)
        features = [
            Feature("body 0", tuple(map(str, range(parts)))),
            *(Feature(f"part {part} sounds", sounds, moves=True) for part in range(parts) if sees.sounding),
            *[Feature("parallel", ("?", *pitches), moves=True)] * sees.parallel,
            *(Feature(f"{bars} bars before", stood, moves=True) for bars in sees.bars_before),
        ]
        super().__init__(vocabulary, grid, sees, features)
        self._parts = parts
        self.part_names = _names(parts)
        self._pitch = (0, 0, *map(int, pitches))  # MIDI pitches by what sounds
        self._parallels = {int(pitch): value for value, pitch in enumerate(pitches, 1)}
        self._hold, self._rest = vocabulary.ids["hold"], vocabulary.ids["rest"]
        ids = {vocabulary.ids[pitch]: pitch for pitch in pitches}
        self._sounds = {self._rest: _SILENT, **{id: sounds.index(pitch) for id, pitch in ids.items()}}
        self._stood = {self._hold: _HOLD, self._rest: _REST, **{id: stood.index(pitch) for id, pitch in ids.items()}}
        self._masks = {
            (goes_on, may_end): self.mask([*ids, self._rest, *[self._hold] * goes_on, *[END] * may_end])
            for goes_on, may_end in product((False, True), repeat=2)
        }

    def body_start(self) -> _Body:
        silent = (_SILENT,) * self._parts
        return _Body(0, silent, silent, History() if self._sees.bars_before else None)

    def body_advance(self, clock: Clock, body: _Body, id: int) -> tuple[Clock, _Body]:
        part, sounding, before, history = body
        if id != self._hold:
            sounding = (*sounding[:part], self._sounds.get(id, 0), *sounding[part + 1 :])
        if history is not None:
            history = history.and_then(self._stood.get(id, _AN_UNKNOWN))
        if part + 1 < self._parts:
            return clock, _Body(part + 1, sounding, before, history)
        return Clock(clock.time + 1, clock.offset, clock.bar), _Body(0, sounding, sounding, history)

    def body_legal(self, clock: Clock, body: _Body) -> np.ndarray:
        part, sounding, _, _ = body
        return self._masks[sounding[part] != _SILENT, part == 0 and clock.time > 0]

    def body_features(self, clock: Clock, body: _Body) -> tuple[int, ...]:
        part, sounding, before, history = body
        values = (part, *sounding) if self._sees.sounding else (part,)
        if self._sees.parallel:
            values = (*values, self._parallel(part, sounding, before))
        if history is None:
            return values
        bar = clock.bar * self._parts
        places = [history.length - bars * bar for bars in self._sees.bars_before]
        return (*values, *[history.items[place] if place >= 0 else _AN_UNKNOWN for place in places])

    def _parallel(self, part: int, sounding: tuple[int, ...], before: tuple[int, ...]) -> int:
        """The pitch by which `part` would go along with a part above that has moved from a fifth or octave to it.

        As a value of the feature: 0 where there is none.
        """
        pitch, own = self._pitch, before[part]
        if own > _SILENT:
            for other in range(part):
                there, here = before[other], sounding[other]
                if there != here and there > _SILENT < here and abs(pitch[there] - pitch[own]) % 12 in _PERFECT:
                    return self._parallels.get(pitch[own] + pitch[here] - pitch[there], 0)
        return 0

    def body_at_step(self, body: _Body) -> bool:
        return body.part == 0

    def part(self, state: MusicState) -> int:
        return state.body.part


def _names(parts: int) -> tuple[str, ...]:
    return _NAMES.get(parts, tuple(f"Part {number + 1}" for number in range(parts)))
