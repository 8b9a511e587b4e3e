"""What training is told, and what it chooses by itself from the size of the corpus."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from seqgen.errors import ConfigError
from seqgen.threads import processors

CELLS = ("lstm", "gru")
Kind = TypeVar("Kind", bound="RunSettings")

OPTIMIZERS = ("adamw", "adam", "rmsprop", "sgd")
SIZES = ("small", "medium", "large")
DEFAULT_MINUTES = 10.0

UNITS = {"small": 128, "medium": 256, "large": 512}
_MEDIUM_FROM, _LARGE_FROM = 20_000, 500_000  # tokens
# A small corpus is soon known by heart: it gets more dropout, and a second layer, which helped where dropout is strong.
# A large one gets the most from a few minutes with one layer, which is read twice as often in the same time.
_LAYERS_AND_DROPOUT_BELOW, _LAYERS_AND_DROPOUT_ABOVE = (2, 0.5), (1, 0.3)
_FEW_TOKENS = 100_000
# Keeps text from being learned by heart. Music that is read in many keys is not, and without it learns faster.
_WEIGHT_DROP, _WEIGHT_DROP_TRANSPOSED = 0.3, 0.0
_EPOCHS, _EPOCHS_TRANSPOSED = 40.0, 150.0
_LR = {"adamw": 4e-3, "adam": 4e-3, "rmsprop": 2e-3, "sgd": 1.0}


@dataclass(frozen=True)
class RunSettings:
    """What every training run is told. 0 or None means: choose for me.

    minutes, epochs, max_steps: how long; at most one of them. None of them: until the held-out loss stalls, at most
    ten minutes.
    """

    size: str | None = None
    cell: str | None = None
    n_a: int = 0  # units a layer
    dropout: float | None = None  # of the hidden state, between layers and before densor
    weight_drop: float | None = None  # of the recurrent weights, in every update others (Merity et al., 2018)
    batch_size: int = 0
    optimizer: str | None = None
    lr: float = 0.0  # peak learning rate
    clip: float = 1.0  # global norm of the gradient; 0: not clipped
    shards: int = 0  # parts of the batch that are computed side by side; a fixed number gives fixed bits
    minutes: float | None = None
    epochs: float | None = None
    max_steps: int | None = None
    most_epochs: float = 0.0  # where the length is minutes: after so many passes the rest would be learned by heart
    transpose: bool = True  # music: into other keys within the corpus' range, drawn for each piece and epoch
    seed: int = 0

    @property
    def until_stalled(self) -> bool:
        """Whether there is no length, before one is chosen."""
        return self.minutes is None and self.epochs is None and self.max_steps is None

    def as_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def check(self) -> None:
        """Raises ConfigError for a value out of range, or more than one length."""
        for name, allowed in (("cell", (None, *CELLS)), ("optimizer", (None, *OPTIMIZERS)), ("size", (None, *SIZES))):
            check_choice(name, getattr(self, name), allowed)
        limits = {
            "n_a": (0, 8192),
            "layers": (0, 16),
            "tx": (0, 100_000),
            "batch_size": (0, 100_000),
            "shards": (0, 1024),
            "lr": (0, 100),
            "most_epochs": (0, 1e6),
            "clip": (0, 1e6),
            "seed": (0, 2**31 - 1),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name, 0)
            if isinstance(value, int | float) and not low <= value <= high:
                raise ConfigError(f"{name} must be {low} to {high:g}, not {value}")
        for name in ("dropout", "weight_drop"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ConfigError(f"{name} must be at least 0 and below 1, not {value:g}")
        lengths = {name: getattr(self, name) for name in ("minutes", "epochs", "max_steps")}
        given = {name: value for name, value in lengths.items() if value is not None}
        if len(given) > 1:
            raise ConfigError(f"give one length of training, not {' and '.join(given)}")
        for name, value in given.items():
            if not 0 < value < math.inf:
                raise ConfigError(f"{name} must be above 0, not {value:g}")


@dataclass(frozen=True)
class Settings(RunSettings):
    """Those of a generator."""

    layers: int = 0
    tx: int = 0  # steps a window: how far gradients reach
    features: bool = True  # what the grammar says of each place, such as the position in the bar, is seen too

    def resolved(self, tokens: int, transposed: bool = False) -> "Settings":
        """The same with every choice made, for a training side of so many tokens, read in many keys or in one.

        Raises:
            ConfigError: a value out of range, or more than one length.
        """
        self.check()
        size = self.size or ("large" if tokens >= _LARGE_FROM else "medium" if tokens >= _MEDIUM_FROM else "small")
        layers, dropout = _LAYERS_AND_DROPOUT_BELOW if tokens < _FEW_TOKENS else _LAYERS_AND_DROPOUT_ABOVE
        tx = self.tx or min(64, max(16, tokens // 64))
        # 36 updates an epoch at least: a small corpus learns by many small steps
        batch_size = min(self.batch_size, max(1, tokens // tx)) or min(32, max(1, tokens // (36 * tx)))
        shards = min(self.shards or processors(), batch_size)
        if not self.batch_size:
            batch_size -= batch_size % shards
        optimizer = self.optimizer or "adamw"
        weight_drop = _WEIGHT_DROP_TRANSPOSED if transposed else _WEIGHT_DROP
        chosen: dict[str, Any] = {
            "size": size,
            "cell": self.cell or "lstm",
            "n_a": self.n_a or UNITS[size],
            "layers": self.layers or layers,
            "dropout": dropout if self.dropout is None else self.dropout,
            "weight_drop": weight_drop if self.weight_drop is None else self.weight_drop,
            "tx": tx,
            "batch_size": batch_size,
            "shards": shards,
            "most_epochs": self.most_epochs or (_EPOCHS_TRANSPOSED if transposed else _EPOCHS),
            "optimizer": optimizer,
            "lr": self.lr or _LR[optimizer],
        }
        if self.until_stalled:
            chosen["minutes"] = DEFAULT_MINUTES
        return Settings(**{**self.as_dict(), **chosen})


def make_settings(kind: type[Kind] = Settings, **settings: Any) -> Kind:
    """Settings of such a kind from keyword arguments.

    Raises:
        ConfigError: a name that is no setting, naming those that are.
    """
    known = [field.name for field in fields(kind)]
    for name in settings:
        if name not in known:
            raise ConfigError(f"there is no setting {name!r}; there are: {', '.join(known)}")
    return kind(**settings)


def check_choice(name: str, value: str | None, allowed: Sequence[str | None]) -> None:
    """Raises ConfigError where the value of a setting is none of those allowed."""
    if value not in allowed:
        names = ", ".join(one for one in allowed if one)
        raise ConfigError(f"{name} must be one of {names}, not {value!r}")
