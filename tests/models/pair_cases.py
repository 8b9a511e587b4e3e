"""Pairs and their batches, and encoder-decoders written out in plain numpy, one pair at a time, without padding."""

from typing import Any, NamedTuple

import numpy as np

from seqgen.architecture import Seq2Seq
from seqgen.corpus.pair_batches import PairBatch

SIZES = [(5, 6), (2, 3), (1, 1), (4, 6)]  # of sources and targets
CASES: dict[str, dict[str, Any]] = {
    "states": {},
    "gru": {"cell": "gru"},
    "deep": {"encoder_layers": 3, "decoder_layers": 2},
    "4-5": {"encoder_layers": 4, "decoder_layers": 5, "cell": "gru"},
    "bidirectional": {"bidirectional": True, "encoder_layers": 2, "decoder_layers": 3},
    "bidirectional-gru": {"bidirectional": True, "cell": "gru", "source_embedding": 3},
    "repeat": {"bridge": "repeat", "feedback": False},
    "repeat-bidirectional": {"bridge": "repeat", "bidirectional": True, "cell": "gru", "decoder_layers": 2},
    "peek": {"bridge": "peek", "encoder_layers": 2, "feature_sizes": (3, 2)},
    "peek-bidirectional": {"bridge": "peek", "bidirectional": True, "feedback": False},
    "features": {"feature_sizes": (3, 2), "cell": "gru"},
    "embeddings": {"source_embedding": 3, "embedding": 5, "feature_sizes": (3,)},
    "large-embeddings": {"source_embedding": 3, "embedding": 5, "source_values": 90, "n_values": 80},
    "large-bidirectional": {"source_embedding": 3, "bidirectional": True, "source_values": 90, "bridge": "peek"},
    "large-features": {"embedding": 5, "n_values": 80, "feature_sizes": (3, 2), "cell": "gru"},
    "vectors": {"source_vectors": True, "target_vectors": True, "decoder_layers": 2},
    "vectors-repeat": {"source_vectors": True, "target_vectors": True, "bridge": "repeat", "feedback": False},
    "multiplicative": {"attention": "multiplicative"},
    "multiplicative-bidirectional": {"attention": "multiplicative", "bidirectional": True, "bridge": "none"},
    "aligned": {"attention": "aligned", "bridge": "none", "alignment": (2, 3), "bidirectional": True, "cell": "gru"},
    "aligned-peek": {"attention": "aligned", "bridge": "peek", "alignment": (0, 2), "feature_sizes": (2,)},
    "aligned-alone": {"attention": "aligned", "feedback": False},
    "same-length": {"decoder_layers": 0, "length": 5, "bridge": "none", "feedback": False, "encoder_layers": 2},
    "no-encoder": {"encoder_layers": 0, "bridge": "repeat", "source_vectors": True},
    "no-encoder-ids": {"encoder_layers": 0, "bridge": "none", "attention": "multiplicative"},
    "no-encoder-embedding": {"encoder_layers": 0, "bridge": "peek", "source_embedding": 3, "cell": "gru"},
    "additive": {"attention": "additive"},
    "additive-gru": {
        "attention": "additive",
        "cell": "gru",
        "bidirectional": True,
        "source_embedding": 3,
        "embedding": 5,
        "feature_sizes": (3, 2),
    },
    "additive-deep": {
        "attention": "additive",
        "encoder_layers": 2,
        "decoder_layers": 3,
        "bidirectional": True,
        "bridge": "none",
    },
    "additive-alone": {"attention": "additive", "feedback": False, "cell": "gru"},
    "additive-peek": {"attention": "additive", "bridge": "peek", "decoder_layers": 2},
    "additive-repeat": {"attention": "additive", "bridge": "repeat", "source_vectors": True, "target_vectors": True},
    "additive-no-encoder": {"attention": "additive", "bridge": "none", "encoder_layers": 0, "source_vectors": True},
    "through-depth": {"through_depth": True, "encoder_layers": 4, "decoder_layers": 4},
    "through-depth-4-5": {
        "through_depth": True,
        "encoder_layers": 4,
        "decoder_layers": 5,
        "cell": "gru",
        "bridge": "peek",
    },
    "through-depth-additive": {
        "through_depth": True,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "attention": "additive",
    },
    "through-depth-multiplicative": {"through_depth": True, "attention": "multiplicative", "source_embedding": 2},
    "through-depth-aligned": {
        "through_depth": True,
        "encoder_layers": 2,
        "attention": "aligned",
        "feature_sizes": (2,),
    },
    "through-depth-repeat": {
        "through_depth": True,
        "bridge": "repeat",
        "feedback": False,
        "cell": "gru",
        "decoder_layers": 2,
        "source_vectors": True,
    },
    "through-depth-encoder": {
        "through_depth": True,
        "encoder_layers": 3,
        "decoder_layers": 0,
        "length": 5,
        "bridge": "none",
        "feedback": False,
    },
}


class Pair(NamedTuple):
    source: np.ndarray  # (n,) ids or (n, d)
    ids: np.ndarray  # (m,) what is read before each target, or (m, d)
    features: np.ndarray  # (m, n_features)
    targets: np.ndarray  # (m,) or (m, d)


def seq2seq(**changes: Any) -> Seq2Seq:
    """A small encoder-decoder on ids."""
    parts = {"cell": "lstm", "n_a": 4, "encoder_layers": 1, "decoder_layers": 1, "source_values": 7, "n_values": 6}
    architecture = Seq2Seq(**(parts | changes))
    architecture.check()
    return architecture


def pairs_for(architecture: Seq2Seq, sizes: list[tuple[int, int]], seed: int = 0) -> list[Pair]:
    """Random pairs of these lengths (source, target)."""
    random = np.random.default_rng(seed)

    def series(length: int, values: int, vectors: bool) -> np.ndarray:
        if vectors:
            return random.normal(size=(length, values)).astype(np.float32)
        return random.integers(1, values, size=length)

    pairs = []
    for n, m in sizes:
        source = series(n, architecture.source_values, architecture.source_vectors)
        ids, targets = (series(m, architecture.n_values, architecture.target_vectors) for _ in range(2))
        features = random.integers(architecture.feature_sizes or 1, size=(m, len(architecture.feature_sizes)))
        pairs.append(Pair(source, ids, features, targets))
    return pairs


def batch_of(architecture: Seq2Seq, pairs: list[Pair], left: int = 0, right: int = 0) -> PairBatch:
    """Pairs side by side, time first; sources padded on the left, targets on the right, by so much more.

    The padding is noise, which nothing may depend on.
    """
    random = np.random.default_rng(9)
    Tx = max(len(pair.source) for pair in pairs) + left
    Ty = max(len(pair.ids) for pair in pairs) + right

    def padded(arrays: list[np.ndarray], length: int, values: int, vectors: bool, at_left: bool) -> np.ndarray:
        shape = (length, len(arrays), values) if vectors else (length, len(arrays))
        out = 9 * random.normal(size=shape) if vectors else random.integers(values, size=shape)
        for row, array in enumerate(arrays):
            out[length - len(array) if at_left else 0 :, row][: len(array)] = array
        return out.astype(np.float32 if vectors else np.int32)

    source, ids, features, targets = ([pair[k] for pair in pairs] for k in range(4))
    columns = [
        padded([one[:, k] for one in features], Ty, size, False, False)
        for k, size in enumerate(architecture.feature_sizes)
    ]
    return PairBatch(
        padded(source, Tx, architecture.source_values, architecture.source_vectors, True),
        np.stack([np.arange(Tx) >= Tx - len(one) for one in source], axis=1).astype(np.float32),
        padded(ids, Ty, architecture.n_values, architecture.target_vectors, False),
        np.stack([*columns, np.zeros((Ty, len(pairs)), np.int32)], axis=2)[:, :, :-1],
        padded(targets, Ty, architecture.n_values, architecture.target_vectors, False),
        np.stack([np.arange(Ty) < len(one) for one in ids], axis=1).astype(np.float32),
    )


def sizes_for(architecture):
    """Without a decoder there is no target behind the source's end."""
    return [(n, min(n, m)) for n, m in SIZES] if not architecture.decoder_layers else SIZES


def masks_for(architecture, batch):
    random = np.random.default_rng(7)
    layers = architecture.encoder_layers * (1 + architecture.bidirectional) + architecture.decoder_layers
    return (random.random((layers, batch, architecture.n_a)) < 0.6).astype(np.float32) / 0.6


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(scores):
    exp = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


class Reference:
    """One pair in float64, by the formulas of the papers."""

    def __init__(self, architecture: Seq2Seq, weights: dict[str, np.ndarray], masks: np.ndarray | None = None) -> None:
        """masks: dropout, (layers of the encoder, in each direction, and of the decoder; n_a)."""
        self.a, self.w = architecture, {name: array.astype(np.float64) for name, array in weights.items()}
        a, directions = architecture, 1 + architecture.bidirectional
        masks = np.ones((a.encoder_layers * directions + a.decoder_layers, a.n_a)) if masks is None else masks
        self.up = (
            masks[: a.encoder_layers * directions].reshape(a.encoder_layers, directions * a.n_a),
            masks[len(masks) - a.decoder_layers :],
        )

    def logits(self, pair: Pair, forced: np.ndarray | None = None, noise: np.ndarray | None = None) -> np.ndarray:
        """(m, n_values); forced (m,): 0 where the decoder reads what it chose (of vectors, gave) the step before."""
        a = self.a
        memory, last, states = self.encode(pair.source)
        if not a.decoder_layers:
            return memory[: len(pair.ids)] @ self.w["densor/kernel"] + self.w["densor/bias"]
        states, context = self.bridge(last, states)
        logits: list[np.ndarray] = []
        for i in range(len(pair.ids)):
            before = pair.ids[i]
            if i and forced is not None and not forced[i]:
                own = logits[i - 1] if noise is None else logits[i - 1] + noise[i - 1]
                before = own if a.target_vectors else own.argmax()
            one, states = self.step(i, before, pair.features[i], states, context, memory)
            logits.append(one)
        return np.array(logits)

    def encode(self, source):
        """Memory (n, memory_size), last output, final states."""
        a = self.a
        if a.source_vectors:
            series = source.astype(np.float64)
        else:
            series = self.w.get("encoder/embedding", np.eye(a.source_values))[source]
        if not a.encoder_layers:
            return series, series[-1], []
        if a.through_depth:
            outputs, state = [], self.zero()
            for x in series:
                for layer in range(a.encoder_layers):
                    x, state = self.cell(f"encoder/{layer}", x, state)
                    x = x * self.up[0][layer]
                outputs.append(x)
            return np.array(outputs), outputs[-1], [state]
        finals = []
        for layer in range(a.encoder_layers):
            outputs, state = self.run(f"encoder/{layer}", series)
            last = outputs[-1]
            if a.bidirectional:
                others, other = self.run(f"encoder/backward/{layer}", series[::-1])
                last = np.concatenate([last, others[-1]])
                outputs = np.concatenate([outputs, others[::-1]], axis=1)
                state = [np.concatenate(both) for both in zip(state, other, strict=True)]
            series, last = outputs * self.up[0][layer], last * self.up[0][layer]
            finals.append(state)
        return series, last, finals

    def bridge(self, last, finals):
        a, states = self.a, []
        count = 1 if a.through_depth else a.decoder_layers
        for layer in range(count):
            state = self.zero()
            if a.bridge in ("states", "peek") and finals:
                number = min(layer + max(0, len(finals) - count), len(finals) - 1)  # the tops stand side by side
                state = finals[number]
                if a.bidirectional:
                    state = [self.dense(f"bridge/{number}/{kind}", one) for kind, one in zip("ac", state, strict=False)]
                    state[0] = np.tanh(state[0])
            states.append(state)
        if a.bridge == "repeat":
            return states, np.maximum(self.dense("bridge", last), 0)
        return states, last if a.bridge == "peek" else np.zeros(0)

    def step(self, i, before, features, states, context, memory):
        a, parts = self.a, []
        if a.feedback and a.target_vectors:
            parts.append(before)
        elif a.feedback:
            parts.append(self.w.get("decoder/embedding", np.eye(a.n_values))[before])
            parts += [np.eye(size)[one] for size, one in zip(a.feature_sizes, features, strict=True)]
        parts.append(context)
        if a.attention == "additive":
            parts.append(self.additive(states[-1][0], memory) @ memory)
        if a.attention == "aligned":
            given, each = a.alignment
            parts.append(memory[min(i if i < given else given + (i - given) // each, len(memory) - 1)])
        x, states = np.concatenate(parts), list(states)
        for layer in range(a.decoder_layers):
            k = 0 if a.through_depth else layer
            x, states[k] = self.cell(f"decoder/{layer}", x, states[k])
            x = x * self.up[1][layer]
        if a.attention == "multiplicative":
            context = softmax(memory @ self.w["attention/memory/kernel"] @ x) @ memory
            x = np.tanh(self.dense("attention/output", np.concatenate([context, x])))
        return self.dense("densor", x), states

    def additive(self, query, memory):
        """The share of every place, (n,)."""
        sums = np.tanh(query @ self.w["attention/query/kernel"] + self.dense("attention/memory", memory))
        return softmax((sums @ self.w["attention/score/kernel"])[:, 0])

    def zero(self):
        return [np.zeros(self.a.n_a)] * (2 if self.a.cell == "lstm" else 1)

    def dense(self, name, values):
        return values @ self.w[f"{name}/kernel"] + self.w[f"{name}/bias"]

    def run(self, name, series):
        outputs, state = [], self.zero()
        for x in series:
            x, state = self.cell(name, x, state)
            outputs.append(x)
        return np.array(outputs), state

    def cell(self, name, x, state):
        W, U, b = (self.w[f"{name}/{kind}"] for kind in ("kernel", "recurrent_kernel", "bias"))
        if self.a.cell == "lstm":
            i, f, g, o = np.split(x @ W + state[0] @ U + b, 4)
            c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            return h, [h, c]
        (xz, xr, xh), (hz, hr, hh) = np.split(x @ W + b[0], 3), np.split(state[0] @ U + b[1], 3)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        h = z * state[0] + (1 - z) * np.tanh(xh + r * hh)
        return h, [h]
