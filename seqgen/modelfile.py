"""The model file: one safetensors file with the weights, and everything else as JSON under the metadata key `seqgen`.

The container is described at https://github.com/huggingface/safetensors: eight bytes of length (little-endian), that
many bytes of JSON naming every tensor's dtype, shape and place, then the tensors. Reading is done here, with every
claim of the file checked against its size before anything is allocated; nothing is ever unpickled or executed.

Compatibility: a format-1 file loads forever. Fields added later need a default; a field at its default is not
written, so that an older seqgen still reads a file that does not use the new field. Never change a default.
"""

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
import safetensors.numpy
from msgspec import Meta, Struct

from seqgen import durable
from seqgen.architecture import Architecture, Seq2Seq, tensor_shapes
from seqgen.errors import ConfigError, ModelFileError

__all__ = [
    "Architecture",
    "Corpus",
    "Header",
    "Seq2Seq",
    "Side",
    "Sides",
    "Training",
    "check_weights",
    "digest",
    "load",
    "load_index",
    "read_header",
    "save",
    "tensor_shapes",
]

FORMAT = 1
_KEY = "seqgen"
_OPTIONAL = "index/"  # tensors a reader may skip: what originality needs of the corpus
_OPTIONAL_TYPES = {"U8": np.dtype("u1"), "U32": np.dtype("<u4")}
_OPTIONAL_LIMIT = 2_000_000  # bytes of all of them
_JSON_LIMIT = 10_000_000  # bytes
_LARGEST_WEIGHT = 1e30  # float32 holds 3e38: sums of smaller ones never overflow

# What other files begin with, to say what came instead of a model.
_SIGNATURES = {
    b"PK\x03\x04": "a zip archive (a .keras or PyTorch file?)",
    b"\x89HDF": "an HDF5 file (Keras weights?)",
    b"\x80\x02": "a Python pickle",
    b"\x80\x03": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
    b"MThd": "a MIDI file",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer: the file itself was never downloaded",
}

Path_ = str | os.PathLike[str]
Shape = TypeVar("Shape", Architecture, Seq2Seq)
VECTORS = "vectors"  # the encoding of a side that has no tokens; its option `size` says how many numbers a vector has


class Side(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """How one side's ids are spelled: `encodings.make(encoding, **options)` and the tokens in id order.

    A side of vectors has the encoding "vectors" and no tokens.
    """

    encoding: str
    options: dict[str, Any]
    vocabulary: list[str]


class Sides(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What the model writes (`target`) and, for pairs, what it reads (`source`)."""

    target: Side
    source: Side | None = None


class Training(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """How the weights came to be."""

    seed: int
    steps: int
    epochs: float
    seconds: float
    valid_nats: float | None = None  # held-out nats per token
    settings: dict[str, Any] = {}


class Corpus(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What the model learned from: `names` of all sources, `held_out` those of them it never trained on."""

    digest: str
    names: list[str]
    held_out: list[str] = []
    statistics: dict[str, Any] = {}


# The tag is the JSON field "format": 1.
class Header(
    Struct,
    Generic[Shape],
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    kw_only=True,
    tag_field="format",
    tag=FORMAT,
):
    """Everything about a model but its weights; `version` is the seqgen that wrote it."""

    kind: Literal["generator", "seq2seq"]
    architecture: Shape
    sides: Sides
    training: Training
    corpus: Corpus
    version: str


class _Probe(Struct):
    """What is looked at first: the two fields that every format has, and what decides the rest."""

    format: int
    version: str = "unknown"
    kind: str = "generator"


class _Entry(Struct, forbid_unknown_fields=True):
    """One tensor in the container's JSON."""

    dtype: str
    shape: list[Annotated[int, Meta(ge=0)]]
    data_offsets: tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]]


class _Contents(NamedTuple):
    header: Header
    offsets: dict[str, int]  # of all tensors, from the start of the file
    optional: dict[str, _Entry]


def check_weights(architecture: Architecture | Seq2Seq, weights: Mapping[str, np.ndarray]) -> None:
    """Whether `weights` are exactly the tensors of `architecture`.

    Raises:
        ModelFileError: a name is missing or unknown, or a shape differs.
    """
    _check_shapes(architecture, {name: np.shape(value) for name, value in weights.items()})


def save(
    path: Path_, header: Header, weights: Mapping[str, np.ndarray], index: Mapping[str, np.ndarray] | None = None
) -> None:
    """Write a model so that `path` is the old or the new file at every moment; equal arguments give equal bytes.

    weights: the tensors of `tensor_shapes(header.architecture)`, converted to float32. index: what `load_index` gives
    back, uint8 or uint32, its names beginning with `index/`.

    Raises:
        ModelFileError: header, weights or index are not valid, a weight is not finite, or the file cannot be written.
    """
    try:
        text = msgspec.json.encode(header, order="deterministic")
        decoded = _decode_header(text)
        check_weights(decoded.architecture, weights)
        arrays = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in weights.items()}
        _check_finite(arrays)
        optional = {name: np.ascontiguousarray(value) for name, value in (index or {}).items()}
        for name, array in optional.items():
            if not name.startswith(_OPTIONAL) or array.dtype not in _OPTIONAL_TYPES.values():
                raise ModelFileError(f"{name!r} of {array.dtype} is no index tensor: {_OPTIONAL}..., uint8 or uint32")
        _check_optional_size(sum(array.nbytes for array in optional.values()))
        data = safetensors.numpy.save({**arrays, **optional}, metadata={_KEY: text.decode()})
        if (length := int.from_bytes(data[:8], "little")) > _JSON_LIMIT:
            raise ModelFileError(f"its header takes {length:,} bytes, at most {_JSON_LIMIT:,} fit")
    except (ModelFileError, TypeError, ValueError, RecursionError, OverflowError) as error:
        raise ModelFileError(f"cannot save the model as {os.fspath(path)!r}: {error}") from error
    try:
        durable.write_bytes(path, data)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"cannot write the model file {os.fspath(path)!r}: {_reason(error)}") from error


def load(path: Path_) -> tuple[Header[Any], dict[str, np.ndarray]]:
    """Header and weights (float32, writable) of a model file.

    Raises:
        ModelFileError: no such file, not a seqgen model, damaged, or written by a newer seqgen.
    """
    with _opened(path) as (file, size):
        contents = _read_contents(file, size)
        weights: dict[str, np.ndarray] = {}
        for name, shape in tensor_shapes(contents.header.architecture).items():
            data = _read(file, contents.offsets[name], 4 * prod(shape))
            weights[name] = data.view("<f4").reshape(shape).astype(np.float32, copy=False)
        _check_finite(weights)
    return contents.header, weights


def load_index(path: Path_, names: Collection[str]) -> dict[str, np.ndarray]:
    """Those of the optional tensors `names` that a model file has, uint8 or uint32; others are left alone.

    Raises:
        ModelFileError: as in `load`, or they are of another type, or take more than 2 MB.
    """
    with _opened(path) as (file, size):
        contents = _read_contents(file, size)
        entries = {name: entry for name, entry in contents.optional.items() if name in names}
        _check_optional_size(sum(end - begin for begin, end in (entry.data_offsets for entry in entries.values())))
        tensors: dict[str, np.ndarray] = {}
        for name, entry in entries.items():
            dtype = _OPTIONAL_TYPES.get(entry.dtype)
            length = entry.data_offsets[1] - entry.data_offsets[0]
            if dtype is None or length != dtype.itemsize * prod(entry.shape):
                raise ModelFileError(f"tensor {name!r} is {entry.dtype} {entry.shape} in {length:,} bytes; train again")
            tensors[name] = _read(file, contents.offsets[name], length).view(dtype).reshape(entry.shape)
    return tensors


def read_header(path: Path_) -> Header[Any]:
    """The header alone, checked like `load` except for the values of the weights.

    Raises:
        ModelFileError: as in `load`.
    """
    with _opened(path) as (file, size):
        return _read_contents(file, size).header


def digest(path: Path_) -> str:
    """The first 12 hex digits of the file's SHA-256, which name a model in what it generates.

    Raises:
        ModelFileError: the file cannot be read.
    """
    with _opened(path) as (file, _):
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


@contextmanager
def _opened(path: Path_) -> Iterator[tuple[BufferedReader, int]]:
    """The open file and its size; facts raised inside get the file's name."""
    name = os.fspath(path)
    try:
        mode = os.stat(path).st_mode  # before opening: a pipe would block
        if stat.S_ISDIR(mode):
            raise ModelFileError(
                f"it is a folder; name the file in it, for example {os.path.join(name, 'model.safetensors')!r}"
            )
        if not stat.S_ISREG(mode):
            raise ModelFileError("it is no regular file; a model is a file of 'seqgen train'")
        with Path(path).open("rb") as file:
            yield file, os.fstat(file.fileno()).st_size
    except ModelFileError as error:
        fact = str(error)  # may repeat what a damaged file holds, however long
        fact = fact if len(fact) <= 500 else f"{fact[:400]} ... {fact[-80:]}"
        raise ModelFileError(f"cannot load a model from {name!r}: {fact}") from error
    except FileNotFoundError as error:
        raise ModelFileError(f"no model file {name!r}; 'seqgen train' makes one") from error
    except (OSError, ValueError) as error:
        raise ModelFileError(f"cannot read the model file {name!r}: {_reason(error)}") from error


def _read_contents(file: BufferedReader, size: int) -> _Contents:
    start = file.read(32)
    length = int.from_bytes(start[:8], "little")
    if size < 10 or not 2 <= length <= min(_JSON_LIMIT, size - 8):
        raise ModelFileError(_not_ours(start, size, length))
    file.seek(8)
    try:
        raw = msgspec.json.decode(file.read(length), type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(raw.pop("__metadata__", b"{}"), type=dict[str, str])
        entries = {name: msgspec.json.decode(value, type=_Entry) for name, value in raw.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelFileError(f"it is no safetensors file, or damaged ({error}); copy or train it again") from error
    if _KEY not in metadata:
        raise ModelFileError(
            "it is a safetensors file without seqgen's header; only files of 'seqgen train' can be loaded"
        )
    if len(metadata) > 1:
        extra = sorted(set(metadata) - {_KEY})
        raise ModelFileError(f"its metadata has keys beside {_KEY!r}: {_shortened(extra)}; use the file seqgen wrote")
    header = _decode_header(metadata[_KEY].encode())
    _check_layout(entries, size - 8 - length)
    required = {name: entry for name, entry in entries.items() if not name.startswith(_OPTIONAL)}
    _check_shapes(header.architecture, {name: tuple(entry.shape) for name, entry in required.items()})
    for name, entry in required.items():
        if entry.dtype != "F32" or entry.data_offsets[1] - entry.data_offsets[0] != 4 * prod(entry.shape):
            raise ModelFileError(f"tensor {name!r} should be float32 of shape {entry.shape}; the file is damaged")
    offsets = {name: 8 + length + entry.data_offsets[0] for name, entry in entries.items()}
    return _Contents(header, offsets, {name: entry for name, entry in entries.items() if name not in required})


def _read(file: BufferedReader, offset: int, length: int) -> np.ndarray:
    """So many bytes, which the file was found to have."""
    data = np.empty(length, np.uint8)
    file.seek(offset)
    if file.readinto(data.data) != length:
        raise ModelFileError("it became shorter while it was read; try again")
    return data


def _decode_header(text: bytes) -> Header:
    """Strictly, and with the rules that types cannot say."""
    try:
        probe = msgspec.json.decode(text, type=_Probe)
        if probe.format > FORMAT:
            raise ModelFileError(f"it has format {probe.format}, {_newer(probe.version)}")
        kind = Header[Seq2Seq] if probe.kind == "seq2seq" else Header[Architecture]
        header: Header[Any] = msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if "unknown field" in str(error):
            raise ModelFileError(f"{_lowered(error)}: {_newer('unknown')}") from error
        raise ModelFileError(f"its header is not valid ({error}); the file is damaged") from error
    shape, sides = header.architecture, header.sides
    if isinstance(shape, Seq2Seq):
        if sides.source is None:
            raise ModelFileError("it reads something, but does not say how that is spelled; the file is damaged")
        _check_side("source", sides.source, shape.source_values, vectors=shape.source_vectors)
        _check_side("target", sides.target, shape.n_values, vectors=shape.target_vectors)
        try:
            shape.check()
        except ConfigError as error:
            raise ModelFileError(f"its parts do not go together ({error}); the file is damaged") from error
        return header
    if shape.embedding:
        raise ModelFileError(f"it holds a {header.kind} with embedding {shape.embedding}, {_newer(header.version)}")
    _check_side("target", sides.target, shape.n_values, vectors=False)
    return header


def _check_side(name: str, side: Side, n_values: int, *, vectors: bool) -> None:
    """Whether the tokens of a side are those of the architecture."""
    if vectors:
        if side != Side(encoding=VECTORS, options={"size": n_values}, vocabulary=[]):
            raise ModelFileError(f"its {name} should be vectors of {n_values:,} numbers; the file is damaged")
        return
    if len(side.vocabulary) != n_values:
        raise ModelFileError(
            f"its {name} vocabulary has {len(side.vocabulary):,} tokens, its architecture {n_values:,} values"
        )
    if len(set(side.vocabulary)) != len(side.vocabulary):
        raise ModelFileError(f"a token occurs twice in its {name} vocabulary")


def _check_layout(entries: Mapping[str, _Entry], size: int) -> None:
    """The tensors fill the `size` bytes of data without gap or overlap, as the container's rules ask."""
    end = 0
    for begin, stop in sorted(entry.data_offsets for entry in entries.values()):
        if begin != end:
            raise ModelFileError("its tensors overlap or leave gaps; the file is damaged")
        end = stop
    if end != size:
        raise ModelFileError(f"its tensors take {end:,} bytes, the file holds {size:,}; copy it again")


def _check_shapes(architecture: Architecture | Seq2Seq, shapes: Mapping[str, tuple[int, ...]]) -> None:
    wanted = tensor_shapes(architecture)
    missing, unknown = [sorted(a.keys() - b.keys()) for a, b in ((wanted, shapes), (shapes, wanted))]
    if missing:
        raise ModelFileError(f"tensors are missing: {_shortened(missing)}")
    if unknown:
        raise ModelFileError(f"unknown tensors: {_shortened(unknown)}")
    for name, shape in wanted.items():
        if shapes[name] != shape:
            raise ModelFileError(f"tensor {name!r} has shape {shapes[name]}, the architecture needs {shape}")


def _check_optional_size(size: int) -> None:
    if size > _OPTIONAL_LIMIT:
        raise ModelFileError(f"its index takes {size:,} bytes, at most {_OPTIONAL_LIMIT:,} fit")


def _check_finite(weights: Mapping[str, np.ndarray]) -> None:
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ModelFileError(f"tensor {name!r} holds NaN or infinity; the training diverged or the file is damaged")
        if (np.abs(array) > _LARGEST_WEIGHT).any():
            raise ModelFileError(
                f"tensor {name!r} holds numbers beyond {_LARGEST_WEIGHT:g}; training diverged, or the file is damaged"
            )


def _not_ours(start: bytes, size: int, length: int) -> str:
    if not size:
        return "it is empty; copy or train it again"
    for signature, what in _SIGNATURES.items():
        if start.startswith(signature):
            return f"it is {what}; a model is a .safetensors file of 'seqgen train'"
    if start[8:10] == b'{"' and length > size - 8:
        return f"it is cut off after {size:,} bytes; copy it again"
    if start[8:10] == b'{"' and length > _JSON_LIMIT:
        return f"its header claims {length:,} bytes, more than any of 'seqgen train' ({_JSON_LIMIT:,})"
    return f"it is no safetensors file (it begins with {start[:8]!r}); a model is a file of 'seqgen train'"


def _newer(version: str) -> str:
    return f"a newer seqgen (version {version}) wrote it; upgrade with: pip install --upgrade seqgen"


def _shortened(names: list[str]) -> str:
    listed = ", ".join(repr(name[:60]) for name in names[:3])
    return listed if len(names) <= 3 else f"{listed} and {len(names) - 3} more"


def _lowered(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
