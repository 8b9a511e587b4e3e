"""Beam search: the most probable sequences of a stepper, under grammar and constraints, without chance.

At every id the `width` best beginnings are kept. A sequence whose END is among the `width` best continuations has ended
and keeps its score; the search is over when no beginning can still become better than the `width` best that have ended.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen.errors import ConfigError, SamplingError
from seqgen.sampling.sample import TOKENS_A_STEP, Sampled
from seqgen.sampling.walk import Row, Setting, Walk
from seqgen.vocabulary import END


class _Beginning(NamedTuple):
    """A row: its new ids, and their log-probability."""

    ids: list[int]
    steps: int
    log_probability: float


def beam(
    setting: Setting,
    prefix: Sequence[int],
    steps: int,
    width: int,
    *,
    length_penalty: float = 0.0,
    context: Any = None,
) -> list[tuple[Sampled, float]]:
    """At most `width` sequences with their natural log-probabilities (that of END included), the best first.

    prefix: the ids each begins with, after START; given, whatever the constraints say, and not counted as steps.
    steps: how many steps of the encoding a sequence has at most, 1 or more. One that has them is finished as it is,
    but where a constraint asks for an end, only END ends it.
    width: 1 is greedy; with as many as there are sequences the result is exact.
    length_penalty: alpha of Wu et al. (2016, GNMT): log-probabilities are divided by ((5 + length) / 6)^alpha before
    they are compared, the length being that in ids with END. 0 compares them as they are, which favours the short.
    context: what the decoder reads; see `Stepper.start`.

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
    walk = Walk.begin(setting, [prefix], [steps], None if context is None else [context])
    rows = [_Beginning([], 0, 0.0)]
    finished: list[tuple[float, _Beginning, bool]] = []  # score, the sequence, whether by END
    only_end = np.arange(setting.stepper.n_values) == END

    def score(log_probability: float, length: int) -> float:
        return log_probability / ((5 + length) / 6) ** length_penalty

    def best_score(one: _Beginning) -> float:
        """What a beginning can come to: the longer it becomes, the better a length penalty treats it."""
        return score(one.log_probability, len(one.ids) + (steps - one.steps) * setting.grammar.most_ids + 1)

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
        following = []
        for rank, (log_probability, number, id) in enumerate(_best(walk.logits, legal, rows, 2 * width)):
            if id != END:  # which may be half of them
                following.append((log_probability, number, id))
            elif rank < width:
                finish(_Beginning(rows[number].ids, rows[number].steps, log_probability), True)
        going: list[tuple[int, _Beginning, Row]] = []
        for log_probability, number, id in following[:width]:
            place = walk.after(number, id)
            done = rows[number].steps + setting.grammar.at_step(place.moment.state)
            row = _Beginning([*rows[number].ids, id], done, log_probability)
            if not must_end and row.steps >= steps:
                finish(row, False)
            elif len(row.ids) < steps * TOKENS_A_STEP:
                going.append((number, row, place))
        if len(finished) == width:
            worst = finished[-1][0]
            going = [entry for entry in going if best_score(entry[1]) >= worst]
        rows = [row for _, row, _ in going]
        if rows:
            walk.go_on([number for number, _, _ in going], [place for _, _, place in going], [r.ids[-1] for r in rows])
    if not finished:
        raise SamplingError(f"no sequence came to its end within {steps:,} steps; allow more of them")
    return [(Sampled(one.ids, one.steps, ended), one.log_probability) for _, one, ended in finished]


def _best(
    logits: np.ndarray, legal: np.ndarray, rows: Sequence[_Beginning], count: int
) -> list[tuple[float, int, int]]:
    """The `count` most probable continuations that are possible, best first: log-probability of all, row, id."""
    scores = np.where(legal, logits, np.float32(-np.inf))
    highest = scores.max(axis=1)
    finite = np.isfinite(highest)
    if not finite.all():  # nothing is legal in a row, or the model is damaged
        if legal[~finite].any():
            raise SamplingError("the model's logits are not finite; its weights are damaged")
        highest = np.where(finite, highest, np.float32(0))
    mass = np.exp(scores - highest[:, None]).sum(axis=1, dtype=np.float64)
    behind = np.array([row.log_probability for row in rows]) - highest - np.log(np.where(mass > 0, mass, 1))
    # Of each row those that can be among them, before all are compared: a row's own order is that of its logits.
    least = np.full((len(rows), 1), -np.inf, np.float32)
    if count < scores.shape[1]:
        least = np.partition(scores, -count, axis=1)[:, -count, None]
    numbers, ids = np.nonzero((scores >= least) & (scores > -np.inf))
    values = scores[numbers, ids] + behind[numbers]
    if count < len(values):
        among = values >= np.partition(values, -count)[-count]
        numbers, ids, values = numbers[among], ids[among], values[among]
    found = list(zip(values.tolist(), numbers.tolist(), ids.tolist(), strict=True))
    found.sort(key=lambda one: (-one[0], rows[one[1]].ids, one[2]))
    return found[:count]
