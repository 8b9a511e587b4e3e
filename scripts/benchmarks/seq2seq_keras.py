"""Encoder-decoders in Keras' layers, for `seq2seq.py`: training, and decoding as in Keras' own example."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from seq2seq_tasks import Decode, Pairs, Task, Weights

from seqgen.vocabulary import START

BATCHES = 20  # in an epoch of `fit`


class Parts:
    """The layers of a task with our weights, batch first."""

    def __init__(self, task: Task, weights: Weights, *, embedded: bool) -> None:
        """embedded: where ours reads one-hots, read learned embeddings."""
        model = self.model = task.architecture
        layer = layers.LSTM if model.cell == "lstm" else layers.GRU
        self.source, kernel = _inputs(weights, "encoder", model.source_values, model.n_a if embedded else 0)
        self.encoder = layer(model.n_a, return_sequences=model.attention != "none", return_state=True)
        _set(self.encoder, kernel, weights["encoder/0/recurrent_kernel"], weights["encoder/0/bias"])
        kernel = weights["decoder/0/kernel"]
        if model.feedback:
            self.target, kernel = _inputs(weights, "decoder", model.n_values, model.n_a if embedded else 0)
        self.decoder = layer(model.n_a, return_sequences=True)
        _set(self.decoder, kernel, weights["decoder/0/recurrent_kernel"], weights["decoder/0/bias"])
        if model.bridge == "repeat":
            self.bridge = _dense(weights, "bridge", activation="relu")
        if model.attention == "additive":
            self.query = _dense(weights, "attention/query")
            self.memory = _dense(weights, "attention/memory")
            self.score = _dense(weights, "attention/score")
        self.densor = _dense(weights, "densor")

    def training_model(self, task: Task) -> keras.Model:
        """From source and, with feedback, ids to logits `(batch, Ty, n_values)`."""
        model = self.model
        source = self._input(self.source, task.source_length, model.source_values)
        memory, *states = self.encoder(self._read(self.source, source))
        if model.bridge == "repeat":
            hidden = self.decoder(layers.RepeatVector(task.target_length)(self.bridge(memory)))
            return keras.Model([source], self.densor(hidden))
        ids = self._input(self.target, task.target_length, model.n_values)
        inputs = self._read(self.target, ids)
        if model.attention == "none":
            return keras.Model([source, ids], self.densor(self.decoder(inputs, initial_state=states)))
        attended, outputs = [memory, self.memory(memory)], []
        for place in range(task.target_length):
            output, states = self._step(inputs[:, place], states, attended)
            outputs.append(output)
        return keras.Model([source, ids], self.densor(ops.stack(outputs, axis=1)))

    def encoder_model(self, task: Task) -> keras.Model:
        """From the source to what a decoder begins with, and what it attends to."""
        source = self._input(self.source, task.source_length, self.model.source_values)
        memory, *states = self.encoder(self._read(self.source, source))
        attended = [memory, self.memory(memory)] if self.model.attention == "additive" else []
        return keras.Model(source, [*states, *attended])

    def decoder_model(self, task: Task) -> keras.Model:
        """One step: from the last token, states and what is attended to, to log-probabilities and states."""
        n_a = self.model.n_a
        token = keras.Input((), dtype="int32") if self.target else keras.Input((self.model.n_values,))
        states = [keras.Input((n_a,)) for _ in range(2 if self.model.cell == "lstm" else 1)]
        attended = [keras.Input((task.source_length, n_a)) for _ in range(2 if self.model.attention != "none" else 0)]
        output, after = self._step(self._read(self.target, token), states, attended)
        return keras.Model([token, *states, *attended], [ops.log_softmax(self.densor(output)), *after])

    def values(self, embedding: Any, ids: np.ndarray, n_values: int) -> np.ndarray:
        """What a model reads for ids."""
        return ids.astype(np.int32) if embedding else np.eye(n_values, dtype=np.float32)[ids]

    def _input(self, embedding: Any, length: int, n_values: int) -> Any:
        return keras.Input((length,), dtype="int32") if embedding else keras.Input((length, n_values))

    def _read(self, embedding: Any, values: Any) -> Any:
        return embedding(values) if embedding else values

    def _step(self, inputs: Any, states: Sequence[Any], attended: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
        if attended:
            memory, keys = attended
            scores = self.score(ops.tanh(keys + self.query(states[0])[:, None]))  # (batch, Tx, 1)
            context = ops.sum(ops.softmax(scores, axis=1) * memory, axis=1)
            inputs = ops.concatenate([inputs, context], axis=-1)
        return self.decoder.cell(inputs, states)


def training(
    task: Task, weights: Weights, pairs: Pairs, *, embedded: bool, jit: bool
) -> tuple[Callable[[], object], int, Callable[[], np.ndarray]]:
    """What trains, on how many batches each time, and what gives the logits `(Ty, batch, n_values)` before it.

    By `fit`; where the model needs a loop over the decoder's steps, by a compiled step of its own.
    """
    parts = Parts(task, weights, embedded=embedded)
    model = parts.training_model(task)
    source = parts.values(parts.source, pairs.source.T, task.architecture.source_values)
    data: list[Any] = [source]
    if task.architecture.feedback:
        data.append(parts.values(parts.target, pairs.ids.T, task.architecture.n_values))
    targets = pairs.targets.T.astype(np.int32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def logits() -> np.ndarray:
        return np.asarray(model(data)).swapaxes(0, 1)

    if task.architecture.attention == "none":
        model.compile("adam", loss, jit_compile=jit)
        inputs = tuple(data) if len(data) > 1 else data[0]
        batches = tf.data.Dataset.from_tensors((inputs, targets)).repeat(BATCHES).cache().prefetch(2)
        return lambda: model.fit(batches, shuffle=False, verbose=0), BATCHES, logits

    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=jit)
    def step(data: list[tf.Tensor], targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(targets, model(data, training=True))
        optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
        return value

    tensors, wanted = [tf.constant(array) for array in data], tf.constant(targets)
    return lambda: step(tensors, wanted).numpy(), 1, logits


def predicting(task: Task, parts: Parts, source: np.ndarray, width: int) -> Decode:
    """The loop of Keras' example: `predict` for the encoder, then for every step of the decoder.

    source: `(Tx, batch)`. Greedy for a width of 1, else a beam search.
    """
    encoder, decoder = parts.encoder_model(task), parts.decoder_model(task)
    values, n_values = parts.values(parts.source, source.T, task.architecture.source_values), task.architecture.n_values

    def read() -> list[Any]:
        return encoder.predict(values, batch_size=len(values), verbose=0)

    def step(ids: Any, states: Sequence[Any], attended: Sequence[Any], scores: Any) -> tuple[Any, ...]:
        token = parts.values(parts.target, np.asarray(ids), n_values)
        outputs = decoder.predict([token, *states, *attended], batch_size=len(token), verbose=0)
        return _chosen(outputs, scores, width)

    return lambda: _decoded(task, read, step, source.shape[1], width)


def compiled(task: Task, parts: Parts, source: np.ndarray, width: int, *, jit: bool) -> Decode:
    """The same, with encoder and step compiled by tf.function, the choice of tokens included."""
    encoder, decoder = parts.encoder_model(task), parts.decoder_model(task)
    values = tf.constant(parts.values(parts.source, source.T, task.architecture.source_values))
    encode = tf.function(encoder, jit_compile=jit)

    @tf.function(jit_compile=jit)
    def step(ids: Any, states: Sequence[Any], attended: Sequence[Any], scores: Any) -> tuple[Any, ...]:
        token = ids if parts.target else tf.one_hot(ids, task.architecture.n_values)
        return _chosen(decoder([token, *states, *attended]), scores, width)

    return lambda: _decoded(task, lambda: encode(values), step, source.shape[1], width)


def _decoded(
    task: Task, read: Callable, step: Callable, batch: int, width: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Ids `(batch, steps)`, and of a beam search the log-probabilities `(batch,)`."""
    kinds = 2 if task.architecture.cell == "lstm" else 1
    arrays = read()
    if width > 1:
        arrays = [tf.repeat(array, width, axis=0) for array in arrays]
    states, attended = arrays[:kinds], arrays[kinds:]
    ids = tf.fill((batch * width,), START)
    scores = tf.reshape(tf.where(tf.range(batch * width) % width == 0, 0.0, -np.inf), (batch, width))
    found, parents = [], []
    for _ in range(task.steps):
        ids, states, scores, parent = step(ids, states, attended, scores)
        found.append(ids)
        parents.append(parent)
    if width == 1:
        return np.stack([np.asarray(one) for one in found], axis=1), None
    rows, best = np.arange(batch) * width, []
    for one, parent in zip(reversed(found), reversed(parents), strict=True):
        best.append(np.asarray(one)[rows])
        rows = np.asarray(parent)[rows]
    return np.stack(best[::-1], axis=1), np.asarray(scores)[:, 0]


def _chosen(outputs: Sequence[Any], scores: Any, width: int) -> tuple[Any, Sequence[Any], Any, Any]:
    """The next ids `(rows,)`, the states behind them, scores `(batch, width)`, and which row each one comes from."""
    logs, *states = outputs
    if width == 1:
        return tf.argmax(logs, axis=1, output_type=tf.int32), states, scores, scores
    batch = scores.shape[0]
    values, choices = tf.math.top_k(logs, width)  # (rows, width)
    totals = tf.reshape(values, (batch, width, width)) + scores[:, :, None]
    scores, places = tf.math.top_k(tf.reshape(totals, (batch, width * width)), width)
    ids = tf.gather(tf.reshape(choices, (batch, width * width)), places, batch_dims=1)
    parents = tf.reshape(places // width + tf.range(batch)[:, None] * width, [-1])
    return tf.reshape(ids, [-1]), [tf.gather(state, parents) for state in states], scores, parents


def _inputs(weights: Weights, side: str, n_values: int, width: int) -> tuple[Any, np.ndarray]:
    """The embedding of a side, or None for one-hots, and the kernel of its cell.

    width: of an embedding in place of one-hots, or 0 for none.
    """
    kernel, table = weights[f"{side}/0/kernel"], weights.get(f"{side}/embedding")
    if table is None and not width:
        return None, kernel
    if table is None:  # one-hots with zeros behind them, so that the numbers stay the same
        table = np.eye(n_values, width, dtype=np.float32)
        kernel = np.pad(kernel, ((0, width - n_values), (0, 0)))
    embedding = layers.Embedding(*table.shape)
    _set(embedding, table)
    return embedding, kernel


def _dense(weights: Weights, name: str, activation: str | None = None) -> layers.Dense:
    kernel, bias = weights[f"{name}/kernel"], weights.get(f"{name}/bias")
    dense = layers.Dense(kernel.shape[1], activation, use_bias=bias is not None)
    _set(dense, kernel, *([] if bias is None else [bias]))
    return dense


def _set(layer: Any, *arrays: np.ndarray) -> None:
    """Give a layer weights, of which the first says how wide its input is."""
    width = arrays[0].shape[0]
    layer.build((None, None, width) if isinstance(layer, layers.RNN) else (None, width))
    layer.set_weights(list(arrays))
