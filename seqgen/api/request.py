"""What is asked of a generation, checked."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from seqgen.constraints import Constraint
from seqgen.errors import ConfigError
from seqgen.piece import Piece
from seqgen.sampling import Curve, Plan, Strategy

Control = float | str | Sequence[float]  # a number, or a curve: "0.6:1.2", or its points


@dataclass(frozen=True)
class Request:
    """What to generate: see `Model.generate`."""

    steps: int | None = None
    bars: int | None = None
    temperature: Control = 1.0
    top_k: Control = 0
    top_p: Control = 1.0
    min_p: Control = 0.0
    penalty: Control = 1.0
    prime: Piece | str | None = None
    continue_only: bool = False
    seed: int | None = None
    count: int | None = None
    fill: bool = False
    constraints: Sequence[Constraint] = ()
    particles: int | None = None
    tempo: float | None = None
    instrument: int | None = None
    best_of: int | None = None

    def __post_init__(self) -> None:
        _in_range("count", self.count, 1)
        _in_range("steps", self.steps, 1)
        _in_range("particles", self.particles, 1, 10_000)
        _in_range("number to choose the best of", self.best_of, 1, 10_000)
        _in_range("instrument", self.instrument, 0, 127)
        _in_range("tempo", self.tempo, 1, 1000)
        if self.seed is None:
            object.__setattr__(self, "seed", new_seed())
        if not 0 <= self.drawn_with < 1 << 64:
            raise ConfigError(f"the seed must be 0 to 2^64 - 1, not {self.seed}")
        if self.fill and (self.steps is None or self.bars is not None):
            raise ConfigError(
                "fill needs a number of steps, and no number of bars: it goes on until the steps are there"
            )
        if self.continue_only and self.prime is None:
            raise ConfigError("there is no prime to leave out: continue_only needs one")

    @property
    def drawn_with(self) -> int:
        """The seed, drawn where none was given."""
        assert self.seed is not None
        return self.seed

    @property
    def plan(self) -> Plan:
        """How to choose.

        Raises:
            ConfigError: a value out of range, or no curve.
        """
        return Plan(**{name: curve(getattr(self, name), name) for name in Strategy._fields})


def curve(value: Control, name: str) -> float | Curve:
    """A number, or a curve of numbers: "0.6:1.2", "0.6,1.2,0.8", or a list.

    Raises:
        ConfigError: it is neither.
    """
    try:
        points = value.replace(":", ",").split(",") if isinstance(value, str) else value
        numbers = tuple(map(float, points)) if isinstance(points, Sequence) else (float(points),)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{name} must be a number, or a curve such as 0.6:1.2 (linear over the piece), not {value!r}"
        ) from error
    if not numbers:
        raise ConfigError(f"a curve for {name} has at least two points, not none")
    return numbers[0] if len(numbers) == 1 else Curve(numbers)


def new_seed() -> int:
    """A seed short enough to be typed again."""
    return secrets.randbelow(1 << 31)


def _in_range(name: str, value: float | None, least: float, most: float | None = None) -> None:
    if value is None or (least <= value and (most is None or value <= most)):
        return
    wanted = f"at least {least}" if most is None else f"{least} to {most:,}"
    raise ConfigError(f"the {name} must be {wanted}, not {value}")
