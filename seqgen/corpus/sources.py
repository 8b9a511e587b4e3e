"""From what a user names to the files to read: files, folders, `corpus.toml`, named corpora, music21's corpus.

A plan only looks at names and at `corpus.toml`; nothing is parsed, and music21 is not imported.
"""

import difflib
import importlib.util
import os
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from seqgen import encodings, formats
from seqgen.errors import ConfigError, CorpusError, MissingExtra

MANIFEST = "corpus.toml"
_FILES, _MUSIC21 = "files", "music21:"
_MUSIC21_LICENCE = "see the licence in music21's corpus folder and in the files themselves"
_PREFERENCE = (".mxl", ".musicxml", ".xml", ".krn")  # of one work in several formats, the first of these


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """What `corpus.toml` may say. The folder that holds it is the corpus."""

    title: str
    source: str = _FILES  # "files": those beside corpus.toml; "music21:<folder>": a folder of music21's corpus
    licence: str = ""
    encoding: str | None = None
    include: list[str] = msgspec.field(default_factory=lambda: ["*"])  # glob patterns on file names
    exclude: list[str] = []
    separator: str = ""  # text only: where a file is cut into documents
    options: dict[str, bool | int | str] = {}  # of the encoding


@dataclass(frozen=True)
class Candidate:
    """A file to read. `name` is its path below the source, with forward slashes."""

    path: Path
    name: str
    unit: str  # "music" or "text"
    separator: str = ""


@dataclass(frozen=True)
class Plan:
    """What to read, and the settings that come with it."""

    title: str
    unit: str  # "music" or "text"
    candidates: tuple[Candidate, ...]
    left_out: tuple[tuple[str, str], ...] = ()  # (name, reason) of candidates that will not be read
    ignored: tuple[str, ...] = ()  # names of visible files that are neither music nor text
    licence: str = ""
    encoding: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    separator: str = ""


@dataclass(frozen=True)
class _Source:
    """One SOURCE, resolved. `prefix` keeps its names apart from those of other sources."""

    title: str
    root: Path | None  # of a path the user gave; None for a corpus that has a name
    found: tuple[Candidate, ...]  # names below the source
    ignored: tuple[str, ...] = ()
    manifest: Manifest | None = None
    licence: str = ""
    several_formats: bool = False  # one work may be there in more than one format
    explicit: bool = False  # a file the user named


def plan(sources: Sequence[str | os.PathLike[str]]) -> Plan:
    """The files that `sources` stand for, in sorted order for each source.

    A source is a file, a folder, a folder with `corpus.toml`, the name of a corpus, or `music21:<folder>`. A path that
    exists wins over a name.

    Raises:
        CorpusError: a source does not exist or holds nothing to read, sources mix music and text, or `corpus.toml` is
            not valid.
        MissingExtra: a corpus is part of music21, which is not installed.
    """
    if not sources:
        raise CorpusError("no source was given; name a file, a folder or a corpus: " + ", ".join(named_corpora()))
    resolved = [_resolve(os.fspath(source)) for source in sources]
    chosen = [_choose(source) for source in resolved]
    units = {candidates[0].unit: candidates[0].name for candidates, _ in chosen}
    if len(units) > 1:
        raise CorpusError(f"a corpus is music or text, not both: {units['music']} is music, {units['text']} is text")
    prefixes = _prefixes(resolved)
    candidates: dict[Path, Candidate] = {}  # by real path: a file named twice is read once
    for (kept, _), prefix in zip(chosen, prefixes, strict=True):
        for candidate in kept:
            named = Candidate(candidate.path, prefix + candidate.name, candidate.unit, candidate.separator)
            candidates.setdefault(candidate.path.resolve(), named)
    left_out = [
        (prefix + name, reason) for (_, out), prefix in zip(chosen, prefixes, strict=True) for name, reason in out
    ]
    ignored = [prefix + name for source, prefix in zip(resolved, prefixes, strict=True) for name in source.ignored]
    manifests = [source.manifest for source in resolved]
    first = manifests[0] if all(manifest is not None for manifest in manifests) else None
    settings = {(manifest.encoding, repr(manifest.options)) for manifest in manifests if manifest is not None}
    encoding, options = (first.encoding, dict(first.options)) if first and len(settings) == 1 else (None, {})
    separators = {candidate.separator for candidate in candidates.values()}
    return Plan(
        title=_listed([source.title for source in resolved]),
        unit=next(iter(units)),
        candidates=tuple(candidates.values()),
        left_out=tuple(dict.fromkeys(left_out)),
        ignored=tuple(dict.fromkeys(ignored)),
        licence="; ".join(dict.fromkeys(source.licence for source in resolved if source.licence)),
        encoding=encoding,
        options=options,
        separator=separators.pop() if len(separators) == 1 else "",
    )


def named_corpora() -> dict[str, Path]:
    """The corpora that come with seqgen: name to folder."""
    folder = _corpora_folder()
    if folder is None:
        return {}
    return {entry.name: entry for entry in sorted(folder.iterdir()) if (entry / MANIFEST).is_file()}


def read_manifest(path: Path) -> Manifest:
    """The settings in a `corpus.toml`.

    Raises:
        CorpusError: it is not TOML, or a field is unknown, missing, of the wrong type, or does not fit the encoding.
    """
    try:
        with open(path, "rb") as file:
            manifest = msgspec.convert(tomllib.load(file), Manifest, strict=True)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read as TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise CorpusError(f"{path}: {error}; its fields are {', '.join(Manifest.__struct_fields__)}") from error
    if manifest.source != _FILES and not manifest.source.startswith(_MUSIC21):
        raise CorpusError(f"{path}: source must be 'files' or 'music21:<folder>', not {manifest.source!r}")
    if manifest.options and manifest.encoding is None:
        raise CorpusError(f"{path}: options are those of an encoding, but the field encoding is missing")
    if manifest.encoding is not None:
        try:
            unit = encodings.make(manifest.encoding, **manifest.options).unit
        except ConfigError as error:
            raise CorpusError(f"{path}: encoding or options: {error}") from error
        if manifest.separator and unit != "text":
            raise CorpusError(f"{path}: separator cuts text, and the encoding {manifest.encoding} is for music")
    return manifest


def _corpora_folder() -> Path | None:
    package = Path(__file__).resolve().parent.parent
    # a wheel holds corpora/ inside the package, a clone beside it
    return next((folder for folder in (package / "corpora", package.parent / "corpora") if folder.is_dir()), None)


def _resolve(source: str) -> _Source:
    if source.startswith(_MUSIC21):
        return _music21_source(source, source.removeprefix(_MUSIC21), None)
    path = Path(source).expanduser()
    if path.name == MANIFEST and path.is_file():
        path = path.parent
    if path.is_dir():
        return _folder_source(path, path)
    if path.is_file():
        unit = formats.unit(path)
        if unit is None:
            raise CorpusError(f"{source} is neither music nor text by its name; rename it if it is text")
        return _Source(path.stem, path.parent, (Candidate(path, path.name, unit),), explicit=True)
    if path.exists():
        raise CorpusError(f"{source} is neither a file nor a folder")
    corpora = named_corpora()
    if source in corpora:
        return _folder_source(corpora[source], None)
    raise CorpusError(_unknown(source, path, corpora))


def _unknown(source: str, path: Path, corpora: dict[str, Path]) -> str:
    siblings: list[str] = []
    if path.parent.is_dir():
        siblings = [str(path.parent / name) for name in sorted(os.listdir(path.parent)) if not name.startswith(".")]
    nearest = difflib.get_close_matches(source, [*corpora, *siblings], n=2, cutoff=0.7)
    hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
    return f"there is no file, folder or corpus {source!r}{hint} (corpora: {', '.join(corpora) or 'none'})"


def _folder_source(folder: Path, root: Path | None) -> _Source:
    """`root` is None for a corpus found by its name."""
    has_manifest = (folder / MANIFEST).is_file()
    manifest = read_manifest(folder / MANIFEST) if has_manifest else None
    name = folder.name or folder.resolve().name
    if manifest is None:
        return _scanned(folder, name, root, Manifest(title=name), settings=None)
    if manifest.source.startswith(_MUSIC21):
        return _music21_source(folder.name, manifest.source.removeprefix(_MUSIC21), manifest)
    return _scanned(folder, manifest.title, root, manifest, settings=manifest)


def _music21_source(wanted: str, name: str, manifest: Manifest | None) -> _Source:
    try:
        spec = importlib.util.find_spec("music21")  # finds the folder; does not import
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(f"The corpus {wanted}", "notation")
    corpus = Path(next(iter(spec.submodule_search_locations))) / "corpus"
    entries = sorted(corpus.iterdir()) if corpus.is_dir() else []
    folders = {entry.name: entry for entry in entries if entry.is_dir() and not entry.name.startswith(("_", "."))}
    if name not in folders:
        nearest = difflib.get_close_matches(name, folders, n=2, cutoff=0.6)
        hint = f"; did you mean {' or '.join(_MUSIC21 + near for near in nearest)}?" if nearest else ""
        raise CorpusError(f"music21's corpus in {corpus} has no folder {name!r}{hint}")
    title = manifest.title if manifest else f"{name} (music21)"
    source = _scanned(folders[name], title, None, manifest or Manifest(title=title), settings=manifest)
    licence = manifest.licence if manifest else _MUSIC21_LICENCE
    return _Source(title, None, source.found, source.ignored, manifest, licence, several_formats=True)


def _scanned(folder: Path, title: str, root: Path | None, patterns: Manifest, settings: Manifest | None) -> _Source:
    found, ignored = [], []
    for path in sorted(_walk(folder), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if name == MANIFEST:
            continue
        if not any(fnmatchcase(path.name, pattern) for pattern in patterns.include):
            continue
        if any(fnmatchcase(path.name, pattern) for pattern in patterns.exclude):
            continue
        unit = formats.unit(path)
        if unit is None:
            ignored.append(name)
        else:
            found.append(Candidate(path, name, unit, patterns.separator))
    if not found:
        raise CorpusError(_nothing(folder, ignored, settings))
    return _Source(title, root, tuple(found), tuple(ignored), settings, patterns.licence)


def _nothing(folder: Path, ignored: list[str], settings: Manifest | None) -> str:
    if ignored:
        count = f"{len(ignored)} files, none of them" if len(ignored) > 1 else "one file, neither"
        return f"{folder} holds {count} music {'or' if len(ignored) > 1 else 'nor'} text: {_listed(ignored)}"
    if settings is not None and any(_walk(folder)):
        patterns = ", ".join(settings.include)
        return f"no file in {folder} fits its {MANIFEST}: include {patterns}, exclude {', '.join(settings.exclude)}"
    return f"{folder} is empty: there is no file to read"


def _walk(folder: Path) -> Iterator[Path]:
    """Visible files below `folder`; links to folders are followed, each folder once."""
    seen = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            raise CorpusError(f"the folder {here} cannot be listed: {error.strerror}") from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                waiting.append(here / entry.name)
            elif entry.is_file():
                yield here / entry.name


def _choose(source: _Source) -> tuple[list[Candidate], list[tuple[str, str]]]:
    """The candidates of one unit, and those left out with the reason. Music wins unless the encoding is for text."""
    units = {candidate.unit for candidate in source.found}
    unit = "music" if "music" in units else "text"
    reason = f"{'text' if unit == 'music' else 'music'} file in a folder of {unit}"
    manifest = source.manifest
    if manifest is not None and (manifest.encoding is not None or manifest.separator):
        wanted = encodings.make(manifest.encoding, **manifest.options).unit if manifest.encoding else "text"
        if wanted not in units:
            field_ = "encoding" if manifest.encoding else "separator"
            raise CorpusError(f"{source.title}: {field_} in {MANIFEST} is for {wanted}, but all its files are {unit}")
        unit = wanted
        reason = f"not {unit}, for which this corpus is set up"
    kept = [candidate for candidate in source.found if candidate.unit == unit]
    left_out = [(candidate.name, reason) for candidate in source.found if candidate.unit != unit]
    if source.several_formats:
        best: dict[str, Candidate] = {}
        for candidate in sorted(kept, key=_preference):
            best.setdefault(_work(candidate), candidate)
        for candidate in kept:
            if best[_work(candidate)] is not candidate:
                left_out.append((candidate.name, f"the same work as {best[_work(candidate)].name}"))
        kept = [candidate for candidate in kept if best[_work(candidate)] is candidate]
    return kept, left_out


def _work(candidate: Candidate) -> str:
    return candidate.name.removesuffix(candidate.path.suffix)


def _preference(candidate: Candidate) -> int:
    suffix = candidate.path.suffix.lower()
    return _PREFERENCE.index(suffix) if suffix in _PREFERENCE else len(_PREFERENCE)


def _prefixes(sources: list[_Source]) -> list[str]:
    """What keeps the names of several sources apart: their folders below the folder they have in common."""
    if len(sources) == 1:
        return [""]
    # a folder is named, a file's folder only where it differs
    tops = [Path(os.path.abspath(source.root)) for source in sources if source.root is not None]
    above = [
        Path(os.path.abspath(source.root)) if source.explicit else Path(os.path.abspath(source.root)).parent
        for source in sources
        if source.root is not None
    ]
    try:
        common = Path(os.path.commonpath(above)) if above else None
    except ValueError:  # different drives
        common = None
    prefixes = []
    roots = iter(tops)
    for source in sources:
        if source.root is None:
            prefixes.append(f"{source.title}/")
            continue
        root = next(roots)
        relative = root.relative_to(common).as_posix() if common is not None else root.name
        prefixes.append("" if relative == "." else f"{relative}/")
    return prefixes


def _listed(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
