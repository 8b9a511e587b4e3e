"""Pieces that were read before. One pack a folder of sources, in the user's cache folder or under $SEQGEN_HOME.

A cache is never needed: what cannot be read or written is as if it were not there.
"""

import hashlib
import os
import zlib
from pathlib import Path

import msgspec

from seqgen import durable
from seqgen.version import __version__

_LIBRARIES = ("symusic", "music21")

Entries = dict[str, tuple[bytes, bytes]]  # file name: (key, packed Pieces)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entries).decode
_CHECKSUM_BYTES = 4


def home() -> Path:
    """Where seqgen keeps what it can make again: $SEQGEN_HOME/cache, else the system's place for caches."""
    chosen = os.environ.get("SEQGEN_HOME")
    if chosen:
        return Path(chosen) / "cache"
    import platformdirs

    return Path(platformdirs.user_cache_dir("seqgen", appauthor=False))


def versions() -> bytes:
    """What beside a file's content decides how it is read: the readers' own code, and the libraries they use.

    Nothing is imported to find out; that would take longer than all the rest.
    """
    from importlib import metadata  # slow, and only reading a corpus needs it

    package = Path(__file__).parent.parent
    code = hashlib.sha256(__version__.encode())
    for source in (
        *sorted((package / "formats").glob("*.py")),
        package / "piece.py",
        Path(__file__).parent / "packed.py",
    ):
        if source.is_file():
            code.update(source.read_bytes())
    found = [code.hexdigest()]
    for library in _LIBRARIES:
        try:
            found.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            found.append(f"no {library}")
    return "; ".join(found).encode()


def key(path: Path, versions: bytes) -> bytes:
    """The key of a file: a hash of its content, and of the ending of its name, which says what reads it.

    Raises:
        OSError: the file cannot be opened.
    """
    with open(path, "rb") as file:
        begun = hashlib.sha256(versions + b"\0" + os.fsencode(path.suffix.lower()) + b"\0")
        return hashlib.file_digest(file, lambda: begun).digest()


def fetch(folder: Path) -> Entries:
    """What is known about the files of `folder`; nothing if the pack is missing or damaged."""
    try:
        data = _pack_path(folder).read_bytes()
        body = memoryview(data)[_CHECKSUM_BYTES:]
        if zlib.crc32(body) != int.from_bytes(data[:_CHECKSUM_BYTES], "little"):
            return {}
        return _decode(body)
    except (OSError, msgspec.DecodeError):
        return {}


def store(folder: Path, entries: Entries) -> None:
    """Add `entries` to what is known about the files of `folder`, and forget files that are gone."""
    path = _pack_path(folder)
    known = {name: entry for name, entry in fetch(folder).items() if (folder / name).exists()}
    try:
        body = _encode(known | entries)
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_bytes(path, zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little") + body)
    except (OSError, ValueError):
        return  # full, not ours to write, or names that are no Unicode: the next run reads the files again


def _pack_path(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:32]
    return home() / "pieces" / f"{name}.pack"
