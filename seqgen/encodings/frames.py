"""`frames`: any polyphony on a grid. A frame is what sounds in one grid step, highest pitch first, then its end.

A pitch is `+60` where it is struck and `_60` where it goes on sounding; `|` ends the frame. Since pitches strictly
descend and only a sounding pitch can go on, every frame has exactly one spelling, and the nats of a frame are the sum
over its tokens. Parts are merged: a pitch that two parts share is one. A step of `--steps` is a frame.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen.encodings import grid as on_grid
from seqgen.encodings.base import Clock, Encoded, Kind, Table
from seqgen.encodings.grid import Meaning
from seqgen.encodings.music_grammar import MusicGrammar
from seqgen.encodings.recall import Feature, History, Sees
from seqgen.errors import TokenError
from seqgen.piece import Part, Piece
from seqgen.vocabulary import END, Vocabulary

_FRAME_END = "|"
_ABOVE = 128  # higher than every pitch
_CACHED_MASKS = 20_000


class Frames:
    """Struck and held pitches at `grid` steps a quarter note; `sees` as in `seqgen.encodings.recall`."""

    name = "frames"
    unit = "music"
    SEES = "key bar sounding 1 2 4 8"

    def __init__(self, grid: int = 4, sees: str = "") -> None:
        self.grid = on_grid.check_grid(grid)
        self.sees, self._sees = sees, Sees.of(sees)

    @property
    def options(self) -> dict[str, Any]:
        return {"grid": self.grid, **({"sees": self.sees} if self.sees else {})}

    def encode(self, source: Piece) -> list[Encoded]:
        """Raises TokenError where there are no pitched notes."""
        tokens, losses = on_grid.control_tokens(source, self.grid)
        drums = on_grid.drum_notes(source)
        on_grid.add_loss(losses, "drum notes not kept", int(np.count_nonzero(drums)))
        notes = source.notes[~drums]
        if not len(notes):
            raise TokenError("the piece has no pitched notes")
        onset, end, off = on_grid.quantised_spans(notes, source.ticks_per_quarter, self.grid)
        on_grid.add_loss(losses, "notes moved to the grid", off)
        sounding = np.zeros((int(end.max()), 128), np.uint8)  # 0 silent, 1 goes on, 2 struck
        merged = 0
        for pitch, first, last in zip(notes["pitch"], onset, end, strict=True):  # in order of onset
            merged += int(sounding[first, pitch] > 0)
            sounding[first:last, pitch] = np.maximum(sounding[first:last, pitch], 1)
            sounding[first, pitch] = 2
        on_grid.add_loss(losses, "notes joined with one of the same pitch", merged)
        for frame in sounding:
            (pitches,) = np.nonzero(frame)
            tokens += [f"{'+' if frame[pitch] == 2 else '_'}{pitch}" for pitch in pitches[::-1]]
            tokens.append(_FRAME_END)
        pitched = tuple(part for part in range(len(source.parts)) if not source.parts[part].drums)
        return [Encoded(tokens, losses, voices=(pitched,))]

    def decode(self, tokens: Sequence[str]) -> Piece:
        fields, body = on_grid.control_fields(tokens, self.grid, ticks_per_step=1)
        losses: dict[str, int] = {}
        if body and body[-1] != _FRAME_END:
            on_grid.add_loss(losses, "unfinished steps closed", 1)
            body = [*body, _FRAME_END]
        notes: list[tuple[int, int, int, int, int]] = []
        begun: dict[int, int] = {}  # onset of each sounding pitch
        here: set[int] = set()
        time = 0

        def end(pitch: int) -> None:
            notes.append((begun[pitch], time - begun.pop(pitch), pitch, 80, 0))

        for token in body:
            if token == _FRAME_END:
                for pitch in begun.keys() - here:
                    end(pitch)
                here = set()
                time += 1
            elif token[0] in "+_":
                pitch = int(token[1:])
                if token[0] == "+" and pitch in begun:
                    end(pitch)
                begun.setdefault(pitch, time)
                here.add(pitch)
        for pitch in list(begun):
            end(pitch)
        return Piece.build(notes, self.grid, [Part("Piano", 0)], losses=losses, **fields)

    def vocabulary(self, sequences: Sequence[Encoded]) -> Vocabulary:
        body = on_grid.body_tokens(sequences)
        pitches = on_grid.pitch_range(body)
        signs = {token[0] for token in body if token != _FRAME_END}
        spelled = {f"{sign}{pitch}" for sign in signs for pitch in pitches}
        return Vocabulary.of({*on_grid.control_vocabulary(sequences), *spelled, _FRAME_END})

    def grammar(self, vocabulary: Vocabulary) -> "FramesGrammar":
        return FramesGrammar(vocabulary, self.grid, self._sees)

    def table(self, vocabulary: Vocabulary) -> Table:
        def meaning(token: str) -> Meaning:
            if token == _FRAME_END:
                return Meaning(Kind.FRAME_END, advance=1)
            struck = token[0] == "+"
            return Meaning(Kind.NOTE if struck else Kind.HOLD, (int(token[1:]),), strikes=struck)

        return on_grid.music_table(vocabulary, meaning)

    def transpose_ids(self, vocabulary: Vocabulary, semitones: int) -> np.ndarray:
        return on_grid.transpose_table(vocabulary, semitones, on_grid.shift_numbers)


_AN_UNKNOWN, _ENDED = range(2)  # values of what stood there, before the pitches
_Spelled = tuple[tuple[int, int], ...]  # the pitches of a frame, highest first, each with its value of the feature


class _Body(NamedTuple):
    here: tuple[int, ...]  # pitches of this frame so far, highest first
    before: tuple[int, ...]  # pitches of the frame before that may go on, highest first
    spelled: _Spelled  # this frame, empty where no history is kept
    history: History | None  # of _Spelled; None where it is not seen


class FramesGrammar(MusicGrammar):
    """The body of a state is a `_Body`.

    An unknown token is a pitch that the vocabulary does not have; it stands in the state as a copy of the one above it,
    or as 128. What stood at the place of the next token some bars before is the highest pitch there that is lower
    than the pitches this frame has so far.
    """

    def __init__(self, vocabulary: Vocabulary, grid: int, sees: Sees) -> None:
        signed = [token for token in vocabulary.tokens if token[0] in "+_"]
        stood = ("?", _FRAME_END, *signed)
        self._back = ((0, 1),) * sees.sounding + tuple((bars, 0) for bars in sees.bars_before)  # bars and steps before
        features = [
            *[Feature("a step before", stood, moves=True)] * sees.sounding,
            *(Feature(f"{bars} bars before", stood, moves=True) for bars in sees.bars_before),
        ]
        super().__init__(vocabulary, grid, sees, features)
        self._end = vocabulary.ids[_FRAME_END]
        self._pitch = {vocabulary.ids[token]: int(token[1:]) for token in signed}
        self._stood = {vocabulary.ids[token]: stood.index(token) for token in signed}
        self._struck = {pitch: id for id, pitch in self._pitch.items() if vocabulary.tokens[id][0] == "+"}
        self._held = {pitch: id for id, pitch in self._pitch.items() if vocabulary.tokens[id][0] == "_"}
        self._masks: OrderedDict[Any, np.ndarray] = OrderedDict()

    def body_start(self) -> _Body:
        return _Body((), (), (), History() if self._back else None)

    def body_advance(self, clock: Clock, body: _Body, id: int) -> tuple[Clock, _Body]:
        here, before, spelled, history = body
        if id == self._end:
            if history is not None:
                history = history.and_then(spelled)
            return Clock(clock.time + 1, clock.offset, clock.bar), _Body((), here, (), history)
        pitch = self._pitch.get(id, here[-1] if here else _ABOVE)
        if history is not None:
            spelled = (*spelled, (pitch, self._stood.get(id, _AN_UNKNOWN)))
        return clock, _Body((*here, pitch), tuple([other for other in before if other < pitch]), spelled, history)

    def body_legal(self, clock: Clock, body: _Body) -> np.ndarray:
        here, before = body.here, body.before
        lowest = here[-1] if here else _ABOVE
        may_end = not here and clock.time > 0
        key = (lowest, before, may_end)
        mask = self._masks.get(key)
        if mask is None:
            struck = [id for pitch, id in self._struck.items() if pitch < lowest]
            held = [self._held[pitch] for pitch in before if pitch in self._held]
            mask = self._masks[key] = self.mask([*struck, *held, self._end, *[END] * may_end])
            if len(self._masks) > _CACHED_MASKS:
                self._masks.popitem(last=False)
        return mask

    def body_features(self, clock: Clock, body: _Body) -> tuple[int, ...]:
        here, _, _, history = body
        if history is None:
            return ()
        lowest = here[-1] if here else _ABOVE + 1
        values = []
        for bars, steps in self._back:
            place = history.length - bars * clock.bar - steps
            frame = history.items[place] if place >= 0 else None
            lower = () if frame is None else [value for pitch, value in frame if pitch < lowest]
            values.append(lower[0] if lower else _AN_UNKNOWN if frame is None else _ENDED)
        return tuple(values)

    def body_at_step(self, body: _Body) -> bool:
        return not body.here
