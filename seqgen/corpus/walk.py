"""What a grammar says at every place of a sequence: features, legal ids, what is predicted, where steps end."""

from typing import NamedTuple

import numpy as np

from seqgen.corpus.dataset import IdSequence
from seqgen.encodings import Grammar, Kind
from seqgen.encodings.grid import CONTROLS
from seqgen.encodings.text import FreeGrammar
from seqgen.errors import TokenError
from seqgen.vocabulary import END, UNK


class MaskTable:
    """Distinct masks, numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._rows: list[np.ndarray] = []
        self._known: dict[int, int] = {}  # by identity; the rows keep the objects alive

    def number(self, mask: np.ndarray) -> int:
        known = self._known.get(id(mask))
        if known is not None and self._rows[known] is mask:
            return known
        number = self._numbers.setdefault(np.packbits(mask).tobytes(), len(self._rows))
        if number == len(self._rows):
            self._rows.append(mask)
            self._known[id(mask)] = number
        return number

    def scoring(self) -> np.ndarray:
        """`(number of masks, n_values)` bool, where UNK is allowed too: data may hold unknown tokens."""
        table = np.array(self._rows)
        table[:, UNK] = True
        return table


class Walk(NamedTuple):
    """What the grammar says at every place of a sequence `ids`; row t is about the id that follows `ids[t]`."""

    features: np.ndarray  # (n - 1, n_features) int32
    masks: np.ndarray  # (n - 1,) int32, numbers in the MaskTable
    targets: np.ndarray  # (n - 1,) bool: ids[t + 1] is predicted, not given
    steps: np.ndarray  # (n - 1,) bool: ids[t + 1] completes a step


def walk(grammar: Grammar, kinds: np.ndarray, sequence: IdSequence, table: MaskTable) -> Walk:
    """Follow the grammar along one sequence; `kinds` is the encoding's `table(...).kind`.

    Raises:
        TokenError: an id is not legal where it stands.
    """
    ids = sequence.ids
    targets = np.ones(len(ids) - 1, bool)
    if (kinds == Kind.CONTROL).any():
        targets[:CONTROLS] = False  # by their place: a control may be an unknown token
    if isinstance(grammar, FreeGrammar) and not grammar.has_glue:  # nothing depends on the place
        first, later = grammar.legal(0), grammar.legal(1)
        legal = later[ids[1:]] | (ids[1:] == UNK)
        legal[0] &= first[ids[1]] or ids[1] == UNK
        if not legal.all():
            raise _illegal(sequence, int(legal.argmin()))
        masks = np.full(len(ids) - 1, table.number(later), np.int32)
        masks[0] = table.number(first)
        return Walk(np.zeros((len(ids) - 1, 0), np.int32), masks, targets, ids[1:] != END)
    features = np.zeros((len(ids) - 1, len(grammar.feature_sizes)), np.int32)
    masks = np.zeros(len(ids) - 1, np.int32)
    steps = np.zeros(len(ids) - 1, bool)
    state = grammar.start()
    for place, following in enumerate(ids[1:].tolist()):
        features[place] = grammar.features(state)
        legal = grammar.legal(state)
        masks[place] = table.number(legal)
        if not legal[following] and following != UNK:
            raise _illegal(sequence, place)
        if following != END:
            state = grammar.advance(state, following)
            steps[place] = targets[place] and grammar.at_step(state)  # the last control token completes none
    return Walk(features, masks, targets, steps)


class Conditions(NamedTuple):
    """Of a Walk, what training needs."""

    features: np.ndarray  # (n - 1, n_features) int32
    targets: np.ndarray  # (n - 1,) bool


def conditions(grammar: Grammar, kinds: np.ndarray, sequence: IdSequence, table: MaskTable) -> Conditions:
    """As `walk` finds them; of text nothing is followed, and so nothing kept, for each token: all are targets.

    Raises:
        TokenError: an id of music is not legal where it stands.
    """
    places = len(sequence.ids) - 1
    if not grammar.feature_sizes and not (kinds == Kind.CONTROL).any():
        return Conditions(np.zeros((places, 0), np.int32), np.broadcast_to(np.True_, places))
    found = walk(grammar, kinds, sequence, table)
    return Conditions(found.features, found.targets)


def _illegal(sequence: IdSequence, place: int) -> TokenError:
    return TokenError(f"{sequence.name}: id {sequence.ids[place + 1]} is not legal at token {place + 1}")
