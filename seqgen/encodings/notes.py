"""`notes`: one voice as note events. What sounds, a pitch `60`, a chord `60.64.67` or `rest`, then how long: `=1/2`.

Durations are in quarter notes, whole numbers of grid steps. With `joint` the two are one token, `60=1/2`, as in classic
note-by-note models. A step of `--steps` is a note event.
"""

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, starmap
from typing import Any, NamedTuple

import numpy as np

from seqgen.encodings import grid as on_grid
from seqgen.encodings.base import Clock, Encoded, Kind, Table
from seqgen.encodings.grid import Meaning
from seqgen.encodings.music_grammar import MusicGrammar
from seqgen.encodings.recall import Feature, History, Sees
from seqgen.errors import ConfigError, TokenError
from seqgen.piece import Part, Piece
from seqgen.vocabulary import END, UNK, Vocabulary

AUTO, ALL = "auto", "all"


class Notes:
    """One voice at `grid` steps a quarter note.

    part: `"auto"` (the only voice, else the melody), `"all"` (a sequence for each voice), a part's name, or its number
    counted from 1. sees: as in `seqgen.encodings.recall`.
    """

    name = "notes"
    unit = "music"
    SEES = "key bar same 1 2 4 8"

    def __init__(self, grid: int = 4, joint: bool = False, part: str = AUTO, sees: str = "") -> None:
        if not part:
            raise ConfigError("the part must be 'auto', 'all', a part's name or its number")
        self.grid, self.joint, self.part = on_grid.check_grid(grid), joint, part
        self.sees, self._sees = sees, Sees.of(sees)

    @property
    def options(self) -> dict[str, Any]:
        sees = {"sees": self.sees} if self.sees else {}
        return {"grid": self.grid, "joint": self.joint, "part": self.part, **sees}

    def encode(self, source: Piece) -> list[Encoded]:
        """Raises TokenError where there is no such voice, or no pitched note."""
        voices = [part for part in range(len(source.parts)) if len(source.part_notes(part))]
        voices = [part for part in voices if not source.parts[part].drums]
        if not voices:
            raise TokenError("the piece has no pitched notes")
        return [self._voice(source, part) for part in self._chosen(source, voices)]

    def _chosen(self, piece: Piece, voices: list[int]) -> list[int]:
        if self.part == ALL:
            return voices
        if self.part == AUTO:
            return [melody_part(piece)]
        named = [part for part in voices if piece.parts[part].name.casefold() == self.part.casefold()]
        if not named and self.part.isdecimal() and int(self.part) - 1 in voices:
            named = [int(self.part) - 1]
        if not named:
            names = ", ".join(piece.parts[part].name or str(part + 1) for part in voices)
            raise TokenError(f"there is no part {self.part!r} with notes; there are: {names}")
        return named[:1]

    def _voice(self, piece: Piece, part: int) -> Encoded:
        tokens, losses = on_grid.control_tokens(piece, self.grid)
        notes = piece.part_notes(part)
        onset, end, off = on_grid.quantised_spans(notes, piece.ticks_per_quarter, self.grid)
        on_grid.add_loss(losses, "notes moved to the grid", off)
        time = 0
        starts, firsts = np.unique(onset, return_index=True)  # notes come in order of onset
        bounds = [*firsts.tolist(), len(notes)]
        following = [*starts.tolist()[1:], on_grid.LONGEST]
        for start, here, next_start in zip(starts.tolist(), starmap(slice, pairwise(bounds)), following, strict=True):
            last = int(end[here].max())
            on_grid.add_loss(losses, "chord notes lengthened", int(np.count_nonzero(end[here] != last)))
            if last > next_start:
                last = next_start
                on_grid.add_loss(losses, "overlapping notes shortened", 1)
            pitches = sorted(set(notes["pitch"][here].tolist()))
            on_grid.add_loss(losses, "doubled notes merged", here.stop - here.start - len(pitches))
            if start > time:
                tokens += self._event("rest", start - time)
            tokens += self._event(".".join(map(str, pitches)), last - start)
            time = last
        return Encoded(tokens, losses, piece.parts[part].name, ((part,),))

    def _event(self, what: str, steps: int) -> list[str]:
        length = f"={Fraction(steps, self.grid)}"
        return [what + length] if self.joint else [what, length]

    def decode(self, tokens: Sequence[str]) -> Piece:
        fields, body = on_grid.control_fields(tokens, self.grid, ticks_per_step=1)
        losses: dict[str, int] = {}
        notes: list[tuple[int, int, int, int, int]] = []
        time, sounds = 0, ""
        for token in body:
            what, sign, length = token.partition("=")
            if not sign and not sounds:
                sounds = "" if self.joint else what  # an unknown joint token takes no time
                continue
            steps = int(Fraction(length) * self.grid) if sign else 1  # an unknown duration is one step
            notes += [(time, steps, pitch, 80, 0) for pitch in _pitches(sounds or what)]
            time, sounds = time + steps, ""
        if sounds:
            on_grid.add_loss(losses, "unfinished steps closed", 1)
            notes += [(time, self.grid, pitch, 80, 0) for pitch in _pitches(sounds)]
        return Piece.build(notes, self.grid, [Part("Melody", 0)], losses=losses, **fields)

    def vocabulary(self, sequences: Sequence[Encoded]) -> Vocabulary:
        """Every pitch between the lowest and the highest; chords and joint tokens as they occur, in every key."""
        body = on_grid.body_tokens(sequences)
        lengths = {token for token in body if token.startswith("=")}
        sounds = {token for token in body if token[0].isdigit()}
        range_ = on_grid.pitch_range(token.partition("=")[0] for token in sounds)
        moved = {_shift(token, semitones) for token in sounds for semitones in on_grid.TRANSPOSITIONS}
        within = {token for token in moved if token[0] != "-" and all(pitch in range_ for pitch in _pitches(token))}
        single = set() if self.joint else {str(pitch) for pitch in range_}
        rests = {token for token in body if token.startswith("rest")} | (set() if self.joint else {"rest"})
        return Vocabulary.of({*on_grid.control_vocabulary(sequences), *lengths, *within, *single, *rests})

    def grammar(self, vocabulary: Vocabulary) -> "NotesGrammar":
        return NotesGrammar(vocabulary, self.grid, self.table(vocabulary), self._sees)

    def table(self, vocabulary: Vocabulary) -> Table:
        def meaning(token: str) -> Meaning:
            what, sign, length = token.partition("=")
            steps = int(Fraction(length) * self.grid) if sign else 0
            if not what:
                return Meaning(Kind.DURATION, advance=steps)
            pitches = _pitches(what)
            return Meaning(Kind.NOTE if pitches else Kind.REST, pitches, strikes=bool(pitches), advance=steps)

        return on_grid.music_table(vocabulary, meaning)

    def transpose_ids(self, vocabulary: Vocabulary, semitones: int) -> np.ndarray:
        return on_grid.transpose_table(vocabulary, semitones, _shift)


_BEGIN, _NOTE_WAITS, _REST_WAITS, _AFTER_NOTE, _AFTER_REST = range(5)  # waits: for a duration
_DONE = {_NOTE_WAITS: _AFTER_NOTE, _REST_WAITS: _AFTER_REST}


_MOST_SAME = 8  # events; more count as these
_AN_UNKNOWN, _GOES_ON = range(2)  # values of what stood there, before those of rests, pitches and durations


class _Body(NamedTuple):
    stage: int  # one of the five above
    sound: int  # which waits for its duration, as a value of the feature
    history: History | None  # (onset in grid steps, sound, duration) of every event; None where it is not seen
    same: tuple[int, ...]  # for each number of bars how many of the last events were those of so many bars before


class NotesGrammar(MusicGrammar):
    """The body of a state is a `_Body`. Silence has one spelling: no rest follows a rest.

    Of the event that began at the place of the next token so many bars before, the feature is the highest pitch, or
    where a duration is next, its duration.
    """

    def __init__(self, vocabulary: Vocabulary, grid: int, table: Table, sees: Sees) -> None:
        pitched = np.flatnonzero(table.pitches.any(axis=0))
        pitches = [str(pitch) for pitch in range(pitched[0], pitched[-1] + 1)] if len(pitched) else []
        durations = [vocabulary.tokens[id] for id in np.flatnonzero(table.kind == Kind.DURATION)]
        stood = ("?", "held", "rest", *pitches, *durations)
        features = [Feature(f"{bars} bars before", stood, moves=True) for bars in sees.bars_before]
        if sees.same:
            counts = tuple(map(str, range(_MOST_SAME + 1)))
            features += [Feature(f"same as {bars} bars before", counts) for bars in sees.bars_before]
        super().__init__(vocabulary, grid, sees, features, _shift)
        self._advance = table.advance.tolist()
        notes, rests, lengths = (
            np.flatnonzero(table.kind == kind).tolist() for kind in (Kind.NOTE, Kind.REST, Kind.DURATION)
        )
        values = {value: place for place, value in enumerate(stood)}
        self._stood = {id: values[str(np.flatnonzero(table.pitches[id])[-1])] for id in notes}
        self._stood |= {**dict.fromkeys(rests, values["rest"]), **{id: values[vocabulary.tokens[id]] for id in lengths}}
        joint = not lengths
        note, rest = (_AFTER_NOTE, _AFTER_REST) if joint else (_NOTE_WAITS, _REST_WAITS)
        self._leads_to = {UNK: note, **dict.fromkeys(notes, note), **dict.fromkeys(rests, rest)}
        waits = self.mask(lengths)
        self._masks = {
            _BEGIN: self.mask([*notes, *rests]),
            _NOTE_WAITS: waits,
            _REST_WAITS: waits,
            _AFTER_NOTE: self.mask([*notes, *rests, END]),
            _AFTER_REST: self.mask([*notes, END]),
        }

    def body_start(self) -> _Body:
        bars = self._sees.bars_before
        return _Body(_BEGIN, _AN_UNKNOWN, History() if bars else None, (0,) * (len(bars) if self._sees.same else 0))

    def body_advance(self, clock: Clock, body: _Body, id: int) -> tuple[Clock, _Body]:
        stage, sound, history, same = body
        value = self._stood.get(id, _AN_UNKNOWN)
        duration = _AN_UNKNOWN
        if stage in _DONE:
            steps = 1 if id == UNK else self._advance[id]  # an unknown duration is one step, as in decode
            stage, duration = _DONE[stage], value
        else:
            steps, stage, sound = self._advance[id], self._leads_to[id], value
        if history is not None and stage not in _DONE:
            if same:
                events = [self._event_before(clock, history, bars) for bars in self._sees.bars_before]
                same = tuple(
                    [
                        min(count + 1, _MOST_SAME) if event is not None and event[1:] == (sound, duration) else 0
                        for count, event in zip(same, events, strict=True)
                    ]
                )
            history = history.and_then((clock.time, sound, duration))
        return Clock(clock.time + steps, clock.offset, clock.bar), _Body(stage, sound, history, same)

    def body_legal(self, clock: Clock, body: _Body) -> np.ndarray:
        return self._masks[body.stage]

    def body_features(self, clock: Clock, body: _Body) -> tuple[int, ...]:
        stage, _, history, same = body
        if history is None:
            return ()
        which = 2 if stage in _DONE else 1
        values = []
        for bars in self._sees.bars_before:
            event = self._event_before(clock, history, bars)
            begun = clock.time >= bars * clock.bar
            values.append(event[which] if event is not None else _GOES_ON if begun else _AN_UNKNOWN)
        return (*values, *same)

    def _event_before(self, clock: Clock, history: History, bars: int) -> tuple[int, int, int] | None:
        """The event that began exactly so many bars ago."""
        time = clock.time - bars * clock.bar
        place = bisect_left(history.items, (time,), 0, history.length)
        return history.items[place] if place < history.length and history.items[place][0] == time else None

    def body_at_step(self, body: _Body) -> bool:
        return body.stage not in _DONE


def melody_part(piece: Piece) -> int:
    """The part most likely to be the melody: named so, else the highest on average of those with enough notes.

    Raises:
        TokenError: no part has pitched notes.
    """
    sizes = {part: len(piece.part_notes(part)) for part in range(len(piece.parts)) if not piece.parts[part].drums}
    sizes = {part: size for part, size in sizes.items() if size}
    if not sizes:
        raise TokenError("the piece has no pitched notes")
    for word in ("melody", "lead", "soprano", "vocal", "voice"):
        for part in sizes:
            if word in piece.parts[part].name.casefold():
                return part
    enough = [part for part, size in sizes.items() if 4 * size >= max(sizes.values())]
    return max(enough, key=lambda part: (float(piece.part_notes(part)["pitch"].mean()), -part))


def _pitches(what: str) -> tuple[int, ...]:
    """The pitches of `60`, `60.64=1` or `rest`."""
    what = what.partition("=")[0]
    return tuple(int(pitch) for pitch in what.split(".")) if what[:1].isdigit() else ()


def _shift(token: str, semitones: int) -> str:
    """The token higher by `semitones`; the number behind `=` is a duration and stays."""
    what, sign, length = token.partition("=")
    return on_grid.shift_numbers(what, semitones) + sign + length
