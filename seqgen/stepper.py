"""The stepper: one time step of a trained model, in numpy. Samplers know only this protocol."""

from typing import Any, Protocol

import numpy as np

State = tuple[np.ndarray, ...]  # every array has the batch on axis 0


class Stepper(Protocol):
    """One step at a time over a batch.

    >>> # state = stepper.start(batch); logits, state = stepper.step(ids, state, features)
    """

    n_values: int

    def start(self, batch: int, context: Any = None) -> State:
        """The state before the first id.

        context: what a decoder was given to read, one for each row, as its encoder made it; None for a generator. Rows
        may have the same. The state carries it, so whoever takes or joins rows of a state need not know of it.
        """
        ...

    def step(self, ids: np.ndarray, state: State, features: np.ndarray | None = None) -> tuple[np.ndarray, State]:
        """Take one id a row, return logits `(batch, n_values)` float32 for the next, and the new state.

        ids `(batch,)` ints; features `(batch, n_features)` ints where the model was trained with some. The logits are
        valid until the next call. `state` is consumed: use `take` to keep a copy. Before it is used, its rows may be
        overwritten with those of another state, or change places.
        """
        ...

    def take(self, state: State, rows: np.ndarray) -> State:
        """A copy of the given rows, in the given order (fork, beam, particles)."""
        ...
