"""The encoder in numpy: a batch of sources of any lengths, read together.

Nothing is padded. The sources lie end to end, so a layer's input product is one matrix product for all of their steps;
then the layer goes through time with the longest first, and at every step with those rows that are not over yet. The
backward direction is the same walk from every source's own end.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from seqgen.architecture import Seq2Seq
from seqgen.errors import ConfigError, TokenError
from seqgen.runtime.cells import GRU, LSTM, Layer, layers_of
from seqgen.runtime.inputs import Embedded, Table, Vectors, of_ids
from seqgen.runtime.stack import divided
from seqgen.stepper import State
from seqgen.threads import processors, together
from seqgen.vocabulary import PAD


class Outputs(NamedTuple):
    """What the encoder makes of a source."""

    series: np.ndarray  # (Tx, memory_size), its output at every step
    vector: np.ndarray  # (memory_size,), the last output of each direction
    layers: list[State]  # of each layer (through depth, of all) the final (a, c) or (a,), each as wide as the memory


class Encoder:
    """Reads sources; see `Seq2Seq`."""

    def __init__(self, model: Seq2Seq, weights: Mapping[str, np.ndarray], threads: int | None = None) -> None:
        self._model = model
        self._threads = processors() if threads is None else threads
        embedding = weights.get("encoder/embedding")
        self._embedding = None if embedding is None else np.array(embedding, np.float32)
        self._layers: list[list[_Direction]] = []
        for name in ("encoder", "encoder/backward")[: 1 + model.bidirectional]:
            layers = layers_of(weights, name, model.encoder_layers)
            stacks = [layers] if model.through_depth and layers else [[layer] for layer in layers]
            for index, stack in enumerate(stacks):
                if len(self._layers) == index:
                    self._layers.append([])
                self._layers[index].append(_Direction(model, stack, self._embedding, first=index == 0))
        self._work = sum(array.size for name, array in weights.items() if name.endswith("recurrent_kernel"))

    def __call__(self, sources: Sequence[np.ndarray]) -> list[Outputs]:
        """sources: ids `(Tx,)` or vectors `(Tx, source_values)`, as they are read. Outputs in the same order.

        Raises:
            ConfigError: a source is empty, or of the wrong shape.
            TokenError: an id outside the vocabulary.
        """
        checked = [self._checked(source) for source in sources]
        longest_first = sorted(range(len(checked)), key=lambda index: -len(checked[index]))
        found: dict[int, Outputs] = {}
        shares = len(divided(len(checked), self._work, self._threads)) - 1
        dealt = [longest_first[share::shares] for share in range(shares)]
        together([partial(self._read, checked, share, found) for share in dealt])
        return [found[index] for index in range(len(checked))]

    def _checked(self, source: np.ndarray) -> np.ndarray:
        model = self._model
        source = np.asarray(source)
        wanted = (len(source), model.source_values) if model.source_vectors else (len(source),)
        if not len(source) or source.shape != wanted:
            kind = f"(n, {model.source_values}) vectors" if model.source_vectors else "(n,) ids"
            raise ConfigError(f"a source is {kind}, n at least 1, not {source.shape}")
        if not model.source_vectors and not 0 <= source.min() <= source.max() < model.source_values:
            wrong = source.min() if source.min() < 0 else source.max()
            raise TokenError(f"id {wrong} of a source is outside 0 to {model.source_values - 1}")
        missing = model.length - len(source)
        if missing > 0:  # without a decoder the source is as long as the target may become
            source = np.concatenate([source, np.full((missing, *source.shape[1:]), PAD, source.dtype)])
        return source.astype(np.float32) if model.source_vectors else source.astype(np.int64)

    def _read(self, sources: Sequence[np.ndarray], chosen: Sequence[int], found: dict[int, Outputs]) -> None:
        """Fill `found` for the chosen sources, the longest of which come first."""
        lengths = np.array([len(sources[index]) for index in chosen])
        firsts = np.cumsum(lengths) - lengths
        series = np.concatenate([sources[index] for index in chosen])
        states: list[State] = []
        if self._layers:
            for layer in self._layers:
                read = [
                    direction.read(series, lengths, firsts, backward=bool(index))
                    for index, direction in enumerate(layer)
                ]
                series = np.concatenate([outputs for outputs, _ in read], axis=1) if len(read) > 1 else read[0][0]
                sides = zip(*(state for _, state in read), strict=True)
                states.append(tuple([np.concatenate(arrays, axis=1) for arrays in sides]))
            vectors = states[-1][0]
        else:
            series = self._unread(series)
            vectors = series[firsts + lengths - 1]
        for row, index in enumerate(chosen):
            begin, end = firsts[row], firsts[row] + lengths[row]
            layers = [tuple([array[row] for array in layer]) for layer in states]
            found[index] = Outputs(series[begin:end], vectors[row], layers)

    def _unread(self, series: np.ndarray) -> np.ndarray:
        """The sources themselves, where there are no layers."""
        if self._model.source_vectors:
            return series
        if self._embedding is not None:
            return self._embedding[series]
        return np.eye(self._model.source_values, dtype=np.float32)[series]


class _Direction:
    """A layer in one direction; through depth, all layers."""

    def __init__(self, model: Seq2Seq, layers: Sequence[Layer], embedding: np.ndarray | None, *, first: bool) -> None:
        self._cells = (LSTM if model.cell == "lstm" else GRU)(layers, through_depth=model.through_depth)
        kernel = self._cells.in_order(layers[0].kernel)
        self._inputs: Table | Embedded | Vectors
        if first and not model.source_vectors:
            self._inputs = of_ids(kernel, self._cells.bias, model.source_values, (), embedding)
        else:
            self._inputs = Vectors(kernel, self._cells.bias)

    def read(
        self, series: np.ndarray, lengths: np.ndarray, firsts: np.ndarray, *, backward: bool
    ) -> tuple[np.ndarray, State]:
        """Outputs `(N, n_a)` for the N steps of `series`, and each row's final state `(rows, n_a)`.

        series: ids `(N,)` or vectors `(N, size)` of all rows, end to end; each begins at its `firsts`.
        """
        products = self._inputs.sequence(series)
        outputs = np.empty((len(products), self._cells.n_a), np.float32)
        state = tuple(np.zeros((len(lengths), self._cells.width), np.float32) for _ in range(self._cells.n_states))
        begin, step = (firsts + lengths - 1, -1) if backward else (firsts, 1)
        ends = [0, *np.unique(lengths).tolist()]  # between them the number of rows stays
        for start, end in pairwise(ends):
            rows = int((lengths > start).sum())
            if rows == 1:
                self._alone(products, outputs, state, range(start, end), int(begin[0]), step)
            else:
                self._beside(
                    products, outputs, [array[:rows] for array in state], range(start, end), begin[:rows], step
                )
        return outputs, state

    def _alone(
        self, products: np.ndarray, outputs: np.ndarray, state: State, times: range, begin: int, step: int
    ) -> None:
        """The steps in which the first row is the only one."""
        arrays = [array[0] for array in state]
        first, others = self._cells.bind(arrays)
        for time in times:
            place = begin + step * time
            first(products[place])
            for advance in others:
                advance()
            outputs[place] = arrays[0]

    def _beside(
        self,
        products: np.ndarray,
        outputs: np.ndarray,
        state: Sequence[np.ndarray],
        times: range,
        begin: np.ndarray,
        step: int,
    ) -> None:
        first, others = self._cells.bind(state)
        x = np.empty((len(begin), products.shape[1]), np.float32)
        for time in times:
            places = begin + step * time
            first(products.take(places, 0, x, "clip"))  # all are in range; otherwise numpy would buffer the rows
            for advance in others:
                advance()
            outputs[places] = state[0]
