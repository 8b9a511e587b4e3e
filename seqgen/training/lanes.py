"""The training side as lanes: contiguous streams of ids, read window by window with the state carried along.

Every epoch draws the order of the sequences, a transposition for each, and where the stream begins; all of it is keyed
by (seed, epoch), never by hidden generator state.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from seqgen.corpus.walk import Walk
from seqgen.errors import CorpusError
from seqgen.vocabulary import START


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
        walks: Sequence[Walk],
        *,
        batch_size: int,
        tx: int,
        seed: int,
        transpositions: Sequence[Sequence[np.ndarray]] | None = None,
    ) -> None:
        """sequences: ids with START and END, and what the grammar says of each.

        transpositions: for each sequence the `(n_values,)` tables it may be mapped by, the identity among them.

        Raises:
            CorpusError: less than one window of data.
        """
        self._sequences, self._walks, self._transpositions = sequences, walks, transpositions
        self._batch, self._tx, self._seed = batch_size, tx, seed
        self.tokens = sum(len(ids) - 1 for ids in sequences)
        if self.tokens < tx:
            raise CorpusError(f"there are {self.tokens} tokens to train on, less than one window of Tx = {tx}")
        lane = -(-self.tokens // batch_size)
        self.windows_per_epoch = -(-lane // tx)

    def epoch(self, number: int) -> Iterator[Window]:
        """The windows of one epoch; the first begins from the zero state."""
        random = np.random.Generator(np.random.Philox(key=[self._seed, number]))
        order = random.permutation(len(self._sequences))
        ids, targets, features, weights = [], [], [], []
        for index in order:
            sequence, steps = self._sequences[index], self._walks[index]
            if self._transpositions is not None:
                tables = self._transpositions[index]
                sequence = tables[random.integers(len(tables))][sequence]
            ids.append(sequence[:-1])
            targets.append(sequence[1:])
            features.append(steps.features)
            weights.append(steps.targets)
        offset = int(random.integers(self.tokens))
        stream = Window(
            self._laid(np.concatenate(ids).astype(np.int32), offset),
            self._laid(np.concatenate(features), offset),
            self._laid(np.concatenate(targets).astype(np.int32), offset),
            self._laid(np.concatenate(weights).astype(np.float32), offset),
            np.empty(0),
        )
        stream = stream._replace(keep=(stream.ids != START).astype(np.float32))
        for begin in range(0, len(stream.ids), self._tx):
            yield Window(*(array[begin : begin + self._tx] for array in stream))

    def _laid(self, values: np.ndarray, offset: int) -> np.ndarray:
        """`(windows * Tx, batch, ...)`: the stream from `offset` on, one lane a column, zeros where it has ended."""
        lane = -(-self.tokens // self._batch)
        padded = np.zeros((lane * self._batch, *values.shape[1:]), values.dtype)
        padded[: len(values)] = np.roll(values, -offset, axis=0)
        laid = np.zeros((self.windows_per_epoch * self._tx, self._batch, *values.shape[1:]), values.dtype)
        laid[:lane] = padded.reshape(self._batch, lane, *values.shape[1:]).swapaxes(0, 1)
        return laid
