"""A text that matches a regular expression as a whole."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from seqgen.constraints.base import Bound, Constraint, Material, Moment
from seqgen.constraints.pattern import DEAD, FAR, START, Automaton, Pattern, distances
from seqgen.constraints.text import spellings
from seqgen.encodings.text import FreeGrammar, Utf8Grammar
from seqgen.encodings.words import JOIN, SPACE, usual_space
from seqgen.errors import ConfigError, SamplingError
from seqgen.vocabulary import END, SPECIALS, UNK

_MOST_CELLS = 20_000_000  # of a table of states by ids; 80 MB


class Match(Constraint):
    """The whole text, the prime included, is what `re.fullmatch(pattern, text)` accepts.

    The syntax is that of `re`, but for what no automaton can follow: looking ahead or behind, references to groups,
    word boundaries, atomic groups, flags for a part. A dot holds no line end unless the pattern begins with `(?s)`.
    """

    whole = True

    def __init__(self, pattern: str) -> None:
        """Raises ConfigError: no regular expression, or not of the kind above."""
        self.pattern = Pattern(pattern)

    def bind(self, material: Material, others: np.ndarray) -> "BoundMatch":
        if material.unit != "text":
            raise ConfigError("a regular expression is for text, and this model writes music")
        if isinstance(material.grammar, Utf8Grammar):
            return _OfBytes(self.pattern, material)
        if isinstance(material.grammar, FreeGrammar) and material.grammar.has_glue:
            return _OfWords(self.pattern, material)
        return _OfChars(self.pattern, material)


class BoundMatch(Bound, ABC):
    """See `Match`. Only ids after which the rest can still match, within the steps that are left."""

    must_end = True
    _pattern: Pattern
    _first: Any = START

    def start(self, given: Sequence[int], moment: Moment) -> Any:
        if UNK in given:
            raise SamplingError(f"{self.name} cannot be: the beginning holds what the model has never seen")
        state = self._first
        for id in given:
            state = self.advance(state, id, moment)
        needed, left = self._distance(state), moment.left
        if needed >= FAR:
            what = "that the model can spell" if not given else "with this beginning that the model can spell"
            raise SamplingError(f"{self.name} cannot be: there is no text {what}")
        if left is not None and needed > left:
            raise SamplingError(
                f"{self.name} cannot be within {left:,} steps: {needed:,} are needed; allow more of them"
            )
        return state

    @abstractmethod
    def _distance(self, state: Any) -> int:
        """The least number of steps to a match."""


class _OfChars(BoundMatch):
    """States are those of the automaton."""

    def __init__(self, pattern: Pattern, material: Material) -> None:
        self.name = f"match {pattern.text!r}"
        self._automaton = pattern.automaton("".join(spellings(material)[len(SPECIALS) :]))
        self._near = _near(self._automaton)
        self._class = np.concatenate([np.zeros(len(SPECIALS), int), self._automaton.classes])

    def advance(self, own: Any, id: int, moment: Moment) -> Any:
        return int(self._automaton.moves[own, self._class[id]])

    def legal(self, own: Any, moment: Moment) -> np.ndarray:
        mask = self._possible(own, moment)[self._class]
        mask[: len(SPECIALS)] = False
        mask[END] = self._automaton.accepts[own]
        return mask

    def _possible(self, state: int, moment: Moment) -> np.ndarray:
        """`(classes,)` bool: after which characters a match is near enough."""
        return self._near[self._automaton.moves[state]] < _limit(moment)

    def _distance(self, state: Any) -> int:
        return int(self._near[state])


class _OfBytes(_OfChars):
    """States are (that of the automaton, the bytes of an unfinished character)."""

    _first = (START, b"")

    def __init__(self, pattern: Pattern, material: Material) -> None:
        self.name = f"match {pattern.text!r}"
        self._automaton = pattern.automaton(_every_character())
        self._automaton.classes[0xD800:0xE000] = -1  # half of a pair is no character
        self._near = _near(self._automaton)
        self._byte = [ord(one) if id >= len(SPECIALS) else -1 for id, one in enumerate(spellings(material))]
        self._ids = np.full(256, END)
        for id, byte in enumerate(self._byte[len(SPECIALS) :], len(SPECIALS)):
            self._ids[byte] = id
        self._known: dict[bytes, np.ndarray] = {}

    def advance(self, own: tuple[int, bytes], id: int, moment: Moment) -> tuple[int, bytes]:
        state, begun = own
        begun += bytes([self._byte[id]])
        try:
            code = ord(begun.decode())
        except UnicodeDecodeError:  # unfinished, by the grammar
            return state, begun
        return int(self._automaton.moves[state, self._automaton.classes[code]]), b""

    def legal(self, own: tuple[int, bytes], moment: Moment) -> np.ndarray:
        state, begun = own
        mask = np.zeros(len(self._byte), bool)
        mask[self._ids] = (self._leads_to(begun) & self._possible(state, moment)).any(axis=1)
        mask[END] = not begun and self._automaton.accepts[state]
        return mask

    def _leads_to(self, begun: bytes) -> np.ndarray:
        """`(256, classes)` bool: of which classes the characters are that begin with these bytes and one more."""
        if begun not in self._known:
            found = np.zeros((256, self._automaton.moves.shape[1]), bool)
            for byte in range(256):
                low, high = _codes(begun + bytes([byte]))
                classes = np.unique(self._automaton.classes[low:high])
                found[byte, classes[classes >= 0]] = True
            self._known[begun] = found
        return self._known[begun]

    def _distance(self, state: tuple[int, bytes]) -> int:
        return int(self._near[state[0]])  # asked for between characters


class _Place(NamedTuple):
    """Where a text of words is."""

    state: int  # of the automaton, after what is surely written
    after: int  # how the last word spaces: a row of `_spaced`
    glue: str = ""  # JOIN, or SPACE if some were written, since the last word


class _OfWords(BoundMatch):
    """States are `_Place`; a space that is usual is written with the word after it.

    JOIN comes at most once in a row and not beside SPACE, which is how texts are encoded.
    """

    _first = _Place(START, 0)

    def __init__(self, pattern: Pattern, material: Material) -> None:
        self.name = f"match {pattern.text!r}"
        tokens = list(material.tokens)
        words = [token if id >= len(SPECIALS) and token not in (JOIN, SPACE) else "" for id, token in enumerate(tokens)]
        self._glue = {tokens.index(glue): glue for glue in (JOIN, SPACE) if glue in tokens}
        self._is_word = np.array([word != "" for word in words])
        characters = "".join(sorted({" ", *"".join(words)}))
        self._automaton = pattern.automaton(characters)
        self._space = self._automaton.moves[:, self._automaton.classes[characters.index(" ")]]
        if self._automaton.moves.shape[0] * len(tokens) > _MOST_CELLS:
            raise ConfigError(f"{self.name} is too large for a model of {len(tokens):,} words; give a smaller pattern")
        self._moves = _of_words(self._automaton, characters, words)
        # the space between two words depends on what kinds of words they are; one of each kind stands for all
        kinds = {"": (0, 0)} | {word: (usual_space(word, "a"), usual_space(word, "一")) for word in words if word}
        order = list(dict.fromkeys(kinds.values()))
        self._after = np.array([order.index(kinds[word]) for word in words])
        stands = [next(word for word, kind in kinds.items() if kind == wanted) for wanted in order]
        self._spaced = np.array([[usual_space(before, word) == 1 for word in words] for before in stands])
        self._near = self._distances()

    def advance(self, own: _Place, id: int, moment: Moment) -> _Place:
        if id in self._glue:
            return self._glued(own, id) or own._replace(state=DEAD)
        return _Place(int(self._reached(own)[id]), int(self._after[id]))

    def legal(self, own: _Place, moment: Moment) -> np.ndarray:
        limit = _limit(moment)
        mask = self._is_word & (self._near[0, self._reached(own), self._after] < limit)
        for id in self._glue:
            glued = self._glued(own, id)
            mask[id] = glued is not None and self._distance(glued) <= min(limit, FAR - 1)
        mask[END] = self._automaton.accepts[own.state]
        return mask

    def _glued(self, own: _Place, id: int) -> _Place | None:
        """After JOIN or SPACE; None where it may not follow."""
        if self._glue[id] == JOIN:
            return None if own.glue else own._replace(glue=JOIN)
        return None if own.glue == JOIN else own._replace(state=int(self._space[own.state]), glue=SPACE)

    def _reached(self, own: _Place) -> np.ndarray:
        """`(n_values,)`: the state of the automaton after each word."""
        here = self._moves[own.state]
        if own.glue == JOIN:
            return here
        return np.where(self._spaced[own.after], self._moves[self._space[own.state]], here)

    def _distance(self, state: _Place) -> int:
        return int(self._near[_GLUES.index(state.glue), state.state, state.after])

    def _distances(self) -> np.ndarray:
        """`(glue, state, after)`: the steps to a match."""
        shape = len(_GLUES), len(self._moves), len(self._spaced)
        end = int(np.prod(shape))  # a node for the end of the text
        successors: list[list[tuple[int, int]]] = []
        for glue, state, after in np.ndindex(*shape):
            found = np.zeros(shape[1:], bool)
            place = _Place(state, after, _GLUES[glue])
            reached = self._reached(place)
            found[reached[self._is_word], self._after[self._is_word]] = True
            found[DEAD] = False
            following = [(place, 1) for place in np.flatnonzero(found).tolist()]
            if self._automaton.accepts[state]:
                # a text that ends in spaces has to have a step left for END, since spaces take none
                following.append((end, int(glue > 0)))
            for id in self._glue:
                to = self._glued(place, id)
                if to is not None:
                    index = np.ravel_multi_index((_GLUES.index(to.glue), to.state, to.after), shape)
                    following.append((int(index), 0))
            successors.append(following)
        return distances([*successors, []], [end])[:-1].reshape(shape)


_GLUES = ("", SPACE, JOIN)


def _of_words(automaton: Automaton, characters: str, words: Sequence[str]) -> np.ndarray:
    """`(states, len(words))` int32: the state of the automaton after each word; DEAD after none."""
    place = {character: number for number, character in enumerate(characters)}
    longest = max(map(len, words), default=0)
    states = np.broadcast_to(
        np.arange(len(automaton.moves), dtype=np.int32)[:, None], (len(automaton.moves), len(words))
    )
    states = states.copy()
    for position in range(longest):
        here = np.array([id for id, word in enumerate(words) if len(word) > position])
        classes = automaton.classes[[place[words[id][position]] for id in here.tolist()]]
        states[:, here] = automaton.moves[states[:, here], classes]
    states[:, [not word for word in words]] = DEAD
    return states


def _near(automaton: Automaton) -> np.ndarray:
    """`(states,)`: the number of characters to a match."""
    present = np.unique(automaton.classes[automaton.classes >= 0])
    successors = [[(to, 1) for to in set(row) - {DEAD}] for row in automaton.moves[:, present].tolist()]
    return distances(successors, np.flatnonzero(automaton.accepts).tolist())


def _limit(moment: Moment) -> int:
    return FAR if moment.left is None else moment.left


@cache
def _every_character() -> str:
    return "".join(map(chr, range(0x110000)))


def _codes(begun: bytes) -> tuple[int, int]:
    """From which to before which code point are the characters whose UTF-8 form begins so (RFC 3629); maybe none."""
    first = begun[0]
    size = 1 if first < 0x80 else 2 if 0xC2 <= first < 0xE0 else 3 if 0xE0 <= first < 0xF0 else 4
    if 0x80 <= first < 0xC2 or first > 0xF4 or len(begun) > size or any(byte & 0xC0 != 0x80 for byte in begun[1:]):
        return 0, 0
    code = first if size == 1 else first & (0x7F >> size)
    for byte in begun[1:]:
        code = code << 6 | byte & 0x3F
    free = 6 * (size - len(begun))
    return max(code << free, (0, 0x80, 0x800, 0x10000)[size - 1]), min((code + 1) << free, 0x110000)
