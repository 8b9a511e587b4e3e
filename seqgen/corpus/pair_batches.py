"""Pairs as batches of few shapes, in an order that is keyed by (seed, epoch), never by hidden generator state."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from seqgen.corpus.buckets import Bucket, bucketed
from seqgen.corpus.pair_sequences import PairSequence, Transposition, longest
from seqgen.corpus.spelling import read_order
from seqgen.errors import ConfigError, CorpusError


class PairBatch(NamedTuple):
    """One training step's data; time is the first axis.

    Sources are filled up on their left, so that the last step is the last real one of every row, and targets on their
    right. A row that is missing in the last batch of a shape has a source of one PAD, or a vector of zeros, and no
    target that counts.
    """

    source: np.ndarray  # (Tx, batch) int32, or (Tx, batch, size) float32
    real: np.ndarray  # (Tx, batch) float32: 1 where the source is, else 0
    ids: np.ndarray  # (Ty, batch) int32: START, y1 ..; or (Ty, batch, size) float32: zeros, y1 ..
    features: np.ndarray  # (Ty, batch, n_features) int32
    targets: np.ndarray  # (Ty, batch) int32, or (Ty, batch, size) float32: y1, y2 ..
    weights: np.ndarray  # (Ty, batch) float32: 1 where the target counts, else 0


class PairBatches:
    """Batches of `sequences`, for any number of epochs; every pair comes once in each."""

    def __init__(
        self,
        sequences: Sequence[PairSequence],
        *,
        batch_size: int,
        seed: int,
        reversed: bool = False,
        length: int = 0,
        buckets: int = 5,
        transpositions: Sequence[Sequence[Transposition]] | None = None,
    ) -> None:
        """reversed: sources are read backwards, but for their END.

        length: of models without a decoder, else 0: steps of every source, filled up on its right with PADs that count
        as real, and of every target.
        buckets: the most shapes there may be.
        transpositions: for each sequence those it may be mapped by, one of which is drawn in every epoch.

        Raises:
            CorpusError: there are no pairs.
            ConfigError: a source or target is longer than `length`.
        """
        if not sequences:
            raise CorpusError("there are no pairs to train on")
        if 0 < length < max(longest(sequences)):
            raise ConfigError(
                f"a length of {length} steps is too short: the longest source has {longest(sequences)[0]} steps, the"
                f" longest target {longest(sequences)[1]}"
            )
        self._sequences, self._transpositions = sequences, transpositions
        self._batch, self._seed, self._reversed, self._length = batch_size, seed, reversed, length
        steps = np.array([(len(sequence.source), len(sequence.targets)) for sequence in sequences])
        if length:
            self._buckets = [Bucket(np.arange(len(sequences)), length, length)]
        else:
            self._buckets = bucketed(steps, batch_size, buckets)
        numbers = [-(-len(bucket.members) // batch_size) for bucket in self._buckets]
        self.batches_per_epoch = sum(numbers)
        self.shapes = [(bucket.source, bucket.target) for bucket in self._buckets]  # (Tx, Ty)
        self.tokens = sum(int(np.count_nonzero(sequence.targets)) for sequence in sequences)  # that count, an epoch
        places = sum(number * batch_size * sum(shape) for number, shape in zip(numbers, self.shapes, strict=True))
        self.padding = 1 - int(steps.sum()) / places  # its share of all places of sources and targets

    def epoch(self, number: int, first: int = 0) -> Iterator[PairBatch]:
        """The batches of one epoch from the `first` on."""
        random = np.random.Generator(np.random.Philox(key=[self._seed, number]))
        drawn: list[tuple[Bucket, np.ndarray]] = []
        for bucket in self._buckets:
            order = random.permutation(bucket.members)
            drawn += [(bucket, order[begin : begin + self._batch]) for begin in range(0, len(order), self._batch)]
        tables: list[Transposition] | None = None
        if self._transpositions is not None:
            tables = [choice[int(random.integers(len(choice)))] for choice in self._transpositions]
        for index in random.permutation(len(drawn)).tolist()[first:]:
            bucket, members = drawn[index]
            yield self._filled(bucket, members.tolist(), tables)

    def _filled(self, bucket: Bucket, members: list[int], tables: list[Transposition] | None) -> PairBatch:
        example = self._sequences[0]
        source = self._empty(bucket.source, example.source)
        real = np.zeros((self._batch, bucket.source), np.float32)
        real[len(members) :, -1] = 1  # attention to nothing would be no number
        ids, targets = self._empty(bucket.target, example.target), self._empty(bucket.target, example.target)
        features = np.zeros((self._batch, bucket.target, example.features.shape[1]), np.int32)
        weights = np.zeros((self._batch, bucket.target), np.float32)
        columns = np.arange(features.shape[2])
        for row, index in enumerate(members):
            sequence = self._sequences[index]
            read, written, seen = sequence.source, sequence.target, sequence.features
            if tables is not None:
                table = tables[index]
                read, written, seen = table.source[read], table.target[written], table.features[columns, seen]
            steps = slice(0, len(read)) if self._length else slice(bucket.source - len(read), None)
            source[row, steps] = read_order(read, self._reversed)
            real[row, slice(None) if self._length else steps] = 1
            places = len(sequence.targets)
            if written.ndim == 1:
                ids[row, :places], targets[row, :places] = written[:-1], written[1:]
            else:
                ids[row, 1:places], targets[row, :places] = written[:-1], written
            features[row, :places], weights[row, :places] = seen, sequence.targets
        filled = (source, real, ids, features, targets, weights)
        return PairBatch(*(np.ascontiguousarray(array.swapaxes(0, 1)) for array in filled))  # time first

    def _empty(self, steps: int, example: np.ndarray) -> np.ndarray:
        """PAD for ids, zeros for vectors."""
        return np.zeros((self._batch, steps, *example.shape[1:]), np.int32 if example.ndim == 1 else np.float32)
