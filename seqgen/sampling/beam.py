"""Beam search: the most probable sequences of a stepper, under grammar and constraints, without chance.

At every id the `width` best beginnings are kept. A sequence whose END is among the `width` best continuations has ended
and keeps its score; the search is over when no beginning can still become better than the `width` best that have ended.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqgen.errors import ConfigError, SamplingError
from seqgen.sampling.sample import TOKENS_A_STEP, Sampled
from seqgen.sampling.walk import Setting, Walk
from seqgen.vocabulary import END


class _Beginning(NamedTuple):
    """A row: its new ids, and their log-probability."""

    ids: list[int]
    steps: int
    log_probability: float


def beam(
    setting: Setting, prefix: Sequence[int], steps: int, width: int, *, length_penalty: float = 0.0
) -> list[tuple[Sampled, float]]:
    """At most `width` sequences with their natural log-probabilities (that of END included), the best first.

    prefix: the ids each begins with, after START; given, whatever the constraints say, and not counted as steps.
    steps: how many steps of the encoding a sequence has at most, 1 or more. One that has them is finished as it is,
    but where a constraint asks for an end, only END ends it.
    width: 1 is greedy; with as many as there are sequences the result is exact.
    length_penalty: alpha of Wu et al. (2016, GNMT): log-probabilities are divided by ((5 + length) / 6)^alpha before
    they are compared, the length being that in ids with END. 0 compares them as they are, which favours the short.

    Probabilities are over what grammar and constraints leave legal. Of equals the one with smaller ids comes first.

    Raises:
        ConfigError: a value out of range.
        SamplingError: no sequence gets to its end, or the model's logits are not finite.
    """
    if steps < 1 or width < 1:
        raise ConfigError(f"a beam search takes 1 step or more and a width of 1 or more, not {steps} and {width}")
    if not 0 <= length_penalty <= 10:
        raise ConfigError(f"the length penalty must be 0 (off) to 10, not {length_penalty}")
    must_end = any(bound.must_end for bound in setting.bound)
    walk = Walk.begin(setting, [prefix], [steps])
    rows = [_Beginning([], 0, 0.0)]
    finished: list[tuple[float, _Beginning, bool]] = []  # score, the sequence, whether by END
    only_end = np.arange(setting.stepper.n_values) == END

    def score(log_probability: float, length: int) -> float:
        return log_probability / ((5 + length) / 6) ** length_penalty

    def finish(one: _Beginning, ended: bool) -> None:
        finished.append((score(one.log_probability, len(one.ids) + ended), one, ended))
        finished.sort(key=lambda entry: (-entry[0], entry[1].ids))
        del finished[width:]

    while rows:
        legal = walk.legal()
        for mask, row in zip(legal, rows, strict=True):
            if must_end and row.steps >= steps:
                mask &= only_end
        if not legal.any() and not finished and rows[0].steps < steps:
            raise SamplingError(walk.why(0))
        logs = log_probabilities(walk.logits, legal) + np.array([[row.log_probability] for row in rows])
        following = []
        for rank, (number, id) in enumerate(_best(logs, rows, 2 * width)):  # half of them may be END
            row, log_probability = rows[number], float(logs[number, id])
            if id != END:
                following.append((number, id, log_probability))
            elif rank < width:
                finish(_Beginning(row.ids, row.steps, log_probability), True)
        del following[width:]
        walk = walk.take([number for number, _, _ in following])
        walk.advance([id for _, id, _ in following])
        rows = [
            _Beginning(
                [*rows[number].ids, id],
                rows[number].steps + setting.grammar.at_step(place.moment.state),
                log_probability,
            )
            for (number, id, log_probability), place in zip(following, walk.rows, strict=True)
        ]
        going = []
        for number, row in enumerate(rows):
            if not must_end and row.steps >= steps:
                finish(row, False)
            elif len(row.ids) < steps * TOKENS_A_STEP:
                going.append(number)
        # the longest a beginning can become is what a length penalty treats best
        longest = steps * TOKENS_A_STEP if length_penalty else 0
        if len(finished) == width:
            worst = finished[-1][0]
            going = [number for number in going if score(rows[number].log_probability, longest) >= worst]
        walk, rows = walk.take(going), [rows[number] for number in going]
        if rows:
            walk.feed([row.ids[-1] for row in rows])
    if not finished:
        raise SamplingError(f"no sequence came to its end within {steps:,} steps; allow more of them")
    return [(Sampled(one.ids, one.steps, ended), one.log_probability) for _, one, ended in finished]


def log_probabilities(logits: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """`(rows, n_values)` float64 over the legal ids; -inf elsewhere, and in a row that has none."""
    scores = np.where(legal, logits.astype(np.float64), -np.inf)
    highest = scores.max(axis=1, keepdims=True)
    if not np.isfinite(highest[legal.any(axis=1)]).all():
        raise SamplingError("the model's logits are not finite; its weights are damaged")
    scores = scores - np.where(np.isfinite(highest), highest, 0)
    mass = np.exp(scores).sum(axis=1, keepdims=True)
    return scores - np.log(np.where(mass > 0, mass, 1))


def _best(logs: np.ndarray, rows: Sequence[_Beginning], count: int) -> list[tuple[int, int]]:
    """The `count` most probable continuations that are possible, as (row, id), best first."""
    flat = logs.ravel()
    least = np.partition(flat, -count)[-count] if count < len(flat) else -np.inf
    places = np.flatnonzero((flat >= least) & (flat > -np.inf))
    found = [divmod(place, logs.shape[1]) for place in places.tolist()]
    found.sort(key=lambda pair: (-logs[pair], rows[pair[0]].ids, pair[1]))
    return found[:count]
