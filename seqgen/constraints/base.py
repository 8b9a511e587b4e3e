"""What a constraint is, and what it may read: the grammar's state, what sounds, and the table of the ids.

A constraint is made from what the user says (`Scale("D-minor")`), and bound to an encoding's grammar and table once.
Bound, it works as a grammar does: a state of its own for each row, and before every draw a mask over the ids.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from seqgen.encodings import Table
from seqgen.errors import ConfigError, SamplingError
from seqgen.originality import CopyIndex
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
    here: tuple[Note, ...] = ()  # encodings that end their steps with a token: the notes of this step so far, which
    # become `notes`, and those of them that are struck `last`, when it has ended

    def before(self, part: int) -> tuple[int, ...]:
        """The pitches from which a note of a part is reached: those struck last, and those sounding up to now."""
        last, notes = self.last[part], self.notes[part]
        more = [note.pitch for note in notes if note.pitch not in last]
        return tuple(sorted({*last, *more})) if more else last


class Moment(NamedTuple):
    """Where a row is: what a constraint may look at before the next id is drawn. Hashable."""

    state: Any  # the grammar's
    sounding: Any  # Sounding; None for text
    end: int | None = None  # the grid step at which the piece must end at the latest, where that is known
    steps: int = 0  # steps of the encoding since what is given
    most: int | None = None  # how many of these there may be, where that is known

    @property
    def time(self) -> int | None:
        """Grid steps since the start of the piece; None for text."""
        return None if self.sounding is None else self.state.clock.time

    @property
    def next_bar(self) -> int:
        """The grid step of the first bar line from here on; after a pickup at the earliest. Music only."""
        clock = self.state.clock
        pickup = clock.bar - clock.offset if clock.offset else 0
        return pickup + max(0, -(-(clock.time - pickup) // clock.bar)) * clock.bar

    @property
    def left(self) -> int | None:
        """How many steps may still follow, where that is known."""
        return None if self.most is None else max(0, self.most - self.steps)


class Strike(NamedTuple):
    """What is struck at once by one id, to ask how long it may sound. Hashable."""

    pitches: tuple[int, ...]  # MIDI, highest first
    part: int
    onset: int  # grid steps since the start of the piece
    end: int | None  # where the piece must end, where that is known


ANY_LENGTH = -1  # every bit: see Bound.lengths


class Material(NamedTuple):
    """What constraints are bound to."""

    grammar: Any  # Grammar; MusicGrammar for music
    table: Table
    tokens: Sequence[str]  # in id order
    unit: str  # "music" or "text"
    copies: CopyIndex | None = None  # which passages the corpus has
    note_lengths: int = ANY_LENGTH  # those that the constraints bound before can ever allow, as in Bound.lengths

    def music_only(self, what: str) -> None:
        """Raises ConfigError for a model of text."""
        if self.unit != "music":
            raise ConfigError(f"{what} is for music, and this model writes text")


class Bound:
    """A constraint that knows the ids. Subclasses define `legal` or `lengths`, and `start` and `advance` for a state.

    name: as the user would say it, for messages: "scale D-minor".
    ever: `(n_values,)` bool, or `(parts, n_values)`: what can be legal at any moment at all; None for everything. A set
    of constraints that leaves a part no note, or no character, is refused before it begins.
    far: whether it asks for something that shows only later, so that particles help: an ending, chords.
    must_end: whether the piece has to come to its END, so that a number of steps is an upper bound only.
    rules_lengths: whether `lengths` has something to say, more than that the piece must end.
    note_lengths: all lengths that `lengths` can ever allow.
    """

    name: str
    ever: np.ndarray | None = None
    far = False
    must_end = False
    rules_lengths = False
    note_lengths = ANY_LENGTH

    def of_prime(self) -> "Bound | None":
        """What of this holds for a prime; None where it counts from the end of the prime on."""
        return self

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
        return None

    def lengths(self, own: Any, strike: Strike) -> int:
        """How long what is struck may sound: bit n for n grid steps. Music only.

        What several constraints say is joined and turned into masks by `lengths.Lengths`, so that no note is struck
        that could neither go on nor end. own: as `start` gave it.
        """
        return ANY_LENGTH

    def sounding(self, own: Any, time: int | None) -> frozenset[int] | None:
        """The pitch classes that may sound in a grid step, or at all; None for any. Music only.

        own: as `start` gave it.
        """
        return None

    def closing(self, own: Any) -> frozenset[int] | None:
        """The pitch classes one of which must sound last; None for any. own: as `start` gave it. Music only."""
        return None


class Constraint(ABC):
    """What must hold of the whole output. Subclasses define `bind`.

    controls: what a piece has to begin with for it, such as {"key": "D-minor"}.
    fills: whether it must make something of what the others leave, such as a length; it is bound after them.
    whole: whether it is about all that comes out and how that ends, so that a stream under it is one piece.
    steps: how many it needs at most, where nothing else says how long the output may be.
    """

    controls: Mapping[str, str] = MappingProxyType({})
    fills = False
    whole = False
    steps: int | None = None

    @abstractmethod
    def bind(self, material: Material, others: np.ndarray) -> Bound:
        """Bound to an encoding.

        others: `(n_values,)` bool, what the constraints bound before leave legal at any moment at all.

        Raises:
            ConfigError: the constraint is not for this kind of model.
            SamplingError: it cannot be met from the start.
        """


def bind_each(constraints: Sequence[Constraint], material: Material) -> list[Bound]:
    """All of them, each for itself.

    Raises:
        ConfigError, SamplingError: as `Constraint.bind`; or together they leave nothing to generate.
    """
    bound: list[Bound] = []
    music = material.unit == "music"
    parts: tuple[str, ...] = material.grammar.part_names if music else ("",)
    wanted = material.table.strikes if music else np.arange(len(material.tokens)) > END
    left = np.ones((len(parts), len(material.tokens)), bool)
    for constraint in sorted(constraints, key=lambda one: one.fills):
        one = constraint.bind(material, np.any(left, axis=0))
        bound.append(one)
        material = material._replace(note_lengths=material.note_lengths & one.note_lengths)
        if one.ever is None:
            continue
        left = left & one.ever
        for part, ids in zip(parts, left, strict=True):
            if not (ids & wanted).any():
                names = " and ".join(other.name for other in bound if other.ever is not None)
                what = f"note of the part {part}" if part else "note" if music else "token"
                raise SamplingError(f"no {what} of this model fits {names}")
    return bound
