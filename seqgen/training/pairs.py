"""What training an encoder-decoder is: batches of pairs of like lengths, its loss, a score of what is held out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from seqgen.architecture import Seq2Seq
from seqgen.corpus.pair_batches import PairBatch, PairBatches
from seqgen.corpus.pair_dataset import PairDataset
from seqgen.corpus.pair_sequences import longest, transpositions
from seqgen.encodings.grid import CONTROLS
from seqgen.errors import ConfigError
from seqgen.evaluate import score_pairs
from seqgen.models.pairs import logits_of
from seqgen.models.weights import new_variables
from seqgen.runtime.seq2seq import Seq2SeqStepper
from seqgen.training.cluster import Cluster
from seqgen.training.learner import VALIDATION_TOKENS, Look, digest_of
from seqgen.training.pair_settings import PairSettings
from seqgen.training.start import Start
from seqgen.training.update import State, Updater, Weights

# Shapes of batches: each takes some seconds to compile, and with more of them less is padding.
_SHAPES, _FEW_SHAPES = 5, 2
_SHORT = 3.0  # minutes
_FORCED = 0x5EED  # keeps the draws of scheduled sampling apart from those of the batches


class PairLearner:
    """An encoder-decoder in training; see `Learner`."""

    def __init__(
        self,
        dataset: PairDataset,
        settings: PairSettings,
        start: Start | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        """Raises ConfigError: parts that do not go together, or a start, which only generators have."""
        if start is not None:
            raise ConfigError("an encoder-decoder cannot begin from another model; leave that out")
        tokens = sum(int(pair.targets.sum()) for pair in dataset.train)
        sides = dataset.source_spelling, dataset.spelling
        self.settings = settings.resolved(tokens, len(dataset.train))
        self._dataset = dataset
        self.architecture = architecture_of(dataset, self.settings)
        self._batches = PairBatches(
            dataset.train,
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
            reversed=self.architecture.reversed,
            length=self.architecture.length,
            buckets=_FEW_SHAPES if (self.settings.minutes or _SHORT) < _SHORT else _SHAPES,
            transpositions=transpositions(*sides, dataset.train) if self.settings.transpose else None,
        )
        self.batches_per_epoch = self._batches.batches_per_epoch
        self.tokens_per_batch = tokens / self.batches_per_epoch
        self.updater = Updater(PairNetwork(self.architecture, self.settings.seed), self.settings, cluster)
        self._held_out = _at_most(dataset.held_out, VALIDATION_TOKENS)

    def batches(self, epoch: int, first: int = 0) -> Iterator[PairBatch]:
        return self._batches.epoch(epoch, first)

    def update(self, batch: PairBatch, step: int, rate: float, progress: float) -> float:
        share = self.settings.forced(progress)
        if share == 1:
            return self.updater.update(batch, step, rate)
        random = np.random.Generator(np.random.Philox(key=[self.settings.seed ^ _FORCED, step]))
        forced = (random.random(batch.weights.shape, np.float32) < share).astype(np.float32)
        return self.updater.update((*batch, forced), step, rate)

    def look(self, weights: Weights) -> Look:
        if not self._held_out:
            return Look(None)
        return Look(score_pairs(Seq2SeqStepper(self.architecture, weights), self._dataset, self._held_out).loss)

    def identity(self) -> dict[str, Any]:
        dataset = self._dataset
        sides = [
            [array for pair in side for array in (pair.source, pair.target)]
            for side in (dataset.train, dataset.held_out)
        ]
        encodings = {"source": dataset.source_encoding, "target": dataset.encoding}
        named = {side: one and {"encoding": one.name, **one.options} for side, one in encodings.items()}
        vocabularies = [one.tokens for one in (dataset.source_vocabulary, dataset.vocabulary) if one is not None]
        return {**named, "corpus": digest_of(vocabularies, sides)}


class PairNetwork:
    """The variables of an encoder-decoder, and its loss; see `update.Network`."""

    def __init__(self, architecture: Seq2Seq, seed: int) -> None:
        self._architecture = architecture
        self.variables = new_variables(architecture, seed=seed)
        directions = 1 + architecture.bidirectional
        self.masked_layers = architecture.encoder_layers * directions + architecture.decoder_layers

    def start(self, batch: int) -> State:
        """Nothing is carried from batch to batch."""
        return []

    def loss(
        self, values: Mapping[str, tf.Tensor], window: Sequence[tf.Tensor], state: State, masks: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, State]:
        """Cross-entropy in nats, of vectors the squared error averaged over a vector; padding counts in neither."""
        arrays: Any = window  # tensors, in the place of arrays
        batch, forced = PairBatch(*arrays[:6]), (window[6] if len(window) > 6 else None)
        outputs = logits_of(self._architecture, values, batch, forced=forced, masks=masks)
        if self._architecture.target_vectors:
            each = tf.reduce_mean(tf.square(outputs - batch.targets), axis=2)
        else:
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(batch.targets, outputs)
        return tf.reduce_sum(batch.weights * each), tf.reduce_sum(batch.weights), state


def architecture_of(dataset: PairDataset, settings: PairSettings) -> Seq2Seq:
    """What resolved settings make for such pairs."""
    source, target = dataset.source_spelling, dataset.spelling
    feature_sizes: tuple[int, ...] = ()
    alignment = (0, 1)
    if target.encoding is not None and target.vocabulary is not None:
        feature_sizes = tuple(target.encoding.grammar(target.vocabulary).feature_sizes)
        if target.unit == "music":
            alignment = CONTROLS, int(target.encoding.options["parts"])
    return settings.architecture(
        source_values=source.values,
        n_values=target.values,
        source_vectors=source.unit == "vectors",
        target_vectors=target.unit == "vectors",
        feature_sizes=feature_sizes,
        alignment=alignment,
        length=max(longest(dataset.train)),
    )


def _at_most(pairs: Sequence[Any], tokens: int) -> list[Any]:
    """Pairs from the front with about so many target tokens."""
    ends = np.cumsum([int(pair.targets.sum()) for pair in pairs])
    return list(pairs[: max(1, int(np.searchsorted(ends, tokens)))]) if len(pairs) else []
