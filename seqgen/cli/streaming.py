"""`seqgen generate --stream`: text or JSON lines, written as they are made, until nobody reads them any more."""

import os
from typing import TYPE_CHECKING, Any, BinaryIO

from seqgen.formats.events import event_bytes

if TYPE_CHECKING:
    from seqgen.api.model import Model


def run(model: "Model", out: BinaryIO, **options: Any) -> None:
    """Write what `model.stream(**options)` gives: text as it is, a note as a line of JSON, each flushed.

    It returns after the last step, or when the reader has closed the pipe, which is no error.

    Raises: as `Model.stream` and `Stream.next_event`.
    """
    try:
        written = b"\n"
        for event in model.stream(**options):
            written = event.encode() if isinstance(event, str) else event_bytes(event)
            out.write(written)
            out.flush()
        if not written.endswith(b"\n"):
            out.write(b"\n")
            out.flush()
    except BrokenPipeError:
        # what is buffered would be written again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
