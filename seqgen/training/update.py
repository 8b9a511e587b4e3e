"""One update of the weights: the compiled gradient, the batch in shards side by side, the optimizer."""

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import pairwise
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from seqgen.errors import ConfigError
from seqgen.training.cluster import Cluster
from seqgen.training.settings import RunSettings

Weights = dict[str, np.ndarray]
State = list[Any]  # nested lists of arrays, each with the batch on its first axis; empty where nothing is carried on


class Network(Protocol):
    """What is trained: its variables, and its loss on a window, of which every array has the batch on axis 1."""

    variables: Mapping[str, keras.Variable]  # by the names of the model file
    masked_layers: int  # whose outputs dropout may drop

    def start(self, batch: int) -> State:
        """The state before the first window."""
        ...

    def loss(
        self, values: Mapping[str, tf.Tensor], window: Sequence[tf.Tensor], state: State, masks: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, State]:
        """The sum over the targets of their loss, how many targets there are, and the state after the window.

        values: of the variables. masks: `(masked_layers, batch, n_a)`, with which the layers' outputs are multiplied.
        """
        ...


class Updater:
    """The weights with their optimizer, and the state of every lane."""

    def __init__(self, network: Network, settings: RunSettings, cluster: Cluster | None = None) -> None:
        """settings: resolved. cluster: the workers that share the batch, each with a run of lanes.

        Raises:
            ConfigError: fewer lanes than workers.
        """
        self._network, self._settings, self._cluster = network, settings, cluster
        workers, index = (1, 0) if cluster is None else (cluster.size, cluster.task.index)
        if settings.batch_size < workers:
            raise ConfigError(
                f"a batch of {settings.batch_size} is too small for {workers} workers: raise --batch-size"
            )
        shards = min(settings.shards, settings.batch_size // workers)  # of one worker
        self._edges = [settings.batch_size * shard // (shards * workers) for shard in range(shards * workers + 1)]
        self._own = range(index * shards, (index + 1) * shards)
        self._variables = network.variables
        self._optimizer = _optimizer(settings)
        self._optimizer.build(list(self._variables.values()))
        self._rate: Any = self._optimizer.learning_rate  # a variable, which Keras types as a float
        self._update = tf.function(self._updated, autograph=False)
        self._shard = tf.function(self._shard_gradients, jit_compile=True, autograph=False)
        self._apply = tf.function(self._applied, jit_compile=True, autograph=False)
        self.clear()

    def clear(self) -> None:
        """Every lane begins from the zero state."""
        self._state = [self._network.start(end - begin) for begin, end in pairwise(self._edges)]

    def update(self, window: Sequence[np.ndarray], step: int, rate: float) -> float:
        """Learn from one window and carry the lanes' state on; the mean loss per target before the update.

        step: its number, which with the seed decides what dropout drops. rate: the learning rate.
        """
        seed = tf.constant([self._settings.seed, step], tf.int32)
        with nullcontext() if self._cluster is None else self._cluster.watched():
            arrays = [tf.constant(array) for array in window]
            loss, self._state = self._update(arrays, self._state, seed, tf.constant(rate, tf.float32))
            return float(loss)

    def begin_with(self, weights: Mapping[str, np.ndarray]) -> None:
        """Set all weights, by the names of the model file, before the first update."""
        for name, variable in self._variables.items():
            variable.assign(weights[name])

    def weights(self) -> Weights:
        """Copies, by the names of the model file."""
        return {name: np.array(variable.numpy(), np.float32) for name, variable in self._variables.items()}

    def snapshot(self) -> dict[str, np.ndarray]:
        """Copies of everything the next update depends on, apart from its window and number."""
        arrays = {f"weights/{name}": array for name, array in self.weights().items()}
        arrays |= {f"optimizer/{index}": variable.numpy() for index, variable in enumerate(self._optimizer.variables)}
        flat = _joined(self._state)
        return arrays | {f"state/{index}": array.numpy() for index, array in enumerate(flat)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """The inverse of `snapshot`, for the same architecture and settings."""
        for name, variable in self._variables.items():
            variable.assign(arrays[f"weights/{name}"])
        for index, variable in enumerate(self._optimizer.variables):
            variable.assign(arrays[f"optimizer/{index}"])
        self._state = self._parted(
            [tf.constant(arrays[f"state/{index}"]) for index in range(len(_joined(self._state)))]
        )

    def _updated(self, window, state, seed, rate):
        settings = self._settings
        masks = None
        if settings.dropout:
            shape = self._network.masked_layers, settings.batch_size, settings.n_a
            masks = tf.cast(tf.random.stateless_uniform(shape, seed) >= settings.dropout, tf.float32)
            masks /= 1 - settings.dropout
        # read here and passed on: parts that read the variables themselves would wait for each other
        values = {name: tf.convert_to_tensor(variable) for name, variable in self._variables.items()}
        kept = self._kept_weights(seed) if settings.weight_drop else {}
        values |= {name: values[name] * factor for name, factor in kept.items()}
        results = []
        for shard in self._own:
            begin, end = self._edges[shard : shard + 2]
            own_masks = None if masks is None else masks[:, begin:end]
            results.append(self._shard(values, [array[:, begin:end] for array in window], state[shard], own_masks))
        losses, count, gradients, after = zip(*results, strict=True)
        if self._cluster is not None:
            losses, count, gradients, after = self._of_all_workers(self._cluster, losses, count, gradients, after)
        return self._apply(losses, count, gradients, kept, rate), list(after)

    def _kept_weights(self, seed):
        """What the recurrent kernels are multiplied with in one update, by name: 0 where a weight is dropped."""
        kept = max(1, round(256 * (1 - (self._settings.weight_drop or 0.0))))  # of 256
        names = [name for name in self._variables if name.endswith("recurrent_kernel")]
        factors = {}
        for name, seed_of_name in zip(names, tf.unstack(tf.random.split(seed, len(names) + 1)[1:]), strict=True):
            shape = tuple(self._variables[name].shape)
            size = math.prod(shape)
            words = tf.random.stateless_uniform(
                (-(-size // 4),), seed_of_name, minval=tf.int32.min, maxval=tf.int32.max, dtype=tf.int32
            )
            four_each = tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size]
            draws = tf.cast(tf.reshape(four_each, shape), tf.float32)
            factors[name] = tf.cast(draws < kept, tf.float32) * (256 / kept)
        return factors

    def _shard_gradients(self, values, window, state, masks):
        """Sums over a part of the batch: loss, targets, gradients; and its state after the window."""
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss, count, after = self._network.loss(values, window, state, masks)
        return loss, count, tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO), after

    def _of_all_workers(self, cluster: Cluster, losses, count, gradients, after):
        """The sums over all workers in the place of shards, and the states of all lanes, by one collective."""
        begin, end = self._edges[self._own.start], self._edges[self._own.stop]
        sums = [tf.add_n(losses), tf.add_n(count)]
        sums += [tf.add_n([part[name] for part in gradients]) for name in self._variables]
        # the other workers' lanes are zeros here, and theirs are zeros there
        states = [tf.pad(array, [[begin, self._edges[-1] - end], [0, 0]]) for array in _joined(after)]
        flat = cluster.add(tf.concat([tf.reshape(part, [-1]) for part in sums + states], 0))
        parts = tf.split(flat, [part.shape.num_elements() for part in sums + states])
        loss, count, *rest = [tf.reshape(part, old.shape) for part, old in zip(parts, sums + states, strict=True)]
        gradients = dict(zip(self._variables, rest, strict=False))
        return [loss], [count], [gradients], self._parted(rest[len(gradients) :])

    def _parted(self, arrays: list[tf.Tensor]) -> list[State]:
        """The inverse of `_joined`."""
        like = self._state[0]
        return [
            tf.nest.pack_sequence_as(like, [array[begin:end] for array in arrays])
            for begin, end in pairwise(self._edges)
        ]

    def _applied(self, losses, count, gradients, kept, rate):
        """One step of the optimizer by the mean over all shards, summed in order and divided once; the mean loss."""
        total = tf.maximum(tf.add_n(count), 1.0)
        mean = [tf.add_n([part[name] for part in gradients]) / total * kept.get(name, 1.0) for name in self._variables]
        if self._settings.clip:
            mean, _ = tf.clip_by_global_norm(mean, self._settings.clip)
        self._rate.assign(rate)
        self._optimizer.apply(mean, list(self._variables.values()))
        return tf.add_n(losses) / total


def _joined(states: Sequence[State]) -> list[tf.Tensor]:
    """The states of shards as arrays of all their lanes, which do not depend on how lanes are shared out."""
    return [tf.concat(arrays, 0) for arrays in zip(*map(tf.nest.flatten, states), strict=True)]


def _optimizer(settings: RunSettings) -> keras.optimizers.Optimizer:
    if settings.optimizer == "adamw":
        return keras.optimizers.AdamW(settings.lr, weight_decay=0.01, beta_2=0.99)
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(settings.lr, beta_2=0.99)
    if settings.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(settings.lr)
    return keras.optimizers.SGD(settings.lr, momentum=0.9)
