"""`chorale`: a fixed number of one-note parts on a grid. For every step one token a part, from the first part down.

A token is a pitch (struck), `hold` (the note before goes on) or `rest`. Unisons and crossings are kept, since every
part has its own token. A step of `--steps` is a grid step.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from seqgen.encodings import grid as on_grid
from seqgen.encodings.base import Clock, Encoded, Kind, Table
from seqgen.encodings.grid import Meaning
from seqgen.encodings.music_grammar import MusicGrammar, MusicState
from seqgen.errors import ConfigError, TokenError
from seqgen.piece import Part, Piece
from seqgen.vocabulary import END, Vocabulary

_CHOIR = 52  # General MIDI "Choir Aahs"
_NAMES = {4: ("Soprano", "Alto", "Tenor", "Bass"), 3: ("Upper", "Middle", "Lower"), 2: ("Upper", "Lower")}


class Chorale:
    """`parts` voices (2 to 6) at `grid` steps a quarter note."""

    name = "chorale"
    unit = "music"

    def __init__(self, grid: int = 4, parts: int = 4) -> None:
        if not 2 <= parts <= 6:
            raise ConfigError(f"chorale holds 2 to 6 parts, not {parts}")
        self.grid, self.parts = on_grid.check_grid(grid), parts

    @property
    def options(self) -> dict[str, Any]:
        return {"grid": self.grid, "parts": self.parts}

    def encode(self, source: Piece) -> list[Encoded]:
        """Parts without notes are left out, unless with them the number is right.

        Raises TokenError where the parts do not fit: their number, or two notes at once in one of them.
        """
        pitched = [part for part in range(len(source.parts)) if not source.parts[part].drums]
        sounding = [part for part in pitched if len(source.part_notes(part))]
        voices = pitched if len(pitched) == self.parts else sounding
        if len(voices) != self.parts or not sounding:
            raise TokenError(f"chorale wants {self.parts} pitched parts with notes, the piece has {len(sounding)}")
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
        return ChoraleGrammar(vocabulary, self.grid, self.parts)

    def table(self, vocabulary: Vocabulary) -> Table:
        def meaning(token: str) -> Meaning:
            if token.isdigit():
                return Meaning(Kind.NOTE, (int(token),), strikes=True)
            return Meaning(Kind.HOLD if token == "hold" else Kind.REST)

        return on_grid.music_table(vocabulary, meaning)

    def transpose_ids(self, vocabulary: Vocabulary, semitones: int) -> np.ndarray:
        return on_grid.transpose_table(vocabulary, semitones, on_grid.shift_numbers)


class ChoraleGrammar(MusicGrammar):
    """The body of a state is (part whose token is next, whether each part sounds)."""

    def __init__(self, vocabulary: Vocabulary, grid: int, parts: int) -> None:
        super().__init__(vocabulary, grid, body_feature_sizes=(parts,))
        self._parts = parts
        self.part_names = _names(parts)
        self._hold, self._rest = vocabulary.ids["hold"], vocabulary.ids["rest"]
        pitches = [id for token, id in vocabulary.ids.items() if token.isdigit()]
        self._masks = {
            (sounds, may_end): self.mask([*pitches, self._rest, *[self._hold] * sounds, *[END] * may_end])
            for sounds, may_end in product((False, True), repeat=2)
        }

    def body_start(self) -> tuple[int, tuple[bool, ...]]:
        return (0, (False,) * self._parts)

    def body_advance(self, clock: Clock, body: tuple[int, tuple[bool, ...]], id: int):
        part, sounding = body
        # an unknown token is a pitch the vocabulary does not have
        sounds = sounding[part] if id == self._hold else id != self._rest
        if sounds != sounding[part]:
            sounding = (*sounding[:part], sounds, *sounding[part + 1 :])
        if part + 1 < self._parts:
            return clock, (part + 1, sounding)
        return Clock(clock.time + 1, clock.offset, clock.bar), (0, sounding)

    def body_legal(self, clock: Clock, body: tuple[int, tuple[bool, ...]]) -> np.ndarray:
        part, sounding = body
        return self._masks[sounding[part], part == 0 and clock.time > 0]

    def body_features(self, body: tuple[int, tuple[bool, ...]]) -> tuple[int, ...]:
        return (body[0],)

    def body_at_step(self, body: tuple[int, tuple[bool, ...]]) -> bool:
        return body[0] == 0

    def part(self, state: MusicState) -> int:
        return state.body[0]


def _names(parts: int) -> tuple[str, ...]:
    return _NAMES.get(parts, tuple(f"Part {number + 1}" for number in range(parts)))
