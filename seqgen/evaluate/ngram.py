"""The baseline: an n-gram model as a stepper, so that it is scored exactly as a trained model is."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgen.corpus.dataset import IdSequence
from seqgen.vocabulary import PAD

_NUMBERS_KEPT = 1 << 24  # probabilities worked out before


class NgramStepper:
    """Interpolated n-grams with Witten-Bell smoothing (Witten and Bell 1991), down to the uniform distribution.

    The state is the last `order - 1` ids, `(batch, order - 1)`; PAD stands before the start.
    """

    def __init__(self, order: int, n_values: int, sequences: Sequence[IdSequence]) -> None:
        """Count the ids of `sequences`; order 2 is a bigram."""
        self.order, self.n_values = order, n_values
        self._counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for sequence in sequences:
            ids = [PAD] * (order - 1) + sequence.ids.tolist()
            for place in range(order, len(ids)):  # START, at order - 1, is no target
                for length in range(order):
                    self._counts[tuple(ids[place - length : place])][ids[place]] += 1
        self._known: dict[tuple[int, ...], np.ndarray] = {}

    def start(self, batch: int, context: Any = None) -> tuple[np.ndarray, ...]:
        return (np.full((batch, self.order - 1), PAD),)

    def step(
        self, ids: np.ndarray, state: tuple[np.ndarray, ...], features: np.ndarray | None = None
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        history = np.concatenate([state[0], ids[:, None]], axis=1)[:, 1:]
        logits = np.array([np.log(self._distribution(tuple(row))) for row in history.tolist()], np.float32)
        return logits, (history,)

    def take(self, state: tuple[np.ndarray, ...], rows: np.ndarray) -> tuple[np.ndarray, ...]:
        return (state[0][rows],)

    def _distribution(self, history: tuple[int, ...]) -> np.ndarray:
        """P(id | history): seen counts, and the shorter history with the weight of the distinct ids seen."""
        known = self._known.get(history)
        if known is None:
            shorter = self._distribution(history[1:]) if history else np.full(self.n_values, 1 / self.n_values)
            seen = self._counts.get(history)
            known = shorter
            if seen:
                known = shorter * len(seen)
                known[list(seen)] += np.array(list(seen.values()), float)
                known /= seen.total() + len(seen)
            if len(self._known) * self.n_values < _NUMBERS_KEPT:
                self._known[history] = known
        return known
