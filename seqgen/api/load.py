"""Loading whatever kind of model a file holds."""

import os
from typing import Any

from seqgen import modelfile
from seqgen.api import model, shipped


def load(path: str | os.PathLike[str]) -> Any:
    """The model in a file that `seqgen train` wrote, or one of those that come with seqgen, by its name.

    A `Model`, which goes on with what has begun, or of pairs a `Translator`.

    Raises:
        ModelFileError: no such file, not a seqgen model, damaged, or written by a newer seqgen.
    """
    if modelfile.read_header(shipped.located(path)).kind == "generator":
        return model.load(path)
    from seqgen.api import translator  # here, since generating does without

    return translator.load(path)
