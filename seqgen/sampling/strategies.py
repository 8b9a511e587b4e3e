"""From logits to the next id: pure functions over `(batch, n_values)` arrays, composed in one stated order.

mask (grammar and constraints), temperature, top-k, top-p, draw.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqgen.errors import ConfigError, SamplingError


class Strategy(NamedTuple):
    """How bold to choose. temperature 0 is greedy; top_k 0 and top_p 1 leave all in."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def checked(self) -> "Strategy":
        """Itself, if every value is in range.

        Raises:
            ConfigError: naming the value and its range.
        """
        if not 0 <= self.temperature <= 100:
            raise ConfigError(f"the temperature must be 0 (greedy) to 100, not {self.temperature:g}")
        if self.top_k < 0:
            raise ConfigError(f"top-k must be 0 (off) or more, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top-p must be above 0 and at most 1, not {self.top_p:g}")
        return self


def probabilities(logits: np.ndarray, legal: np.ndarray, strategy: Strategy) -> np.ndarray:
    """`(batch, n_values)` float64, each row summing to 1 over the ids that are left.

    logits `(batch, n_values)`; legal `(batch, n_values)` bool.

    Raises:
        SamplingError: a row without a legal id, or without a finite logit among them.
    """
    scores = np.where(legal, logits.astype(np.float64), -np.inf)
    highest = scores.max(axis=1, keepdims=True)
    if not np.isfinite(highest).all():
        row = int(np.flatnonzero(~np.isfinite(highest[:, 0]))[0])
        if not legal[row].any():
            raise SamplingError("nothing may follow here: the constraints leave no legal token")
        raise SamplingError("the model's logits are not finite; its weights are damaged")
    if strategy.temperature == 0:
        chosen = np.zeros_like(scores)
        chosen[np.arange(len(scores)), scores.argmax(axis=1)] = 1
        return chosen
    with np.errstate(over="ignore"):  # at a temperature near 0 what lies below the best goes to -inf, as it should
        weights = np.exp((scores - highest) / strategy.temperature)
    if 0 < strategy.top_k < weights.shape[1]:
        weights = np.where(weights >= _kth_largest(weights, strategy.top_k), weights, 0)
    if strategy.top_p < 1:
        weights = _nucleus(weights, strategy.top_p)
    return weights / weights.sum(axis=1, keepdims=True)


def draw(probability: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """One id a row by inverse CDF; `uniform` `(batch,)` in [0, 1)."""
    cumulative = probability.cumsum(axis=1)
    # scaled by the sum, so that rounding never asks for more than there is
    return (cumulative <= (uniform * cumulative[:, -1])[:, None]).sum(axis=1)


def streams(seed: int, count: int) -> Sequence[np.random.Generator]:
    """An independent random stream a row, the same for a row whatever `count` is."""
    # as uint64: numpy would pass a list with a large seed through floating point
    keys = (np.array([seed, row], np.uint64) for row in range(count))
    return [np.random.Generator(np.random.Philox(key=key)) for key in keys]


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
