"""What training a generator is: windows over lanes of sequences, the unrolled cells, a score of what is held out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from seqgen.corpus.dataset import Dataset, at_most
from seqgen.corpus.walk import MaskTable, conditions
from seqgen.encodings import Grammar
from seqgen.encodings.grid import TRANSPOSITIONS
from seqgen.evaluate import score
from seqgen.modelfile import Architecture
from seqgen.models import build
from seqgen.models.unroll import unroll, zero_state
from seqgen.models.weights import variables
from seqgen.runtime import RecurrentStepper
from seqgen.training.cluster import Cluster
from seqgen.training.lanes import Lanes, Transposition, Window
from seqgen.training.learner import VALIDATION_TOKENS, Look, digest_of
from seqgen.training.settings import Settings
from seqgen.training.start import Start, carried_over
from seqgen.training.update import State, Updater, Weights
from seqgen.training.watch import Watch
from seqgen.vocabulary import UNK


class GeneratorLearner:
    """A generator in training; see `Learner`."""

    def __init__(
        self, dataset: Dataset, settings: Settings, start: Start | None = None, cluster: Cluster | None = None
    ) -> None:
        encoding, vocabulary = dataset.encoding, dataset.vocabulary
        grammar, kinds = encoding.grammar(vocabulary), encoding.table(vocabulary).kind
        table = MaskTable()
        walks = [conditions(grammar, kinds, sequence, table) for sequence in dataset.train]
        transpositions = _transpositions(dataset, grammar) if settings.transpose else None
        tokens = sum(len(sequence.ids) - 1 for sequence in dataset.train)
        self.settings = settings.resolved(tokens, transposed=transpositions is not None)
        self.lanes = Lanes(
            [sequence.ids for sequence in dataset.train],
            walks,
            batch_size=self.settings.batch_size,
            tx=self.settings.tx,
            seed=self.settings.seed,
            transpositions=transpositions,
        )
        self.batches_per_epoch = self.lanes.windows_per_epoch
        self.tokens_per_batch = self.settings.tx * self.settings.batch_size
        self.architecture = Architecture(
            cell="gru" if self.settings.cell == "gru" else "lstm",
            n_a=self.settings.n_a,
            layers=self.settings.layers,
            n_values=len(vocabulary),
            feature_sizes=tuple(grammar.feature_sizes),
        )
        network = GeneratorNetwork(self.architecture, self.settings)
        self.updater = Updater(network, self.settings, cluster)
        if start is not None:
            rows = (*vocabulary.tokens, *grammar.feature_names)
            self.updater.begin_with(carried_over(start, self.updater.weights(), rows, len(vocabulary)))
            network.clear_unseen_features()
        self._dataset, self._begun_from = dataset, None if start is None else start.digest
        self._watch = Watch(dataset, self.settings.seed)
        self._held_out = at_most(dataset.held_out, VALIDATION_TOKENS)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Window]:
        """The lanes begin an epoch from the zero state."""
        if first == 0:
            self.updater.clear()
        return self.lanes.epoch(epoch, first)

    def update(self, batch: Window, step: int, rate: float, progress: float) -> float:
        return self.updater.update(batch, step, rate)

    def look(self, weights: Weights) -> Look:
        stepper = RecurrentStepper(self.architecture, weights)
        nats = None
        if self._held_out:
            nats = score(stepper, self._dataset.encoding, self._dataset.vocabulary, self._held_out).nats_per_token
        return Look(nats, self._watch.look(stepper))

    def identity(self) -> dict[str, Any]:
        dataset = self._dataset
        sides = [[sequence.digest or sequence.ids for sequence in side] for side in (dataset.train, dataset.held_out)]
        encoding = {"encoding": dataset.encoding.name, "options": dataset.encoding.options}
        corpus = digest_of([dataset.vocabulary.tokens], sides)
        return {**encoding, "from_model": self._begun_from, "corpus": corpus}


class GeneratorNetwork:
    """The variables of a generator, and its loss; see `update.Network`."""

    def __init__(self, architecture: Architecture, settings: Settings) -> None:
        self._architecture, self._features = architecture, settings.features
        self.variables = variables(*build(architecture, seed=settings.seed))
        self.masked_layers = architecture.layers
        self.clear_unseen_features()

    def clear_unseen_features(self) -> None:
        """Without features their rows are zero, and stay so; the model file is like any other."""
        if not self._features:
            kernel = self.variables["layers/0/kernel"]
            is_token = np.arange(kernel.shape[0]) < self._architecture.n_values
            kernel.assign(kernel.numpy() * is_token[:, None])

    def start(self, batch: int) -> State:
        return zero_state(self._architecture, batch)

    def loss(
        self, values: Mapping[str, tf.Tensor], window: Sequence[tf.Tensor], state: State, masks: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, State]:
        ids, features, targets, weights, keep = window
        features = features if self._features else features[:, :, :0]
        each = None if masks is None else tf.unstack(masks)
        logits, after = unroll(self._architecture, values, ids, features, keep, state, each)
        nats = tf.reduce_sum(weights * tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))
        return nats, tf.reduce_sum(weights), after


def _transpositions(dataset: Dataset, grammar: Grammar) -> list[list[Transposition]] | None:
    """For every training sequence the tables of the keys in which no token of it leaves the vocabulary."""
    tables = []
    for semitones in TRANSPOSITIONS:
        table = dataset.encoding.transpose_ids(dataset.vocabulary, semitones)
        if table is None:
            return None
        table = table.astype(dataset.train[0].ids.dtype)
        tables.append(Transposition(table, grammar.transpose_features(semitones)))
    allowed = []
    for sequence in dataset.train:
        used = np.unique(sequence.ids)
        used = used[used != UNK]
        allowed.append([table for table in tables if (table.ids[used] != UNK).all()])
    return allowed
