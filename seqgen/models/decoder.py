"""The decoder: one step, from what came before to the probabilities of what comes next."""

from typing import Any, NamedTuple

from keras import ops

from seqgen.architecture import Seq2Seq
from seqgen.models.attention import additive, at_place, multiplicative
from seqgen.models.encoder import State
from seqgen.models.layers import Layers


class Source(NamedTuple):
    """What a decoder has of the source at every step."""

    constant: Any  # the bridge's input, or None
    memory: Any  # (batch, Tx, memory_size)
    real: Any  # (batch, Tx): 1 where the source is


def decode_step(
    architecture: Seq2Seq,
    layers: Layers,
    source: Source,
    step: Any,
    before: Any,
    features: Any,
    states: list[State],
) -> tuple[Any, list[State], Any]:
    """Probabilities (of vectors, the vectors) `(batch, n_values)`, the states after, and the shares of attention.

    step: its number, or an array `(batch,)` of them. before: the token `(batch,)` that came before, or the vector
    `(batch, d)`; features: its features `(batch, n_features)`. Both are None where nothing is fed back. The shares
    `(batch, Tx)` are None without attention, or where it is aligned.
    """
    inputs, shares, states = [], None, list(states)
    if architecture.feedback:
        inputs += _fed_back(architecture, layers, before, features)
    if source.constant is not None:
        inputs.append(source.constant)
    if architecture.attention == "additive":
        context, shares = additive(layers, states[-1][0], source.memory, source.real)
        inputs.append(context)
    if architecture.attention == "aligned":
        inputs.append(at_place(architecture, source.memory, source.real, step))
    x = ops.concatenate(inputs, axis=1)
    for index in range(architecture.decoder_layers):
        own = 0 if architecture.through_depth else index
        x, states[own] = layers[f"decoder/{index}"](x, states[own])  # (batch, n_a)
    if architecture.attention == "multiplicative":
        context, shares = multiplicative(layers, x, source.memory, source.real)
        x = ops.tanh(layers["attention/output"](ops.concatenate([context, x], axis=1)))  # (batch, n_a)
    return layers["densor"](x), states, shares


def _fed_back(architecture: Seq2Seq, layers: Layers, before: Any, features: Any) -> list[Any]:
    if architecture.target_vectors:
        return [before]
    if architecture.embedding:
        inputs = [layers["decoder/embedding"](before)]
    else:
        inputs = [ops.one_hot(before, architecture.n_values)]
    sizes = enumerate(architecture.feature_sizes)
    return inputs + [ops.one_hot(features[:, index], size) for index, size in sizes]
