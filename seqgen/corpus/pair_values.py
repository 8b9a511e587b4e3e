"""What a side of a pair may be as a Python value: a text, a Piece, or a series of vectors."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from seqgen.corpus.packed import digest
from seqgen.errors import CorpusError
from seqgen.piece import Piece

Value = str | Piece | np.ndarray  # an array is (steps, size) float32


def checked(values: Iterable[Any], called: str) -> tuple[str, list[Value]]:
    """The unit of all values, "text", "music" or "vectors", and the values, of which arrays become float32.

    called: what they are, for messages.

    Raises:
        CorpusError: there is none, they are of different kinds, or an array is no series of vectors like the others.
    """
    if isinstance(values, (str, Piece)):
        raise CorpusError(f"{called} are a list with one for each pair, not a single {type(values).__name__}")
    found = list(values)
    if not found:
        raise CorpusError(f"{called}: there are none")
    unit = _unit(found[0])
    other = next((number for number, value in enumerate(found, start=1) if _unit(value) != unit), None)
    if other is not None:
        raise CorpusError(f"{called}: the first is {unit}, number {other} is {_unit(found[other - 1])}")
    if unit != "vectors":
        return unit, found
    arrays = [_series(value, f"{called}: number {number}") for number, value in enumerate(found, start=1)]
    size = arrays[0].shape[1]
    for number, array in enumerate(arrays, start=1):
        if array.shape[1] != size:
            raise CorpusError(f"{called}: number {number} has vectors of {array.shape[1]} numbers, the first of {size}")
    return unit, list(arrays)


def as_bytes(value: Value) -> bytes:
    """What tells a value from others of its unit."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return digest(value).encode() if isinstance(value, Piece) else repr(value.shape).encode() + value.tobytes()


def _unit(value: Any) -> str:
    return "text" if isinstance(value, str) else "music" if isinstance(value, Piece) else "vectors"


def _series(value: Any, called: str) -> np.ndarray:
    try:
        array = np.ascontiguousarray(value, np.float32)
    except (TypeError, ValueError) as error:
        raise CorpusError(f"{called} is no text, no piece and no array of numbers ({error})") from error
    if array.ndim != 2 or not array.size:
        raise CorpusError(f"{called} has the shape {np.shape(value)}; a series of vectors has (steps, size), 1 or more")
    if not np.isfinite(array).all():
        raise CorpusError(f"{called} holds a number that is not finite")
    return array
