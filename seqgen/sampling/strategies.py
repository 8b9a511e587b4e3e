"""From logits to the next id: pure functions over `(batch, n_values)` arrays, composed in one stated order.

mask (grammar and constraints), repetition penalty, temperature, top-k, top-p, min-p, draw.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqgen.errors import ConfigError, SamplingError

PENALTY_WINDOW = 64  # ids

_RANGES = {
    "temperature": ("the temperature must be 0 (greedy) to 100", lambda value: 0 <= value <= 100),
    "top_k": ("top-k must be a whole number, 0 (off) or more", lambda value: value >= 0 and value % 1 == 0),
    "top_p": ("top-p must be above 0 and at most 1", lambda value: 0 < value <= 1),
    "min_p": ("min-p must be 0 (off) to 1", lambda value: 0 <= value <= 1),
    "penalty": ("the repetition penalty must be 1 (off) to 100", lambda value: 1 <= value <= 100),
}


class Strategy(NamedTuple):
    """How bold to choose. Temperature 0 is greedy; top_k 0, top_p 1, min_p 0 and penalty 1 change nothing.

    penalty: the log-probability of an id that occurred among the last PENALTY_WINDOW is multiplied by it (Keskar et al.
    2019 divide logits, whose zero means nothing).
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0  # of the probability of the most probable
    penalty: float = 1.0

    def checked(self) -> "Strategy":
        """Itself, if every value is in range.

        Raises:
            ConfigError: naming the value and its range.
        """
        for (says, holds), value in zip(_RANGES.values(), self, strict=True):
            if not holds(value):
                raise ConfigError(f"{says}, not {value:g}")
        return self


class Curve(NamedTuple):
    """A value that changes over the piece: linearly from point to point, which lie equally far apart."""

    points: tuple[float, ...]

    def at(self, share: float) -> float:
        """The value where `share` of the piece, 0 to 1, is behind."""
        return float(np.interp(share, np.linspace(0, 1, len(self.points)), self.points))


class Plan:
    """A strategy over the whole piece, of numbers and curves."""

    def __init__(self, **values: float | Curve) -> None:
        """values: of the fields of `Strategy`.

        Raises:
            ConfigError: naming the value and its range.
        """
        self._curves = {name: value for name, value in values.items() if isinstance(value, Curve)}
        self._numbers = {name: value for name, value in values.items() if not isinstance(value, Curve)}
        Strategy()._replace(**self._numbers).checked()
        for name, curve in self._curves.items():
            for point in curve.points:
                Strategy()._replace(**{name: point}).checked()
        self.constant = not self._curves

    def at(self, share: float) -> Strategy:
        """What holds where `share` of the piece, 0 to 1, is behind."""
        strategy = Strategy()._replace(
            **self._numbers, **{name: curve.at(share) for name, curve in self._curves.items()}
        )
        return strategy._replace(top_k=round(strategy.top_k))


def probabilities(
    logits: np.ndarray, legal: np.ndarray, strategy: Strategy, recent: np.ndarray | None = None
) -> np.ndarray:
    """`(batch, n_values)` float64, each row summing to 1 over the ids that are left.

    logits `(batch, n_values)`; legal `(batch, n_values)` bool; recent, as legal: what the penalty is for.

    Raises:
        SamplingError: a row without a legal id, or without a finite logit among them.
    """
    temperature, top_k, top_p, min_p, penalty = strategy
    scores = np.where(legal, logits.astype(np.float64), -np.inf)
    highest = scores.max(axis=1, keepdims=True)
    _check(highest[:, 0], legal)
    scores = scores - highest
    if penalty != 1 and recent is not None:
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))  # log-probabilities, so all are below 0
        scores = np.where(recent, scores * penalty, scores)
        scores -= scores.max(axis=1, keepdims=True)
    if temperature == 0:
        chosen = np.zeros_like(scores)
        chosen[np.arange(len(scores)), scores.argmax(axis=1)] = 1
        return chosen
    with np.errstate(over="ignore"):  # at a temperature near 0 what lies below the best goes to -inf, as it should
        weights = np.exp(scores / temperature)
    if 0 < top_k < weights.shape[1]:
        weights = np.where(weights >= _kth_largest(weights, top_k), weights, 0)
    if top_p < 1:
        weights = _nucleus(weights, top_p)
    if min_p > 0:
        weights = np.where(weights >= min_p * weights.max(axis=1, keepdims=True), weights, 0)
    return weights / weights.sum(axis=1, keepdims=True)


def most_probable(logits: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """One id a row: what `draw` gives of `probabilities` at temperature 0, in a small part of the time.

    Raises:
        SamplingError: as in `probabilities`.
    """
    scores = np.where(legal, logits, np.float32(-np.inf))
    ids = scores.argmax(axis=1)
    _check(scores[np.arange(len(ids)), ids], legal)
    return ids


def draw(probability: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """One id a row by inverse CDF; `uniform` `(batch,)` in [0, 1)."""
    cumulative = probability.cumsum(axis=1)
    # scaled by the sum, so that rounding never asks for more than there is
    return (cumulative <= (uniform * cumulative[:, -1])[:, None]).sum(axis=1)


def streams(seed: int, count: int, first: int = 0) -> Sequence[np.random.Generator]:
    """An independent random stream a row, the same for a row whatever `count` is; `first`: the number of the first."""
    # as uint64: numpy would pass a list with a large seed through floating point
    keys = (np.array([seed, row], np.uint64) for row in range(first, first + count))
    return [np.random.Generator(np.random.Philox(key=key)) for key in keys]


def _check(highest: np.ndarray, legal: np.ndarray) -> None:
    """highest: of each row the largest logit that is legal."""
    if not np.isfinite(highest).all():
        row = int(np.flatnonzero(~np.isfinite(highest))[0])
        if not legal[row].any():
            raise SamplingError("nothing may follow here: the constraints leave no legal token")
        raise SamplingError("the model's logits are not finite; its weights are damaged")


def _kth_largest(weights: np.ndarray, k: int) -> np.ndarray:
    return np.partition(weights, -k, axis=1)[:, -k, None]


def _nucleus(weights: np.ndarray, top_p: float) -> np.ndarray:
    """The smallest set of the largest weights that holds `top_p` of the mass (Holtzman et al. 2020)."""
    order = np.argsort(-weights, axis=1, kind="stable")
    sorted_weights = np.take_along_axis(weights, order, axis=1)
    before = sorted_weights.cumsum(axis=1) - sorted_weights  # mass of all larger ones
    kept = before < top_p * sorted_weights.sum(axis=1, keepdims=True)
    result = np.zeros_like(weights)
    np.put_along_axis(result, order, np.where(kept, sorted_weights, 0), axis=1)
    return result
