"""How far what K particles sample is from what the model believes given a constraint, and the time a K costs.

A small model learns verses letter by letter. The text is to begin with some letters, to go on with a few open ones and
to close with others. All ways to fill what is open are enumerated, each with the probability that the model gives to
the whole, so that the exact conditional distribution is known. The error is the total variation distance between it
and the distribution of many samples. What chance alone makes of their number stands beside it: the distance of as many
samples that are drawn from the exact distribution itself.
"""

import argparse
import os
import time
from collections import Counter
from itertools import product
from typing import Any

import numpy as np

import seqgen
from seqgen.constraints import Bound, Moment
from seqgen.sampling import Setting, Strategy, sample, streams
from seqgen.vocabulary import END, START, UNK


class Spelled(Bound):
    """A text of these letters, one after the other; None is any letter but what ends a line."""

    name, must_end = "the letters", True

    def __init__(self, model: seqgen.Model, letters: list[str | None]) -> None:
        ids = np.arange(len(model.vocabulary))
        anything = (ids > UNK) & np.array([token != "\n" for token in model.vocabulary.tokens])
        known = model.vocabulary.ids
        self.masks = [anything if letter is None else ids == known[letter] for letter in letters] + [ids == END]

    def start(self, given: Any, moment: Moment) -> int:
        return 0

    def advance(self, own: int, id: int, moment: Moment) -> int:
        return own + 1

    def legal(self, own: int, moment: Moment) -> np.ndarray:
        return self.masks[min(own, len(self.masks) - 1)]


def enumerated(model: seqgen.Model, begin: list[int], bound: Spelled, free: int) -> dict[tuple[int, ...], float]:
    """Every way to fill the first `free` places, with its exact probability given that the rest follows."""
    ways = np.array(list(product(*(np.flatnonzero(mask) for mask in bound.masks[:free]))))
    rest = [int(np.flatnonzero(mask)[0]) for mask in bound.masks[free:-1]]
    texts = np.concatenate([ways, np.tile(rest, (len(ways), 1)).astype(int)], axis=1)
    logs = np.zeros(len(texts))
    stepper = model.stepper
    state = stepper.start(len(texts))
    for id in [START, *begin]:
        logits, state = stepper.step(np.full(len(texts), id), state)
    legal = model.grammar.legal(model.grammar.advance(model.grammar.start(), begin[0]))
    for column in texts.T:
        scores = np.where(legal, logits.astype(float), -np.inf)
        highest = scores.max(axis=1, keepdims=True)
        totals = highest[:, 0] + np.log(np.exp(scores - highest).sum(axis=1))
        logs += scores[np.arange(len(texts)), column] - totals
        logits, state = stepper.step(column, state)
    weights = np.exp(logs - logs.max())
    return dict(zip(map(tuple, ways.tolist()), (weights / weights.sum()).tolist(), strict=True))


def distance(seen: Counter[tuple[int, ...]], exact: dict[tuple[int, ...], float]) -> float:
    """Total variation."""
    return sum(abs(seen[way] / seen.total() - share) for way, share in exact.items()) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model of characters; without it one is trained on the verses")
    parser.add_argument("--steps", type=int, default=600, help="of that training")
    parser.add_argument("--begin", default="and the ")
    parser.add_argument("--free", type=int, default=2, help="how many letters are open")
    parser.add_argument("--close", default="ght of")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.model:
        model = seqgen.load(arguments.model)
    else:
        model = seqgen.train("verses", max_steps=arguments.steps, n_a=64, layers=1, seed=1)
    begin = model.vocabulary.to_ids(arguments.begin).tolist()
    bound = Spelled(model, [*[None] * arguments.free, *arguments.close])
    exact = enumerated(model, begin, bound, arguments.free)
    best = sorted(exact, key=exact.__getitem__, reverse=True)[:5]
    shown = ", ".join(f"{''.join(model.vocabulary.to_tokens(way))!r} {exact[way]:.2f}" for way in best)
    dots = "." * arguments.free
    print(f"{arguments.begin}{dots}{arguments.close}: {len(exact):,} ways; the most probable: {shown}")
    chosen = np.random.default_rng(arguments.seed).choice(len(exact), arguments.samples, p=list(exact.values()))
    floor = distance(Counter(list(exact)[index] for index in chosen), exact)
    setting = Setting(model.stepper, model.grammar, [bound])
    for particles in (1, 2, 4, 8, 16, 32, 64):
        begun = time.perf_counter()
        seen: Counter[tuple[int, ...]] = Counter()
        for number in range(0, arguments.samples, 100):
            count = min(100, arguments.samples - number)
            rows = sample(
                setting,
                [begin] * count,
                [len(bound.masks)] * count,
                strategy=Strategy(),
                random=streams(arguments.seed + number, count),
                particles=particles,
            )
            seen.update(tuple(row.ids[: arguments.free]) for row in rows)
        milliseconds = 1000 * (time.perf_counter() - begun) / arguments.samples
        error = distance(seen, exact)
        print(
            f"  K {particles:3}   error {error:.3f}   by chance {floor:.3f}   {milliseconds:6.2f} ms a sample",
            flush=True,
        )
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
