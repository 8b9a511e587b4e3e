"""What a constraint is, and what it may read: the grammar's state, what sounds, and the table of the ids.

A constraint is made from what the user says (`Scale("D-minor")`), and bound to an encoding's grammar and table once.
Bound, it works as a grammar does: a state of its own for each row, and before every draw a mask over the ids.
"""

from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from seqgen.encodings import Grammar, Table
from seqgen.errors import SamplingError
from seqgen.vocabulary import END


class Note(NamedTuple):
    """A note that sounds."""

    pitch: int  # MIDI
    onset: int  # grid steps since the start of the piece


class Sounding(NamedTuple):
    """What the parts of a music sequence sound and have struck. Hashable; see `listen.Listener`."""

    notes: tuple[tuple[Note, ...], ...]  # of each part: what sounds up to this moment, highest first
    last: tuple[tuple[int, ...], ...]  # of each part: the pitches struck last, those struck together; empty at first
    struck: tuple[int, ...]  # of each part: when that was, in grid steps; -1 at first
    here: tuple[Note, ...] = ()  # encodings that end their steps with a token: the notes of this step so far


class Moment(NamedTuple):
    """Where a row is: what a constraint may look at before the next id is drawn. Hashable."""

    state: Any  # the grammar's
    sounding: Sounding | None  # None for text
    end: int | None = None  # the grid step at which the piece must end, where that is known
    steps: int = 0  # steps of the encoding since what is given
    most: int | None = None  # how many of these there may be, where that is known

    @property
    def time(self) -> int | None:
        """Grid steps since the start of the piece; None for text."""
        return None if self.sounding is None else self.state.clock.time

    @property
    def left(self) -> int | None:
        """How many steps may still follow, where that is known."""
        return None if self.most is None else max(0, self.most - self.steps)


class Material(NamedTuple):
    """What constraints are bound to."""

    grammar: Grammar
    table: Table
    tokens: Sequence[str]  # in id order
    unit: str  # "music" or "text"


class Bound:
    """A constraint that knows the ids. Subclasses define `legal`, and `start` and `advance` if they keep a state.

    name: as the user would say it, for messages: "scale D-minor".
    ever: `(n_values,)` bool: what can be legal at any moment at all; None for everything. A set of constraints that
    leaves no note, or no character, is refused before it begins.
    must_end: whether the piece has to come to its END, so that a number of steps is an upper bound only.
    """

    name: str
    ever: np.ndarray | None = None
    must_end = False

    def start(self, given: Sequence[int], moment: Moment) -> Hashable:
        """The state after the ids that are given: controls and prime, which the constraint does not judge."""
        return None

    def end(self, moment: Moment) -> int | None:
        """The grid step at which a piece that is given up to `moment` must end; None where that is left open."""
        return None

    def advance(self, own: Any, id: int, moment: Moment) -> Hashable:
        """The state after one more id, which led to `moment`. END is never passed."""
        return own

    def legal(self, own: Any, moment: Moment) -> np.ndarray | None:
        """`(n_values,)` bool, or None where everything is allowed. Cached by the constraint where that pays."""
        raise NotImplementedError


class Constraint:
    """What must hold of the whole output. Subclasses define `bind`.

    controls: what a piece has to begin with for it, such as {"key": "D-minor"}.
    steps: how many it needs at most, where nothing else says how long the output may be.
    """

    controls: Mapping[str, str] = MappingProxyType({})
    steps: int | None = None

    def bind(self, material: Material, others: np.ndarray) -> Bound:
        """Bound to an encoding.

        others: `(n_values,)` bool, what the constraints bound before leave legal at any moment at all. Those that
        must fill a length (`fills`) are bound last.

        Raises:
            ConfigError: the constraint is not for this kind of model.
            SamplingError: it cannot be met from the start.
        """
        raise NotImplementedError

    fills = False


def bind(constraints: Sequence[Constraint], material: Material) -> list[Bound]:
    """All of them, bound.

    Raises:
        ConfigError, SamplingError: as `Constraint.bind`; or together they leave nothing to generate.
    """
    bound: list[Bound] = []
    left = np.ones(len(material.tokens), bool)
    wanted = material.table.strikes if material.unit == "music" else np.arange(len(left)) > END
    for constraint in sorted(constraints, key=lambda one: one.fills):
        one = constraint.bind(material, left)
        bound.append(one)
        if one.ever is None:
            continue
        left = left & one.ever
        if not (left & wanted).any():
            names = " and ".join(other.name for other in bound if other.ever is not None)
            what = "note" if material.unit == "music" else "token"
            raise SamplingError(f"no {what} of this model fits {names}")
    return bound
