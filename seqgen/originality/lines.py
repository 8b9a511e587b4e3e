"""What a passage is: pieces and texts as lines of symbols. A copy is a run of equal symbols.

A line of music is a pitched part, of notes struck together the highest. Its symbols are the steps from each note to the
next: the interval and the time between the two onsets. So a passage of 9 notes is 8 equal symbols, in any key, at any
place in the bar, on any instrument. How long the last note sounds is not compared, and neither are rests: a short note
and a rest count as one long note. A text is one line, its words; capitals, marks and spacing do not count. Chinese,
Japanese and Korean characters are a word each.
"""

from array import array
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from seqgen.corpus.families import melody_notes
from seqgen.encodings.words import word_pattern
from seqgen.longtext import LongText
from seqgen.piece import Meter, Piece

Content = Piece | str | LongText


class Line(NamedTuple):
    """One part, or one text."""

    part: int  # 0 of a text
    symbols: list[str]
    starts: np.ndarray  # where each note or word begins, in ticks or characters: one more than symbols, or as many
    ends: np.ndarray  # the same, where it ends

    @property
    def more(self) -> int:
        """By how many the notes or words of a passage are more than its symbols: 1 for music, 0 for text."""
        return len(self.starts) - len(self.symbols)


class Stretch(NamedTuple):
    """A passage within one line."""

    part: int
    first: int  # of its notes or words, counted in its line from 0
    length: int  # notes or words
    begin: int  # where its first note or word begins, in ticks or characters
    end: int  # where its last one ends
    bars: float | None = None  # of music: from its first onset to its last


def lines(content: Content) -> list[Line]:
    """The lines of a piece with their notes, or the one line of a text."""
    if isinstance(content, Piece):
        return [_line(part, notes, content.ticks_per_quarter) for part, notes in melody_notes(content)]
    text = content if isinstance(content, str) else content.whole()
    symbols: list[str] = []
    starts, ends = array("q"), array("q")
    for match in word_pattern().finditer(text):
        symbols.append(word_symbol(match[0]))
        starts.append(match.start())
        ends.append(match.end())
    return [Line(0, symbols, np.array(starts, np.int64), np.array(ends, np.int64))]


def stretch(content: Content, line: Line, first: int, symbols: int) -> Stretch:
    """The passage of so many symbols of a line of `content`, from the symbol `first` on."""
    length = symbols + line.more
    last = first + length - 1
    bars = _bars(content, line.starts[first], line.starts[last]) if isinstance(content, Piece) else None
    return Stretch(line.part, first, length, int(line.starts[first]), int(line.ends[last]), bars)


def length_of(passage: Stretch) -> str:
    """For people: notes and bars, or words."""
    if passage.bars is None:
        return f"{passage.length:,} word{'s' * (passage.length != 1)}"
    return f"{passage.length:,} notes ({passage.bars:g} bar{'s' * (passage.bars != 1)})"


def note_symbol(interval: int, quarters: Fraction) -> str:
    """The symbol of two notes: semitones up, quarter notes from onset to onset.

    >>> note_symbol(-2, Fraction(1, 2))
    '-2 1/2'
    """
    return f"{interval:+d} {quarters}"


@lru_cache(1 << 16)
def word_symbol(word: str) -> str:
    """The symbol of a word, which `encodings.words.word_pattern` matches as a whole.

    >>> word_symbol("It’s")
    "it's"
    """
    return word.lower().replace("’", "'")


def _line(part: int, notes: np.ndarray, ticks_per_quarter: int) -> Line:
    # both in one number, which `_spelled` takes apart
    packed = np.diff(notes["onset"]) * 256 + np.diff(notes["pitch"].astype(np.int64)) + 128
    steps = packed.tolist()
    spelled = {step: _spelled(*divmod(step, 256), ticks_per_quarter) for step in set(steps)}
    return Line(part, [spelled[step] for step in steps], notes["onset"], notes["onset"] + notes["duration"])


@lru_cache(1 << 16)
def _spelled(ticks: int, interval: int, ticks_per_quarter: int) -> str:
    return note_symbol(interval - 128, Fraction(ticks, ticks_per_quarter))


def _bars(piece: Piece, begin: int, end: int) -> float:
    meter = next((meter for meter in reversed(piece.meters) if meter.tick <= begin), Meter(0, 4, 4))
    bar = Fraction(4 * piece.ticks_per_quarter * meter.numerator, meter.denominator)
    return round(float(int(end - begin) / bar), 2)
