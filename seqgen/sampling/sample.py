"""The sampling loop: one-to-many generation over a batch, for any stepper, grammar and set of constraints."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen.encodings import Grammar
from seqgen.errors import SamplingError
from seqgen.sampling.constraints import Constraint
from seqgen.sampling.strategies import Strategy, draw, probabilities
from seqgen.stepper import Stepper
from seqgen.vocabulary import END, START

_TOKENS_A_STEP = 200  # far more than any encoding spells in one step; a bound, so that no model loops for ever


class Sampled(NamedTuple):
    """What one row became."""

    ids: list[int]  # new ids, without the prefix and without END
    steps: int
    ended: bool  # by END, not by the number of steps


def sample(
    stepper: Stepper,
    grammar: Grammar,
    prefixes: Sequence[Sequence[int]],
    steps: Sequence[int],
    *,
    strategy: Strategy,
    random: Sequence[np.random.Generator],
    constraints: Sequence[Constraint] = (),
    progress: Callable[[int], None] | None = None,
) -> list[Sampled]:
    """New ids for every row until END or until the row has its number of `steps`.

    prefixes: the ids a row begins with, after START: controls and prime, of equal length in all rows. They are given,
    whatever the constraints say, and not counted as steps.
    steps: how many steps of the encoding each row has at most, 1 or more.
    random: a generator for each row.
    progress: called with the number of steps the longest row has.

    Raises:
        SamplingError: no legal id is left, or the model's logits are not finite.
    """
    batch = len(prefixes)
    new: list[list[int]] = [[] for _ in range(batch)]
    done = [0] * batch  # steps
    ended = [False] * batch
    states = [grammar.start() for _ in range(batch)]
    rows = np.arange(batch)  # the rows that go on
    state = stepper.start(batch)
    given = np.array([[START, *prefix] for prefix in prefixes])  # (batch, prefix length + 1)
    logits = np.empty(0, np.float32)
    for place in range(given.shape[1]):
        if place:
            states = [grammar.advance(row, int(id)) for row, id in zip(states, given[:, place], strict=True)]
        logits, state = stepper.step(given[:, place], state, _features(grammar, states))
    for _ in range(max(steps) * _TOKENS_A_STEP):
        legal = np.array([_legal(grammar, constraints, row) for row in states])
        uniform = np.array([random[row].random() for row in rows.tolist()])
        ids = draw(probabilities(logits, legal, strategy), uniform)
        going = []
        for index, (row, id) in enumerate(zip(rows.tolist(), ids.tolist(), strict=True)):
            if id == END:
                ended[row] = True
                continue
            new[row].append(id)
            states[index] = grammar.advance(states[index], id)
            done[row] += grammar.at_step(states[index])
            if done[row] < steps[row]:
                going.append(index)
        if progress is not None:
            progress(max(done))
        if not going:
            return [Sampled(*row) for row in zip(new, done, ended, strict=True)]
        if len(going) < len(rows):
            state = stepper.take(state, np.array(going))
            states, rows, ids = [states[index] for index in going], rows[going], ids[going]
        logits, state = stepper.step(ids, state, _features(grammar, states))
    raise SamplingError(f"the model spelled {_TOKENS_A_STEP} tokens a step without finishing; train it longer")


def _features(grammar: Grammar, states: Sequence[Any]) -> np.ndarray | None:
    return np.array([grammar.features(state) for state in states]) if grammar.feature_sizes else None


def _legal(grammar: Grammar, constraints: Sequence[Constraint], state: Any) -> np.ndarray:
    mask = grammar.legal(state)
    for constraint in constraints:
        more = constraint.legal(state)
        if more is not None:
            mask = mask & more
    return mask
