"""Sources to documents: plan, read what the cache does not have, and keep account of what was skipped."""

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from seqgen import formats
from seqgen.corpus import cache as pieces_cache
from seqgen.corpus.packed import digest, unpack
from seqgen.corpus.reading import Failure, Job, Reader, read_jobs, read_music
from seqgen.corpus.sources import Candidate, Plan, Skipped, plan
from seqgen.errors import CorpusError, FormatError, MissingExtra
from seqgen.longtext import LongText, Scratch, pieces_of
from seqgen.piece import Piece

Progress = Callable[[int, int], None]  # files done, files in all
_REASONS_SHOWN = 3
_HELD_BYTES = 1 << 24  # text files of more bytes in all are not held in memory


@dataclass(frozen=True)
class Document:
    """One piece or text. Those of a file with several are named `file.abc#1`, `file.abc#2` ..."""

    name: str
    content: Piece | str | LongText
    digest: str  # SHA-256 of the content in hexadecimal


@dataclass(frozen=True)
class Corpus:
    """Documents of one unit, in sorted order, and what is known about them."""

    title: str
    unit: str  # "music" or "text"
    documents: tuple[Document, ...]
    skipped: tuple[Skipped, ...] = ()
    ignored: tuple[str, ...] = ()  # visible files that are neither music nor text
    licence: str = ""
    encoding: str | None = None  # the one its corpus.toml names, with `options`
    options: dict[str, Any] = field(default_factory=dict)
    separator: str = ""  # at which its files were cut into documents

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal over the names and digests of the documents."""
        lines = [f"{document.digest} {document.name}\n" for document in self.documents]
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def losses(self) -> dict[str, int]:
        """What reading the pieces lost or changed, counted by reason, the most frequent first."""
        counts: Counter[str] = Counter()
        for document in self.documents:
            if isinstance(document.content, Piece):
                counts.update(document.content.losses)
        return dict(counts.most_common())


def load_corpus(
    *sources: str | os.PathLike[str],
    text_encoding: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    cache: bool = True,
    reader: Reader = read_music,
) -> Corpus:
    """The documents in `sources`: files, folders, folders with `corpus.toml`, names of corpora, `music21:<folder>`.

    A file that cannot be read is skipped with its reason, and so is one that takes 20 s or 1 GB of memory. Music is
    read by `workers` processes (by default one for each CPU) and kept in a cache on disk unless `cache` is False.
    `text_encoding` is a Python codec name; without one, text is UTF-8 or says what it is by its first bytes. Texts of
    more than 16 MB in all become LongText, unless a separator cuts them.

    Raises:
        CorpusError: no such source, nothing to read in it, nothing of it readable, or music and text mixed.
        MissingExtra: the files need an optional part that is not installed.
        ConfigError: no such text encoding.
    """
    plan_ = plan(sources)
    if plan_.unit == "text":
        found = _read_texts(plan_, text_encoding, progress)
    else:
        found = _read_pieces(plan_, workers, progress, cache, reader)
    documents: list[Document] = []
    skipped = list(plan_.skipped)
    extras: set[str] = set()
    for candidate, outcome in found:
        if isinstance(outcome, Failure):
            skipped.append(Skipped(_printable(candidate.name), _without(candidate, outcome.reason)))
            extras.add(outcome.extra)
            continue
        extras.add("")
        kept, empty = _documents(candidate, outcome)
        documents += kept
        skipped += empty
    if not documents:
        if len(extras) == 1 and (extra := extras.pop()):
            raise MissingExtra(f"Reading {plan_.candidates[0].name}", extra)
        raise CorpusError(_none_readable(plan_, [skip for skip in skipped if skip.failed]))
    return Corpus(
        title=plan_.title,
        unit=plan_.unit,
        documents=tuple(documents),
        skipped=tuple(skipped),
        ignored=plan_.ignored,
        licence=plan_.licence,
        encoding=plan_.encoding,
        options=plan_.options,
        separator=plan_.separator,
    )


def _printable(name: str) -> str:
    """A file name as Unicode: bytes that are none are spelled `\\xff`, as a model file and a terminal can hold them."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _documents(
    candidate: Candidate, contents: list[Piece] | list[str] | list[LongText]
) -> tuple[list[Document], list[Skipped]]:
    documents, skipped = [], []
    for number, content in enumerate(contents, start=1):
        name = _printable(f"{candidate.name}#{number}" if len(contents) > 1 else candidate.name)
        if isinstance(content, Piece) and not len(content.notes):
            skipped.append(Skipped(name, "has no notes"))
        elif not isinstance(content, Piece) and _blank(content):
            skipped.append(Skipped(name, "holds only white space"))
        else:
            documents.append(Document(name, content, digest(content)))
    return documents, skipped


def _blank(text: str | LongText) -> bool:
    return not any(piece.strip() for piece in pieces_of(text))


def _read_texts(
    plan_: Plan, text_encoding: str | None, progress: Progress | None
) -> Iterator[tuple[Candidate, list[str] | list[LongText] | Failure]]:
    scratch = Scratch(pieces_cache.home()) if _size(plan_) > _HELD_BYTES else None
    for done, candidate in enumerate(plan_.candidates, start=1):
        outcome: list[str] | list[LongText] | Failure
        try:
            if scratch is not None and not candidate.separator:
                with open(candidate.path, "rb") as file:
                    found = formats.text.pieces(file, str(candidate.path), text_encoding)
                    outcome = [LongText.write(found, scratch)]
            else:
                texts = formats.read_all(candidate.path, text_encoding=text_encoding)
                outcome = [part for text in texts if isinstance(text, str) for part in _cut(text, candidate.separator)]
        except FormatError as error:
            outcome = Failure(str(error))
        except OSError as error:
            outcome = Failure(f"cannot be opened: {error.strerror or error}")
        if progress is not None:
            progress(done, len(plan_.candidates))
        yield candidate, outcome


def _size(plan_: Plan) -> int:
    """Bytes of all files that can be found."""
    sizes = 0
    for candidate in plan_.candidates:
        with contextlib.suppress(OSError):  # said when it is read
            sizes += candidate.path.stat().st_size
    return sizes


def _cut(text: str, separator: str) -> list[str]:
    if not separator:
        return [text]
    parts = [part.strip("\n") for part in text.split(separator)]
    return [part for part in parts if part.strip()] or [text]


def _read_pieces(
    plan_: Plan, workers: int | None, progress: Progress | None, use_cache: bool, reader: Reader
) -> Iterator[tuple[Candidate, list[Piece] | Failure]]:
    outcomes: list[list[Piece] | Failure | None] = [None] * len(plan_.candidates)
    jobs: dict[int, Job] = {}  # by index into the candidates
    keys: dict[int, bytes] = {}
    versions = pieces_cache.versions() + f"; {reader.__module__}.{reader.__qualname__}".encode()
    packs: dict[Path, pieces_cache.Entries] = {}
    for index, candidate in enumerate(plan_.candidates):
        try:
            size = candidate.path.stat().st_size
            keys[index] = pieces_cache.key(candidate.path, versions)
        except OSError as error:
            outcomes[index] = Failure(f"cannot be opened: {error.strerror or error}")
            continue
        if not size:
            outcomes[index] = Failure("is empty")
            continue
        folder = candidate.path.parent
        if use_cache and folder not in packs:
            packs[folder] = pieces_cache.fetch(folder)
        known, packed = packs.get(folder, {}).get(candidate.path.name, (b"", b""))
        if known == keys[index]:
            outcomes[index] = _unpacked(packed)
        if outcomes[index] is None:
            jobs[index] = Job(candidate.path, size)
    done = len(plan_.candidates) - len(jobs)
    if progress is not None and done:
        progress(done, len(plan_.candidates))
    fresh: dict[Path, pieces_cache.Entries] = {}
    order = list(jobs)
    try:
        for position, outcome in read_jobs(list(jobs.values()), reader, workers=workers):
            index = order[position]
            path = plan_.candidates[index].path
            if isinstance(outcome, Failure):
                outcomes[index] = outcome
            else:
                outcomes[index] = unpack(outcome)
                fresh.setdefault(path.parent, {})[path.name] = (keys[index], outcome)
            done += 1
            if progress is not None:
                progress(done, len(plan_.candidates))
    finally:  # an interrupted reading goes on where it was
        if use_cache:
            for folder, entries in fresh.items():
                pieces_cache.store(folder, entries)
    for candidate, outcome in zip(plan_.candidates, outcomes, strict=True):
        if outcome is not None:
            yield candidate, outcome


def _unpacked(packed: bytes) -> list[Piece] | None:
    try:
        return unpack(packed)
    except (ValueError, msgspec.MsgspecError):
        return None  # written by something else: read the file again


def _without(candidate: Candidate, reason: str) -> str:
    """The reason without the file's own name in front, which stands beside it."""
    for name in (str(candidate.path), candidate.name, candidate.path.name):
        for link in (": ", " "):
            if reason.startswith(name + link):
                return reason[len(name) + len(link) :]
    return reason


def _none_readable(plan_: Plan, failures: list[Skipped]) -> str:
    shown = "; ".join(f"{skip.name}: {skip.reason}" for skip in failures[:_REASONS_SHOWN])
    more = f"; and {len(failures) - _REASONS_SHOWN} more" if len(failures) > _REASONS_SHOWN else ""
    what = "the one file" if len(plan_.candidates) == 1 else f"none of the {len(plan_.candidates)} files"
    verb = "cannot" if len(plan_.candidates) == 1 else "can"
    return f"{plan_.title}: {what} {verb} be read as {plan_.unit}: {shown}{more}"
