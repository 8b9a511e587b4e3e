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
from collections.abc import Sequence
from math import inf, log
from typing import Any, NamedTuple

import numpy as np

from seqgen.errors import SamplingError
from seqgen.sampling.strategies import PENALTY_WINDOW, Plan, Strategy, draw, most_probable, probabilities
from seqgen.sampling.walk import Setting, Walk
from seqgen.vocabulary import END

MOST_RETREATS = 1000
_MOST_REDONE = 100_000  # ids a sequence gives up when it goes back, in all its rows; some ten seconds of work
_LEAST = 1e-300  # of the mass; so that its logarithm is finite
_REMEMBERED = 512  # ids a sequence can go back
_REMEMBERED_ROWS = 4096  # of a sequence, its particles together; a row's state takes some kilobytes
# rows on their way at once, so that memory does not grow with the number of sequences: under constraints, where each
# remembers, or with something to read, which takes a megabyte, and without
_ROWS_AT_ONCE, _FREE_ROWS_AT_ONCE = 128, 4096
TOKENS_A_STEP = 200  # far more than any encoding spells in one step; a bound, so that no model loops for ever


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
    contexts: Sequence[Any] | None = None,
) -> list[Sampled]:
    """New ids for every sequence until END or until it has its number of `steps`.

    prefixes: the ids each begins with, after START: controls and prime, of equal length in all. They are given,
    whatever the constraints say, and not counted as steps.
    steps: how many steps of the encoding each has at most, 1 or more. Where a constraint asks for an end, a sequence
    that has not ended by then is cut where it last might have.
    random: a generator for each.
    contexts: what the decoder reads, of each sequence; see `Stepper.start`.

    Raises:
        SamplingError: the constraints leave no legal id, or the model's logits are not finite.
    """
    plan = strategy if isinstance(strategy, Plan) else Plan(**strategy._asdict())
    most = _ROWS_AT_ONCE if setting.bound or contexts is not None else _FREE_ROWS_AT_ONCE
    at_once = max(1, most // particles)
    sampled: list[Sampled] = []
    for begin in range(0, len(prefixes), at_once):
        some = slice(begin, begin + at_once)
        of_some = None if contexts is None else contexts[some]
        sampled += _together(setting, prefixes[some], steps[some], plan, random[some], particles, of_some)
    return sampled


def _together(
    setting: Setting,
    prefixes: Sequence[Sequence[int]],
    steps: Sequence[int],
    plan: Plan,
    random: Sequence[np.random.Generator],
    particles: int,
    contexts: Sequence[Any] | None,
) -> list[Sampled]:
    """`sample`, in one batch."""
    walk = Walk.begin(setting, prefixes, steps, contexts)
    searches = [
        _Search(steps[index], random[index], particles, walk.rows[index].moment.time) for index in range(len(prefixes))
    ]
    if particles > 1:
        walk = walk.take(np.repeat(np.arange(len(prefixes)), particles).tolist())
    run = _Run(setting, walk, [path for search in searches for path in search.paths], plan)
    while run.paths:
        run.step()
    return [search.chosen() for search in searches]


class _Path:
    """A row's past. Several make the particles of one sequence."""

    def __init__(self, search: "_Search") -> None:
        self.search = search
        self.past: tuple | None = None  # the last id and the past before it, so that a copy shares it
        self.length = 0  # ids
        self.steps = 0
        self.ended = False
        self.log_weight = 0.0
        self.ahead: list[tuple[int, float]] = []  # when, and what more it weighs by what was legal then

    def copy(self) -> "_Path":
        path = _Path(self.search)
        path.past, path.length, path.steps, path.ended = self.past, self.length, self.steps, self.ended
        path.log_weight, path.ahead = self.log_weight, list(self.ahead)
        return path

    def push(self, id: int) -> None:
        self.past = (id, self.past)
        self.length += 1

    def last(self, count: int) -> list[int]:
        """The last ids, as many as there are up to `count`, the last first."""
        ids, past = [], self.past
        while past is not None and len(ids) < count:
            id, past = past
            ids.append(id)
        return ids

    def weigh(self, until: float) -> float:
        """The logarithm of its weight by what was legal up to a moment."""
        self.log_weight += sum(more for time, more in self.ahead if time <= until)
        self.ahead = [(time, more) for time, more in self.ahead if time > until]
        return self.log_weight


class _Past(NamedTuple):
    """A sequence before one of its ids was drawn, to go back to."""

    walk: Walk  # the rows that were on their way
    paths: list[_Path]  # of these rows, copied
    resting: list[_Path]  # those that had ended, or had all their steps
    barred: set[int]
    may_end: list[int]  # those of `paths` for which END was legal


class _Search:
    """One wanted sequence."""

    def __init__(self, steps: int, random: np.random.Generator, particles: int, begin: int | None) -> None:
        self.steps, self.random, self.particles, self.begin = steps, random, particles, begin
        self.paths = [_Path(self) for _ in range(particles)]  # ended or not
        self.past: deque[_Past] = deque(maxlen=max(1, min(_REMEMBERED, _REMEMBERED_ROWS // particles)))
        self.barred: set[int] = set()  # what led to nothing from here
        self.retreats = 0
        self.redone = 0  # ids given up, in all its rows
        self.furthest = 0  # ids, where it was stuck
        self.back = 1  # how many ids before that to go back to next time
        self.leapt = False  # whether it went back more than one id at once

    def chosen(self) -> Sampled:
        """One of the particles, by weight."""
        path = self.paths[0]
        if len(self.paths) > 1:
            path = self.paths[int(draw(_shares(self.paths, inf)[None], np.array([self.random.random()]))[0])]
        return Sampled(path.last(path.length)[::-1], path.steps, path.ended)


class _Run:
    """All sequences on their way: one walk over the rows of all, and the path of each row."""

    def __init__(self, setting: Setting, walk: Walk, paths: list[_Path], plan: Plan) -> None:
        self.setting, self.walk, self.paths, self._plan = setting, walk, paths, plan
        self._particles = paths[0].search.particles
        self._bounded = bool(setting.bound)
        strategy = plan.at(0.0)
        self._greedy = plan.constant and strategy.temperature == 0 and strategy.penalty == 1 and self._particles == 1
        self._must_end = any(bound.must_end for bound in setting.bound)
        self._only_end = np.arange(setting.stepper.n_values) == END

    def step(self) -> None:
        """One id for every row; or back, for the sequences that are stuck."""
        legal = self._legal()
        alive: np.ndarray = np.any(legal, axis=1)
        if not alive.all():
            self._leave(alive)
            return
        if self._bounded:
            self._remember(legal)  # before the weights, which are taken anew by whoever comes back here
        if self._greedy:
            self._choose(most_probable(self.walk.logits, legal).tolist())
            return
        probability = self._probabilities(legal)
        if self._particles > 1:
            probability = self._weigh(legal, probability)
        uniform = np.array([path.search.random.random() for path in self.paths])
        self._choose(draw(probability, uniform).tolist())

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
        together: dict[Strategy, list[int]] = {}  # the rows of each, of which there is one where nothing changes
        for row in range(1 if self._plan.constant else len(self.paths)):
            strategy = self._plan.at(self._share(row))
            if not truncated:
                strategy = strategy._replace(top_k=0, top_p=1.0, min_p=0.0)
            together.setdefault(strategy, []).append(row)
        recent = self._recent() if any(strategy.penalty != 1 for strategy in together) else None
        if len(together) == 1:
            return probabilities(self.walk.logits, legal, next(iter(together)), recent)
        found = np.empty(legal.shape)
        for strategy, rows in together.items():
            of_rows = None if recent is None else recent[rows]
            found[rows] = probabilities(self.walk.logits[rows], legal[rows], strategy, of_rows)
        return found

    def _recent(self) -> np.ndarray:
        recent = np.zeros((len(self.paths), self.setting.stepper.n_values), bool)
        for mask, path in zip(recent, self.paths, strict=True):
            mask[path.last(PENALTY_WINDOW)] = True
        return recent & self.setting.penalised

    def _share(self, row: int) -> float:
        """How much of the piece is behind a row: of its time where its end is known, else of its steps."""
        moment, path = self.walk.rows[row].moment, self.paths[row]
        begin = path.search.begin
        if moment.end is None or begin is None or moment.time is None:
            return path.steps / path.search.steps
        return (moment.time - begin) / max(1, moment.end - begin)

    # particles

    def _weigh(self, legal: np.ndarray, probability: np.ndarray) -> np.ndarray:
        """Weigh each row by the share of the model's belief that is legal, and resample the sequences that need it.

        They are compared at the moment where the last of them is: one that has told the same time in fewer ids has met
        more of what is asked, and would be dropped for it. What it has met since then it keeps as its weight. So does
        one that has ended: nothing more is asked of it.

        Returns `probability` of the rows there are then.
        """
        believed = self._probabilities(self.walk.grammatical(), truncated=False)
        mass = np.where(legal, believed, 0).sum(axis=1)
        last: dict[_Search, int] = {}
        for path, row, share in zip(self.paths, self.walk.rows, mass.tolist(), strict=True):
            time = row.moment.time or 0  # text tells none: as many ids are as far
            path.ahead.append((time, log(max(share, _LEAST))))
            last[path.search] = min(time, last.get(path.search, time))
        rows, paths = [], []
        index = {id(path): row for row, path in enumerate(self.paths)}
        for search, time in last.items():
            shares = _shares(search.paths, time)
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
        return probability[rows]

    # going back

    def _remember(self, legal: np.ndarray) -> None:
        for search, rows in self._by_search().items():
            paths = [self.paths[row] for row in rows]
            going = set(paths)
            resting = [path for path in search.paths if path not in going]
            may_end = np.flatnonzero(legal[rows, END]).tolist()
            past = _Past(self.walk.take(rows), [path.copy() for path in paths], resting, search.barred, may_end)
            search.past.append(past)

    def _leave(self, alive: np.ndarray) -> None:
        """Drop the particles that cannot go on; sequences that have no other go back."""
        dead = dict.fromkeys(self.paths[row] for row in np.flatnonzero(~alive))
        stuck = {}
        for search in dict.fromkeys(path.search for path in dead):
            left = [path for path in search.paths if path not in dead]
            if left:
                search.paths = left
            else:
                stuck[search] = None
        self._keep([row for row, path in enumerate(self.paths) if path not in dead or path.search in stuck])
        for search in stuck:
            self._retreat(search)

    def _retreat(self, search: _Search) -> None:
        """Go back with a sequence that is stuck, further each time until it gets past where it was.

        What was taken there is not taken again: one id back it has led to nothing for certain, from further back it
        is only likely to. So that nothing is excluded for good, a sequence that comes to its start may do it all again.
        """
        row = next(row for row, path in enumerate(self.paths) if path.search is search)
        path = self.paths[row]
        if self._must_end and path.steps >= search.steps and self._cut(search):
            return
        search.retreats += 1
        if path.length > search.furthest:
            search.furthest, search.back = path.length, 1
        hopeless = search.retreats > MOST_RETREATS or search.redone > _MOST_REDONE
        if hopeless or not (search.past or search.leapt):
            before = search.retreats - 1
            tried = f", also after going back {before:,} time{'s' * (before != 1)}" if before else ""
            raise SamplingError(self._why(row) + tried)
        if not search.past:
            search.barred, search.furthest, search.back, search.leapt = set(), 0, 1, False
            return
        past, went = search.past.pop(), 1
        while search.past and past.paths[0].length > search.furthest - search.back:
            past, went = search.past.pop(), went + 1
        search.leapt |= went > 1
        search.redone += (path.length - past.paths[0].length) * self._particles
        search.barred = past.barred
        if self._particles == 1:
            search.barred = past.barred | {path.last(path.length - past.paths[0].length)[-1]}
        search.back += max(1, search.back // 8)
        self._drop(search)
        search.paths = [*past.paths, *past.resting]
        self.walk = self.walk.joined(past.walk) if self.paths else past.walk
        self.paths = [*self.paths, *past.paths]

    def _why(self, row: int) -> str:
        """Why a sequence cannot go on, of one of its rows."""
        path = self.paths[row]
        if self._must_end and path.steps >= path.search.steps:
            names = " and ".join(bound.name for bound in self.setting.bound)
            return f"{names} did not come to an end within {path.search.steps:,} steps; allow more of them"
        return self.walk.why(row)

    def _cut(self, search: _Search) -> bool:
        """End a sequence that has all its steps where it last might have ended; whether there is such a place."""
        for past in reversed(search.past):
            if past.may_end:
                self._drop(search)
                ended = [past.paths[place] for place in past.may_end]
                for path in ended:
                    path.ended = True
                search.paths = [*ended, *past.resting]
                return True
        return False

    def _drop(self, search: _Search) -> None:
        self._keep([row for row, path in enumerate(self.paths) if path.search is not search])

    # going on

    def _choose(self, ids: list[int]) -> None:
        for path, id in zip(self.paths, ids, strict=True):
            path.search.barred = set()
            if id == END:
                path.ended = True
            else:
                path.push(id)
        self._keep([row for row, id in enumerate(ids) if id != END])
        ids = [id for id in ids if id != END]
        self.walk.advance(ids)
        for path, row in zip(self.paths, self.walk.rows, strict=True):
            path.steps += self.setting.grammar.at_step(row.moment.state)
            if path.length > TOKENS_A_STEP * path.search.steps:
                raise SamplingError(
                    f"the model spelled {TOKENS_A_STEP} tokens a step without finishing; train it longer"
                )
        going = [n for n, path in enumerate(self.paths) if self._must_end or path.steps < path.search.steps]
        self._keep(going)
        if going:
            self.walk.feed([ids[row] for row in going])

    def _keep(self, rows: Sequence[int]) -> None:
        if len(rows) < len(self.paths):
            self.walk = self.walk.take(rows)
            self.paths = [self.paths[row] for row in rows]

    def _by_search(self) -> dict[_Search, list[int]]:
        rows: dict[_Search, list[int]] = {}
        for row, path in enumerate(self.paths):
            rows.setdefault(path.search, []).append(row)
        return rows


def _shares(paths: Sequence[_Path], until: float) -> np.ndarray:
    """The normalised weights by what was legal up to a moment."""
    logs = np.array([path.weigh(until) for path in paths])
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _systematic(shares: np.ndarray, uniform: float, count: int) -> list[int]:
    """Which particles go on, so that there are `count`: systematic resampling (Kitagawa 1996)."""
    cumulative = shares.cumsum()
    places = (np.arange(count) + uniform) / count * cumulative[-1]  # scaled, so that rounding asks for no more
    return np.searchsorted(cumulative, places, side="right").clip(max=len(shares) - 1).tolist()
