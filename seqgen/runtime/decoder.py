"""The decoder in numpy: a stack of cells whose first layer also reads what the bridge and attention give."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from seqgen.architecture import Seq2Seq
from seqgen.errors import ConfigError
from seqgen.runtime.attention import Additive, Aligned, Bound, BoundAbove, Multiplicative
from seqgen.runtime.bridge import Context
from seqgen.runtime.cells import GRU, LSTM, layers_of
from seqgen.runtime.encoder import Outputs
from seqgen.runtime.inputs import Inputs, Nothing, Vectors, of_ids
from seqgen.runtime.memory import Encoded, references
from seqgen.runtime.product import Kernel
from seqgen.runtime.stack import Parts, Share, Stack
from seqgen.stepper import State


class Decoder(Stack):
    """The state is that of the cells, a reference to each row's source, and for aligned attention its steps so far."""

    def __init__(self, model: Seq2Seq, weights: Mapping[str, np.ndarray], threads: int | None = None) -> None:
        layers = layers_of(weights, "decoder", model.decoder_layers)
        cells = (LSTM if model.cell == "lstm" else GRU)(layers, through_depth=model.through_depth)
        kernel = cells.in_order(layers[0].kernel)
        joined_to_input = model.attention in ("additive", "aligned")
        fed_back = len(kernel) - model.context_size
        of_context = len(kernel) - model.memory_size * joined_to_input
        self._of_context = Kernel(kernel[fed_back:of_context].copy())
        self._of_memory = Kernel(kernel[of_context:].copy())
        inputs = _inputs(model, weights, kernel[:fed_back], cells.bias)
        super().__init__(cells, inputs, weights, _work(model, weights), threads)
        self._additive = Additive(weights) if model.attention == "additive" else None
        self._above = Multiplicative(weights) if model.attention == "multiplicative" else None
        self._aligned = Aligned(*model.alignment) if model.attention == "aligned" else None
        self._sources: list[Encoded] = []  # of the rows that are bound

    def encoded(self, read: Sequence[Outputs], states: Sequence[State], contexts: Context) -> list[Encoded]:
        """Of each source; states, contexts: what the bridge makes of them, see there."""
        cells, constant = self._parts.cells, self._parts.inputs.bias
        constants: Sequence[np.ndarray | None] = [constant] * len(read)
        if contexts is not None:
            products = self._of_context.times(contexts)
            constants = list(products if constant is None else products + constant)
        if not any(states):
            zeros = np.zeros(cells.width, np.float32)
            states = [(zeros,) * cells.n_states] * len(read)
        encoded = [
            Encoded(state, None if contexts is None else contexts[row], None, outputs.vector, constants[row])
            for row, (outputs, state) in enumerate(zip(read, states, strict=True))
        ]
        if not (self._additive or self._above or self._aligned):
            return encoded
        ends = np.cumsum([len(outputs.series) for outputs in read])[:-1]
        series = np.concatenate([outputs.series for outputs in read])
        softmax = self._additive or self._above
        keys = np.split(softmax.keys(series), ends) if softmax else [None] * len(read)
        values = np.split(self._above.values(series) if self._above else self._of_memory.times(series), ends)
        if not self._above:
            for array, constant in zip(values, constants, strict=True):
                if constant is not None:
                    np.add(array, constant, array)  # once, since the weights sum to 1
        return [
            replace(one, memory=outputs.series, keys=key, values=value)
            for one, outputs, key, value in zip(encoded, read, keys, values, strict=True)
        ]

    def start(self, sources: Sequence[Encoded]) -> State:
        states = [np.stack(arrays) for arrays in zip(*(source.states for source in sources), strict=True)]
        steps = (np.zeros(len(sources), np.int64),) if self._aligned else ()
        return (*states, references(sources), *steps)

    def step(self, ids: np.ndarray, state: State, features: np.ndarray | None = None) -> tuple[np.ndarray, State]:
        """See `Stack.step`."""
        if state is self._state and state[self._parts.cells.n_states].tolist() != self._sources:
            self._state = ()  # rows were exchanged within it
        return super().step(ids, state, features)

    def weights(self) -> np.ndarray:
        """`(Tx,)`: attention in the last step, which was of a single row."""
        share = self._shares[0]
        if not isinstance(share, _Share) or share.attention is None:
            raise ConfigError("the model has no attention")
        return share.attention.weights()

    def _bind(self, state: State) -> None:
        self._sources = state[self._parts.cells.n_states].tolist()
        super()._bind(state)

    def _share(self, number: int, rows: slice | int, state: State) -> Share:
        some = rows if isinstance(rows, slice) else slice(1)
        sources, hidden = self._sources[some], state[0][rows][..., -self._parts.cells.n_a :]
        share = partial(_Share, self._parts, rows, state, self._logits, sources)
        if self._above:
            return share(above=self._above.bind(sources, hidden, number))
        if self._additive:
            return share(below=self._additive.bind(sources, hidden, number))
        return share(below=self._aligned.bind(sources, state[-1][some], number) if self._aligned else None)


class _Share(Share):
    """Its first layer also reads what attention or the bridge gives, and something may stand above its last."""

    def __init__(
        self,
        parts: Parts,
        rows: slice | int,
        state: State,
        logits: np.ndarray,
        sources: Sequence[Encoded],
        *,
        below: Bound | None = None,
        above: BoundAbove | None = None,
    ) -> None:
        super().__init__(parts, rows, state, logits, above.out if above else None)
        self.attention, self._below, self._above = above or below, below, above
        constants = {id(source.constant): source.constant for source in sources}
        self._constant = sources[0].constant
        if len(constants) > 1:
            self._constant = np.array([source.constant for source in sources])
        self._x = np.empty((*self.hidden.shape[:-1], len(parts.cells.bias)), np.float32)

    def step(self, columns: Sequence[Any]) -> None:
        """See `Share.step`."""
        x = self._read(columns)
        given = self._constant if self._below is None else self._below()  # which has the constant in it
        if given is not None:
            x = given if x is None else np.add(x, given, self._x)
        self._first(x)
        for advance in self._others:
            advance()
        if self._above is not None:
            self._above()
        self._product()
        np.add(self._out, self._bias, self._out)


def _inputs(model: Seq2Seq, weights: Mapping[str, np.ndarray], kernel: np.ndarray, bias: np.ndarray) -> Inputs:
    if not model.feedback:
        return Nothing(bias)
    if model.target_vectors:
        return Vectors(kernel, bias)
    return of_ids(kernel, bias, model.n_values, model.feature_sizes, weights.get("decoder/embedding"))


def _work(model: Seq2Seq, weights: Mapping[str, np.ndarray]) -> int:
    """Multiplications of a row's step, but for those by the source's places, which are few."""
    stands = ("decoder/", "densor/", "attention/query/", "attention/output/")
    read = weights["decoder/0/kernel"].size if model.feedback and not model.target_vectors else 0
    embedding = model.n_values * model.embedding
    return sum(array.size for name, array in weights.items() if name.startswith(stands)) - read - embedding
