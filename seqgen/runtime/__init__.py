"""Numpy steppers, one per architecture: generation without TensorFlow."""

from collections.abc import Mapping
from typing import Any, overload

import numpy as np

from seqgen.modelfile import Architecture, Header, Seq2Seq
from seqgen.runtime.memory import Encoded
from seqgen.runtime.recurrent import RecurrentStepper
from seqgen.runtime.seq2seq import Seq2SeqStepper
from seqgen.stepper import State, Stepper

__all__ = ["Encoded", "RecurrentStepper", "Seq2SeqStepper", "State", "Stepper", "stepper"]


@overload
def stepper(header: Header[Architecture], weights: Mapping[str, np.ndarray]) -> RecurrentStepper: ...
@overload
def stepper(header: Header[Seq2Seq], weights: Mapping[str, np.ndarray]) -> Seq2SeqStepper: ...


def stepper(header: Header[Any], weights: Mapping[str, np.ndarray]) -> RecurrentStepper | Seq2SeqStepper:
    """The stepper of a model file: `stepper(*modelfile.load(path))`.

    Raises:
        ModelFileError: the weights do not fit the header's architecture.
    """
    if isinstance(header.architecture, Seq2Seq):
        return Seq2SeqStepper(header.architecture, weights)
    return RecurrentStepper(header.architecture, weights)
