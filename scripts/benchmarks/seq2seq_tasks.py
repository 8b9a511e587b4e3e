"""The encoder-decoders that `seq2seq.py` measures: their shapes, random weights, random pairs."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from seqgen.architecture import Seq2Seq, tensor_shapes
from seqgen.vocabulary import END, SPECIALS, START

Weights = dict[str, np.ndarray]
Decode = Callable[[], tuple[np.ndarray, np.ndarray | None]]  # ids (batch, steps), log-probabilities (batch,)
_NEVER = -30.0  # a logit far below all others, whose probability float32 still holds


class Task(NamedTuple):
    """One of them; the name is that of its preset."""

    name: str
    architecture: Seq2Seq
    batch: int  # when training
    source_length: int  # Tx, with END
    target_length: int  # Ty, with END, when training
    steps: int  # when decoding; 0: it is not decoded


class Pairs(NamedTuple):
    """Ids, time first. All have the same length, so nobody has padding to leave out."""

    source: np.ndarray  # (Tx, count)
    ids: np.ndarray  # (Ty, count), START first
    targets: np.ndarray  # (Ty, count), END last


_CHARACTERS = Seq2Seq(cell="lstm", n_a=256, encoder_layers=1, decoder_layers=1, source_values=70, n_values=90)
_WORDS = Seq2Seq(
    cell="gru",
    n_a=512,
    encoder_layers=1,
    decoder_layers=1,
    source_values=4000,
    n_values=7000,
    source_embedding=256,
    embedding=256,
    attention="additive",
)
_REPEATED = Seq2Seq(
    cell="lstm",
    n_a=128,
    encoder_layers=1,
    decoder_layers=1,
    source_values=16,
    n_values=16,
    bridge="repeat",
    feedback=False,
)
TASKS = {
    task.name: task
    for task in (
        Task("char-translate", _CHARACTERS, 64, 16, 40, 30),
        Task("bahdanau-gru", _WORDS, 64, 8, 10, 10),
        Task("simple", _REPEATED, 128, 8, 5, 0),
    )
}


def random_weights(architecture: Seq2Seq, *, endless: bool = False) -> Weights:
    """Weights with which the logits of different places differ. endless: no special token is ever likely."""
    random = np.random.default_rng(0)
    weights = {}
    for name, shape in tensor_shapes(architecture).items():
        kind = name.rsplit("/", 1)[-1]
        scale = {"bias": 0.1, "embedding": 1.0}.get(kind, 2 * shape[0] ** -0.5)
        weights[name] = random.normal(0, scale, shape).astype(np.float32)
    if endless:
        weights["densor/bias"][: len(SPECIALS)] = _NEVER
    return weights


def random_pairs(task: Task, count: int) -> Pairs:
    """In enough of them every token occurs."""
    end, start = np.full((1, count), END), np.full((1, count), START)
    source = _ids(task.architecture.source_values, (task.source_length - 1, count))
    target = _ids(task.architecture.n_values, (task.target_length - 1, count))
    return Pairs(np.concatenate([source, end]), np.concatenate([start, target]), np.concatenate([target, end]))


def _ids(n_values: int, shape: tuple[int, int]) -> np.ndarray:
    random = np.random.default_rng(1)
    every = random.permutation(np.arange(len(SPECIALS), n_values))
    return random.permutation(np.resize(every, shape[0] * shape[1])).reshape(shape)
