"""Attention in numpy: what a decoder takes from the source at a step.

Everything that does not depend on the step is computed once a source. What attention gives is a mean of the encoder's
outputs, by weights that sum to 1, and it goes through a kernel. So the outputs go through that kernel before, with what
is constant already added: a step takes the mean of the products.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from seqgen.runtime.memory import Encoded, Joined, Padded, distinct
from seqgen.runtime.product import Kernel


class Bound(Protocol):
    """An attention bound to the rows of a batch, or to a single row."""

    def __call__(self) -> np.ndarray:
        """`(..., width)`: what the source gives at this step, valid until the next."""
        ...

    def weights(self) -> np.ndarray:
        """`(Tx,)` of a single row: how much of each source place that was in the last step."""
        ...


class Additive:
    """Bahdanau et al. 2015: the score of a source place is v . tanh(W hidden + U memory + b)."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._kernel = Kernel(np.array(weights["attention/memory/kernel"], np.float32))
        self._bias = np.array(weights["attention/memory/bias"], np.float32)
        self._query = Kernel(np.array(weights["attention/query/kernel"], np.float32))
        self._score = np.array(weights["attention/score/kernel"], np.float32)[:, 0]
        self._padded: dict[int, Padded] = {}

    def keys(self, series: np.ndarray) -> np.ndarray:
        """`(Tx, n_a)` for the encoder's outputs `(Tx, memory_size)`."""
        return self._kernel.times(series) + self._bias

    def bind(self, rows: Sequence[Encoded], hidden: np.ndarray, share: int) -> "BoundSoftmax":
        """hidden `(rows, n_a)`, or `(n_a,)` of a single row: what asks, as it is when the result is called.

        share: which part of a batch the rows are.
        """
        queries = np.empty(hidden.shape, np.float32)
        padded = _padded(rows, self._padded, share)
        return BoundSoftmax(padded, rows, queries, self._query.onto(hidden, queries), self._score)


class Multiplicative:
    """Luong et al. 2015, general: the score of a source place is hidden . W memory.

    The mean of the memory and the hidden state, side by side, go through a layer of tanh.
    """

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._kernel = Kernel(np.array(weights["attention/memory/kernel"], np.float32))
        memory, output = len(self._kernel.matrix), np.array(weights["attention/output/kernel"], np.float32)
        self._of_memory, self._of_hidden = Kernel(output[:memory]), Kernel(output[memory:])
        self._bias = np.array(weights["attention/output/bias"], np.float32)
        self._padded: dict[int, Padded] = {}

    def keys(self, series: np.ndarray) -> np.ndarray:
        """See `Additive.keys`."""
        return self._kernel.times(series)

    def values(self, series: np.ndarray) -> np.ndarray:
        """`(Tx, n_a)`: what each place gives to the layer of tanh."""
        return self._of_memory.times(series) + self._bias

    def bind(self, rows: Sequence[Encoded], hidden: np.ndarray, share: int) -> "BoundAbove":
        """See `Additive.bind`."""
        return BoundAbove(_padded(rows, self._padded, share), rows, hidden, self._of_hidden)


class BoundSoftmax:
    """Rows of one source stand in one axis, `(rows,)`; else in two, `(sources, most rows of one)`, some of it empty."""

    def __init__(
        self,
        padded: Padded,
        rows: Sequence[Encoded],
        queries: np.ndarray,
        ask: Callable[[], object] | None = None,
        score: np.ndarray | None = None,
    ) -> None:
        """queries `(..., n_a)`, which `ask` fills; score `(n_a,)`: of additive attention."""
        batch, (length, width) = queries.shape[:-1], padded.values.shape[-2:]
        lead, self._slots = batch, None
        if len(padded.numbers) > 1:
            lead, self._slots = _slots([padded.numbers[row] for row in rows], len(padded.numbers))
        self._ask, self._values, self._mask, self._queries = ask, padded.values, padded.mask, queries
        self._mean, self._scores = np.empty((*lead, width), np.float32), np.empty((*lead, length), np.float32)
        self._one = np.empty((*lead, 1), np.float32)
        if self._slots is None:
            placed, self._out = queries.reshape(*lead, -1), self._mean.reshape(*batch, width)  # views
        else:
            placed, self._out = np.zeros((*lead, queries.shape[-1]), np.float32), np.empty((*batch, width), np.float32)
            self._flat, self._flat_mean = placed.reshape(-1, placed.shape[-1]), self._mean.reshape(-1, width)
        if score is None:
            self._compare = _multiplied(padded.keys, placed, self._scores)
        else:
            self._compare = _added(padded.keys, placed, self._scores, score)

    def __call__(self) -> np.ndarray:
        scores, one = self._scores, self._one
        if self._ask is not None:
            self._ask()
        if self._slots is not None:
            self._flat[self._slots] = self._queries
        self._compare()
        if self._mask is not None:
            np.add(scores, self._mask, scores)
        np.maximum.reduce(scores, axis=-1, out=one, keepdims=True)
        np.subtract(scores, one, scores)
        np.exp(scores, scores)
        np.add.reduce(scores, axis=-1, out=one, keepdims=True)
        np.divide(scores, one, scores)
        if scores.ndim == 1:
            return scores.dot(self._values, self._mean)
        np.matmul(scores, self._values, self._mean)
        if self._slots is not None:
            self._flat_mean.take(self._slots, 0, self._out, "clip")
        return self._out

    def weights(self) -> np.ndarray:
        return self._scores


class BoundAbove(BoundSoftmax):
    """What the densor reads instead of the hidden state is `out`, after every call."""

    def __init__(self, padded: Padded, rows: Sequence[Encoded], hidden: np.ndarray, of_hidden: Kernel) -> None:
        super().__init__(padded, rows, hidden)
        self.out = np.empty(hidden.shape, np.float32)
        self._product = of_hidden.onto(hidden, self.out)

    def __call__(self) -> np.ndarray:
        self._product()
        np.add(self.out, super().__call__(), self.out)
        return np.tanh(self.out, self.out)


class Aligned:
    """The one source place that belongs to a step; see `Seq2Seq.alignment`."""

    def __init__(self, given: int, each: int) -> None:
        self._given, self._each = given, each
        self._joined: dict[int, Joined] = {}

    def bind(self, rows: Sequence[Encoded], steps: np.ndarray, share: int) -> "BoundAligned":
        """steps `(rows,)` int64: of each row, how many there were; counted on in place. share: see `Additive.bind`."""
        before = self._joined.get(share)
        sources = distinct(rows, before.numbers if before else {})
        if before is None or sources is not None:
            before = self._joined[share] = Joined(sources or list(rows))
        return BoundAligned(before, rows, steps, self._given, self._each)


class BoundAligned:
    """Bound to `steps`, which every call counts on by one."""

    def __init__(self, joined: Joined, rows: Sequence[Encoded], steps: np.ndarray, given: int, each: int) -> None:
        numbers = [joined.numbers[row] for row in rows]
        self._values, self._steps, self._given, self._each = joined.values, steps, given, each
        self._begins, self._lasts = joined.begins[numbers], joined.lengths[numbers] - 1
        self._alone = (int(self._begins[0]), int(self._lasts[0])) if len(rows) == 1 else None
        self._out = np.empty((len(rows), self._values.shape[1]), np.float32)

    def __call__(self) -> np.ndarray:
        """`(width,)` where there is a single row."""
        steps = self._steps
        if self._alone is not None:
            step, (begin, last) = steps.item(), self._alone
            steps[0] = step + 1
            return self._values[begin + min(self._place(step), last)]
        places = np.minimum(np.where(steps < self._given, steps, self._after(steps)), self._lasts)
        np.add(steps, 1, steps)
        return self._values.take(self._begins + places, 0, self._out, "clip")  # all are in range

    def _place(self, step: int) -> int:
        return step if step < self._given else self._after(step)

    def _after(self, step: Any) -> Any:
        return self._given + (step - self._given) // self._each

    def weights(self) -> np.ndarray:
        last = int(self._lasts[0])
        return (np.arange(last + 1) == min(self._place(self._steps.item() - 1), last)).astype(np.float32)


def _padded(rows: Sequence[Encoded], kept: dict[int, Padded], share: int) -> Padded:
    """The sources of the rows beside each other: those of before, where they serve, else new ones, which are kept."""
    before = kept.get(share)
    sources = distinct(rows, before.numbers if before else {})
    if before is None or sources is not None:
        before = kept[share] = Padded(sources or list(rows))
    return before


def _added(keys: np.ndarray, queries: np.ndarray, scores: np.ndarray, score: np.ndarray) -> Callable[[], object]:
    if queries.ndim > 1:
        keys = keys[..., None, :, :]
    queries = queries[..., None, :]
    sums = np.empty(np.broadcast_shapes(keys.shape, queries.shape), np.float32)  # (..., Tx, n_a)
    flat, flat_scores = sums.reshape(-1, len(score)), scores.reshape(-1)
    add, tanh = np.add, np.tanh

    def compare() -> None:
        add(keys, queries, sums)
        tanh(sums, sums)
        flat.dot(score, flat_scores)

    return compare


def _multiplied(keys: np.ndarray, queries: np.ndarray, scores: np.ndarray) -> Callable[[], object]:
    if queries.ndim == 1:
        return lambda: keys.dot(queries, scores)
    turned = keys.swapaxes(-1, -2)  # (..., n_a, Tx)
    return lambda: np.matmul(queries, turned, scores)


def _slots(numbers: Sequence[int], sources: int) -> tuple[tuple[int, int], np.ndarray | None]:
    """The shape `(sources, most rows of one)`, and where in it each row stands; None where they stand in order."""
    counts, within = [0] * sources, []
    for number in numbers:
        within.append(counts[number])
        counts[number] += 1
    most = max(counts)
    slots = np.array(numbers) * most + within
    in_order = len(slots) == sources * most and bool((slots == np.arange(len(slots))).all())
    return (sources, most), None if in_order else slots
