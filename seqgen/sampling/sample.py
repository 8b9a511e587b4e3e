"""The sampling loop: one-to-many generation over a batch, for any stepper, grammar and set of constraints.

What is wanted is a number of sequences, each with a random stream of its own. Every sequence is sampled as one row, or,
with particles, as several weighted rows of which one is chosen at the end.

Masks alone obey a constraint, but they do not sample what the model believes *given* the constraint: a row that has
walked into a corner goes on there, however unlikely that is. Particles (sequential Monte Carlo, Gordon et al. 1993;
for language models under constraints Lew et al. 2023) are weighted by the probability that the constraints leave at
each step, and the heavy ones are copied in place of the light ones.

Where nothing legal is left, a sequence goes back some ids and tries again; it fails after MOST_RETREATS of them, or
when it has given up too many ids in all.
"""

from collections import deque
from collections.abc import Callable, Sequence
from math import log
from typing import NamedTuple

import numpy as np

from seqgen.errors import SamplingError
from seqgen.sampling.strategies import PENALTY_WINDOW, Plan, Strategy, draw, probabilities
from seqgen.sampling.walk import Setting, Walk
from seqgen.vocabulary import END

MOST_RETREATS = 1000
_MOST_REDONE = 50_000  # ids a sequence gives up when it goes back; some ten seconds of work
_LEAST = 1e-300  # of the mass; so that its logarithm is finite
_REMEMBERED = 512  # ids a sequence can go back
_TOKENS_A_STEP = 200  # far more than any encoding spells in one step; a bound, so that no model loops for ever


class Sampled(NamedTuple):
    """What one sequence became."""

    ids: list[int]  # new ids, without the prefix and without END
    steps: int
    ended: bool  # by END, not by the number of steps


def sample(
    setting: Setting,
    prefixes: Sequence[Sequence[int]],
    steps: Sequence[int],
    *,
    strategy: Strategy | Plan,
    random: Sequence[np.random.Generator],
    particles: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[Sampled]:
    """New ids for every sequence until END or until it has its number of `steps`.

    prefixes: the ids each begins with, after START: controls and prime, of equal length in all. They are given,
    whatever the constraints say, and not counted as steps.
    steps: how many steps of the encoding each has at most, 1 or more. Where a constraint asks for an end, a sequence
    that has not ended by then is cut where it last might have.
    random: a generator for each.
    progress: called with the number of steps the longest has.

    Raises:
        SamplingError: the constraints leave no legal id, or the model's logits are not finite.
    """
    plan = strategy if isinstance(strategy, Plan) else Plan(**strategy._asdict())
    walk = Walk.begin(setting, prefixes, steps)
    searches = [
        _Search(steps[index], random[index], particles, walk.rows[index].moment.time) for index in range(len(prefixes))
    ]
    if particles > 1:
        walk = walk.take(np.repeat(np.arange(len(prefixes)), particles).tolist())
    run = _Run(setting, walk, [path for search in searches for path in search.paths], plan)
    for _ in range(max(steps) * _TOKENS_A_STEP + MOST_RETREATS * _REMEMBERED):
        run.step()
        if progress is not None:
            progress(max(path.steps for search in searches for path in search.paths))
        if not run.paths:
            return [search.chosen() for search in searches]
    raise SamplingError(f"the model spelled {_TOKENS_A_STEP} tokens a step without finishing; train it longer")


class _Path:
    """A row's past. Several make the particles of one sequence."""

    def __init__(self, search: "_Search") -> None:
        self.search = search
        self.ids: list[int] = []
        self.steps = 0
        self.log_weight = 0.0
        self.ended = False

    def copy(self) -> "_Path":
        path = _Path(self.search)
        path.ids, path.steps, path.log_weight, path.ended = list(self.ids), self.steps, self.log_weight, self.ended
        return path


class _Past(NamedTuple):
    """A sequence before one of its ids was drawn, to go back to."""

    walk: Walk  # the rows that were on their way
    paths: list[_Path]  # of these rows, copied
    resting: list[_Path]  # those that had ended
    barred: set[int]
    may_end: bool  # whether END was legal, of a single row


class _Search:
    """One wanted sequence."""

    def __init__(self, steps: int, random: np.random.Generator, particles: int, begin: int | None) -> None:
        self.steps, self.random, self.particles, self.begin = steps, random, particles, begin
        self.paths = [_Path(self) for _ in range(particles)]  # ended or not
        self.past: deque[_Past] = deque(maxlen=_REMEMBERED)
        self.barred: set[int] = set()  # what led to nothing from here
        self.retreats = 0
        self.redone = 0  # ids given up
        self.furthest = 0  # ids, when nothing was left last
        self.back = 1  # how many ids to go back next time

    def chosen(self) -> Sampled:
        """One of the particles, by weight."""
        path = self.paths[0]
        if len(self.paths) > 1:
            path = self.paths[int(draw(_shares(self.paths)[None], np.array([self.random.random()]))[0])]
        return Sampled(path.ids, path.steps, path.ended)


class _Run:
    """All sequences on their way: one walk over the rows of all, and the path of each row."""

    def __init__(self, setting: Setting, walk: Walk, paths: list[_Path], plan: Plan) -> None:
        self.setting, self.walk, self.paths, self._plan = setting, walk, paths, plan
        self._particles = paths[0].search.particles
        self._bounded = bool(setting.bound)
        self._must_end = any(bound.must_end for bound in setting.bound)
        self._only_end = np.arange(setting.stepper.n_values) == END

    def step(self) -> None:
        """One id for every row; or back, for the sequences that are stuck."""
        legal = self._legal()
        alive: np.ndarray = np.any(legal, axis=1)
        if not alive.all():
            self._leave(alive)
            return
        probability = self._probabilities(legal)
        if self._particles > 1:
            legal, probability = self._weigh(legal, probability)
        if self._bounded:
            self._remember(legal)
        self._draw(probability)

    def _legal(self) -> np.ndarray:
        legal = self.walk.legal() if self._bounded else self.walk.grammatical()
        for mask, path in zip(legal, self.paths, strict=True):
            if self._must_end and path.steps >= path.search.steps:
                mask &= self._only_end
            if path.search.barred:
                mask[list(path.search.barred)] = False
        return legal

    def _probabilities(self, legal: np.ndarray, *, truncated: bool = True) -> np.ndarray:
        """`(rows, n_values)`; without the truncations top-k, top-p and min-p where a weight is asked for."""
        rows = [slice(None)] if self._plan.constant else [slice(row, row + 1) for row in range(len(self.paths))]
        found = []
        for row in rows:
            strategy = self._plan.at(self._share(row.start or 0))
            if not truncated:
                strategy = strategy._replace(top_k=0, top_p=1.0, min_p=0.0)
            recent = self._recent(row) if strategy.penalty != 1 else None
            found.append(probabilities(self.walk.logits[row], legal[row], strategy, recent))
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _recent(self, rows: slice) -> np.ndarray:
        recent = np.zeros((len(self.paths), self.setting.stepper.n_values), bool)
        for mask, path in zip(recent, self.paths, strict=True):
            mask[path.ids[-PENALTY_WINDOW:]] = True
        return (recent & self.setting.penalised)[rows]

    def _share(self, row: int) -> float:
        """How much of the piece is behind a row: of its time where its end is known, else of its steps."""
        moment, path = self.walk.rows[row].moment, self.paths[row]
        begin = path.search.begin
        if moment.end is None or begin is None or moment.time is None:
            return path.steps / path.search.steps
        return (moment.time - begin) / max(1, moment.end - begin)

    # particles

    def _weigh(self, legal: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weigh each row by the share of the model's belief that is legal, and resample the sequences that need it."""
        believed = self._probabilities(self.walk.grammatical(), truncated=False)
        mass = np.where(legal, believed, 0).sum(axis=1)
        for path, share in zip(self.paths, mass.tolist(), strict=True):
            path.log_weight += log(max(share, _LEAST))
        rows, paths = [], []
        index = {id(path): row for row, path in enumerate(self.paths)}
        for search in dict.fromkeys(path.search for path in self.paths):
            shares = _shares(search.paths)
            if 1 / (shares**2).sum() < self._particles / 2:
                chosen = _systematic(shares, search.random.random(), self._particles)
                sources = [search.paths[place] for place in chosen]
                search.paths = [path.copy() for path in sources]
                for path in search.paths:
                    path.log_weight = 0.0
            else:
                sources = search.paths
            for source, path in zip(sources, search.paths, strict=True):
                if id(source) in index:
                    rows.append(index[id(source)])
                    paths.append(path)
        if rows != list(range(len(self.paths))):
            self.walk = self.walk.take(rows)
        self.paths = paths
        return legal[rows], probability[rows]

    # going back

    def _remember(self, legal: np.ndarray) -> None:
        for search, rows in self._by_search().items():
            paths = [self.paths[row] for row in rows]
            resting = [path for path in search.paths if path.ended]
            may_end = self._particles == 1 and bool(legal[rows[0], END])
            past = _Past(self.walk.take(rows), [path.copy() for path in paths], resting, search.barred, may_end)
            search.past.append(past)

    def _leave(self, alive: np.ndarray) -> None:
        """Drop the particles that cannot go on; sequences that have no other go back."""
        dead = [self.paths[row] for row in np.flatnonzero(~alive)]
        stuck = []
        for search in dict.fromkeys(path.search for path in dead):
            left = [path for path in search.paths if path not in dead]
            if left:
                search.paths = left
            else:
                stuck.append(search)
        self._keep([row for row, path in enumerate(self.paths) if path not in dead or path.search in stuck])
        for search in stuck:
            self._retreat(search)

    def _retreat(self, search: _Search) -> None:
        """Go back with a sequence that is stuck, further each time until it gets past where it was."""
        row = next(row for row, path in enumerate(self.paths) if path.search is search)
        path = self.paths[row]
        if self._must_end and path.steps >= search.steps and self._cut(search):
            return
        search.retreats += 1
        if len(path.ids) > search.furthest:
            search.furthest, search.back = len(path.ids), 1
        if not search.past or search.retreats > MOST_RETREATS or search.redone > _MOST_REDONE:
            tried = f", also after going back {search.retreats - 1} times" if search.retreats > 1 else ""
            raise SamplingError(self.walk.why(row) + tried)
        past = search.past.pop()
        for _ in range(min(search.back, len(search.past) + 1) - 1):
            past = search.past.pop()
        search.redone += len(path.ids) - len(past.paths[0].ids)
        # one id back, what was taken there has led to nothing; from further back it might yet lead elsewhere, but a
        # greedy choice would only be made again
        search.barred = past.barred
        if self._particles == 1 and (search.back == 1 or self._plan.at(0).temperature == 0):
            search.barred = past.barred | {path.ids[len(past.paths[0].ids)]}
        search.back *= 2
        self._drop(search)
        paths = [one.copy() for one in past.paths]
        search.paths = [*paths, *past.resting]
        self.walk = self.walk.joined(past.walk) if self.paths else past.walk
        self.paths = [*self.paths, *paths]

    def _cut(self, search: _Search) -> bool:
        """End a sequence that has all its steps where it last might have ended; whether there is such a place."""
        for past in reversed(search.past):
            if past.may_end:
                self._drop(search)
                past.paths[0].ended = True
                search.paths = [past.paths[0]]
                return True
        return False

    def _drop(self, search: _Search) -> None:
        self._keep([row for row, path in enumerate(self.paths) if path.search is not search])

    # the draw

    def _draw(self, probability: np.ndarray) -> None:
        uniform = np.array([path.search.random.random() for path in self.paths])
        ids = draw(probability, uniform).tolist()
        for path, id in zip(self.paths, ids, strict=True):
            path.search.barred = set()
            if id == END:
                path.ended = True
            else:
                path.ids.append(id)
        self._keep([row for row, id in enumerate(ids) if id != END])
        self.walk.advance([path.ids[-1] for path in self.paths])
        for path, row in zip(self.paths, self.walk.rows, strict=True):
            path.steps += self.setting.grammar.at_step(row.moment.state)
        self._keep([n for n, path in enumerate(self.paths) if self._must_end or path.steps < path.search.steps])
        if self.paths:
            self.walk.feed([path.ids[-1] for path in self.paths])

    def _keep(self, rows: Sequence[int]) -> None:
        if len(rows) < len(self.paths):
            self.walk = self.walk.take(rows)
            self.paths = [self.paths[row] for row in rows]

    def _by_search(self) -> dict[_Search, list[int]]:
        rows: dict[_Search, list[int]] = {}
        for row, path in enumerate(self.paths):
            rows.setdefault(path.search, []).append(row)
        return rows


def _shares(paths: Sequence[_Path]) -> np.ndarray:
    """The normalised weights."""
    logs = np.array([path.log_weight for path in paths])
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _systematic(shares: np.ndarray, uniform: float, count: int) -> list[int]:
    """Which particles go on, so that there are `count`: systematic resampling (Kitagawa 1996)."""
    places = (np.arange(count) + uniform) / count
    return np.searchsorted(shares.cumsum(), places, side="right").clip(max=len(shares) - 1).tolist()
