"""The part of a grammar that every music encoding shares: the controls come first, then a clock runs in grid steps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen.encodings.base import Clock
from seqgen.encodings.grid import (
    CONTROL_NAMES,
    CONTROLS,
    KEYS,
    bar_steps,
    check_control,
    shift_numbers,
    transpose_token,
)
from seqgen.encodings.recall import Feature, Sees
from seqgen.errors import TokenError
from seqgen.vocabulary import UNK, Vocabulary

_UNKNOWN_KEY = "key=?"
_LAST_NUMBER, _PERIOD = 32, 16  # later bars have the number of one some periods before


class MusicState(NamedTuple):
    """Where a music sequence is. Hashable. Constraints may read `clock`; `body` belongs to the encoding."""

    read: int  # controls read so far, 0 to CONTROLS
    clock: Clock
    body: Any
    key: int  # a value of the feature, 0 where it is not known


class MusicGrammar(ABC):
    """Reads the controls, then leaves the body to the methods an encoding's grammar defines.

    The features are the position in the bar, which length of bar, the key and the number of the bar where they are
    seen, and what `body_features` adds.
    """

    feature_sizes: tuple[int, ...]
    feature_names: tuple[str, ...]
    most_ids = 200
    part_names: tuple[str, ...] = ("",)  # of the parts that have tokens of their own, from the first

    def __init__(
        self,
        vocabulary: Vocabulary,
        grid: int,
        sees: Sees,
        body_features: Sequence[Feature] = (),
        shift: Callable[[str, int], str] = shift_numbers,
    ) -> None:
        """shift: what transposes a token of the body."""
        self.vocabulary = vocabulary
        self.grid = grid
        self._sees, self._shift = sees, shift
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
        keys = (_UNKNOWN_KEY, *(key for key in KEYS if key != _UNKNOWN_KEY))
        self._keys = {vocabulary.ids[key]: value for value, key in enumerate(keys) if key in vocabulary.ids}
        self._features = (
            Feature("position", tuple(map(str, range(lengths[-1])))),
            Feature("bar", tuple(map(str, lengths))),
            *[Feature("in", keys, moves=True)] * sees.key,
            *[Feature("bar number", tuple(map(str, range(_LAST_NUMBER + 1))))] * sees.bar,
            *body_features,
        )
        self.feature_sizes = tuple(len(feature.values) for feature in self._features)
        self.feature_names = tuple(f"{feature.name} {value}" for feature in self._features for value in feature.values)

    # what an encoding defines

    @abstractmethod
    def body_start(self) -> Any: ...

    @abstractmethod
    def body_advance(self, clock: Clock, body: Any, id: int) -> tuple[Clock, Any]: ...

    @abstractmethod
    def body_legal(self, clock: Clock, body: Any) -> np.ndarray: ...

    def body_features(self, clock: Clock, body: Any) -> tuple[int, ...]:
        return ()

    @abstractmethod
    def body_at_step(self, body: Any) -> bool: ...

    # the Grammar protocol

    def start(self) -> MusicState:
        return MusicState(0, Clock(0, 0, 4 * self.grid), self.body_start(), 0)

    def advance(self, state: MusicState, id: int) -> MusicState:
        read, clock, body, key = state
        if read < CONTROLS:
            clock = self._read_control(read, clock, id)
            return MusicState(read + 1, clock, body, key if read else self._keys.get(id, 0))
        return MusicState(read, *self.body_advance(clock, body, id), key)

    def legal(self, state: MusicState) -> np.ndarray:
        read, clock, body, _ = state
        return self._control_masks[read] if read < CONTROLS else self.body_legal(clock, body)

    def features(self, state: MusicState) -> tuple[int, ...]:
        _, clock, body, key = state
        own = self.body_features(clock, body)
        time, offset, bar = clock
        number, position = divmod(time + offset, bar)
        if self._sees.bar:
            number += not offset  # the bar of a pickup is number 0
            own = (number if number <= _LAST_NUMBER else _LAST_NUMBER - (_LAST_NUMBER - number) % _PERIOD, *own)
        if self._sees.key:
            own = (key, *own)
        return (position, self._bar_index[bar], *own)

    def transpose_features(self, semitones: int) -> np.ndarray:
        moved = np.zeros((len(self._features), max(self.feature_sizes)), np.int32)
        for row, (_, values, moves) in zip(moved, self._features, strict=True):
            row[: len(values)] = range(len(values))
            if moves:
                places = {value: place for place, value in enumerate(values)}
                higher = (transpose_token(value, semitones, self._shift) for value in values)
                row[: len(values)] = [places.get(value, 0) for value in higher]
        return moved

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
