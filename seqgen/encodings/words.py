"""`words`: a token is a word or a mark; a step is one of them. The inverse restores the spacing exactly.

Spaces are not spelled where they are usual: between two words, after a comma, before an opening bracket. Where a text
differs, the token JOIN says that no space stands at a place that usually has one, and SPACE that one more does.
Chinese, Japanese and Korean characters are a word each and usually stand without spaces.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from seqgen.encodings.base import Encoded, Table
from seqgen.encodings.text import FreeGrammar, text_table
from seqgen.errors import ConfigError
from seqgen.vocabulary import Vocabulary

JOIN, SPACE = "<join>", "<space>"  # longer than a mark and no word, so no text is spelled like them

# the patterns are compiled when they are first asked for: accents are many, and most of seqgen does without words
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_IS_CJK = re.compile(f"[{_CJK}]")
_NO_SPACE_BEFORE = frozenset(",.;:!?)]}%…»”\n\t。，、；：！？）」』")
_NO_SPACE_AFTER = frozenset("([{«“\n\t。，、；：！？（「『")


class Words:
    """Words and marks.

    `lower` and `strip_accents` lose what they say; words seen fewer than `min_count` times in the corpus become UNK.
    """

    name = "words"
    unit = "text"

    def __init__(self, lower: bool = False, strip_accents: bool = False, min_count: int = 1) -> None:
        if min_count < 1:
            raise ConfigError(f"min_count must be at least 1, not {min_count}")
        self.lower, self.strip_accents, self.min_count = lower, strip_accents, min_count

    @property
    def options(self) -> dict[str, Any]:
        return {"lower": self.lower, "strip_accents": self.strip_accents, "min_count": self.min_count}

    def encode(self, source: str) -> list[Encoded]:
        text = unicodedata.normalize("NFC", source)
        if self.lower:
            text = text.lower()
        if self.strip_accents:
            letters = (letter for letter in unicodedata.normalize("NFD", text) if not "\u0300" <= letter <= "\u036f")
            text = unicodedata.normalize("NFC", "".join(letters))
        tokens: list[str] = []
        before, spaces = "", 0  # the last word or mark, and the spaces since
        for token in _token().findall(text):
            if token == " ":
                spaces += 1
                continue
            usual = usual_space(before, token)
            tokens += [JOIN] if usual > spaces else [SPACE] * (spaces - usual)
            tokens.append(token)
            before, spaces = token, 0
        tokens += [SPACE] * spaces
        return [Encoded(tokens, {})]

    def decode(self, tokens: Sequence[str]) -> str:
        text: list[str] = []
        before, glue = "", 0
        for token in tokens:
            if token == JOIN:
                glue -= 1
            elif token == SPACE:
                glue += 1
            else:
                text += [" " * max(0, usual_space(before, token) + glue), token]
                before, glue = token, 0
        return "".join(text) + " " * glue

    def vocabulary(self, sequences: Sequence[Encoded]) -> Vocabulary:
        counts = Counter(token for sequence in sequences for token in sequence.tokens)
        kept = [token for token, count in counts.items() if count >= self.min_count or token in (JOIN, SPACE)]
        return Vocabulary.of(kept)

    def grammar(self, vocabulary: Vocabulary) -> FreeGrammar:
        return FreeGrammar(vocabulary, glue=(JOIN, SPACE))

    def table(self, vocabulary: Vocabulary) -> Table:
        return text_table(vocabulary)

    def transpose_ids(self, vocabulary: Vocabulary, semitones: int) -> None:
        return None


@cache
def word_pattern() -> re.Pattern[str]:
    """What a word is."""
    # vowel signs and accents that no letter absorbs belong to their word: Devanagari, Arabic, Hebrew, Thai
    marks = "".join(chr(code) for code in range(0x300, 0x3000) if unicodedata.category(chr(code))[0] == "M")
    letter = rf"(?![{_CJK}])\w[{marks}\u200c\u200d]*"
    return re.compile(rf"[{_CJK}]|(?:{letter})+(?:['’](?:{letter})+)*")


@cache
def _token() -> re.Pattern[str]:
    return re.compile(rf"{word_pattern().pattern}| |[^\w ]")


def is_cjk(token: str) -> bool:
    """Whether it is a Chinese, Japanese or Korean character, a word by itself."""
    return _IS_CJK.fullmatch(token) is not None


def usual_space(before: str, after: str) -> int:
    """1 if a space usually stands between two tokens, else 0."""
    if not before or before in _NO_SPACE_AFTER or after in _NO_SPACE_BEFORE:
        return 0
    return 0 if _IS_CJK.match(before) and _IS_CJK.match(after) else 1
