"""Encoder-decoders, training and decoding: ours, Keras and PyTorch, interleaved in one run.

Training: target tokens a second that count. Everyone does the same work a step: the same shapes, the gradients of the
cross-entropy of every target, one Adam update. Decoding: sentences a second, from ids to ids, greedy and with a beam,
one sentence at a time and many, with weights under which nothing ends before its last step.

Everyone has the same weights, and must give the same numbers before anything is measured: in training the same logits
to 1e-4, in decoding the same tokens, and of a beam search the same log-probability of every sentence to 1e-4.

A round runs each in turn for a moment; the figures are medians over the rounds. In the table at the end ours is as a
user gets it, and of a peer the best of its ways counts: of Keras by `fit` or `predict` (where its layers need a loop, a
compiled training step), of Keras with a compiled decoding step, of PyTorch. Run it on a quiet machine:
bash scripts/bench seq2seq
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import seq2seq_keras
import seq2seq_ours
import seq2seq_torch
import tensorflow as tf
from seq2seq_tasks import TASKS, Decode, Task, random_pairs, random_weights
from threadpoolctl import ThreadpoolController, threadpool_info

BATCHES = (1, 64)  # when decoding
WIDTHS = (1, 5)
CORES = os.cpu_count() or 1
THREADS = sorted({1, CORES})
REST = 0.02  # seconds in which the threads of the one before stop waiting for more
CLOSE = 1e-4
OURS = "seqgen"
PEERS = ("Keras", "Keras, compiled", "PyTorch")


class Contestant(NamedTuple):
    peer: str  # of whom this is one way
    run: Callable[[], object]
    done: int  # tokens or sentences of a run


class Line(NamedTuple):
    """One measurement: the best of ours and of each peer, by name."""

    what: str
    unit: str
    best: dict[str, float]


def training(task: Task, only: str) -> dict[str, Contestant]:
    """Everyone who trains, held to the same logits."""
    model, weights, pairs = task.architecture, random_weights(task.architecture), random_pairs(task, task.batch)
    tokens, wanted = pairs.targets.size, seq2seq_ours.logits(task, weights, pairs)
    everyone: dict[str, Contestant] = {}
    for shards in THREADS[::-1]:
        name = f"{OURS}, {shards} shard{'s' * (shards > 1)}"
        if only in name:
            peer = OURS if shards == CORES else "one shard"  # what a user gets counts
            everyone[name] = Contestant(peer, seq2seq_ours.training(task, shards), tokens)
    how = "fit" if model.attention == "none" else "tf.function"
    # in place of the one-hots that ours reads, a peer may learn embeddings
    kinds = {"embedding": False} if model.source_embedding else {"one-hot": False, "embedding": True}
    for kind, embedded in kinds.items():
        for jit in (True, False):
            name = f"Keras, {how}, {kind}{', jit' * jit}"
            if only in name:
                run, batches, given = seq2seq_keras.training(task, weights, pairs, embedded=embedded, jit=jit)
                np.testing.assert_allclose(given(), wanted, atol=CLOSE, err_msg=name)
                everyone[name] = Contestant("Keras", run, batches * tokens)
        for threads in THREADS:
            name = f"PyTorch, {kind}, {in_threads(threads)}"
            if only in name:
                run, given = seq2seq_torch.training(task, weights, pairs, embedded=embedded, threads=threads)
                np.testing.assert_allclose(given(), wanted, atol=CLOSE, err_msg=name)
                everyone[name] = Contestant("PyTorch", run, tokens)
    for contestant in everyone.values():
        contestant.run()  # compiles
    return everyone


def decoding(task: Task, batch: int, width: int, only: str) -> dict[str, Contestant]:
    """Everyone who decodes, held to the same sentences."""
    weights = random_weights(task.architecture, endless=True)
    source = random_pairs(task, batch).source
    runs: dict[str, tuple[str, Decode]] = {}
    ours = seq2seq_ours.decoding(task, weights, source, width)
    runs[OURS] = OURS, ours
    runs[f"{OURS}, Translator"] = "Translator", seq2seq_ours.translating(task, weights, source, width)
    parts = seq2seq_keras.Parts(task, weights, embedded=False)
    runs["Keras, predict"] = "Keras", seq2seq_keras.predicting(task, parts, source, width)
    for jit in (True, False):
        run = seq2seq_keras.compiled(task, parts, source, width, jit=jit)
        runs[f"Keras, tf.function{', jit' * jit}"] = "Keras, compiled", run
    for cells in (True, False):
        model = seq2seq_torch.Model(task, weights, embedded=False, cells=cells)
        kind = f"nn.{task.architecture.cell.upper()}{'Cell' * cells}"
        for threads in THREADS:
            run = seq2seq_torch.decoding(model, source, task.steps, width, threads)
            runs[f"PyTorch {kind}, {in_threads(threads)}"] = "PyTorch", run
    wanted, scores = ours()
    everyone = {}
    for name, (peer, run) in runs.items():
        if only not in name:
            continue
        ids, given = run()
        same = (ids == wanted).all(axis=1).mean()
        if same < 0.95:  # sums in another order may tip a choice between two tokens that are as good as each other
            raise SystemExit(f"{name} gives the tokens of {OURS} in {same:.0%} of the sentences")
        if width > 1 and peer != "Translator":
            np.testing.assert_allclose(given, scores, atol=CLOSE, rtol=0, err_msg=name)
        everyone[name] = Contestant(peer, run, batch)
    return everyone


def in_threads(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"


def rate(contestant: Contestant, seconds: float) -> float:
    """What is done a second."""
    time.sleep(REST)
    begun, done, passed = time.perf_counter(), 0, 0.0
    while passed < seconds:
        contestant.run()
        done += contestant.done
        passed = time.perf_counter() - begun
    return done / passed


def measure(what: str, unit: str, everyone: dict[str, Contestant], rounds: int, seconds: float) -> Line:
    """Run everyone in turn, and print what each does."""
    blas = ThreadpoolController().select(user_api="blas")
    found: dict[str, list[float]] = {name: [] for name in everyone}
    for _ in range(rounds):
        for name, contestant in everyone.items():
            with blas.limit(limits=1):  # of numpy, as Translator sets it; the stepper raises it where that pays
                found[name].append(rate(contestant, seconds))
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    best: dict[str, float] = {}
    for name, value in medians.items():
        peer = everyone[name].peer
        best[peer] = max(value, best.get(peer, 0.0))
    mine = best.get(OURS, max(medians.values()))
    print(f"\n{what} (load {os.getloadavg()[0]:.1f})")
    for name, value in sorted(medians.items(), key=lambda item: -item[1]):
        spread = f"({min(found[name]):,.1f} to {max(found[name]):,.1f})"
        print(f"  {name:34} {value:>11,.1f} {unit}  ours/it {mine / value:8.2f}  {spread}", flush=True)
    return Line(what, unit, best)


def show(lines: list[Line]) -> None:
    """The table of all: ours, and how many times that is the best of each peer."""
    print(f"\n{'':44}{OURS:>24}" + "".join(f"{'ours/' + peer:>22}" for peer in PEERS))
    for what, unit, best in lines:
        mine = best.get(OURS)
        if mine is not None:
            ratios = [f"{mine / best[peer]:.2f}" if peer in best else "" for peer in PEERS]
            print(f"{what:44}{f'{mine:,.1f} {unit}':>24}" + "".join(f"{ratio:>22}" for ratio in ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each contestant in each round")
    parser.add_argument("--tasks", default=",".join(TASKS), help="which of the models")
    parser.add_argument("--parts", default="training,decoding", help="which of the two")
    parser.add_argument("--only", default="", help="contestants whose name holds this")
    arguments = parser.parse_args()
    tf.get_logger().setLevel("ERROR")  # every decoding compiles the same functions anew, on which it remarks
    for library in threadpool_info():
        if library["user_api"] == "blas":  # an environment variable may have chosen its kernels
            print(f"BLAS: {library['internal_api']} {library['version']}, {library.get('architecture')} kernels")
    tasks, parts, lines = [TASKS[name] for name in arguments.tasks.split(",")], arguments.parts.split(","), []
    for task in tasks if "training" in parts else []:
        everyone = training(task, arguments.only)
        lines.append(measure(f"training {task.name}", "tokens/s", everyone, arguments.rounds, arguments.seconds))
    for task in tasks if "decoding" in parts else []:
        for batch in BATCHES if task.steps else ():
            for width in WIDTHS:
                what = f"decoding {task.name}, batch {batch}, {'greedy' if width == 1 else f'beam {width}'}"
                everyone = decoding(task, batch, width, arguments.only)
                lines.append(measure(what, "sentences/s", everyone, arguments.rounds, arguments.seconds))
    show(lines)


if __name__ == "__main__":
    main()
