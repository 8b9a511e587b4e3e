"""What is kept of a source for the decoder, and how several sources lie beside each other.

Rows of a batch refer to their source: those of a beam, or the particles of one piece, to the same. Where all do, it is
read as it is. Sources that differ are copied beside each other once, and stay so while the rows come from among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)  # one is equal to itself alone, and so serves as a key
class Encoded:
    """A source as the decoder needs it. All float32, and not to be changed."""

    states: tuple[np.ndarray, ...]  # (a, c) or (a,), each (decoder width,): where the decoder begins
    context: np.ndarray | None  # what the bridge gives the decoder at every step
    memory: np.ndarray | None  # (Tx, memory_size), the encoder's outputs, where there is attention
    vector: np.ndarray  # (memory_size,): the encoder's last output, of both directions where there are two
    constant: np.ndarray | None = None  # (gates,), what is the same in the first layer's input product at every step
    keys: np.ndarray | None = None  # (Tx, n_a), what queries are compared with
    # (Tx, width): what each source place gives, by its weight, to the first layer's input product or to the layer above
    # the decoder; without a decoder its logits
    values: np.ndarray | None = None


def references(sources: Sequence[Encoded]) -> np.ndarray:
    """`(rows,)` of objects, a part of a state: to copy or to join rows copies no source."""
    array = np.empty(len(sources), object)
    array[:] = sources
    return array


class Padded:
    """Keys and values of sources, made equally long; of a single source as they are."""

    def __init__(self, sources: Sequence[Encoded]) -> None:
        self.numbers = {source: number for number, source in enumerate(sources)}
        self.mask: np.ndarray | None = None  # (sources, 1, Tx): 0 where a source is, else -inf
        if len(sources) == 1:
            self.keys, self.values = _of(sources[0].keys), _of(sources[0].values)  # (Tx, n_a), (Tx, width)
            return
        lengths = [len(_of(source.keys)) for source in sources]
        keys, values = _of(sources[0].keys), _of(sources[0].values)
        self.keys = np.zeros((len(sources), max(lengths), keys.shape[1]), np.float32)
        self.values = np.zeros((len(sources), max(lengths), values.shape[1]), np.float32)
        for number, (source, length) in enumerate(zip(sources, lengths, strict=True)):
            self.keys[number, :length], self.values[number, :length] = source.keys, source.values
        if min(lengths) < max(lengths):
            padding = np.arange(max(lengths)) >= np.array(lengths)[:, None]
            self.mask = np.where(padding, -np.inf, 0).astype(np.float32)[:, None]


class Joined:
    """Values of sources end to end."""

    def __init__(self, sources: Sequence[Encoded]) -> None:
        self.numbers = {source: number for number, source in enumerate(sources)}
        values = [_of(source.values) for source in sources]
        self.lengths = np.array([len(array) for array in values])
        self.begins = np.cumsum(self.lengths) - self.lengths
        self.values = np.concatenate(values) if len(values) > 1 else values[0]  # (all steps, width)


def distinct(rows: Sequence[Encoded], before: Mapping[Encoded, int]) -> list[Encoded] | None:
    """The sources of the rows, each once; None where those from `before` may go on serving them.

    They may while half of them are needed: sequences end one by one, and copying the rest at each end costs more than
    to go on with a few too many. A single source is never copied.
    """
    found = list(dict.fromkeys(rows))
    useful = len(before) == 1 or 1 < len(found) >= len(before) / 2
    return None if useful and all(source in before for source in found) else found


def _of(array: np.ndarray | None) -> np.ndarray:
    if array is None:
        raise TypeError("this source was encoded by a model without attention")
    return array
