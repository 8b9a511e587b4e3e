"""Rows on their way through a model: what each has behind it, and what may come next."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen.constraints import Bound, Listener, Moment
from seqgen.errors import SamplingError
from seqgen.stepper import State, Stepper
from seqgen.vocabulary import START, UNK


class Setting(NamedTuple):
    """What the rows of a walk have in common."""

    stepper: Stepper
    grammar: Any  # Grammar; MusicGrammar where there is a listener
    bound: Sequence[Bound] = ()
    listener: Listener | None = None  # music under constraints: what sounds
    penalised: np.ndarray | bool = True  # (n_values,) which ids a repetition penalty is for


class Row(NamedTuple):
    """Where one row is. Immutable: rows may share it."""

    moment: Moment
    owns: tuple[Any, ...]  # the states of the constraints


class Walk:
    """A batch of rows, and the logits of what comes next in each.

    `advance` and `feed` take them on by an id each; `take` makes a walk of chosen rows, to drop or to
    fork them.
    """

    def __init__(self, setting: Setting, rows: list[Row], state: State, logits: np.ndarray) -> None:
        """rows: as many as state and logits have; taken over."""
        self.setting, self.rows, self.state, self.logits = setting, rows, state, logits

    @classmethod
    def begin(
        cls,
        setting: Setting,
        prefixes: Sequence[Sequence[int]],
        steps: Sequence[int | None] | None = None,
        contexts: Sequence[Any] | None = None,
    ) -> "Walk":
        """After START and the ids that are given, whatever the constraints say: equally many for every row.

        steps: of each row, how many may follow at most, for constraints that look ahead. contexts: what the decoder
        reads, of each row; see `Stepper.start`.

        Raises:
            SamplingError: a constraint cannot be met after this prefix.
        """
        moments = [_first(setting) for _ in prefixes]
        state, logits = setting.stepper.start(len(prefixes), contexts), np.empty(0, np.float32)
        columns = np.array([[START, *prefix] for prefix in prefixes]).T  # (prefix length + 1, rows)
        for place, column in enumerate(columns):
            if place:
                moments = [_advanced(setting, moment, int(id)) for moment, id in zip(moments, column, strict=True)]
            logits, state = setting.stepper.step(column, state, _features(setting, moments))
        most = steps or [None] * len(prefixes)
        moments = [moment._replace(steps=0, most=limit) for moment, limit in zip(moments, most, strict=True)]
        rows = [_started(setting, prefix, moment) for prefix, moment in zip(prefixes, moments, strict=True)]
        return cls(setting, rows, state, logits)

    def grammatical(self) -> np.ndarray:
        """`(rows, n_values)` bool: what the grammar allows next."""
        return np.array([self.setting.grammar.legal(row.moment.state) for row in self.rows])

    def legal(self) -> np.ndarray:
        """`(rows, n_values)` bool: what grammar and constraints allow next."""
        masks = self.grammatical()
        for mask, row in zip(masks, self.rows, strict=True):
            for bound, own in zip(self.setting.bound, row.owns, strict=True):
                more = bound.legal(own, row.moment)
                if more is not None:
                    mask &= more
        return masks

    def advance(self, ids: Sequence[int]) -> None:
        """One more id a row, never END; the logits are still those before it."""
        self.rows = [_after(self.setting, row, id) for row, id in zip(self.rows, ids, strict=True)]

    def feed(self, ids: Sequence[int]) -> None:
        """The same ids to the model, after `advance`: the logits of what comes next."""
        features = _features(self.setting, [row.moment for row in self.rows])
        self.logits, self.state = self.setting.stepper.step(np.asarray(ids), self.state, features)

    def after(self, row: int, id: int) -> Row:
        """What a row becomes by one more id, never END; the walk stays."""
        return _after(self.setting, self.rows[row], id)

    def go_on(self, origins: Sequence[int], rows: list[Row], ids: Sequence[int]) -> None:
        """With `rows`, that `after` made of the rows `origins` by the ids, to the logits of what comes next."""
        if len(origins) != len(self.rows):
            self.state = self.setting.stepper.take(self.state, np.asarray(origins, int))
        elif list(origins) != list(range(len(origins))):
            for array in self.state:
                array[...] = array[origins]  # in place, which spares the stepper to look everything up again
        self.rows = rows
        self.feed(ids)

    def take(self, rows: Sequence[int]) -> "Walk":
        """A walk of the given rows in the given order; this one may go on without changing it."""
        index = np.asarray(rows, int)
        state = self.setting.stepper.take(self.state, index)
        return Walk(self.setting, [self.rows[row] for row in rows], state, self.logits[index])

    def joined(self, other: "Walk") -> "Walk":
        """The rows of both, this one's first."""
        state = tuple(np.concatenate(pair) for pair in zip(self.state, other.state, strict=True))
        return Walk(self.setting, self.rows + other.rows, state, np.concatenate([self.logits, other.logits]))

    def why(self, row: int) -> str:
        """Which constraints leave nothing legal in a row, and where that is."""
        setting, (moment, owns) = self.setting, self.rows[row]
        mask = setting.grammar.legal(moment.state)
        names = []
        for bound, own in zip(setting.bound, owns, strict=True):
            more = bound.legal(own, moment)
            if more is not None and not (mask & more).all():
                names.append(bound.name)
                mask = mask & more
            if not mask.any():
                break
        reason = f"{' and '.join(names)} leave no legal token" if names else "there is no legal token"
        if mask.any():
            reason += " that has not been tried"
        return f"nothing may follow {place(setting, moment)}: {reason}"


def broken(setting: Setting, given: Sequence[int], prime: Sequence[int]) -> list[str]:
    """The names of the constraints that a prime goes against; given: the controls before it.

    Those that count from the end of the prime, such as a number of bars, it cannot break.
    """
    bound = [kept for one in setting.bound if (kept := one.of_prime()) is not None]
    setting = setting._replace(bound=bound)
    moment = _first(setting)
    for id in given:
        moment = _advanced(setting, moment, id)
    row = _started(setting, given, moment._replace(steps=0))
    names: dict[str, None] = {}
    for id in prime:
        for one, own in zip(bound, row.owns, strict=True):
            mask = one.legal(own, row.moment)
            if id != UNK and mask is not None and not mask[id]:
                names[one.name] = None
        row = _after(setting, row, id)
    return list(names)


def place(setting: Setting, moment: Moment) -> str:
    """Where a row is, in words."""
    if setting.listener is None:
        return f"after {moment.steps:,} step{'s' * (moment.steps != 1)}"
    clock = moment.state.clock
    bar, position = divmod(clock.time + clock.offset, clock.bar)
    number = bar + (0 if clock.offset else 1)  # a pickup is bar 0
    return f"at bar {number}, quarter {position / setting.grammar.grid + 1:g}"


def _first(setting: Setting) -> Moment:
    return Moment(setting.grammar.start(), setting.listener.start() if setting.listener else None)


def _after(setting: Setting, row: Row, id: int) -> Row:
    moment = _advanced(setting, row.moment, id)
    owns = [bound.advance(own, id, moment) for bound, own in zip(setting.bound, row.owns, strict=True)]
    return Row(moment, tuple(owns))


def _advanced(setting: Setting, moment: Moment, id: int) -> Moment:
    state, sounding, end, steps, most = moment
    if sounding is not None and setting.listener is not None:
        sounding = setting.listener.advance(sounding, state, id)
    state = setting.grammar.advance(state, id)
    return Moment(state, sounding, end, steps + setting.grammar.at_step(state), most)


def _started(setting: Setting, prefix: Sequence[int], moment: Moment) -> Row:
    ends = {end: bound.name for bound in setting.bound if (end := bound.end(moment)) is not None}
    if len(ends) > 1:
        raise SamplingError(f"{' and '.join(ends.values())} end at different moments; give only one of them")
    end = next(iter(ends), None)
    must_end = any(bound.must_end for bound in setting.bound)
    if end is None and must_end and moment.most and setting.listener and setting.listener.on_grid:
        end = moment.state.clock.time + moment.most  # a step is a grid step
    moment = moment._replace(end=end)
    return Row(moment, tuple([bound.start(prefix, moment) for bound in setting.bound]))


def _features(setting: Setting, moments: Sequence[Moment]) -> np.ndarray | None:
    grammar = setting.grammar
    return np.array([grammar.features(moment.state) for moment in moments]) if grammar.feature_sizes else None
