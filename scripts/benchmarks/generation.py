"""Steps a second while generating: ours, PyTorch, onnxruntime, Keras and the literal inference model, in one run.

Everyone has the same weights, and must give the same numbers before anything is measured. A round runs each in turn for
a moment; the figures are medians over the rounds. Where a peer can be used in several ways, with one thread or all,
its best counts. Run it on a quiet machine: bash scripts/bench generation

At batch 1 a step has to read every weight once, so its limit is how fast the machine reads them: a matrix-vector
product of as many bytes, in matrices of at most 16 MB, by one thread as we compute and by all, the better counts.

Before that: `seqgen generate --steps 100` end to end, from the start of the process to its exit, with the most memory
it had resident.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_info

if TYPE_CHECKING:
    from peers import Step, Task

SIZES = [(78, 64, 1), (65, 128, 2), (65, 512, 1), (65, 512, 3), (256, 1024, 2)]  # n_values, n_a, layers
BATCHES = (1, 64)
CORES = os.cpu_count() or 1
REST = 0.02  # seconds in which the threads of the one before stop waiting for more
SEQGEN = "from seqgen.cli.main import main; main()"
# A process of its own, since a process begins with the memory of the one that starts it.
LAUNCH = f"""
import os, sys, time
begun = time.perf_counter()
out = os.open(os.devnull, os.O_WRONLY)
command = [sys.executable, "-c", "{SEQGEN}", *sys.argv[1:]]
pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out, 1)])
_, status, usage = os.wait4(pid, 0)
print(time.perf_counter() - begun, usage.ru_maxrss / 1024, status)
"""


class Contestant(NamedTuple):
    run: Callable[[], object]
    steps: int  # that a run takes


def start_to_exit(source: str, rounds: int) -> None:
    """Train a moment, then generate from the command line, again and again."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.safetensors"
        train = ["train", source, "--max-steps", "50", "--no-samples", "-o", str(model)]
        subprocess.run([sys.executable, "-c", SEQGEN, *train], check=True, capture_output=True)
        command = [sys.executable, "-c", LAUNCH, "generate", "-q", "-m", str(model), "--steps", "100", "--seed", "1"]
        seconds, megabytes = [], []
        for _ in range(rounds):
            figures = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            if figures[2] != "0":
                raise SystemExit(f"seqgen generate ended with {figures[2]}")
            seconds.append(float(figures[0]))
            megabytes.append(float(figures[1]))
    print(
        f"seqgen generate --steps 100, {source}: {statistics.median(seconds):.3f} s ({min(seconds):.3f} to"
        f" {max(seconds):.3f}), {max(megabytes):.0f} MB resident at most",
        flush=True,
    )


def stepping(step: "Step", task: "Task", times: int) -> Contestant:
    ids = list(np.random.default_rng(1).integers(task.architecture.n_values, size=(times, task.batch)))

    def run() -> None:
        for now in ids:
            step(now)

    return Contestant(run, times)


def contestants(task: "Task") -> dict[str, Contestant]:
    """Everyone, held to the same numbers."""
    import peers

    from seqgen.runtime import RecurrentStepper

    stepper = RecurrentStepper(task.architecture, task.weights)
    state, other = (stepper.start(task.batch) for _ in range(2))
    alone = RecurrentStepper(task.architecture, task.weights, threads=1)
    steps: dict[str, Step] = {
        "seqgen": lambda ids: stepper.step(ids, state)[0],
        "seqgen, one thread": lambda ids: alone.step(ids, other)[0],
        **peers.steps(task),
    }
    first = np.random.default_rng(0).integers(task.architecture.n_values, size=(3, task.batch))
    for name, step in steps.items():
        logits = np.array([np.array(step(ids)) for ids in first])  # copies, since some give the same array again
        logits = np.log(logits) if name == "Keras predict" else logits  # it gives probabilities
        logits -= np.log(np.exp(logits).sum(axis=2, keepdims=True))
        if name == "seqgen":
            wanted = logits
        np.testing.assert_allclose(logits, wanted, atol=1e-4, err_msg=name)
    times = {name: 3 if name == "Keras predict" else 50 for name in steps}
    everyone = {name: stepping(step, task, times[name]) for name, step in steps.items()}
    everyone["literal model, predict"] = Contestant(peers.literal(task), peers.LITERAL_STEPS)
    return everyone


def products(size: int) -> Callable[[], None]:
    """Matrix-vector products that read `size` bytes."""
    width, most = 2048, 16 << 20
    heights = [most // (4 * width)] * (size // most) + [size % most // (4 * width)]
    matrices = [np.full((height, width), 0.01, np.float32) for height in heights if height]
    vectors = [np.full(len(matrix), 0.01, np.float32) for matrix in matrices]
    out = np.empty(width, np.float32)

    def run() -> None:
        for vector, matrix in zip(vectors, matrices, strict=True):
            vector.dot(matrix, out)

    return run


def rate(run: Callable[[], object], seconds: float) -> float:
    """Runs a second."""
    time.sleep(REST)
    run()
    begun, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        run()
        done += 1
    return done / passed


def measure(size: tuple[int, int, int], batch: int, rounds: int, seconds: float) -> dict[str, float]:
    """The table of one size and batch; returns steps a second by name."""
    import peers

    blas = ThreadpoolController().select(user_api="blas")
    task = peers.made_task(size, batch)
    everyone = contestants(task)
    product = products(task.bytes_read)
    found: dict[str, list[float]] = {name: [] for name in everyone}
    limits: dict[int, list[float]] = {threads: [] for threads in {1, CORES}}
    for _ in range(rounds):
        for name, (run, steps) in everyone.items():
            with blas.limit(limits=1):  # as generating does
                found[name].append(steps * rate(run, seconds))
        for threads, rates in limits.items():
            with blas.limit(limits=threads):
                rates.append(rate(product, seconds))
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    mine = medians["seqgen"]
    n_values, n_a, layers = size
    if batch == 1:
        del medians["seqgen, one thread"]  # the same
    print(f"\nn_values {n_values}, n_a {n_a}, layers {layers}, batch {batch} (load {os.getloadavg()[0]:.1f})")
    for name, value in sorted(medians.items(), key=lambda item: -item[1]):
        spread = f"({min(found[name]):,.0f} to {max(found[name]):,.0f})"
        print(f"  {name:32} {value:>11,.1f} steps/s  {1e6 / value:>11,.1f} us  ours/it {mine / value:8.2f}  {spread}")
    if batch == 1:
        read = task.bytes_read
        each = {threads: statistics.median(rates) for threads, rates in limits.items()}
        shown = ", ".join(f"{value * read / 1e9:.1f} by {threads}" for threads, value in sorted(each.items()))
        print(
            f"  a step reads {read / 1e6:.2f} MB of weights: {mine * read / 1e9:.1f} GB/s; matrix-vector products of as"
            f" many bytes: {shown} thread(s); ours is {mine / each[1]:.2f} of one thread's,"
            f" {mine / max(each.values()):.2f} of the best"
        )
    return medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each contestant in each round")
    parser.add_argument("--sizes", default="0,1,2,3,4", help=f"which of {SIZES}; empty for none")
    parser.add_argument("--starts", default="verses,bach-chorales", help="corpora of the models that are started")
    arguments = parser.parse_args()
    for library in threadpool_info():
        if library["user_api"] == "blas":  # an environment variable may have chosen its kernels
            print(
                f"numpy's BLAS: {library['internal_api']} {library['version']}, {library.get('architecture')} kernels"
            )
    for source in filter(None, arguments.starts.split(",")):
        start_to_exit(source, 3 * arguments.rounds)
    for index in filter(None, arguments.sizes.split(",")):
        one, many = (
            measure(SIZES[int(index)], batch, arguments.rounds, arguments.seconds)["seqgen"] for batch in BATCHES
        )
        print(f"  a step of batch {BATCHES[1]} takes as long as {one / many:.1f} of batch 1")


if __name__ == "__main__":
    main()
