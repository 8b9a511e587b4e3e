"""The part of a grammar that every music encoding shares: the controls come first, then a clock runs in grid steps."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from seqgen.encodings.base import Clock
from seqgen.encodings.grid import CONTROL_NAMES, CONTROLS, bar_steps, check_control
from seqgen.errors import TokenError
from seqgen.vocabulary import UNK, Vocabulary


class MusicState(NamedTuple):
    """Where a music sequence is. Hashable. Constraints may read `clock`; `body` belongs to the encoding."""

    read: int  # controls read so far, 0 to CONTROLS
    clock: Clock
    body: Any


class MusicGrammar(ABC):
    """Reads the controls, then leaves the body to the methods an encoding's grammar defines.

    The features are the position in the bar, which length of bar, and what `body_features` adds.
    """

    feature_sizes: tuple[int, ...]
    feature_names: tuple[str, ...]
    part_names: tuple[str, ...] = ("",)  # of the parts that have tokens of their own, from the first

    def __init__(self, vocabulary: Vocabulary, grid: int, body_feature_sizes: tuple[int, ...] = ()) -> None:
        self.vocabulary = vocabulary
        self.grid = grid
        self._bars: dict[int, int] = {}  # bar length in grid steps by meter id
        self._pickups: dict[int, int] = {}  # grid steps by pickup id
        ids: tuple[list[int], ...] = ([], [], [])
        for token, id in vocabulary.ids.items():
            for place, name in enumerate(CONTROL_NAMES):
                if token.startswith(f"{name}="):
                    check_control(token, place)
                    ids[place].append(id)
            if token.startswith("meter="):
                numerator, _, denominator = token[6:].partition("/")
                steps = bar_steps(int(numerator), int(denominator), grid) if denominator else None
                self._bars[id] = steps or 4 * grid
            elif token.startswith("pickup="):
                self._pickups[id] = int(token[7:])
        self._control_masks = [self.mask(place) for place in ids]
        lengths = sorted({4 * grid, *self._bars.values()})
        self._bar_index = {bar: index for index, bar in enumerate(lengths)}
        self.feature_sizes = (lengths[-1], len(lengths), *body_feature_sizes)
        own = [f"body {index} {value}" for index, size in enumerate(body_feature_sizes) for value in range(size)]
        places = [f"position {place}" for place in range(lengths[-1])]
        self.feature_names = (*places, *(f"bar {length}" for length in lengths), *own)

    # what an encoding defines

    @abstractmethod
    def body_start(self) -> Any: ...

    @abstractmethod
    def body_advance(self, clock: Clock, body: Any, id: int) -> tuple[Clock, Any]: ...

    @abstractmethod
    def body_legal(self, clock: Clock, body: Any) -> np.ndarray: ...

    def body_features(self, body: Any) -> tuple[int, ...]:
        return ()

    @abstractmethod
    def body_at_step(self, body: Any) -> bool: ...

    # the Grammar protocol

    def start(self) -> MusicState:
        return MusicState(0, Clock(0, 0, 4 * self.grid), self.body_start())

    def advance(self, state: MusicState, id: int) -> MusicState:
        read, clock, body = state
        if read < CONTROLS:
            return MusicState(read + 1, self._read_control(read, clock, id), body)
        return MusicState(read, *self.body_advance(clock, body, id))

    def legal(self, state: MusicState) -> np.ndarray:
        read, clock, body = state
        return self._control_masks[read] if read < CONTROLS else self.body_legal(clock, body)

    def features(self, state: MusicState) -> tuple[int, ...]:
        clock = state.clock
        return (clock.position, self._bar_index[clock.bar], *self.body_features(state.body))

    def at_step(self, state: MusicState) -> bool:
        return state.read == CONTROLS and self.body_at_step(state.body)

    @property
    def parts(self) -> int:
        """How many parts have tokens of their own."""
        return len(self.part_names)

    def part(self, state: MusicState) -> int:
        """The part the next token belongs to."""
        return 0

    def mask(self, ids: Iterable[int]) -> np.ndarray:
        """A read-only mask that is True at `ids`."""
        mask = np.zeros(len(self.vocabulary), bool)
        mask[list(ids)] = True
        mask.flags.writeable = False
        return mask

    def _read_control(self, read: int, clock: Clock, id: int) -> Clock:
        if id != UNK and not self._control_masks[read][id]:
            raise TokenError(f"the {CONTROL_NAMES[read]} token belongs here, not {self.vocabulary.tokens[id]!r}")
        if read == 1:
            return clock._replace(bar=self._bars.get(id, 4 * self.grid))
        pickup = self._pickups.get(id, 0) if read == 2 else 0
        return clock._replace(offset=max(0, clock.bar - pickup)) if pickup else clock
