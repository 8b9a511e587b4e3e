"""Training a model (TensorFlow): settings, lanes, the loop."""

import seqgen.models  # noqa: F401  # first: it loads TensorFlow, quietly
from seqgen.training.loop import Report, Result, fit
from seqgen.training.settings import Settings, make_settings

__all__ = ["Report", "Result", "Settings", "fit", "make_settings"]
