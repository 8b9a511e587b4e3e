"""The models that come with seqgen, each with a card: what it learned from, how, and how well."""

import os
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from seqgen.corpus.sources import bundled

DEFAULT = "bach-chorales"
HARMONY = "bach-harmony"  # what harmonises where no model is named
LARGEST = 2_500_000  # bytes of a file


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person should know of a shipped model; `scripts/train-shipped` writes it."""

    title: str
    corpus: str
    licence: str
    command: str  # what trained it
    held_out: str  # its score on pieces it has not seen
    date: str
    size: Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]  # bytes
    version: str  # the seqgen that trained it


def cards() -> dict[str, Card]:
    """The cards of all shipped models, by name."""
    folder = bundled("shipped")
    paths = sorted(folder.glob("*.toml")) if folder else []
    return {path.stem: msgspec.convert(tomllib.loads(path.read_text("utf-8")), Card) for path in paths}


def path(name: str) -> Path | None:
    """The file of a shipped model; None if there is no model of that name."""
    folder = bundled("shipped")
    file = folder / f"{name}.safetensors" if folder and name.isascii() and name.replace("-", "").isalnum() else None
    return file if file is not None and file.is_file() else None


def located(name: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Where the model of that name is: the file itself, if there is one, else what comes with seqgen."""
    return name if Path(name).exists() else path(os.fspath(name)) or name
