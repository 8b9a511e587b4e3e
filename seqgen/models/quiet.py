"""Loads TensorFlow without its greeting, which its own settings no longer silence. Import this before keras."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from seqgen.errors import ConfigError, MissingExtra

_STDERR = 2


@contextmanager
def _silenced() -> Iterator[None]:
    """Nothing reaches the process's standard error, not even from C++."""
    sys.stderr.flush()
    try:
        saved = os.dup(_STDERR)
    except OSError:  # there is none
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, _STDERR)
    try:
        yield
    finally:
        os.dup2(saved, _STDERR)
        os.close(saved)
        os.close(null)


def _load() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # and what it would log later: missing GPUs, CPU features
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise ConfigError(f"seqgen trains with Keras on TensorFlow, but KERAS_BACKEND is {backend!r}; unset it")
    try:
        with _silenced():
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ("keras", "tensorflow"):
            raise
        raise MissingExtra("Training", "train") from error


if "tensorflow" not in sys.modules:
    _load()
