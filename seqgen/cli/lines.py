"""Texts to work on, each a line: what stands behind the command, or the lines of the standard input as they come."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from seqgen.cli import console

AT_ONCE = 64  # lines of a file
LONGEST = 1_000_000  # bytes of a line


def groups(texts: Sequence[str], text_encoding: str | None = None) -> Iterator[list[str]]:
    """The texts, or without any (or with the only one -) the lines of the standard input, in groups.

    Lines of a file come many at once, which is quicker. Those of a pipe or a terminal come one by one, so that each is
    answered at once; what comes out then never depends on how fast they come.

    Raises:
        ConfigError: no such text encoding, or one in which lines cannot be told apart before they are read.
        FormatError: a line is no text in this encoding, or has no end; those before it have come.
    """
    from seqgen.errors import ConfigError
    from seqgen.formats.text import check_encoding

    encoding = text_encoding or "utf-8"
    check_encoding(encoding)
    if texts and tuple(texts) != ("-",):
        return _grouped(texts, AT_ONCE)
    if "\n".encode(encoding) != b"\n":
        raise ConfigError(f"lines of {encoding} cannot be told apart in a stream; write them as utf-8 first")
    if sys.stdin.isatty():
        console.say("reading lines from the terminal; Ctrl-D ends them")
    regular = stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)
    return _grouped(_lines(sys.stdin.buffer, encoding), AT_ONCE if regular else 1)


def _grouped(lines: Iterable[str], at_once: int) -> Iterator[list[str]]:
    from seqgen.errors import FormatError

    waiting = iter(lines)
    group: list[str] = []
    while True:
        try:
            line = next(waiting, None)
        except FormatError:
            if group:
                yield group
            raise
        if line is not None:
            group.append(line)
        if group and (line is None or len(group) == at_once):
            yield group
            group = []
        if line is None:
            return


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    from seqgen.errors import FormatError

    number = 0
    while line := file.readline(LONGEST):
        number += 1
        if len(line) == LONGEST:
            raise FormatError(f"line {number:,} of the standard input has more than {LONGEST:,} bytes")
        try:
            text = line.decode(encoding)
        except UnicodeError as error:
            hint = "" if encoding != "utf-8" else "; name its encoding with --text-encoding, like latin-1"
            raise FormatError(f"line {number:,} of the standard input is not {encoding.upper()}{hint}") from error
        if "\0" in text:
            raise FormatError(f"the standard input is binary, not text: a NUL in line {number:,}")
        text = text.removeprefix("\ufeff") if number == 1 else text
        yield text.removesuffix("\n").removesuffix("\r")
