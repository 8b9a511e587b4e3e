"""A stream: how long one call of `next_event` takes, and how long it takes until the next event is there.

The models are trained here for a few steps only: how long a step takes does not depend on what was learned. Also
measured is what else a sketch may do within a frame: hear a note, and fork.
"""

import argparse
import os
import time
from collections.abc import Callable

import numpy as np

import seqgen
from seqgen.api.stream import Stream

CORPORA = {"chorale": "bach-chorales", "notes": "fiddle-tunes"}


def times(call: Callable[[], object], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of each of `count` calls: by the clock, and of a core, which other programs do not change."""
    clock, core = np.empty(count), np.empty(count)
    for number in range(count):
        begun = time.perf_counter(), time.thread_time()
        call()
        core[number] = time.thread_time() - begun[1]
        clock[number] = time.perf_counter() - begun[0]
    return clock, core


def show(what: str, call: Callable[[], object], count: int) -> None:
    for kind, took in zip(("by the clock", "of a core"), times(call, count), strict=True):
        median, rare = np.quantile(took, (0.5, 0.999)) * 1e3
        longest = took.max() * 1e3
        print(
            f"  {what:21} {kind:13} median {median:6.3f} ms, 99.9% within {rare:7.3f} ms, all within {longest:7.3f} ms"
        )


def measure(stream: Stream, calls: int) -> None:
    note = next(stream)._replace(duration=0.5)

    def hear() -> None:
        stream.hear(note)
        stream.next_event()

    times(stream.next_event, 1000)  # what is made once
    show("a call of next_event", stream.next_event, calls)
    show("until the next event", lambda: next(stream), calls // 5)
    show("to hear and to answer", hear, calls // 50)
    show("to fork", stream.fork, calls // 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encodings", default="chorale,notes")
    parser.add_argument("--size", default="small", help="of the network")
    parser.add_argument("--calls", type=int, default=50_000)
    arguments = parser.parse_args()
    for encoding in arguments.encodings.split(","):
        corpus = CORPORA[encoding]
        model = seqgen.train(corpus, encoding=encoding, size=arguments.size, max_steps=50, seed=1)
        load = os.getloadavg()[0]
        print(f"{encoding}, {arguments.size}, {len(model.vocabulary)} values ({corpus}); load {load:.1f}", flush=True)
        measure(model.stream(seed=1), arguments.calls)


if __name__ == "__main__":
    main()
