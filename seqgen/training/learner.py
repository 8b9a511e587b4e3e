"""What the training loop asks of the kind of model it trains."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np

from seqgen.architecture import Architecture, Seq2Seq
from seqgen.training.settings import RunSettings
from seqgen.training.update import Updater, Weights
from seqgen.training.watch import Signs

VALIDATION_TOKENS = 100_000  # at most this many are scored while training


class Look(NamedTuple):
    """What a validation finds."""

    loss: float | None  # per held-out target; nats, but of vectors the mean squared error
    signs: tuple[Signs, Signs] | None = None  # of a free-running sample, and of the corpus


class Learner(Protocol):
    """Batches to learn from, the updates of the weights, and a look at how well it goes."""

    updater: Updater
    batches_per_epoch: int

    @property
    def settings(self) -> RunSettings:
        """With every choice made."""
        ...

    @property
    def architecture(self) -> Architecture | Seq2Seq: ...

    @property
    def tokens_per_batch(self) -> float: ...

    def batches(self, epoch: int, first: int = 0) -> Iterator[Sequence[np.ndarray]]:
        """The batches of one epoch from the `first` on."""
        ...

    def update(self, batch: Any, step: int, rate: float, progress: float) -> float:
        """Learn from one batch; the mean loss per target before it.

        step: its number, by which chance is drawn. rate: the learning rate. progress: of the run, 0 to 1.
        """
        ...

    def look(self, weights: Weights) -> Look:
        """Score the held-out side with the stepper, as `evaluate` does.

        Raises:
            SamplingError: the weights are no numbers.
        """
        ...

    def identity(self) -> dict[str, Any]:
        """What tells this run's data from any other's, as JSON values."""
        ...


def digest_of(vocabularies: Sequence[Sequence[str]], sides: Sequence[Sequence[np.ndarray | bytes]]) -> str:
    """12 hex digits of the tokens and of the sequences, or of what stands for one, on each side of a split."""
    digest = hashlib.sha256("\n".join(chain(*vocabularies)).encode("utf-8", "surrogatepass"))
    for side in sides:
        digest.update(f"{len(side)} sequences".encode())
        for sequence in side:
            digest.update(f"{len(sequence)} ids".encode())
            digest.update(sequence if isinstance(sequence, bytes) else sequence.tobytes())
    return digest.hexdigest()[:12]
