"""Which model a command loads, and where and how it writes."""

from pathlib import Path

DEFAULT_MODEL = "model.safetensors"


def found_model() -> str:
    """The model file of this folder, where none is named."""
    from seqgen.errors import ModelFileError

    if not Path(DEFAULT_MODEL).exists():
        raise ModelFileError(
            f"there is no {DEFAULT_MODEL} in this folder: train one (seqgen train SOURCE), or name one with -m"
        )
    return DEFAULT_MODEL


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
    if count == 1:
        return [path]
    pattern = path.name if "{n}" in path.name else f"{path.stem}-{{n}}{path.suffix}"
    return [path.with_name(pattern.replace("{n}", str(number + 1))) for number in range(count)]
