"""The training side as lanes: contiguous streams of ids, read window by window with the state carried along.

Every epoch draws the order of the sequences, a transposition for each, and where the stream begins; all of it is keyed
by (seed, epoch), never by hidden generator state.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from seqgen.corpus.walk import Conditions, Walk
from seqgen.errors import CorpusError
from seqgen.vocabulary import START


class Transposition(NamedTuple):
    """What a sequence becomes in another key."""

    ids: np.ndarray  # (n_values,): the id each id becomes
    features: np.ndarray  # (n_features, largest size): the value each value of each feature becomes


class Window(NamedTuple):
    """One training step's data; time is the first axis."""

    ids: np.ndarray  # (Tx, batch) int32
    features: np.ndarray  # (Tx, batch, n_features) int32
    targets: np.ndarray  # (Tx, batch) int32
    weights: np.ndarray  # (Tx, batch) float32: 1 where the target counts, else 0
    keep: np.ndarray  # (Tx, batch) float32: 0 where a sequence starts, so that no state comes from the one before


class Lanes:
    """Windows over `sequences`, for any number of epochs."""

    def __init__(
        self,
        sequences: Sequence[np.ndarray],
        walks: Sequence[Walk | Conditions],
        *,
        batch_size: int,
        tx: int,
        seed: int,
        transpositions: Sequence[Sequence[Transposition]] | None = None,
    ) -> None:
        """sequences: ids with START and END, and what the grammar says of each.

        transpositions: for each sequence those it may be mapped by, the identity among them.

        Raises:
            CorpusError: less than one window of data.
        """
        self._sequences, self._walks, self._transpositions = sequences, walks, transpositions
        self._batch, self._tx, self._seed = batch_size, tx, seed
        self.tokens = sum(len(ids) - 1 for ids in sequences)
        if self.tokens < tx:
            raise CorpusError(f"there are {self.tokens} tokens to train on, less than one window of Tx = {tx}")
        self._lane = -(-self.tokens // batch_size)  # places of the stream a lane
        self.windows_per_epoch = -(-self._lane // tx)

    def epoch(self, number: int, first: int = 0) -> Iterator[Window]:
        """The windows of one epoch from the `first` on; that of number 0 begins from the zero state.

        A window is cut out of the sequences when its turn comes: they may be long, and mapped from a file.
        """
        random = np.random.Generator(np.random.Philox(key=[self._seed, number]))
        order = random.permutation(len(self._sequences)).tolist()
        tables: list[Transposition | None] = [None] * len(order)
        if self._transpositions is not None:
            choices = [self._transpositions[index] for index in order]
            tables = [choice[random.integers(len(choice))] for choice in choices]
        ends = list(accumulate(len(self._sequences[index]) - 1 for index in order))
        offset = int(random.integers(self.tokens))
        for begin in range(first * self._tx, self._lane, self._tx):
            yield self._window(order, tables, ends, offset, begin)

    def _window(
        self, order: list[int], tables: list[Transposition | None], ends: list[int], offset: int, begin: int
    ) -> Window:
        """Places `begin` to `begin + Tx` of every lane; zeros where it has ended.

        order, tables, ends: the sequences as they come in the stream, how each is mapped and where it ends there.
        offset: where in the stream the first lane begins; the last one goes on at its front.
        """
        shape = self._batch, self._tx
        ids, targets, weights = np.zeros(shape, np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        columns = np.arange(self._walks[0].features.shape[1])
        features = np.zeros((*shape, len(columns)), np.int32)
        for row in range(self._batch):
            place = row * self._lane + begin
            length = min(self._tx, self._lane - begin, self.tokens - place)
            filled = 0
            while filled < length:
                there = (offset + place + filled) % self.tokens
                turn = bisect_right(ends, there)
                sequence, walk = self._sequences[order[turn]], self._walks[order[turn]]
                low = there - (ends[turn] - len(sequence) + 1)
                high = min(low + length - filled, len(sequence) - 1)
                run, seen, table = sequence[low : high + 1], walk.features[low:high], tables[turn]
                if table is not None:
                    run, seen = table.ids[run], table.features[columns, seen]
                part = row, slice(filled, filled + high - low)
                ids[part], targets[part] = run[:-1], run[1:]
                features[part], weights[part] = seen, walk.targets[low:high]
                filled += high - low
        ids, features, targets, weights = (  # time first
            np.ascontiguousarray(array.swapaxes(0, 1)) for array in (ids, features, targets, weights)
        )
        return Window(ids, features, targets, weights, keep=(ids != START).astype(np.float32))
