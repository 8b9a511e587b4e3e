"""The encoder, written out: a source to its outputs at every step, its last output, and its states.

Padding is passed over: where there is none of the source, the state stays as it is.
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from seqgen.architecture import Seq2Seq
from seqgen.models.layers import Layers

State = list[Any]  # [a, c], or [a] of a GRU, each (batch, n_a)
Steps = list[Any]  # Tx arrays (batch, width)


class Encoded(NamedTuple):
    """What an encoder makes of a batch of sources."""

    memory: Any  # (batch, Tx, memory_size), its outputs
    last: Any  # (batch, memory_size), where all is read, in each direction
    states: list[State]  # after the source, of each layer (through depth of all), two directions side by side


def encode(architecture: Seq2Seq, layers: Layers, source: Any, real: Any) -> Encoded:
    """Read sources where `real (batch, Tx)` is 1: ids `(batch, Tx)` or vectors `(batch, Tx, d)`, padded on the left."""
    x = _steps(_vectors(architecture, layers, source) * real[:, :, None])
    is_real = _steps(real[:, :, None] > 0)
    cells = [layers[f"encoder/{index}"] for index in range(architecture.encoder_layers)]
    if not cells:
        return Encoded(ops.stack(x, axis=1), x[-1], [])
    if architecture.through_depth:
        x, state = _read(cells, x, is_real)
        return Encoded(ops.stack(x, axis=1), state[0], [state])
    states: list[State] = []
    for index, cell in enumerate(cells):
        outputs, state = _read([cell], x, is_real)
        if architecture.bidirectional:
            others, other = _read([layers[f"encoder/backward/{index}"]], x[::-1], is_real[::-1])
            outputs = [ops.concatenate(both, axis=1) for both in zip(outputs, others[::-1], strict=True)]
            state = [ops.concatenate(both, axis=1) for both in zip(state, other, strict=True)]
        x = outputs
        states.append(state)
    return Encoded(ops.stack(x, axis=1), states[-1][0], states)


def zero_state(cell: Any, like: Any) -> State:
    """The state of a cell before anything was read, for the batch of an array `(batch, width)`."""
    zeros = ops.repeat(ops.zeros_like(like[:, :1]), cell.units, axis=1)
    return [zeros for _ in range(2 if isinstance(cell, keras.layers.LSTMCell) else 1)]


def _read(cells: list[Any], steps: Steps, is_real: Steps) -> tuple[Steps, State]:
    """The outputs at every step and the state after the last; with many cells one state goes through them all."""
    outputs, state = [], zero_state(cells[0], steps[0])
    for x, there in zip(steps, is_real, strict=True):
        after = state
        for cell in cells:
            x, after = cell(x, after)  # (batch, n_a)
        outputs.append(x)
        state = [ops.where(there, new, old) for new, old in zip(after, state, strict=True)]
    return outputs, state


def _vectors(architecture: Seq2Seq, layers: Layers, source: Any) -> Any:
    """`(batch, Tx, width)`: vectors as they are, embeddings or one-hots of ids."""
    if architecture.source_vectors:
        return source
    if architecture.source_embedding:
        return layers["encoder/embedding"](source)
    return ops.one_hot(source, architecture.source_values)


def _steps(array: Any) -> Steps:
    return [array[:, t] for t in range(array.shape[1])]
