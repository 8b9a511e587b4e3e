"""A training run on disk: one safetensors file from which it goes on as if it had never stopped.

Arrays and a JSON text; old or new at every moment; nothing is unpickled.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from seqgen import durable
from seqgen.errors import TrainingError

_KEY = "seqgen-checkpoint"
_FORMAT = 2  # 1 had the states by shards


def save(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write `arrays` and `facts` (JSON values); `path` holds the old or the new checkpoint at every moment.

    Raises:
        TrainingError: it cannot be written, for example since the disk is full.
    """
    text = json.dumps({"format": _FORMAT, **facts}, sort_keys=True)
    contiguous = {name: np.array(array, order="C") for name, array in arrays.items()}
    try:
        durable.write_bytes(path, safetensors.numpy.save(contiguous, metadata={_KEY: text}))
    except OSError as error:
        old = "the one before is kept, and can be resumed" if Path(path).exists() else "there is none before it"
        reason = error.strerror or error
        raise TrainingError(f"cannot save the checkpoint {os.fspath(path)!r}: {reason}; {old}") from error


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The inverse; raises as `read` and `parsed` do."""
    return parsed(read(path), path)


def read(path: str | os.PathLike[str]) -> bytes:
    """The file; raises TrainingError where there is none."""
    if not Path(path).is_file():
        raise TrainingError(f"there is nothing to resume: no checkpoint {os.fspath(path)!r}")
    return Path(path).read_bytes()


def parsed(data: bytes, path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What the file `path` with these bytes says.

    Raises:
        TrainingError: it is damaged or of another format.
    """
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        facts = json.loads(header["__metadata__"][_KEY])
        arrays = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{os.fspath(path)!r} is no checkpoint of seqgen, or damaged: {error}") from error
    if facts.pop("format", None) != _FORMAT:
        raise TrainingError(f"the checkpoint {os.fspath(path)!r} is of another version of seqgen; resume with that one")
    return arrays, facts


def check_same(saved: dict[str, Any], now: dict[str, Any]) -> None:
    """Whether a checkpoint belongs to this run.

    Raises:
        TrainingError: naming everything that differs, in the order of `now`.
    """
    differ = [
        f"{name} was {saved.get(name)!r}, now {now.get(name)!r}"
        for name in (*now, *sorted(saved.keys() - now.keys()))
        if saved.get(name) != now.get(name)
    ]
    if differ:
        raise TrainingError(
            f"the checkpoint is of another run: its {'; its '.join(differ)}. Give the sources and options of that run,"
            " or begin anew without resuming"
        )
