"""One pair as ids or vectors, and what the pairs of a side have together."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from seqgen.corpus.dataset import IdSequence
from seqgen.corpus.spelled import Spelled, key
from seqgen.corpus.spelling import Spelling
from seqgen.corpus.walk import MaskTable, conditions
from seqgen.encodings.chorale import Chorale
from seqgen.encodings.grid import CONTROLS, TRANSPOSITIONS
from seqgen.vocabulary import UNK


class PairSequence(NamedTuple):
    """One pair as ids or vectors."""

    name: str
    source: np.ndarray  # (n,) ids with END as the last, in the order of the sentence; or vectors (n, size) float32
    target: np.ndarray  # (m,) ids from START to END; or vectors (m, size) float32
    features: np.ndarray  # (m - 1, n_features) int32, row t what the grammar says after target[t]; of vectors (m, 0)
    targets: np.ndarray  # (m - 1,) bool: target[t + 1] is predicted, not given; of vectors (m,), all True
    source_text: str = ""
    target_text: str = ""

    @property
    def characters(self) -> int:
        """Of the target's text."""
        return len(self.target_text)


class Reference(NamedTuple):
    """A held-out source, and every text it is paired with."""

    sequence: PairSequence  # the first of its pairs
    texts: tuple[str, ...]


class Unknown(NamedTuple):
    """How many tokens are UNK."""

    source: int
    target: int


class Transposition(NamedTuple):
    """What a pair becomes in another key: the id of each id, and the value of each value of each feature."""

    source: np.ndarray  # (source values,)
    target: np.ndarray  # (n_values,)
    features: np.ndarray  # (n_features, largest size)


def to_pair_sequences(source: Spelling, target: Spelling, pairs: Sequence[Spelled]) -> tuple[PairSequence, ...]:
    """Pairs in the spelling of both sides.

    Raises:
        TokenError: a token of music is not legal where it stands.
    """
    codec = target.encoding
    if isinstance(codec, Chorale) and isinstance(source.encoding, Chorale):
        return _to_music(source, target, source.encoding.parts, codec, pairs)
    sequences = []
    for pair, read, written in pairs:
        ids = target.ids(written, start=True)
        features, targets = _all_predicted(len(ids) - (ids.ndim == 1))
        texts = (side if isinstance(side, str) else "" for side in (pair.source, pair.target))
        sequences.append(PairSequence(pair.name, source.ids(read), ids, features, targets, *texts))
    return tuple(sequences)


@lru_cache(maxsize=4096)
def _all_predicted(places: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets where a grammar sees nothing and gives nothing: the same arrays for all of a length."""
    features, targets = np.zeros((places, 0), np.int32), np.ones(places, bool)
    targets.flags.writeable = False
    return features, targets


def _to_music(
    source: Spelling, target: Spelling, given: int, codec: Chorale, pairs: Sequence[Spelled]
) -> tuple[PairSequence, ...]:
    """given: how many parts of the target are those of the source."""
    assert target.vocabulary is not None  # music has one
    grammar, kinds = codec.grammar(target.vocabulary), codec.table(target.vocabulary).kind
    table = MaskTable()
    sequences = []
    for pair, read, written in pairs:
        ids = target.ids(written, start=True)
        seen = conditions(grammar, kinds, IdSequence(pair.name, ids), table)
        # the source says every token of its parts, and by its end, which stands in the place of a first part, the END
        part = np.arange(len(ids) - 1 - CONTROLS) % codec.parts
        targets = seen.targets.copy()
        targets[CONTROLS:] &= part >= given
        sequences.append(PairSequence(pair.name, source.ids(read), ids, seen.features, targets))
    return tuple(sequences)


def references(source: Spelling, sequences: Sequence[PairSequence]) -> tuple[Reference, ...]:
    """The different sources of pairs whose targets are texts, each with all of them; of other pairs none."""
    groups: dict[bytes, list[PairSequence]] = {}
    for sequence in sequences:
        if sequence.target_text:
            # not by its ids: unknown words are different words
            read = (
                sequence.source if source.encoding is None else source.encoding.encode(sequence.source_text)[0].tokens
            )
            groups.setdefault(key(read), []).append(sequence)
    return tuple(
        Reference(group[0], tuple(dict.fromkeys(sequence.target_text for sequence in group)))
        for group in groups.values()
    )


def unknown(source: Spelling, target: Spelling, sequences: Sequence[PairSequence]) -> Unknown:
    """How many tokens the vocabularies do not have; vectors have none."""

    def counted(spelling: Spelling, sides: list[np.ndarray]) -> int:
        return 0 if spelling.vocabulary is None else sum(int(np.count_nonzero(side == UNK)) for side in sides)

    return Unknown(
        counted(source, [sequence.source for sequence in sequences]),
        counted(target, [sequence.target for sequence in sequences]),
    )


def longest(sequences: Sequence[PairSequence]) -> tuple[int, int]:
    """Steps of the longest source, its END included, and of the longest target, END included and START not."""
    return (
        max((len(sequence.source) for sequence in sequences), default=0),
        max((len(sequence.targets) for sequence in sequences), default=0),
    )


def transpositions(
    source: Spelling, target: Spelling, sequences: Sequence[PairSequence]
) -> list[list[Transposition]] | None:
    """For every pair of music the keys in which no token of either side leaves its vocabulary; of other pairs None.

    One of them is its own.
    """
    if source.encoding is None or target.encoding is None or source.vocabulary is None or target.vocabulary is None:
        return None
    features = target.encoding.grammar(target.vocabulary).transpose_features
    tables = []
    for semitones in TRANSPOSITIONS:
        moved = source.encoding.transpose_ids(source.vocabulary, semitones)
        moved_target = target.encoding.transpose_ids(target.vocabulary, semitones)
        if moved is None or moved_target is None:  # text
            return None
        tables.append(Transposition(moved, moved_target, features(semitones)))
    return [
        [table for table in tables if _stays(table.source, sequence.source) and _stays(table.target, sequence.target)]
        for sequence in sequences
    ]


def _stays(table: np.ndarray, ids: np.ndarray) -> bool:
    return bool((table[ids[ids != UNK]] != UNK).all())
