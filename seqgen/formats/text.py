"""Plain text: bytes to str and back. Line ends become \\n and characters are composed (NFC)."""

import codecs
import io
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from seqgen.errors import ConfigError, FormatError

# the longer mark first: that of UTF-32 begins with that of UTF-16
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


_BLOCK_BYTES = 1 << 20


def read_bytes(data: bytes, name: str, encoding: str | None = None) -> str:
    """The text of a file; `name` is the file's, for messages.

    `encoding` is any Python knows; without one, the file's byte order mark decides, else it is UTF-8.

    Raises:
        ConfigError: Python knows no text encoding of that name.
        FormatError: the file is empty, binary, or not in that encoding.
    """
    return "".join(pieces(io.BytesIO(data), name, encoding))


def pieces(file: BinaryIO, name: str, encoding: str | None = None) -> Iterator[str]:
    """What `read_bytes` makes of a whole file, in pieces, none of them empty, so that a long one need not be held.

    Raises: as `read_bytes` does, maybe not before the last piece.
    """
    block = file.read(_BLOCK_BYTES)
    if not block:
        raise FormatError(f"{name} is empty")
    used = encoding or next((found for mark, found in MARKS if block.startswith(mark)), "utf-8")
    check_encoding(used)
    ends = io.IncrementalNewlineDecoder(None, translate=True)
    lines = chain((ends.decode(text) for text in _decoded(file, block, name, encoding, used)), _last(ends))
    empty = True
    for text in _composed(lines):
        empty = False
        yield text
    if empty:
        raise FormatError(f"{name} is empty but for its byte order mark")


def _last(ends: io.IncrementalNewlineDecoder) -> Iterator[str]:
    yield ends.decode("", final=True)  # what it still waits with: whether a line feed follows


def _decoded(file: BinaryIO, block: bytes, name: str, encoding: str | None, used: str) -> Iterator[str]:
    """The characters of a file of which `block` has been read, without a mark in front."""
    decoder = _decoder(used, block)
    read = lines = characters = 0
    begun = False
    nul = None
    while block:
        following = file.read(_BLOCK_BYTES)
        read += len(block)
        lines += block.count(b"\n")
        try:
            text = decoder.decode(block, final=not following)
        except UnicodeDecodeError as error:
            # error.object: what the decoder kept from earlier blocks, and this one
            rest = chain([error.object, following], iter(lambda: file.read(_BLOCK_BYTES), b""))
            if encoding is None and used == "utf-8" and (nul is not None or any(b"\0" in part for part in rest)):
                raise FormatError(f"{name} is binary, not text") from error
            line = lines - error.object.count(b"\n", error.start) + 1
            offset = read - len(error.object) + error.start
            raise FormatError(
                f"{name} is not {_plain(used)}: byte 0x{error.object[error.start]:02x} at offset {offset} (line {line})"
                "; "
                + (
                    "name its encoding with --text-encoding, like --text-encoding latin-1"
                    if not encoding
                    else error.reason
                )
            ) from error
        except UnicodeError as error:  # what some codecs raise
            raise FormatError(f"{name} is not {_plain(used)}: {error}") from error
        if text and not begun:
            begun = True
            text = text.removeprefix("\ufeff")
        if nul is None and "\0" in text:
            nul = characters + text.index("\0")  # said in the end: what cannot be decoded at all comes first
        characters += len(text)
        yield text
        block = following
    if nul is not None:
        raise FormatError(f"{name} is binary, not text: a NUL at character {nul}")


def _decoder(encoding: str, block: bytes) -> codecs.IncrementalDecoder:
    used = codecs.lookup(encoding).name
    if used in ("utf-16", "utf-32") and not block.startswith(tuple(mark for mark, found in MARKS if found == used)):
        used += "-le" if sys.byteorder == "little" else "-be"  # as bytes.decode takes it without a mark
    return codecs.getincrementaldecoder(used)()


def _composed(texts: Iterable[str]) -> Iterator[str]:
    """`texts`, which follow each other, in NFC; cut again where no character is composed with one before."""
    waiting: list[str] = []
    for text in texts:
        place = _last_place_to_cut(text)
        if place is None:
            waiting.append(text)
            continue
        # quick, and no copy, where there is nothing to compose
        before = unicodedata.normalize("NFC", "".join((*waiting, text[:place])))
        if before:
            yield before
        waiting = [text[place:]]
    after = unicodedata.normalize("NFC", "".join(waiting))
    if after:
        yield after


def _last_place_to_cut(text: str) -> int | None:
    """Before the last ASCII character or Chinese ideograph: they are composed with nothing before them."""
    for place in range(len(text) - 1, -1, -1):
        character = text[place]
        if character < "\x80" or "\u3400" <= character <= "\u4dbf" or "\u4e00" <= character <= "\u9fff":
            return place
    return None


def check_encoding(encoding: str) -> None:
    """Raises: ConfigError: Python knows no text encoding of that name."""
    try:
        "".encode(encoding)
    except (LookupError, ValueError) as error:
        raise ConfigError(f"there is no text encoding named {encoding!r}; try utf-8, latin-1 or cp1252") from error


def _plain(encoding: str) -> str:
    return encoding.removesuffix("-sig").upper()


def to_bytes(text: str) -> bytes:
    """UTF-8, without a byte order mark.

    Raises:
        FormatError: a lone surrogate, which is no character.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise FormatError(f"the text holds a lone surrogate, U+{code:04X}, at character {error.start}") from error
