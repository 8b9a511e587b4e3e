"""From what a user names to the files to read: files, folders, `corpus.toml`, named corpora, music21's corpus.

A plan only looks at names and at `corpus.toml`; nothing is parsed, and music21 is not imported.
"""

import difflib
import importlib.util
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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

    def takes(self, path: Path) -> bool:
        """Whether a file of the folder belongs to the corpus, by its name."""
        wanted, unwanted = (any(fnmatchcase(path.name, one) for one in some) for some in (self.include, self.exclude))
        return wanted and not unwanted


@dataclass(frozen=True)
class Candidate:
    """A file to read. `name` is its path below the source, with forward slashes."""

    path: Path
    name: str
    unit: str  # "music" or "text"
    separator: str = ""


@dataclass(frozen=True)
class Skipped:
    """A file, or one piece in it, that is not in the corpus.

    `failed`: it should have been; otherwise it was left out on purpose, like a text beside the MIDI files.
    """

    name: str
    reason: str
    failed: bool = True


@dataclass(frozen=True)
class Plan:
    """What to read, and the settings that come with it."""

    title: str
    unit: str  # "music" or "text"
    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...] = ()  # what will not be read
    ignored: tuple[str, ...] = ()  # names of visible files that are neither music nor text
    licence: str = ""
    encoding: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    separator: str = ""


@dataclass(frozen=True)
class _Source:
    """One SOURCE, resolved."""

    title: str
    label: str | Path  # a corpus' own name, or the path from which its names count
    found: tuple[Candidate, ...]  # names below the source
    skipped: tuple[Skipped, ...] = ()
    ignored: tuple[str, ...] = ()
    manifest: Manifest | None = None
    licence: str = ""


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
    prefixes = _prefixes([source.label for source in resolved])
    candidates: dict[Path, Candidate] = {}  # by real path: a file named twice is read once
    skipped: dict[Skipped, None] = {}
    ignored: dict[str, None] = {}
    for source, (kept, other_unit), prefix in zip(resolved, chosen, prefixes, strict=True):
        for candidate in kept:
            candidates.setdefault(candidate.path.resolve(), replace(candidate, name=prefix + candidate.name))
        for skip in (*source.skipped, *other_unit):
            skipped[replace(skip, name=prefix + skip.name)] = None
        ignored |= dict.fromkeys(prefix + name for name in source.ignored)
    manifests = [source.manifest for source in resolved]
    first = manifests[0] if all(manifest is not None for manifest in manifests) else None
    settings = {(manifest.encoding, repr(manifest.options)) for manifest in manifests if manifest is not None}
    encoding, options = (first.encoding, dict(first.options)) if first and len(settings) == 1 else (None, {})
    separators = {candidate.separator for candidate in candidates.values()}
    return Plan(
        title=listed([source.title for source in resolved]),
        unit=next(iter(units)),
        candidates=tuple(candidates.values()),
        skipped=tuple(skipped),
        ignored=tuple(ignored),
        licence="; ".join(dict.fromkeys(source.licence for source in resolved if source.licence)),
        encoding=encoding,
        options=options,
        separator=separators.pop() if len(separators) == 1 else "",
    )


def named_corpora() -> dict[str, Path]:
    """The corpora that come with seqgen: name to folder."""
    folder = bundled("corpora")
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


def bundled(name: str) -> Path | None:
    """A folder that comes with seqgen: a wheel holds it inside the package, a clone beside it."""
    package = Path(__file__).resolve().parent.parent
    return next((folder for folder in (package / name, package.parent / name) if folder.is_dir()), None)


def _resolve(source: str) -> _Source:
    if source.startswith(_MUSIC21):
        return _music21_source(source, source.removeprefix(_MUSIC21), None)
    path = Path(source).expanduser()
    if path.name == MANIFEST and path.is_file():
        path = path.parent
    if source and path.is_dir():
        return _folder_source(path, Path(os.path.abspath(path)))
    if path.is_file():
        return _file_source(path)
    if source and path.exists():
        raise CorpusError(f"{source} is neither a file nor a folder")
    corpora = named_corpora()
    if source in corpora:
        return _folder_source(corpora[source], source)
    raise CorpusError(no_such_source(source))


def _file_source(path: Path) -> _Source:
    """A file that was named is taken for what it is, even if in a folder it would be no candidate."""
    ending = formats.READERS.get(path.suffix.lower())
    if ending is not None:
        unit = ending.unit
    else:
        try:
            with open(path, "rb") as file:
                unit = "music" if file.read(4) == b"MThd" else "text"
        except OSError as error:
            raise CorpusError(f"{path} cannot be opened: {error.strerror}") from error
    if unit is None:
        raise CorpusError(f"{path} cannot be part of a corpus: {path.suffix} files are read one at a time")
    return _Source(path.stem, Path(os.path.abspath(path)), (Candidate(path, path.name, unit),))


def no_such_source(source: str) -> str:
    """What is said of a source that is no file, no folder and no corpus."""
    path, corpora = Path(source).expanduser(), named_corpora()
    siblings: list[str] = []
    if path.parent.is_dir():
        siblings = [str(path.parent / name) for name in sorted(os.listdir(path.parent)) if not name.startswith(".")]
    nearest = difflib.get_close_matches(source, [*corpora, *siblings], n=2, cutoff=0.7)
    hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
    return f"there is no file, folder or corpus {source!r}{hint} (corpora: {', '.join(corpora) or 'none'})"


def _folder_source(folder: Path, label: str | Path) -> _Source:
    path = folder / MANIFEST
    manifest = read_manifest(path) if path.is_file() else None
    if manifest is not None and manifest.source.startswith(_MUSIC21):
        return _music21_source(folder.name, manifest.source.removeprefix(_MUSIC21), manifest)
    return _scanned(folder, label, manifest)


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
    source = _scanned(folders[name], wanted.removeprefix(_MUSIC21), manifest)
    if manifest is None:
        source = replace(source, title=f"{name} (music21)", licence=_MUSIC21_LICENCE)
    return _one_format(source)


def _one_format(source: _Source) -> _Source:
    """Of a work that is there in several formats, the one that is read best."""
    best: dict[str, Candidate] = {}
    for candidate in sorted(source.found, key=_preference):
        best.setdefault(_work(candidate), candidate)
    twice = [candidate for candidate in source.found if best[_work(candidate)] is not candidate]
    found = tuple(candidate for candidate in source.found if best[_work(candidate)] is candidate)
    left_out = [Skipped(it.name, f"the same work as {best[_work(it)].name}", failed=False) for it in twice]
    return replace(source, found=found, skipped=(*source.skipped, *left_out))


def _work(candidate: Candidate) -> str:
    return candidate.name.removesuffix(candidate.path.suffix)


def _preference(candidate: Candidate) -> int:
    suffix = candidate.path.suffix.lower()
    return _PREFERENCE.index(suffix) if suffix in _PREFERENCE else len(_PREFERENCE)


def _scanned(folder: Path, label: str | Path, manifest: Manifest | None) -> _Source:
    settings = manifest or Manifest(title=folder.name or folder.resolve().name)
    paths, skipped = visible_files(folder)
    found, ignored = [], []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if name == MANIFEST or not settings.takes(path):
            continue
        unit = formats.unit(path)
        if unit is None:
            ignored.append(name)
        else:
            found.append(Candidate(path, name, unit, settings.separator))
    if not found:
        raise CorpusError(_nothing(folder, len(paths), ignored, skipped, manifest))
    return _Source(settings.title, label, tuple(found), tuple(skipped), tuple(ignored), manifest, settings.licence)


def _nothing(folder: Path, files: int, ignored: list[str], skipped: list[Skipped], manifest: Manifest | None) -> str:
    if skipped:
        return f"{folder}: {skipped[0].name} {skipped[0].reason}"
    if ignored:
        what = "one file, and it is neither music nor text" if len(ignored) == 1 else (
            f"{len(ignored)} files, none of them music or text"
        )  # fmt: skip
        return f"{folder} holds {what}: {listed(ignored)}"
    if manifest is not None and files > 1:  # corpus.toml is one
        patterns = f"include {', '.join(manifest.include)}; exclude {', '.join(manifest.exclude) or 'nothing'}"
        return f"no file in {folder} fits its {MANIFEST}: {patterns}"
    return f"{folder} holds no file to read (hidden ones do not count)"


def visible_files(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """Visible files below `folder`, sorted; links to folders are followed, each folder once."""
    files: list[Path] = []
    skipped: list[Skipped] = []
    seen = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = [entry for entry in os.scandir(here) if not entry.name.startswith(".")]
        except OSError as error:
            name = here.relative_to(folder).as_posix()
            skipped.append(Skipped(name, f"cannot be listed: {error.strerror}"))
            continue
        # taken from the end: of two ways to one folder the first by name counts
        waiting += sorted((here / entry.name for entry in entries if entry.is_dir()), reverse=True)
        files += [here / entry.name for entry in entries if entry.is_file()]
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix()), skipped


def _choose(source: _Source) -> tuple[list[Candidate], list[Skipped]]:
    """The candidates of one unit, and those left out. Music wins unless the corpus is set up for text."""
    units = {candidate.unit for candidate in source.found}
    unit = "music" if "music" in units else "text"
    reason = f"text file in a folder of {unit}"
    manifest = source.manifest
    if manifest is not None and (manifest.encoding or manifest.separator):
        wanted = encodings.make(manifest.encoding, **manifest.options).unit if manifest.encoding else "text"
        if wanted not in units:
            setting = "encoding" if manifest.encoding else "separator"
            raise CorpusError(f"{source.title}: {setting} in {MANIFEST} is for {wanted}, but all its files are {unit}")
        unit, reason = wanted, f"not {wanted}, for which its {MANIFEST} is set up"
    kept = [candidate for candidate in source.found if candidate.unit == unit]
    return kept, [Skipped(it.name, reason, failed=False) for it in source.found if it.unit != unit]


def _prefixes(labels: list[str | Path]) -> list[str]:
    """What keeps the names of several sources apart: a corpus' name, or the path below what all paths share."""
    if len(labels) == 1:
        return [""]
    parents = [label.parent for label in labels if isinstance(label, Path)]
    try:
        common = Path(os.path.commonpath(parents)) if parents else None
    except ValueError:  # on different drives
        common = None
    prefixes = []
    for label in labels:
        if isinstance(label, str):
            prefixes.append(f"{label}/")
            continue
        # the name of a file stands in its candidate already
        path = label if label.is_dir() else label.parent
        relative = path.relative_to(common).as_posix() if common is not None else path.name
        prefixes.append("" if relative == "." else f"{relative}/")
    return prefixes


def listed(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
