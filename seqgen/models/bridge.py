"""The bridge: how the encoder reaches the decoder."""

from typing import Any

from keras import ops

from seqgen.architecture import Seq2Seq
from seqgen.models.encoder import Encoded, State, zero_state
from seqgen.models.layers import Layers


def bridge(architecture: Seq2Seq, layers: Layers, encoded: Encoded) -> tuple[list[State], Any]:
    """The state each layer of the decoder (through depth: all of them) begins with; its input at every step, or None.

    Which layer of the encoder gives it, `Seq2Seq.givers` says.
    """
    if architecture.hands_over_states:
        given = {index: _joined(architecture, layers, index, encoded.states[index]) for index in architecture.givers}
        states = [given[index] for index in architecture.givers]
    else:
        count = 1 if architecture.through_depth else architecture.decoder_layers
        states = [zero_state(layers["decoder/0"], encoded.last) for _ in range(count)]
    if architecture.bridge == "repeat":  # as RepeatVector behind a dense layer
        return states, ops.relu(layers["bridge"](encoded.last))  # (batch, n_a)
    if architecture.bridge == "peek":  # Cho et al. 2014
        return states, encoded.last  # (batch, memory_size)
    return states, None


def _joined(architecture: Seq2Seq, layers: Layers, index: int, state: State) -> State:
    """A layer's final state, that of two directions brought to the width of one."""
    if not architecture.bidirectional:
        return state
    a = ops.tanh(layers[f"bridge/{index}/a"](state[0]))  # (batch, n_a)
    return [a, *(layers[f"bridge/{index}/c"](c) for c in state[1:])]
