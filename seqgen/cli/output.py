"""Which model a command loads, and where and how it writes."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqgen.cli import console

if TYPE_CHECKING:
    from seqgen.api.model import Model
    from seqgen.api.translator import Translator

DEFAULT_MODEL = "model.safetensors"
BINARY = ("mid", "npy")


def loaded(name: str | None) -> "Model":
    """The model of that file or name; without one the model of this folder, else the shipped default, which is said."""
    from seqgen.api.model import load
    from seqgen.api.shipped import DEFAULT

    if name is None and not Path(DEFAULT_MODEL).exists():
        console.say(f"there is no {DEFAULT_MODEL} in this folder, so this is {DEFAULT}, which comes with seqgen")
        name = DEFAULT
    return load(name or DEFAULT_MODEL)


def loaded_translator(name: str | None) -> "Translator":
    """The encoder-decoder of that file or name; without one that of this folder.

    Raises:
        ModelFileError: there is none, or it is a generator.
    """
    from seqgen.api.translator import load
    from seqgen.errors import ModelFileError

    if name is None and not Path(DEFAULT_MODEL).exists():
        raise ModelFileError(
            f"there is no {DEFAULT_MODEL} in this folder: name a model with -m, or make one of pairs with"
            " 'seqgen train pairs.tsv'"
        )
    return load(name or DEFAULT_MODEL)


def check_stdout(format_: str, output: str | None, count: int, unit: str, *, force: bool) -> None:
    """Raises ConfigError where the standard output cannot take what is to be written."""
    from seqgen.errors import ConfigError

    if output is not None:
        return
    if format_ in BINARY and sys.stdout.isatty() and not force:
        raise ConfigError(
            f"{format_} is binary, and this is a terminal: give -o out.{format_}, or > out.{format_}, or --force"
        )
    if count > 1 and unit == "music":
        raise ConfigError(f"{count} pieces do not fit into one stream: give -o 'out-{{n}}.{format_}'")


def format_name(wanted: str | None, output: str | None, unit: str) -> str:
    """The format's name, known to fit before anything is generated."""
    from seqgen.errors import ConfigError
    from seqgen.formats import ENDINGS, WRITERS

    suffix = Path(output).suffix if output is not None else ""
    name = wanted or ENDINGS.get(suffix.lower(), suffix[1:]) or ("mid" if unit == "music" else "txt")
    possible = [format_ for format_, writer in WRITERS.items() if unit in writer.kinds]
    if name not in possible:
        raise ConfigError(f"this model writes {unit}, which can be written as {', '.join(possible)}, not as {name!r}")
    return name


def targets(output: str | None, count: int) -> list[Path]:
    """The files to write, known to be possible before anything is generated; none for the standard output."""
    from seqgen.errors import ConfigError

    if output is None:
        return []
    path = Path(output)
    if path.is_dir():
        raise ConfigError(f"cannot write {output}: it is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ConfigError(f"cannot write {output}: there is no folder {str(path.parent)!r}")
    if count == 1 and "{n}" not in path.name:
        return [path]
    return [numbered(path, number + 1) for number in range(count)]


def numbered(path: Path, number: int) -> Path:
    """The file of a number: where {n} stands in the name, else before its ending."""
    pattern = path.name if "{n}" in path.name else f"{path.stem}-{{n}}{path.suffix}"
    return path.with_name(pattern.replace("{n}", str(number)))


def write(sources: Sequence[Any], files: Sequence[Path], format_: str) -> None:
    """Each to its file, or all to the standard output where there are none."""
    from seqgen import formats

    for file, source in zip(files, sources, strict=bool(files)):
        formats.write(source, file, format=format_)
        console.say(f"wrote {file}")
    if files:
        return
    data = b"\n".join(formats.to_bytes(source, format_) for source in sources)
    sys.stdout.buffer.write(data if format_ in BINARY or data.endswith(b"\n") else data + b"\n")
    sys.stdout.buffer.flush()
