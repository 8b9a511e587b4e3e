"""Beginning from the weights of another model: what both know is carried over by its name, not by its number."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Start:
    """The weights of a model to begin from, named as in the model file."""

    weights: Mapping[str, np.ndarray]
    rows: tuple[str, ...]  # what the rows of its first kernel stand for: its tokens, then its features

    @property
    def digest(self) -> str:
        """What tells it from any other: 12 hex digits."""
        digest = hashlib.sha256("\n".join(self.rows).encode("utf-8", "surrogatepass"))
        for name, array in sorted(self.weights.items()):
            digest.update(name.encode() + array.tobytes())
        return digest.hexdigest()[:12]


def carried_over(
    start: Start, fresh: Mapping[str, np.ndarray], rows: Sequence[str], n_values: int
) -> dict[str, np.ndarray]:
    """The weights of `start` for other rows and tokens; those that it does not know stay as in `fresh`."""
    places, before = _common(start.rows, rows)
    tokens = places < n_values
    weights = {name: np.array(array) for name, array in start.weights.items()}
    for name in ("layers/0/kernel", "densor/kernel", "densor/bias"):
        weights[name] = np.array(fresh[name])
    weights["layers/0/kernel"][places] = start.weights["layers/0/kernel"][before]
    weights["densor/kernel"][:, places[tokens]] = start.weights["densor/kernel"][:, before[tokens]]
    weights["densor/bias"][places[tokens]] = start.weights["densor/bias"][before[tokens]]
    return weights


def _common(before: Sequence[str], now: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The places in `now` of what is in both, and its places in `before`."""
    places = {name: place for place, name in enumerate(before)}
    pairs = [(place, places[name]) for place, name in enumerate(now) if name in places]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
