"""Pairs of text in files: a pair a line with a tab between its sides, or two files whose lines belong together."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from seqgen import formats
from seqgen.corpus.sources import (
    MANIFEST,
    Skipped,
    listed,
    named_corpora,
    no_such_source,
    read_manifest,
    visible_files,
)
from seqgen.errors import CorpusError, FormatError

TABLE = ".tsv"
MAX_LENGTH = 1000  # characters of a side, unless it is said
A_PAIR = "a pair is a line with its source, a tab and its target"
SOURCES = (
    f".tsv files or a folder of them ({A_PAIR}), two text files whose lines belong together, or music with the parts"
    " that are given and those to find"
)
_SHOWN = 60  # characters of a line

Path_ = str | os.PathLike[str]


class Row(NamedTuple):
    """What a line says; `name` is that of its file, and its number."""

    name: str
    source: str
    target: str


@dataclass
class Rows:
    """What files gave."""

    files: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of the files
    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def tables(source: Path_) -> list[Path] | None:
    """The .tsv files that a source stands for: itself, or those in a folder or a named corpus; None where it is none.

    A folder that also holds music or text is none of pairs.
    """
    path = Path(source).expanduser()
    if not path.exists():
        path = named_corpora().get(os.fspath(source), path)
    if path.is_dir():
        files, _ = visible_files(path)
        if (path / MANIFEST).is_file():
            manifest = read_manifest(path / MANIFEST)
            files = [file for file in files if manifest.takes(file)]
        found = [file for file in files if file.suffix.lower() == TABLE]
        return found if found and not any(map(formats.unit, files)) else None
    return [path] if path.suffix.lower() == TABLE else None


def read_rows(
    sources: Sequence[Path_],
    text_encoding: str | None,
    max_length: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """The rows of .tsv files, of folders of them, of one text file that is written so, or of two line by line.

    What cannot be read or holds no pair is skipped where other files do.

    Raises:
        CorpusError: it is none of these, nothing in it is usable, or two files differ in their number of lines.
        ConfigError: Python knows no text encoding of that name.
    """
    files, aligned = _files(sources)
    names = _names(files)
    if aligned:
        jobs = [(" and ".join(names), names[0], _aligned(files, names, text_encoding))]
    else:
        jobs = [(name, name, _table(path, name, text_encoding)) for path, name in zip(files, names, strict=True)]
    read = Rows(files, names)
    unusable: list[Skipped] = []
    for done, (called, name, lines) in enumerate(jobs, start=1):
        try:
            rows, skipped = _usable(lines, name, max_length)
            read.rows += rows
            read.skipped += skipped
        except FormatError as error:
            unusable.append(Skipped(called, str(error).removeprefix(f"{called} ")))
        except OSError as error:
            unusable.append(Skipped(called, f"cannot be opened: {error.strerror or error}"))
        if progress is not None:
            progress(done, len(jobs))
    if not read.rows:
        raise CorpusError("; ".join(f"{skip.name}: {skip.reason}" for skip in unusable[:3]))
    read.skipped[:0] = unusable
    return read


def _files(sources: Sequence[Path_]) -> tuple[list[Path], bool]:
    """The files, each once, and whether they are two whose lines belong together."""
    found = [tables(source) for source in sources]
    if all(found):
        return list({path.resolve(): path for paths in found for path in paths or ()}.values()), False
    paths = [Path(source).expanduser() for source in sources]
    for source, path in zip(sources, paths, strict=True):
        if not path.exists() and os.fspath(source) not in named_corpora():
            raise CorpusError(no_such_source(os.fspath(source)))
    if any(found) or len(paths) > 2 or not all(path.is_file() and _may_be_text(path) for path in paths):
        raise CorpusError(f"{listed([str(path) for path in paths])}: no pairs; they come from {SOURCES}")
    return paths, len(paths) == 2


def _may_be_text(path: Path) -> bool:
    return formats.READERS.get(path.suffix.lower(), formats.TEXT) is formats.TEXT


def _names(paths: Sequence[Path]) -> list[str]:
    """What files are called beside each other: their paths below the folder that holds all of them."""
    try:
        common = os.path.commonpath([os.path.abspath(path.parent) for path in paths])
        return [Path(os.path.relpath(path, common)).as_posix() for path in paths]
    except ValueError:  # on different drives
        return [path.as_posix() for path in paths]


_Line = tuple[str, str, str | None]  # the whole line, its source, its target; None: there is no tab


def _table(path: Path, name: str, text_encoding: str | None) -> Iterator[_Line]:
    for line in _lines(path, name, text_encoding):
        source, tab, rest = line.partition("\t")
        yield line, source, rest.partition("\t")[0] if tab else None


def _aligned(paths: Sequence[Path], names: Sequence[str], text_encoding: str | None) -> Iterator[_Line]:
    first, second = (list(_lines(path, name, text_encoding)) for path, name in zip(paths, names, strict=True))
    if len(first) != len(second):
        raise CorpusError(
            f"{names[0]} has {len(first):,} lines and {names[1]} has {len(second):,}: a pair is the same line of both,"
            " so they need equally many"
        )
    yield from zip(first, first, second, strict=True)


def _usable(lines: Iterator[_Line], name: str, max_length: int | None) -> tuple[list[Row], list[Skipped]]:
    """The rows in the lines of a file of this name, without white space around their sides, and what is skipped.

    Raises:
        FormatError: there is no row.
    """
    rows: list[Row] = []
    skipped: list[Skipped] = []
    shown = ""
    most = MAX_LENGTH if max_length is None else max_length
    for number, (line, source, target) in enumerate(lines, start=1):
        if number == 1:
            shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
        row = Row(f"{name} line {number}", source.strip(), (target or "").strip())
        failed = True
        if not row.source and not row.target:
            reason, failed = "is blank", False
        elif target is None:
            reason = "has no tab"
        elif not row.source or not row.target:
            reason = f"has an empty {'target' if row.source else 'source'}"
        elif max(len(row.source), len(row.target)) > most:
            reason = f"has more than {most:,} characters on a side"
            failed = max_length is None  # a limit that was asked for is meant
        else:
            rows.append(row)
            continue
        skipped.append(Skipped(row.name, reason, failed))
    if not rows:
        raise FormatError(f"{name} holds no pair: {A_PAIR}, and its first line, {shown!r}, {skipped[0].reason}")
    return rows, skipped


def _lines(path: Path, name: str, text_encoding: str | None) -> Iterator[str]:
    """The lines of a file without their ends; of the file, a block is held at a time.

    Raises:
        FormatError: it is empty, binary, or not in the encoding.
        CorpusError: there is no such file.
        OSError: it cannot be opened.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115  # the file is the only thing that may be missing
    except FileNotFoundError as error:
        raise CorpusError(no_such_source(str(path))) from error
    with file:
        waiting: list[str] = []  # the beginning of a line
        for text in formats.text.pieces(file, name, text_encoding):
            head, *lines = text.split("\n")
            waiting.append(head)
            if lines:
                yield "".join(waiting)
                yield from lines[:-1]
                waiting = lines[-1:]
        if any(waiting):
            yield "".join(waiting)
