"""Plain text: bytes to str and back. Line ends become \\n and characters are composed (NFC)."""

import codecs
import unicodedata

from seqgen.errors import ConfigError, FormatError

# the longer mark first: that of UTF-32 begins with that of UTF-16
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_bytes(data: bytes, name: str, encoding: str | None = None) -> str:
    """The text of a file; `name` is the file's, for messages.

    `encoding` is any Python knows; without one, the file's byte order mark decides, else it is UTF-8.

    Raises:
        ConfigError: Python knows no text encoding of that name.
        FormatError: the file is empty, binary, or not in that encoding.
    """
    if not data:
        raise FormatError(f"{name} is empty")
    used = encoding or next((found for mark, found in MARKS if data.startswith(mark)), "utf-8")
    check_encoding(used)
    try:
        text = data.decode(used).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if encoding is None and used == "utf-8" and b"\0" in data:
            raise FormatError(f"{name} is binary, not text") from error
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"{name} is not {_plain(used)}: byte 0x{data[error.start]:02x} at offset {error.start} (line {line}); "
            + ("name its encoding with --text-encoding, like --text-encoding latin-1" if not encoding else error.reason)
        ) from error
    except UnicodeError as error:  # UTF-16 without a mark, as some codecs call it
        raise FormatError(f"{name} is not {_plain(used)}: {error}") from error
    if "\0" in text:
        raise FormatError(f"{name} is binary, not text: a NUL at character {text.index(chr(0))}")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = unicodedata.normalize("NFC", text)  # quick, and no copy, where there is nothing to compose
    if not text:
        raise FormatError(f"{name} is empty but for its byte order mark")
    return text


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
