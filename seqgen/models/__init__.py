"""Keras models over one shared cell and one shared densor, and encoder-decoders over one set of layers.

Importing this package loads TensorFlow. Of encoder-decoders the literal models are in `seq2seq`, the fast path of
training in `pairs`.
"""

from seqgen.models import quiet  # noqa: F401  # first: it loads TensorFlow
from seqgen.models.cells import GRU_cell, LSTM_cell, densor
from seqgen.models.generator import inference_model, training_model
from seqgen.models.weights import build, load_weights, weights_of

__all__ = [
    "GRU_cell",
    "LSTM_cell",
    "build",
    "densor",
    "inference_model",
    "load_weights",
    "training_model",
    "weights_of",
]
