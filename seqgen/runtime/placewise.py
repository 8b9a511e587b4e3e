"""A model without a decoder in numpy: what it says of a source is known before the first step."""

from collections.abc import Mapping, Sequence

import numpy as np

from seqgen.architecture import Seq2Seq
from seqgen.errors import ConfigError
from seqgen.runtime.attention import Aligned
from seqgen.runtime.bridge import Context
from seqgen.runtime.encoder import Outputs
from seqgen.runtime.memory import Encoded, references
from seqgen.stepper import State
from seqgen.vocabulary import END

_ENDED = 100.0  # by how much END leads after the last place


class Placewise:
    """The state refers to each row's source, and counts its steps."""

    def __init__(self, model: Seq2Seq, weights: Mapping[str, np.ndarray]) -> None:
        self._model = model
        self._kernel = np.array(weights["densor/kernel"], np.float32)
        self._bias = np.array(weights["densor/bias"], np.float32)
        self._ended = np.where(np.arange(model.n_values) == END, _ENDED, np.float32(0))[None].astype(np.float32)
        self._places = Aligned(given=0, each=1)
        self._state: State = ()
        self._sources: list[Encoded] = []

    def encoded(self, read: Sequence[Outputs], states: Sequence[State], contexts: Context) -> list[Encoded]:
        """Their values are the logits, those after the last place included; of vectors, the vectors."""
        found = []
        for outputs in read:
            values = outputs.series @ self._kernel + self._bias
            if not self._model.target_vectors:
                values = np.concatenate([values, self._ended])
            found.append(Encoded((), None, None, outputs.vector, values=values))
        return found

    def start(self, sources: Sequence[Encoded]) -> State:
        return references(sources), np.zeros(len(sources), np.int64)

    def step(self, ids: np.ndarray, state: State, features: np.ndarray | None = None) -> tuple[np.ndarray, State]:
        """See `Stepper.step`; ids and features are not read.

        Raises:
            ConfigError: a state of another batch size, or there are no more vectors.
        """
        sources, steps = state
        if len(ids) != len(sources):
            raise ConfigError(f"{len(ids)} ids came with the state of {len(sources)} rows")
        if state is not self._state or sources.tolist() != self._sources:
            self._sources = sources.tolist()
            self._next, self._state = self._places.bind(self._sources, steps, 0), state
            self._lengths = np.array([0 if one.values is None else len(one.values) for one in self._sources])
        if self._model.target_vectors and (steps >= self._lengths).any():
            raise ConfigError(f"the model makes {self._lengths.min():,} vectors of this source, and no more")
        return self._next().reshape(len(ids), -1).copy(), state
