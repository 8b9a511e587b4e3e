"""The Keras layers of an encoder-decoder, created once; training and inference models are views of them."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from seqgen.architecture import Seq2Seq, tensor_shapes
from seqgen.models.cells import GRU_cell, LSTM_cell, densor

# By name, which is the first part of its weights' names: "encoder/0", "encoder/backward/0", "bridge", "bridge/0/a",
# "attention/query", "decoder/0", "densor"; of an embedding all of it: "decoder/embedding".
Layers = Mapping[str, keras.layers.Layer]


def build_layers(architecture: Seq2Seq, *, seed: int | None = None) -> Layers:
    """Cells, embeddings and dense layers, their weights created; `seed` fixes what is drawn.

    Dense layers are linear, but for the densor's softmax on ids. Their kernels begin Glorot-uniform, embeddings uniform
    from -0.05 to 0.05, cells as in `models.cells`.
    """
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    for tensor, shape in tensor_shapes(architecture).items():
        name, part = tensor.rsplit("/", 1)
        parts.setdefault(tensor if part == "embedding" else name, {})[part] = shape
    seeds: list[int | None] = [None] * len(parts)
    if seed is not None:
        seeds = [int(word) for word in np.random.SeedSequence(seed).generate_state(len(parts))]
    return {
        name: _layer(architecture, name, shapes, one) for (name, shapes), one in zip(parts.items(), seeds, strict=True)
    }


def variables_of(layers: Layers) -> dict[str, keras.Variable]:
    """The weights, by the names of the model file."""
    return {
        name if isinstance(layer, keras.layers.Embedding) else f"{name}/{variable.name}": variable
        for name, layer in layers.items()
        for variable in layer.weights
    }


def _layer(
    architecture: Seq2Seq, name: str, shapes: Mapping[str, tuple[int, ...]], seed: int | None
) -> keras.layers.Layer:
    """The layer whose weights have these shapes."""
    own_name = name.replace("/", "_")  # Keras allows no slashes
    if "embedding" in shapes:
        drawn: Any = keras.initializers.RandomUniform(-0.05, 0.05, seed=seed)
        layer = keras.layers.Embedding(*shapes["embedding"], embeddings_initializer=drawn, name=own_name)
        layer.build()
        return layer
    inputs, outputs = shapes["kernel"]
    if "recurrent_kernel" in shapes:
        new_cell = LSTM_cell if architecture.cell == "lstm" else GRU_cell
        layer = new_cell(architecture.n_a, seed=seed, name=own_name)
    elif name == "densor" and not architecture.target_vectors:
        layer = densor(outputs, seed=seed, name=own_name)
    else:
        drawn: Any = keras.initializers.GlorotUniform(seed)
        layer = keras.layers.Dense(outputs, use_bias="bias" in shapes, kernel_initializer=drawn, name=own_name)
    layer.build((None, inputs))
    return layer
