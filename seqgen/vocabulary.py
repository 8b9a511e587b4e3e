"""Vocabulary: the tokens of a model in the order of their ids."""

from collections.abc import Iterable, Sequence

import numpy as np

from seqgen.errors import TokenError

PAD, START, END, UNK = range(4)
SPECIALS = ("<pad>", "<start>", "<end>", "<unk>")  # no encoding spells a token like this


class Vocabulary:
    """An immutable list of tokens; ids 0 to 3 are always PAD, START, END and UNK.

    >>> vocabulary = Vocabulary.of("banana")
    >>> vocabulary.tokens[4:]
    ('a', 'b', 'n')
    >>> vocabulary.to_ids("nab")
    array([6, 4, 5])
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        """`tokens`: all of them, specials first.

        Raises:
            TokenError: the specials are missing, or a token occurs twice.
        """
        self.tokens = tuple(tokens)
        if self.tokens[:4] != SPECIALS:
            raise TokenError(f"a vocabulary begins with {SPECIALS}, not with {self.tokens[:4]}")
        self.ids = {token: index for index, token in enumerate(self.tokens)}
        if len(self.ids) != len(self.tokens):
            twice = next(token for index, token in enumerate(self.tokens) if self.ids[token] != index)
            raise TokenError(f"the token {twice!r} occurs twice in the vocabulary")

    @staticmethod
    def of(tokens: Iterable[str]) -> "Vocabulary":
        """The specials, then the distinct `tokens`, sorted."""
        return Vocabulary((*SPECIALS, *sorted(set(tokens))))

    @property
    def smallest_type(self) -> np.dtype:
        """The unsigned integers that hold every id in the fewest bytes."""
        return np.min_scalar_type(len(self.tokens) - 1)

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.tokens == other.tokens

    def __hash__(self) -> int:
        return hash(self.tokens)

    def to_ids(self, tokens: Iterable[str]) -> np.ndarray:
        """Ids `(len(tokens),)`; a token that is not in the vocabulary becomes UNK."""
        get = self.ids.get
        return np.array([get(token, UNK) for token in tokens], dtype=np.int64)

    def to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Tokens of `ids`.

        Raises:
            TokenError: an id outside the vocabulary.
        """
        values = [int(index) for index in ids]
        wrong = [index for index in values if not 0 <= index < len(self.tokens)]
        if wrong:
            raise TokenError(f"id {wrong[0]} is outside the vocabulary of {len(self.tokens)} tokens")
        return [self.tokens[index] for index in values]
