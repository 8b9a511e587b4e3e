"""Where a stream is, as a file: JSON, checked strictly when it is read. Nothing in it is ever executed."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from seqgen import durable
from seqgen.errors import FormatError

_MOST_BYTES = 100_000_000

Whole = Annotated[int, Meta(ge=0)]
Number = Annotated[float, Meta(ge=-3e38, le=3e38)]  # JSON has no NaN and no infinity, and it is a float32
Midi = Annotated[int, Meta(ge=0, le=127)]


class Random(Struct, frozen=True, forbid_unknown_fields=True):
    """A Philox generator: its key and counter, the numbers made in advance and which of them is next."""

    key: tuple[Whole, Whole]
    counter: tuple[Whole, Whole, Whole, Whole]
    buffer: tuple[Whole, Whole, Whole, Whole]
    place: Annotated[int, Meta(ge=0, le=4)]


class Heard(Struct, frozen=True, forbid_unknown_fields=True):
    """A heard note that sounds, its onset in grid steps of its piece."""

    part: Whole
    pitch: Midi
    onset: Whole


class Waiting(Struct, frozen=True, forbid_unknown_fields=True):
    """A heard note that is still to be spelled to its end; see `streamed.Pin`."""

    key: Whole
    pitch: Midi
    left: Whole
    begun: bool


class Born(Struct, frozen=True, forbid_unknown_fields=True):
    """An event, see `formats.events.Event`."""

    onset: Number
    duration: Number
    pitch: Midi
    velocity: Midi
    part: Whole


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """What `streamed.Music` keeps."""

    offset: int
    begun: Whole
    waiting: list[Waiting]
    heard: list[Heard]


class Saved(Struct, frozen=True, forbid_unknown_fields=True, tag_field="seqgen_stream", tag=1):
    """All that a stream is, beside its model and its constraints."""

    model: str  # digest
    version: str
    seed: Annotated[int, Meta(ge=0)]
    random: Random
    strategy: dict[str, Number]
    endless: bool
    over: bool
    left: Whole | None  # steps
    constraints: list[str]  # their names
    given: list[Whole]  # ids of the present piece: controls and prime
    ids: list[Whole]  # and those after them
    state: list[list[Number]]  # of the stepper
    logits: list[Number]
    ready: list[str | Born]
    tail: list[str]  # text
    place: Place | None  # music


def write(path: str | os.PathLike[str], saved: Saved) -> None:
    """Old or new at every moment. Raises OSError."""
    durable.write_bytes(path, msgspec.json.encode(saved))


def read(path: str | os.PathLike[str]) -> Saved:
    """What `write` wrote.

    Raises:
        FormatError: it is no such file, or damaged. OSError: it cannot be read.
    """
    file = Path(path)
    if file.stat().st_size > _MOST_BYTES:
        raise FormatError(f"{path} is no state of a stream: it has more than {_MOST_BYTES:,} bytes")
    try:
        return msgspec.json.decode(file.read_bytes(), type=Saved)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no state of a stream, or damaged: {error}") from error
