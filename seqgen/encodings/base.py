"""What every encoding provides: tokens and back, a grammar of legal sequences, and a table of what each id means.

A sequence of ids is START, the control tokens (music: key, meter, pickup), the body, END. `encode` and `decode` work on
tokens without START and END. Control tokens and START are given, never predicted: they are no targets in training
and evaluation, and generation draws them from the corpus' own distribution.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from seqgen.vocabulary import Vocabulary

Source = TypeVar("Source")  # Piece or str
State = Hashable


class Kind(IntEnum):
    """What an id is."""

    SPECIAL = 0
    CONTROL = 1
    TEXT = 2
    NOTE = 3  # strikes one or more pitches
    HOLD = 4  # keeps a pitch sounding
    REST = 5
    DURATION = 6  # says how long the note or rest before it lasts
    FRAME_END = 7


class Encoded(NamedTuple):
    """One token sequence of a source, controls first, without START and END."""

    tokens: list[str]
    losses: dict[str, int]  # what the encoding could not carry, counted by reason
    part: str = ""  # the voice it came from, where there were several
    voices: tuple[tuple[int, ...], ...] = ()  # music: for each part of the tokens, the parts of the piece it is made of


@dataclass(frozen=True)
class Table:
    """Per id, what constraints and statistics need to know; all arrays have n_values rows."""

    kind: np.ndarray  # (n_values,) uint8 of Kind
    pitches: np.ndarray  # (n_values, 128) bool: the MIDI pitches the id strikes or holds
    strikes: np.ndarray  # (n_values,) bool: a note begins
    advance: np.ndarray  # (n_values,) int32: grid steps the clock moves by, where the id alone decides it


class Grammar(Protocol):
    """Which ids may follow. States are immutable and hashable; one state serves any number of sequences.

    `feature_sizes` names how many values each of `features(state)` may take: small integers the model sees beside the
    token, derived from the ids so far and describing the place of the *next* id. Empty for text. `feature_names` says
    what each value of each feature means, one after the other: equal names mean the same in every vocabulary, and
    no token is called so.

    most_ids: how many ids a step is spelled with at most, or where there is no such bound, more than any sensible one.
    """

    feature_sizes: tuple[int, ...]
    feature_names: tuple[str, ...]
    most_ids: int

    def start(self) -> Any:
        """The state after START."""
        ...

    def advance(self, state: Any, id: int) -> Any:
        """The state after one more id, which must be legal or UNK (data may hold an unknown token anywhere)."""
        ...

    def legal(self, state: Any) -> np.ndarray:
        """`(n_values,)` bool, read-only and cached. Never PAD, START or UNK: those are not generated.

        END is legal between any two steps, so that a piece may end after any number of them but none.
        """
        ...

    def features(self, state: Any) -> tuple[int, ...]:
        """The features of the next place, `features[i] < feature_sizes[i]`."""
        ...

    def transpose_features(self, semitones: int) -> np.ndarray:
        """`(n_features, largest size)` int32: what each value of each feature becomes as the ids are transposed."""
        ...

    def at_step(self, state: Any) -> bool:
        """Whether `state` lies between two steps (the unit of `--steps`): nothing is half spelled."""
        ...


class Clock(NamedTuple):
    """Where a music sequence is, in grid steps."""

    time: int  # since the start of the piece
    offset: int  # position in its bar at which the piece starts: 0 without a pickup
    bar: int  # length of a bar

    @property
    def position(self) -> int:
        """Grid steps since the last bar line."""
        return (self.time + self.offset) % self.bar


class Encoding(Protocol, Generic[Source]):
    """Piece or str to tokens and back; made by `encodings.make(name, **options)`."""

    name: str
    unit: str  # "music" or "text"

    @property
    def options(self) -> dict[str, Any]:
        """JSON values that make the same encoding again: `make(name, **options)`."""
        ...

    def encode(self, source: Source) -> list[Encoded]:
        """The sequences of one source; several where the encoding takes one voice and all were asked for."""
        ...

    def decode(self, tokens: Sequence[str]) -> Source:
        """The inverse, for any legal prefix; an unfinished event is closed, and a Piece's `losses` says so."""
        ...

    def vocabulary(self, sequences: Sequence[Encoded]) -> Vocabulary:
        """The vocabulary of a corpus: what occurs, and what transposing it within its range may lead to."""
        ...

    def grammar(self, vocabulary: Vocabulary) -> Grammar: ...

    def table(self, vocabulary: Vocabulary) -> Table: ...

    def transpose_ids(self, vocabulary: Vocabulary, semitones: int) -> np.ndarray | None:
        """`(n_values,)`: the id each id becomes, UNK where it leaves the vocabulary; None where it makes no sense."""
        ...
