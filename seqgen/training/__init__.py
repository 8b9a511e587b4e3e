"""Training a model (TensorFlow): settings, lanes, the loop."""

import os

# Before TensorFlow is imported: it would greet every user with notes on CPU features and missing GPUs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from seqgen.training.loop import Report, Result, fit
from seqgen.training.settings import Settings, make_settings

__all__ = ["Report", "Result", "Settings", "fit", "make_settings"]
