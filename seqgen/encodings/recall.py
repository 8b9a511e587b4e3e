"""What a model of music may see beside the token and its place in the bar: `sees`, an option of every music encoding.

`key`: the key of the piece, at every step. `bar`: the number of the bar. `sounding`: what sounds now, where the tokens
before do not say it. `parallel`: where there are parts, the pitch that would make parallel fifths or octaves. A number:
what stood at the place of the next token so many bars before. `same`: with numbers, in one voice, how many events until
now were those of so many bars before.

Models that were trained before there was a word do not see what it names, so the option is empty by default; training
asks for what each encoding names as SEES.
"""

from collections.abc import Hashable
from typing import NamedTuple

from seqgen.errors import ConfigError

WORDS = ("key", "bar", "sounding", "parallel", "same")
MOST_BARS = 64  # bars before


class Sees(NamedTuple):
    """The option `sees` of an encoding, read."""

    key: bool
    bar: bool
    sounding: bool
    parallel: bool
    same: bool
    bars_before: tuple[int, ...]

    @staticmethod
    def of(text: str) -> "Sees":
        """From words and numbers between spaces, in any order.

        Raises:
            ConfigError: another word, or one that comes twice.
        """
        words = text.split()
        numbers = [word for word in words if word.isdecimal() and 1 <= int(word) <= MOST_BARS and word[0] != "0"]
        for word in words:
            if word not in WORDS and word not in numbers:
                raise ConfigError(
                    f"sees takes {', '.join(WORDS)} and numbers of bars from 1 to {MOST_BARS}, not {word!r}"
                )
        if len(set(words)) < len(words):
            raise ConfigError(f"sees names something twice: {text!r}")
        key, bar, sounding, parallel, same = (word in words for word in WORDS)
        return Sees(key, bar, sounding, parallel, same, tuple(sorted(map(int, numbers))))


class Feature(NamedTuple):
    """What the values of one feature mean."""

    name: str
    values: tuple[str, ...]
    moves: bool = False  # the values are spelled as tokens are, and transposed like them; the first is what is unknown


class History:
    """An immutable sequence that grows at its end in O(1).

    A longer one shares the items of the one it comes from. Two that grow from the same one part ways there: the second
    takes a copy. The hash is carried along.
    """

    __slots__ = ("_hash", "items", "length")

    def __init__(self, items: list | None = None, hash_: int = 0) -> None:
        self.items = [] if items is None else items  # those behind `length` belong to others
        self.length = len(self.items)
        self._hash = hash_

    def and_then(self, item: Hashable) -> "History":
        """With one more item."""
        items = self.items if len(self.items) == self.length else self.items[: self.length]
        items.append(item)
        return History(items, hash((self._hash, item)))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History) or (self._hash, self.length) != (other._hash, other.length):
            return False
        return self.items is other.items or self.items[: self.length] == other.items[: other.length]
