"""No long passage of the corpus: what has been made is followed through the copy index of the model."""

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from seqgen.constraints.base import Bound, Constraint, Material, Moment
from seqgen.encodings.text import Utf8Grammar
from seqgen.encodings.words import is_cjk, word_pattern
from seqgen.errors import ConfigError
from seqgen.originality import CopyIndex, note_symbol, word_symbol
from seqgen.vocabulary import UNK

APOSTROPHES = ("'", "’")
END_OF_WORD = "\n"  # as the specials are spelled here
_LIMIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(bars?|notes?|words?)\s*", re.IGNORECASE)


class MaxCopy(Constraint):
    """No passage of the corpus longer than this comes out, transposed or not: `MaxCopy("2bars")`, "10notes", "6words".

    Counted as `seqgen originality` counts: bars from the first onset to the last, the notes of each part by
    themselves, words whatever their capitals. What is counted begins after the prime. The index tells passages of a
    certain length (8 notes or 4 words): a smaller limit is refused, and bars in which fewer notes begin are not seen.
    """

    def __init__(self, limit: str) -> None:
        """Raises ConfigError where this is no limit."""
        found = _LIMIT.fullmatch(limit)
        if not found or not float(found[1]):
            raise ConfigError(f"the longest copy is a number of bars, notes or words, such as 2bars, not {limit!r}")
        self.most, self.what = float(found[1]), found[2].lower().rstrip("s")
        self.name = f"at most {found[1]} {self.what}{'s' * (self.most != 1)} copied"

    def bind(self, material: Material, others: np.ndarray) -> Bound:
        index = material.copies
        if (self.what == "word") != (material.unit == "text"):
            raise ConfigError(f"this model writes {material.unit}, whose copies are not counted in {self.what}s")
        if index is None:
            raise ConfigError(
                "the model has no index of its corpus, which would have been too large, so it cannot tell copies"
            )
        if self.what != "bar" and self.most < index.length - 1:
            raise ConfigError(
                f"the model's index tells copies of {index.length} {self.what}s, so the limit can be "
                f"{index.length - 1} {self.what}s or more, not {self.most:g}"
            )
        return _Notes(self, index, material) if material.unit == "music" else _Text(self, index, material)


class _Run(NamedTuple):
    """A line on its way. Hashable."""

    symbols: tuple[str, ...] = ()  # the last ones, as many as a gram needs before its last
    onsets: tuple[int, ...] = ()  # music: of the notes of these and of those of the run
    found: int = 0  # grams in a row that are in the corpus


class _Part(NamedTuple):
    """One part: its run, and its last note."""

    run: _Run = _Run()
    struck: int = -1
    pitch: int = 0


class _Notes(Bound):
    """The state is a `_Part` for each part."""

    def __init__(self, limit: MaxCopy, index: CopyIndex, material: Material) -> None:
        self.name, self._limit, self._index = limit.name, limit, index
        self._grammar, self._grid = material.grammar, material.grammar.grid
        table = material.table
        self._top = np.where(table.strikes, 127 - table.pitches[:, ::-1].argmax(axis=1), -1)  # (n_values,)
        self._pitches = sorted(set(self._top[table.strikes].tolist()))

    def start(self, given: Sequence[int], moment: Moment) -> tuple[_Part, ...]:
        return tuple(
            _Part(_Run(onsets=(struck,)), struck, max(last, default=0))
            for struck, last in zip(moment.sounding.struck, moment.sounding.last, strict=True)
        )

    def advance(self, own: tuple[_Part, ...], id: int, moment: Moment) -> tuple[_Part, ...]:
        for part, struck in enumerate(moment.sounding.struck):
            if struck != own[part].struck:
                new = self._struck(own[part], max(moment.sounding.last[part]), struck)
                return (*own[:part], new, *own[part + 1 :])
        return own

    def legal(self, own: tuple[_Part, ...], moment: Moment) -> np.ndarray | None:
        part = self._grammar.part(moment.state)
        run, struck, pitch = own[part]
        time = moment.state.clock.time
        second = any(note.onset == time for note in moment.sounding.here)  # below one that is struck at once with it
        if struck < 0 or second or not self._too_long(run, time, moment.state.clock.bar):
            return None
        symbols = [self._symbol(pitch, other, struck, time) for other in self._pitches]
        copied = self._index.follows(run.symbols, symbols)
        if not copied.any():
            return None
        return ~np.isin(self._top, np.array(self._pitches)[copied])

    def _symbol(self, before: int, after: int, struck: int, time: int) -> str:
        return note_symbol(after - before, Fraction(time - struck, self._grid))

    def _struck(self, part: _Part, pitch: int, time: int) -> _Part:
        if part.struck < 0:
            return _Part(_Run(onsets=(time,)), time, pitch)
        run = part.run
        symbol = self._symbol(part.pitch, pitch, part.struck, time)
        found = run.found + 1 if self._index.follows(run.symbols, [symbol])[0] else 0
        symbols = (*run.symbols, symbol)[-(self._index.length - 2) :]
        onsets = (*run.onsets, time)
        return _Part(_Run(symbols, onsets[-(self._index.length - 1 + found) :], found), time, pitch)

    def _too_long(self, run: _Run, time: int, bar: int) -> bool:
        """Whether the passage that one more found gram would make is longer than the limit."""
        if len(run.symbols) < self._index.length - 2:
            return False
        if self._limit.what == "note":
            return self._index.length + run.found > self._limit.most
        notes = self._index.length - 1 + run.found  # before the next one
        return time - run.onsets[-notes:][0] > self._limit.most * bar


class _Writing(NamedTuple):
    """A text on its way. Hashable."""

    run: _Run = _Run()
    word: str = ""  # letters since the last word that is over
    begun: bytes = b""  # of a character that takes several


class _Spelled(NamedTuple):
    """What each id spells, and what that does to the word before it."""

    texts: list[str]  # empty where it spells nothing yet
    letters: np.ndarray  # (n_values,) bool: part of a word
    goes_on: np.ndarray  # (n_values,) bool: a word is not over with it
    whole: np.ndarray  # ids of what is a word by itself: a word token, a Chinese character

    @staticmethod
    def of(texts: list[str], words: bool) -> "_Spelled":
        """words: whether a token that is a word is a whole one."""
        is_word = [word_pattern().fullmatch(text) is not None for text in texts]
        whole = [word and (words or is_cjk(text)) for word, text in zip(is_word, texts, strict=True)]
        letters = np.array([word and not at_once for word, at_once in zip(is_word, whole, strict=True)])
        return _Spelled(
            texts, letters, letters | np.array([text in ("", *APOSTROPHES) for text in texts]), np.flatnonzero(whole)
        )


class _Text(Bound):
    """The state is a `_Writing`. A word counts when it is over.

    Where the word that is being spelled would make a copy too long, what ends it is illegal: it becomes another word.
    """

    def __init__(self, limit: MaxCopy, index: CopyIndex, material: Material) -> None:
        self.name, self._limit, self._index, self._tokens = limit.name, limit, index, list(material.tokens)
        self._bytes = isinstance(material.grammar, Utf8Grammar)
        self._tokens[: UNK + 1] = [END_OF_WORD] * (UNK + 1)
        words = bool(getattr(material.grammar, "has_glue", False))
        self._spelled = lru_cache(256)(self._after) if self._bytes else lambda begun: whole
        whole = _Spelled.of(self._tokens, words)

    def start(self, given: Sequence[int], moment: Moment) -> _Writing:
        return _Writing()

    def advance(self, own: _Writing, id: int, moment: Moment) -> _Writing:
        run, word, begun = own
        spelled = self._spelled(begun)
        text = spelled.texts[id]
        if not text:
            return _Writing(run, word, begun + bytes([int(self._tokens[id], 16)]))
        if spelled.letters[id] or (word and spelled.goes_on[id] and word[-1] not in APOSTROPHES):
            return _Writing(run, word + text)
        run = self._finished(run, word)
        return _Writing(self._finished(run, text) if id in spelled.whole else run)

    def legal(self, own: _Writing, moment: Moment) -> np.ndarray | None:
        run, word, begun = own
        if not self._too_long(run):
            return None
        spelled = self._spelled(begun)
        if moment.left == 1:  # the text may be cut in this word
            return self._before_cut(run, word, spelled)
        if word:
            copied = self._index.follows(run.symbols, [_symbol(word)])[0]
            return spelled.goes_on if copied else None
        copied = self._index.follows(run.symbols, [word_symbol(spelled.texts[id]) for id in spelled.whole.tolist()])
        mask = np.ones(len(spelled.texts), bool)
        mask[spelled.whole[copied]] = False
        return mask

    def _before_cut(self, run: _Run, word: str, spelled: _Spelled) -> np.ndarray:
        """What may come last: whether or not it goes on with a word, that word counts."""
        last = [word + text if goes_on else text for text, goes_on in zip(spelled.texts, spelled.goes_on, strict=True)]
        own = self._index.follows(run.symbols, [_symbol(text) for text in last])
        before = bool(word) and self._index.follows(run.symbols, [_symbol(word)])[0]
        return np.where(spelled.goes_on, ~own, not before) & ~(own & np.isin(np.arange(len(last)), spelled.whole))

    def _after(self, begun: bytes) -> _Spelled:
        """Of bytes, after those of a character that has begun."""
        texts = []
        for token in self._tokens:
            try:
                texts.append((begun + bytes([int(token, 16)])).decode() if token != END_OF_WORD else token)
            except UnicodeDecodeError:
                texts.append("")  # more must come
        return _Spelled.of(texts, words=False)

    def _finished(self, run: _Run, word: str) -> _Run:
        if not word:
            return run
        symbol = _symbol(word)
        found = run.found + 1 if self._index.follows(run.symbols, [symbol])[0] else 0
        return _Run((*run.symbols, symbol)[-(self._index.length - 1) :], found=found)

    def _too_long(self, run: _Run) -> bool:
        return len(run.symbols) >= self._index.length - 1 and self._index.length + run.found > self._limit.most


def _symbol(word: str) -> str:
    return word_symbol(word.rstrip("".join(APOSTROPHES)))
