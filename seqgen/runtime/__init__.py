"""Numpy steppers, one per architecture: generation without TensorFlow."""

from collections.abc import Mapping

import numpy as np

from seqgen.modelfile import Header
from seqgen.runtime.recurrent import RecurrentStepper
from seqgen.stepper import State, Stepper

__all__ = ["RecurrentStepper", "State", "Stepper", "stepper"]


def stepper(header: Header, weights: Mapping[str, np.ndarray]) -> Stepper:
    """The stepper of a model file: `stepper(*modelfile.load(path))`.

    Raises:
        ModelFileError: the weights do not fit the header's architecture.
    """
    return RecurrentStepper(header.architecture, weights)  # the one architecture of format 1
