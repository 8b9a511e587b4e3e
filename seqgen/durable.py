"""Files that are either the old or the new version, never half of one.

A temporary file in the same folder, fsync, rename, fsync of the folder: after a crash at any moment the name holds
one complete version. Temporaries of dead processes are removed on the next write of the same name.
"""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_SUFFIX = ".seqgen-tmp"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file to write into; `path` becomes it when the block ends without an exception.

    A link is followed: the file it names is replaced. What is no file, a device or a pipe, is written directly.

    Raises:
        OSError: the folder does not exist, is not writable, or the disk is full. The old file is untouched.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with open(target, "wb") as file:
            yield file
        return
    _remove_stale(target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}{_SUFFIX}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _FULL:  # which names no file
            raise OSError(error.errno, f"{error.strerror} (make room and try again)", str(target)) from error
        raise
    _sync_folder(target.parent)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` so that `path` is old or new at every moment."""
    with replacing(path) as file:
        file.write(data)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and orders renames itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(target: Path) -> None:
    ours = re.compile(rf"\.{re.escape(target.name)}\.([0-9]+)\.[0-9a-f]{{8}}{re.escape(_SUFFIX)}")
    try:
        names = os.listdir(target.parent)
    except OSError:
        return  # opening the temporary will say what is wrong with the folder
    for name in names:
        match = ours.fullmatch(name)
        if match and not _alive(int(match[1])):
            (target.parent / name).unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    if os.name == "nt":  # no harmless probe there: signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # gone, or larger than any process id
        return False
    except OSError:
        return True
    return True
