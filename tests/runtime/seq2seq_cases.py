"""Encoder-decoders of every legal shape, and what they compute by the formulas of the papers, a step at a time.

Everything here is float64 on one-hot vectors, written from the papers and from Keras' definitions of its cells.
"""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from seqgen.architecture import Seq2Seq
from seqgen.errors import ConfigError


class Made(NamedTuple):
    """By the formulas, of one pair."""

    outputs: np.ndarray  # (Ty, n_values): logits, or vectors
    attention: np.ndarray | None  # (Ty, Tx)
    vector: np.ndarray  # (memory_size,)


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def cell(kind, weights, name, x, state):
    """One step of one cell: its new state, of which the first is its output."""
    W, U, b = (weights[f"{name}/{part}"] for part in ("kernel", "recurrent_kernel", "bias"))
    if kind == "lstm":
        a, c = state
        i, f, g, o = np.split(x @ W + a @ U + b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]
    (a,) = state
    (xz, xr, xh), (hz, hr, hh) = np.split(x @ W + b[0], 3), np.split(a @ U + b[1], 3)
    z = sigmoid(xz + hz)
    return [z * a + (1 - z) * np.tanh(xh + sigmoid(xr + hr) * hh)]


def stack_step(model, weights, name, layers, x, states):
    """One step of a stack; states: of every layer, or the one that goes through depth."""
    if model.through_depth:
        (state,) = states
        for layer in range(layers):
            state = cell(model.cell, weights, f"{name}/{layer}", x, state)
            x = state[0]
        return [state]
    after = []
    for layer in range(layers):
        after.append(cell(model.cell, weights, f"{name}/{layer}", x, states[layer]))
        x = after[-1][0]
    return after


def zeros(model, layers):
    count = 1 if model.through_depth else layers
    return [[np.zeros(model.n_a) for _ in range(2 if model.cell == "lstm" else 1)] for _ in range(count)]


def one_hot(size, index):
    return np.eye(size)[index]


def read(model, weights, source):
    """Memory (Tx, memory_size), the last output, and the final states."""
    if model.source_vectors:
        series = [np.asarray(vector, float) for vector in source]
    else:
        series = [one_hot(model.source_values, id) for id in source]
        if model.source_embedding:
            series = [x @ weights["encoder/embedding"] for x in series]
    if not model.encoder_layers:
        return np.array(series), series[-1], []
    if not model.bidirectional:
        states, outputs = zeros(model, model.encoder_layers), []
        for x in series:
            states = stack_step(model, weights, "encoder", model.encoder_layers, x, states)
            outputs.append(states[-1][0])
        return np.array(outputs), outputs[-1], states
    finals = []
    for layer in range(model.encoder_layers):
        both = []
        for name, steps in (("encoder", series), ("encoder/backward", series[::-1])):
            state, outputs = zeros(model, 1)[0], []
            for x in steps:
                state = cell(model.cell, weights, f"{name}/{layer}", x, state)
                outputs.append(state[0])
            both.append((state, outputs if name == "encoder" else outputs[::-1]))
        (forward, left), (backward, right) = both
        finals.append([np.concatenate(pair) for pair in zip(forward, backward, strict=True)])
        series = [np.concatenate(pair) for pair in zip(left, right, strict=True)]
    return np.array(series), finals[-1][0], finals


def bridged(model, weights, last, finals):
    """The decoder's states, and what it reads at every step."""
    states = zeros(model, model.decoder_layers)
    if model.bridge in ("states", "peek") and finals:
        for layer in range(len(states)):
            of = min(layer + max(0, len(finals) - len(states)), len(finals) - 1)  # the tops stand side by side
            states[layer] = list(finals[of])
            if model.bidirectional:
                for index, (name, squash) in enumerate([("a", np.tanh), ("c", lambda x: x)][: len(finals[of])]):
                    kernel, bias = (weights[f"bridge/{of}/{name}/{part}"] for part in ("kernel", "bias"))
                    states[layer][index] = squash(finals[of][index] @ kernel + bias)
    if model.bridge == "repeat":
        return states, np.maximum(last @ weights["bridge/kernel"] + weights["bridge/bias"], 0)
    return states, last if model.bridge == "peek" else np.zeros(0)


def softmax(scores):
    raised = np.exp(scores - scores.max())
    return raised / raised.sum()


def plain(model: Seq2Seq, weights, source, ids, features) -> Made:
    """The outputs for each of `ids`, teacher forced; a source as it is read, ids as they are fed."""
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    memory, last, finals = read(model, weights, source)
    densor = weights["densor/kernel"], weights["densor/bias"]
    if not model.decoder_layers:
        return Made(memory[: len(ids)] @ densor[0] + densor[1], None, last)
    states, context = bridged(model, weights, last, finals)
    outputs, rows = [], []
    for step, id in enumerate(ids):
        parts = []
        if model.feedback and model.target_vectors:
            parts.append(np.asarray(id, float))
        elif model.feedback:
            token = one_hot(model.n_values, id)
            parts.append(token @ weights["decoder/embedding"] if model.embedding else token)
            parts += [one_hot(size, value) for size, value in zip(model.feature_sizes, features[step], strict=True)]
        parts.append(context)
        attended = None
        if model.attention == "additive":
            query = states[-1][0] @ weights["attention/query/kernel"]
            keys = memory @ weights["attention/memory/kernel"] + weights["attention/memory/bias"]
            attended = softmax((np.tanh(query + keys) @ weights["attention/score/kernel"])[:, 0])
            parts.append(attended @ memory)
        if model.attention == "aligned":
            given, each = model.alignment
            place = step if step < given else given + (step - given) // each
            attended = one_hot(len(memory), min(place, len(memory) - 1))
            parts.append(attended @ memory)
        states = stack_step(model, weights, "decoder", model.decoder_layers, np.concatenate(parts), states)
        hidden = states[-1][0]
        if model.attention == "multiplicative":
            attended = softmax(memory @ weights["attention/memory/kernel"] @ hidden)
            joined = np.concatenate([attended @ memory, hidden])
            hidden = np.tanh(joined @ weights["attention/output/kernel"] + weights["attention/output/bias"])
        outputs.append(hidden @ densor[0] + densor[1])
        rows.append(attended)
    return Made(np.array(outputs), None if model.attention == "none" else np.array(rows), last)


@st.composite
def architectures(draw, **fixed) -> Seq2Seq:
    """Any legal shape; `fixed` fields have these values."""

    def one(name, *values):
        return fixed[name] if name in fixed else draw(st.sampled_from(values), label=name)

    fields = {
        "cell": one("cell", "lstm", "gru"),
        "n_a": one("n_a", 3, 1, 4),
        "encoder_layers": one("encoder_layers", 1, 0, 2, 3),
        "decoder_layers": one("decoder_layers", 1, 0, 2, 3),
        "source_values": one("source_values", 6),
        "n_values": one("n_values", 7),
        "source_vectors": one("source_vectors", False, True),
        "target_vectors": one("target_vectors", False, True),
        "source_embedding": one("source_embedding", 0, 4),
        "embedding": one("embedding", 0, 5),
        "feature_sizes": one("feature_sizes", (), (3,), (2, 4)),
        "bidirectional": one("bidirectional", False, True),
        "bridge": one("bridge", "states", "repeat", "peek", "none"),
        "attention": one("attention", "none", "additive", "multiplicative", "aligned"),
        "alignment": one("alignment", (0, 1), (2, 3), (0, 2)),
        "feedback": one("feedback", True, False),
        "through_depth": one("through_depth", False, True),
    }
    return legal(fields)


def legal(fields: dict) -> Seq2Seq:
    """The shape with these parts, those left out that do not go together with the others."""
    if not fields["decoder_layers"]:
        more = {"encoder_layers": max(1, fields["encoder_layers"]), "length": 4, "feedback": False}
        fields = {**fields, "bridge": "none", "attention": "none", **more}
    if not fields["encoder_layers"]:
        fields = {**fields, "bidirectional": False}
        if fields["bridge"] == "states":
            fields["bridge"] = "peek"
    if fields["through_depth"]:
        fields = {**fields, "bidirectional": False}
    if (
        fields["decoder_layers"]
        and fields["bridge"] in ("states", "none")
        and fields["attention"] in ("none", "multiplicative")
    ):
        fields = {**fields, "feedback": True}
    if not fields["feedback"]:
        fields = {**fields, "embedding": 0, "feature_sizes": ()}
    if fields["source_vectors"]:
        fields = {**fields, "source_embedding": 0}
    if fields["target_vectors"]:
        fields = {**fields, "embedding": 0, "feature_sizes": ()}
    if fields["attention"] != "aligned":
        fields = {**fields, "alignment": (0, 1)}
    model = Seq2Seq(**fields)
    try:
        model.check()
    except ConfigError as error:
        raise AssertionError(f"{error}: {model}") from error
    return model


class Pair(NamedTuple):
    """A random pair: a source as it is read, and what the decoder is fed."""

    source: np.ndarray
    ids: np.ndarray  # (Ty,), or (Ty, n_values) of vectors
    features: np.ndarray  # (Ty, n_features)


def pairs(model: Seq2Seq, lengths, steps: int, seed: int = 0) -> list[Pair]:
    """lengths: of the sources. All targets are `steps` long."""
    random = np.random.default_rng(seed)
    found = []
    for length in lengths:
        source = random.integers(model.source_values, size=length)
        if model.source_vectors:
            source = random.normal(size=(length, model.source_values)).astype(np.float32)
        ids = random.integers(model.n_values, size=steps)
        if model.target_vectors:
            ids = random.normal(size=(steps, model.n_values)).astype(np.float32)
        sizes = np.array(model.feature_sizes, np.int64)
        found.append(Pair(source, ids, random.integers(sizes, size=(steps, len(sizes)))))
    return found
