"""The shape of a text: how long it is, and how many lines it has. Both count the prime, which is part of the text."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqgen.constraints.base import Bound, Constraint, Material, Moment
from seqgen.encodings import Kind
from seqgen.encodings.text import Utf8Grammar
from seqgen.encodings.words import JOIN, SPACE
from seqgen.errors import ConfigError, SamplingError
from seqgen.vocabulary import END

_MOST = 1_000_000
_FAR = 1 << 60


class Length(Constraint):
    """The text has `least` to `most` steps of the encoding, the prime included; with one number exactly so many.

    A step is a character (of `bytes` too, where it may take several), or in `words` a word or mark.
    """

    whole = True

    def __init__(self, least: int, most: int | None = None) -> None:
        self.least, self.most = least, least if most is None else most
        self.steps = self.most
        if not 1 <= self.least <= self.most <= _MOST:
            raise ConfigError(f"a text has 1 to {_MOST:,} steps, the least number first, not {self.least}-{self.most}")

    def bind(self, material: Material, others: np.ndarray) -> "BoundLength":
        if material.unit != "text":
            raise ConfigError("a length is for text, and this model writes music; give bars or steps instead")
        return BoundLength(self, material)


class BoundLength(Bound):
    """See `Length`. The state is the number of steps that were given."""

    must_end = True

    def __init__(self, wanted: Length, material: Material) -> None:
        self._least, self._most, self._grammar = wanted.least, wanted.most, material.grammar
        number = f"{self._least:,}" if self._least == self._most else f"{self._least:,} to {self._most:,}"
        self.name = f"length {number}"
        self._only_end, self._no_end = (np.full(len(material.tokens), full) for full in (False, True))
        self._only_end[END], self._no_end[END] = True, False

    def start(self, given: Sequence[int], moment: Moment) -> int:
        state, steps = self._grammar.start(), 0
        for id in given:
            state = self._grammar.advance(state, id)
            steps += self._grammar.at_step(state)
        if steps > self._most:
            raise SamplingError(f"{self.name} cannot be: the beginning has {steps:,} steps already")
        if moment.left is not None and steps + moment.left < self._least:
            raise SamplingError(f"{self.name} cannot be within {moment.left:,} steps; allow more of them")
        return steps

    def legal(self, own: int, moment: Moment) -> np.ndarray | None:
        steps = own + moment.steps
        if steps < self._least:
            return self._no_end
        return self._only_end if steps == self._most and self._grammar.at_step(moment.state) else None


class Lines(Constraint):
    """The text has exactly `count` lines, the prime included, and no line end after the last.

    Blank lines, which hold nothing but spaces and tabs, may stand between them and are not counted: a poem of four
    lines may have two stanzas.
    """

    whole = True

    def __init__(self, count: int) -> None:
        if not 1 <= count <= _MOST:
            raise ConfigError(f"a text has 1 to {_MOST:,} lines, not {count:,}")
        self.count = count

    def bind(self, material: Material, others: np.ndarray) -> "BoundLines":
        if material.unit != "text":
            raise ConfigError("lines are for text, and this model writes music; give bars instead")
        return BoundLines(self.count, material)


class _Line(NamedTuple):
    begun: int  # lines with something in them so far
    filled: bool  # whether the line we are in has something


class BoundLines(Bound):
    """See `Lines`. Lines that are missing must fit the steps that are left: each takes two, one of them its end."""

    must_end = True

    def __init__(self, count: int, material: Material) -> None:
        self.name = f"{count:,} lines" if count > 1 else "1 line"
        self._count = count
        spelled = spellings(material)
        self._newline = np.array([one == "\n" for one in spelled])
        self._blank = np.array([one in (" ", "\t", JOIN, SPACE) for one in spelled])
        self._content = (material.table.kind == Kind.TEXT) & ~self._newline & ~self._blank
        self._end = np.arange(len(spelled)) == END
        if count > 1 and not self._newline.any():
            raise SamplingError(f"{self.name} cannot be: the model has never seen a line end")

    def start(self, given: Sequence[int], moment: Moment) -> _Line:
        line = _Line(0, False)
        for id in given:
            line = self.advance(line, id, moment)
        if line.begun > self._count:
            raise SamplingError(f"{self.name} cannot be: the beginning has {line.begun:,} already")
        if moment.left is not None and self._needed(line) > moment.left:
            raise SamplingError(f"{self.name} cannot be within {moment.left:,} steps; allow more of them")
        return line

    def advance(self, own: _Line, id: int, moment: Moment) -> _Line:
        if self._newline[id]:
            return _Line(own.begun, False)
        return own if own.filled or self._blank[id] else _Line(own.begun + 1, True)

    def legal(self, own: _Line, moment: Moment) -> np.ndarray | None:
        done = own.begun == self._count
        mask = self._end.copy() if done else np.zeros_like(self._end)
        after = _FAR if moment.left is None else moment.left - 1  # an id that completes no step is one of such a step
        if own.filled or not done:
            if self._needed(own) <= after:
                mask |= self._blank
            if self._needed(_Line(own.begun + (not own.filled), True)) <= after:
                mask |= self._content
        if not done and self._needed(_Line(own.begun, False)) <= after:
            mask |= self._newline
        return mask

    def _needed(self, line: _Line) -> int:
        """The least number of steps until END may come."""
        return 2 * (self._count - line.begun) - (not line.filled) if line.begun < self._count else 0


def spellings(material: Material) -> list[str]:
    """The token of each id of a text; of a byte the character of its number."""
    text = material.table.kind == Kind.TEXT
    if isinstance(material.grammar, Utf8Grammar):
        return [chr(int(token, 16)) if here else token for token, here in zip(material.tokens, text, strict=True)]
    return list(material.tokens)
