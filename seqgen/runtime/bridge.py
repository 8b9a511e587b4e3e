"""The bridge in numpy: how the encoder's last step reaches the decoder."""

from collections.abc import Mapping, Sequence

import numpy as np

from seqgen.architecture import Seq2Seq
from seqgen.runtime.encoder import Outputs
from seqgen.stepper import State

Context = np.ndarray | None  # (sources, width)


class Bridge:
    """See `Seq2Seq.bridge`."""

    def __init__(self, model: Seq2Seq, weights: Mapping[str, np.ndarray]) -> None:
        self._model = model
        self._weights = {
            name: np.array(array, np.float32) for name, array in weights.items() if name.startswith("bridge/")
        }

    def states(self, layers: Sequence[State]) -> State:
        """Where the decoder begins, each array `(decoder width,)`; none where nothing is handed over.

        layers: the encoder's final states, as in `Outputs`.
        """
        if not self._model.hands_over_states:
            return ()
        given = [layers[index] for index in self._model.givers]
        if self._model.bidirectional:
            given = [self._of_two_directions(*pair) for pair in zip(self._model.givers, given, strict=True)]
        return tuple([np.concatenate(arrays) for arrays in zip(*given, strict=True)])

    def contexts(self, read: Sequence[Outputs]) -> Context:
        """What the decoder reads of each source at every step, `(sources, width)`; None where it is nothing."""
        if self._model.bridge not in ("repeat", "peek"):
            return None
        vectors = np.array([outputs.vector for outputs in read])
        return np.maximum(self._dense("bridge", vectors), 0) if self._model.bridge == "repeat" else vectors

    def _of_two_directions(self, layer: int, state: State) -> State:
        a, *c = state
        return (np.tanh(self._dense(f"bridge/{layer}/a", a)), *(self._dense(f"bridge/{layer}/c", array) for array in c))

    def _dense(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self._weights[f"{name}/kernel"] + self._weights[f"{name}/bias"]
