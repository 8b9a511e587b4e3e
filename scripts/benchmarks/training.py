"""Training tokens a second: ours, Keras, PyTorch and the machine's own matrix product, interleaved in one run.

Every contestant does the same work a step: the same batch of ids, the loss at every place, gradients, one Adam update.
A round runs each once for about a second; the figures are medians over the rounds. Run it on a quiet machine.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import torch

from seqgen.corpus.dataset import Dataset, IdSequence
from seqgen.encodings import make
from seqgen.training import Settings
from seqgen.training.loop import Run, learner_of
from seqgen.vocabulary import Vocabulary

Size = tuple[int, int, int, int, int]  # n_values, n_a, batch, Tx, layers
SIZES: list[Size] = [(78, 64, 60, 30, 1), (65, 128, 50, 50, 2), (65, 512, 64, 128, 1), (256, 1024, 32, 128, 2)]
Contestant = tuple[Callable[[], None], int]  # does some steps; how many tokens they are


def random_ids(n_values: int, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(4, n_values, count)


def ours(n_values: int, n_a: int, batch: int, tx: int, layers: int, shards: int) -> Contestant:
    vocabulary = Vocabulary.of(chr(0x4E00 + index) for index in range(n_values - 4))
    ids = np.array([1, *random_ids(n_values, batch * tx * 20), 2], np.uint16)
    dataset = Dataset(make("chars"), vocabulary, (IdSequence("random", ids, len(ids)),), (), (), {}, "", {})
    settings = Settings(
        n_a=n_a,
        layers=layers,
        batch_size=batch,
        tx=tx,
        dropout=0.0,
        weight_drop=0.0,
        optimizer="adam",
        max_steps=10**9,
        shards=shards,
    )
    run = Run(learner_of(dataset, settings))
    windows = run.batches()
    run.step(next(windows))
    return lambda: run.step(next(windows)), batch * tx


def keras_fit(n_values: int, n_a: int, batch: int, tx: int, layers: int, jit: bool) -> Contestant:
    """Keras' LSTM layer through fit, on one-hot input."""
    steps = max(1, 40_000 // (batch * tx))
    ids = random_ids(n_values, batch * steps * (tx + 1)).reshape(batch * steps, tx + 1)
    x, y = np.eye(n_values, dtype=np.float32)[ids[:, :-1]], ids[:, 1:]
    inputs = keras.Input((tx, n_values))
    hidden = inputs
    for _ in range(layers):
        hidden = keras.layers.LSTM(n_a, return_sequences=True)(hidden)
    model = keras.Model(inputs, keras.layers.Dense(n_values)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=jit)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch).cache().prefetch(2)
    model.fit(data, verbose=0)
    return lambda: model.fit(data, verbose=0), batch * steps * tx


def literal(n_values: int, n_a: int, batch: int, tx: int, layers: int) -> Contestant:
    """The classic functional model: the loop over Tx unrolled, one-hot input, an output for every step."""
    assert layers == 1
    lstm, dense = keras.layers.LSTM(n_a, return_state=True), keras.layers.Dense(n_values, activation="softmax")
    x, a0, c0 = keras.Input((tx, n_values)), keras.Input((n_a,)), keras.Input((n_a,))
    a, c, outputs = a0, c0, []
    for t in range(tx):
        step = keras.layers.Reshape((1, n_values))(x[:, t])
        a, _, c = lstm(step, initial_state=[a, c])
        outputs.append(dense(a))
    model = keras.Model([x, a0, c0], outputs)
    model.compile("adam", ["categorical_crossentropy"] * tx)
    ids = random_ids(n_values, batch * (tx + 1)).reshape(batch, tx + 1)
    hot = np.eye(n_values, dtype=np.float32)[ids]
    zeros = np.zeros((batch, n_a), np.float32)
    targets = list(hot[:, 1:].swapaxes(0, 1))
    model.train_on_batch([hot[:, :-1], zeros, zeros], targets)
    return lambda: model.train_on_batch([hot[:, :-1], zeros, zeros], targets), batch * tx


def pytorch(n_values: int, n_a: int, batch: int, tx: int, layers: int, embedded: bool) -> Contestant:
    torch.set_num_threads(os.cpu_count() or 1)
    ids = torch.tensor(random_ids(n_values, batch * (tx + 1)).reshape(tx + 1, batch))
    embedding = torch.nn.Embedding(n_values, n_a if embedded else n_values)
    if not embedded:
        embedding.weight = torch.nn.Parameter(torch.eye(n_values), requires_grad=False)
    lstm = torch.nn.LSTM(n_a if embedded else n_values, n_a, layers)
    dense = torch.nn.Linear(n_a, n_values)
    learned = [p for module in (embedding, lstm, dense) for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, fused=True)
    criterion = torch.nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        hidden, _ = lstm(embedding(ids[:-1]))
        criterion(dense(hidden).flatten(0, 1), ids[1:].flatten()).backward()
        optimizer.step()

    step()
    return step, batch * tx


def matrix_rate() -> Callable[[], float]:
    """Floating-point operations a second of a large float32 product in TensorFlow."""
    a = tf.random.normal((2048, 2048))

    def rate() -> float:
        begun = time.perf_counter()
        for _ in range(10):
            product = tf.matmul(a, a)
        product.numpy()
        return 10 * 2 * 2048**3 / (time.perf_counter() - begun)

    rate()
    return rate


def flops_a_token(n_values: int, n_a: int, layers: int) -> int:
    return 6 * (layers * 4 * n_a * n_a + (layers - 1) * 4 * n_a * n_a + n_a * n_values)


def tokens_a_second(contestant: Contestant, seconds: float) -> float:
    run, tokens = contestant
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        run()
        done += tokens
    return done / (time.perf_counter() - begun)


def contestants(size: Size) -> dict[str, Callable[[], Contestant]]:
    """Everyone who runs at a size, still to be made."""
    everyone: dict[str, Callable[[], Contestant]] = {
        "seqgen, fused": lambda: ours(*size, shards=os.cpu_count() or 1),
        "seqgen, fused, one shard": lambda: ours(*size, shards=1),
        "Keras LSTM layer, fit, jit": lambda: keras_fit(*size, jit=True),
        "Keras LSTM layer, fit": lambda: keras_fit(*size, jit=False),
        "PyTorch nn.LSTM, one-hot": lambda: pytorch(*size, embedded=False),
        "PyTorch nn.LSTM, embedding": lambda: pytorch(*size, embedded=True),
    }
    if size == SIZES[0]:  # at the others compiling it takes minutes
        everyone["literal unrolled model"] = lambda: literal(*size)
    return everyone


def measure(size: Size, rounds: int, seconds: float, only: str) -> None:
    """Run everyone in turn, and print the table of one size."""
    n_values, n_a, batch, tx, layers = size
    made = {name: make_one() for name, make_one in contestants(size).items() if only in name}
    figures: dict[str, list[float]] = {name: [] for name in made}
    rate, rates = matrix_rate(), []
    for _ in range(rounds):
        rates.append(rate())
        for name, contestant in made.items():
            figures[name].append(tokens_a_second(contestant, seconds))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    reference = medians.get("seqgen, fused", max(medians.values()))
    roof = statistics.median(rates)
    print(f"\nn_values {n_values}, n_a {n_a}, batch {batch}, Tx {tx}, layers {layers}")
    print(f"  large float32 matrix product: {roof / 1e9:.0f} GFLOP/s")
    for name, value in sorted(medians.items(), key=lambda item: -item[1]):
        share = value * flops_a_token(n_values, n_a, layers) / roof
        row = f"  {name:28} {value:>11,.0f} tokens/s  ours/it {reference / value:5.2f}  of the roof {share:4.2f}"
        print(f"{row}  ({min(figures[name]):,.0f} to {max(figures[name]):,.0f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each contestant in each round")
    parser.add_argument("--sizes", default="0,1,2,3", help=f"which of {SIZES}")
    parser.add_argument("--only", default="", help="contestants whose name holds this")
    arguments = parser.parse_args()
    for index in arguments.sizes.split(","):
        measure(SIZES[int(index)], arguments.rounds, arguments.seconds, arguments.only)


if __name__ == "__main__":
    main()
