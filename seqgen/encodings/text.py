"""`chars` and `bytes`: a token is a character, or a byte of the UTF-8 form. A step is one of them."""

import codecs
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from seqgen.encodings.base import Encoded, Kind, Table
from seqgen.errors import TokenError
from seqgen.vocabulary import END, SPECIALS, UNK, Vocabulary


class Chars:
    """A character a token, any Unicode, in NFC so that a letter has one spelling."""

    name = "chars"
    unit = "text"

    @property
    def options(self) -> dict[str, Any]:
        return {}

    def encode(self, source: str) -> list[Encoded]:
        return [Encoded(list(unicodedata.normalize("NFC", source)), {})]

    def decode(self, tokens: Sequence[str]) -> str:
        return "".join(tokens)

    def vocabulary(self, sequences: Sequence[Encoded]) -> Vocabulary:
        return Vocabulary.of(token for sequence in sequences for token in set(sequence.tokens))

    def vocabulary_of(self, pieces: Iterable[str]) -> Vocabulary:
        """The same of texts in NFC, in pieces."""
        seen = np.zeros(sys.maxunicode + 1, bool)
        for piece in pieces:
            seen[_codes(piece)] = True
        return Vocabulary.of(map(chr, np.flatnonzero(seen).tolist()))

    def speller(self, vocabulary: Vocabulary) -> Callable[[str], np.ndarray]:
        """What gives the ids of a piece of text in NFC, in the smallest type."""
        table = np.full(sys.maxunicode + 1, UNK, vocabulary.smallest_type)
        for token, id in vocabulary.ids.items():
            if token not in SPECIALS:
                table[ord(token)] = id
        return lambda piece: table.take(_codes(piece))

    def grammar(self, vocabulary: Vocabulary) -> "FreeGrammar":
        return FreeGrammar(vocabulary)

    def table(self, vocabulary: Vocabulary) -> Table:
        return text_table(vocabulary)

    def transpose_ids(self, vocabulary: Vocabulary, semitones: int) -> None:
        return None


def _codes(text: str) -> np.ndarray:
    """Code points, `(len(text),)`."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


class FreeGrammar:
    """Anything may follow anything, but no sequence is empty. The state says whether there is a token yet."""

    feature_sizes: tuple[int, ...] = ()
    feature_names: tuple[str, ...] = ()

    def __init__(self, vocabulary: Vocabulary, glue: Sequence[str] = ()) -> None:
        """`glue`: tokens that belong to the step of the next token."""
        anything = np.ones(len(vocabulary), bool)
        anything[: len(SPECIALS)] = False
        ended = anything.copy()
        ended[END] = True
        self._masks = (anything, ended)
        for mask in self._masks:
            mask.flags.writeable = False
        self.has_glue = bool(glue)
        self.most_ids = 3 if glue else 1  # no text says twice in front of each word how it is spaced
        self._glue = frozenset(vocabulary.ids[token] for token in glue if token in vocabulary.ids)

    def start(self) -> int:
        return 0

    def advance(self, state: int, id: int) -> int:
        return 2 if id in self._glue else 1  # 0 nothing yet, 1 between steps, 2 within a step

    def legal(self, state: int) -> np.ndarray:
        return self._masks[state != 0]

    def features(self, state: int) -> tuple[int, ...]:
        return ()

    def transpose_features(self, semitones: int) -> np.ndarray:
        return np.zeros((0, 0), np.int32)

    def at_step(self, state: int) -> bool:
        return state != 2


class Bytes:
    """A byte of the UTF-8 form a token, spelled in hexadecimal. The grammar lets only valid UTF-8 pass."""

    name = "bytes"
    unit = "text"

    @property
    def options(self) -> dict[str, Any]:
        return {}

    def encode(self, source: str) -> list[Encoded]:
        """Raises TokenError where a half of a surrogate pair stands alone, which has no UTF-8 form."""
        return [Encoded([f"{byte:02x}" for byte in _utf8(unicodedata.normalize("NFC", source))], {})]

    def decode(self, tokens: Sequence[str]) -> str:
        try:
            # an incremental decoder leaves an unfinished character at the end out
            return codecs.getincrementaldecoder("utf-8")().decode(bytes(int(token, 16) for token in tokens))
        except ValueError as error:  # includes UnicodeDecodeError
            raise TokenError(f"these bytes are not UTF-8 text: {error}") from error

    def vocabulary(self, sequences: Sequence[Encoded]) -> Vocabulary:
        return self.vocabulary_of(())

    def vocabulary_of(self, pieces: Iterable[str]) -> Vocabulary:
        return Vocabulary.of(f"{byte:02x}" for byte in range(256))

    def speller(self, vocabulary: Vocabulary) -> Callable[[str], np.ndarray]:
        """What gives the ids of a piece of text in NFC, in the smallest type; it raises as `encode` does."""
        ids = vocabulary.to_ids(f"{byte:02x}" for byte in range(256)).astype(vocabulary.smallest_type)
        return lambda piece: ids.take(np.frombuffer(_utf8(piece), np.uint8))

    def grammar(self, vocabulary: Vocabulary) -> "Utf8Grammar":
        return Utf8Grammar(vocabulary)

    def table(self, vocabulary: Vocabulary) -> Table:
        return text_table(vocabulary)

    def transpose_ids(self, vocabulary: Vocabulary, semitones: int) -> None:
        return None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TokenError(f"the text has no UTF-8 form: {error}") from error


# RFC 3629: the ranges a byte may take, as (first, last, the ranges of the bytes that must follow)
_TAIL = (0x80, 0xBF)
_UTF8 = (
    (0x00, 0x7F, ()),
    (0xC2, 0xDF, (_TAIL,)),
    (0xE0, 0xE0, ((0xA0, 0xBF), _TAIL)),
    (0xE1, 0xEC, (_TAIL, _TAIL)),
    (0xED, 0xED, ((0x80, 0x9F), _TAIL)),
    (0xEE, 0xEF, (_TAIL, _TAIL)),
    (0xF0, 0xF0, ((0x90, 0xBF), _TAIL, _TAIL)),
    (0xF1, 0xF3, (_TAIL, _TAIL, _TAIL)),
    (0xF4, 0xF4, ((0x80, 0x8F), _TAIL, _TAIL)),
)


class Utf8Grammar:
    """States are (whether there is a byte yet, the ranges of the bytes that must still follow)."""

    feature_sizes: tuple[int, ...] = ()
    feature_names: tuple[str, ...] = ()
    most_ids = 4

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._n_values = len(vocabulary)
        self._byte = {id: int(token, 16) for token, id in vocabulary.ids.items() if token not in SPECIALS}
        self._masks: dict[Any, np.ndarray] = {}

    def start(self) -> tuple[bool, tuple]:
        return (False, ())

    def advance(self, state: tuple[bool, tuple], id: int) -> tuple[bool, tuple]:
        byte = self._byte.get(id)
        if byte is None:  # UNK
            return (True, state[1][1:])
        if state[1]:
            return (True, state[1][1:])
        return (True, next((follow for first, last, follow in _UTF8 if first <= byte <= last), ()))

    def legal(self, state: tuple[bool, tuple]) -> np.ndarray:
        mask = self._masks.get(state)
        if mask is None:
            begun, follow = state
            ranges = [follow[0]] if follow else [(first, last) for first, last, _ in _UTF8]
            mask = np.zeros(self._n_values, bool)
            mask[[id for id, byte in self._byte.items() if any(lo <= byte <= hi for lo, hi in ranges)]] = True
            mask[END] = begun and not follow
            mask.flags.writeable = False
            self._masks[state] = mask
        return mask

    def features(self, state: tuple[bool, tuple]) -> tuple[int, ...]:
        return ()

    def transpose_features(self, semitones: int) -> np.ndarray:
        return np.zeros((0, 0), np.int32)

    def at_step(self, state: tuple[bool, tuple]) -> bool:
        return not state[1]


def text_table(vocabulary: Vocabulary) -> Table:
    """Every token but the specials is text."""
    n_values = len(vocabulary)
    kind = np.full(n_values, Kind.TEXT, np.uint8)
    kind[: len(SPECIALS)] = Kind.SPECIAL
    nothing = np.zeros(n_values, bool)
    return Table(kind, np.zeros((n_values, 128), bool), nothing, np.zeros(n_values, np.int32))
