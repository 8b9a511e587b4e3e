"""The most probable id, and the next: without chance, and with what each sequence is worth.

`sample` at temperature 0 takes the same ids; here they come with their log-probabilities, as those of `beam` do.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgen.errors import SamplingError
from seqgen.sampling.sample import Sampled
from seqgen.sampling.walk import Setting, Walk
from seqgen.vocabulary import END


def greedy(
    setting: Setting, prefixes: Sequence[Sequence[int]], steps: Sequence[int], *, contexts: Sequence[Any] | None = None
) -> list[tuple[Sampled, float]]:
    """For every prefix the ids that are the most probable one after the other, and their natural log-probability.

    prefixes, steps: as `sample` takes them. contexts: what the stepper's `start` takes, one for each. Probability is
    over what the grammar leaves legal; constraints are not asked, since nobody here goes back where they leave nothing.

    Raises:
        SamplingError: the model's logits are not finite.
    """
    return _follow(setting, prefixes, steps, contexts, None)


def worth(
    setting: Setting,
    prefixes: Sequence[Sequence[int]],
    sampled: Sequence[Sampled],
    *,
    contexts: Sequence[Any] | None = None,
) -> list[float]:
    """The natural log-probability of each sequence after its prefix, that of END included where it has ended.

    Raises: as `greedy`.
    """
    given = [[*one.ids, END] if one.ended else one.ids for one in sampled]
    return [value for _, value in _follow(setting, prefixes, [], contexts, given)]


def _follow(
    setting: Setting,
    prefixes: Sequence[Sequence[int]],
    steps: Sequence[int],
    contexts: Sequence[Any] | None,
    given: Sequence[Sequence[int]] | None,
) -> list[tuple[Sampled, float]]:
    """given: the ids to take, END among them; without it the most probable ones, `steps` of them at most."""
    taken: list[list[int]] = [[] for _ in prefixes]
    counts = [0] * len(prefixes)  # steps
    values = [0.0] * len(prefixes)
    rows = list(range(len(prefixes)))  # the sequence of each row of the walk

    def goes_on(row: int) -> bool:
        if taken[row] and taken[row][-1] == END:
            return False
        return counts[row] < steps[row] if given is None else len(taken[row]) < len(given[row])

    walk = Walk.begin(setting, prefixes, contexts=contexts)
    while True:
        going = [place for place, row in enumerate(rows) if goes_on(row)]
        if len(going) < len(rows):
            walk, rows = walk.take(going), [rows[place] for place in going]
        if not rows:
            break
        if taken[rows[0]]:
            walk.feed([taken[row][-1] for row in rows])
        logs = _log_probabilities(walk)
        ids = logs.argmax(axis=1).tolist() if given is None else [given[row][len(taken[row])] for row in rows]
        for row, id, log in zip(rows, ids, logs, strict=True):
            taken[row].append(id)
            values[row] += float(log[id])
        places = [place for place, id in enumerate(ids) if id != END]
        if len(places) < len(rows):
            walk, rows = walk.take(places), [rows[place] for place in places]
        walk.advance([taken[row][-1] for row in rows])
        for row, one in zip(rows, walk.rows, strict=True):
            counts[row] += setting.grammar.at_step(one.moment.state)
    found = []
    for ids, count, value in zip(taken, counts, values, strict=True):
        ended = ids[-1:] == [END]
        found.append((Sampled(ids[: len(ids) - ended], count, ended), value))
    return found


def _log_probabilities(walk: Walk) -> np.ndarray:
    """`(rows, n_values)` float64 over what the grammar allows; -inf elsewhere."""
    scores = np.where(walk.grammatical(), walk.logits.astype(np.float64), -np.inf)
    highest = scores.max(axis=1, keepdims=True)
    if not np.isfinite(highest).all():
        raise SamplingError("the model's logits are not finite; its weights are damaged")
    scores -= highest
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
