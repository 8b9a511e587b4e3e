"""`seqgen embed`."""

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqgen.cli import console, lines
from seqgen.cli.output import loaded_translator, targets

if TYPE_CHECKING:
    import numpy as np

_ENDINGS = (".npy", ".json")


@click.command("embed")
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("-m", "--model", "model_path", metavar="MODEL", help="A file of seqgen train. [./model.safetensors]")
@click.option("-o", "--output", metavar="FILE", help="Write the vectors here: .npy or .json. [stdout]")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line: the text and its vector.")
@click.option("--plot", metavar="FILE", help="A picture of all of them in two dimensions: .svg.")
@click.option("--neighbours", type=int, metavar="N", help="For each the N others that are most alike.")
@click.option("--max-length", type=int, metavar="N", help="Cut a text to N characters or words. [refuse far longer]")
@click.option("--text-encoding", help="How the standard input is encoded, where it is not UTF-8.")
@click.option("--force", is_flag=True, help="Write binary data to a terminal.")
def command(texts: tuple[str, ...], model_path: str | None, output: str | None, **flags: Any) -> None:
    """The vector that the encoder of a model of pairs makes of each TEXT, or of each line of the standard input.

    As a matrix for numpy, a row for each, unless --json, --plot or --neighbours asks for something else. Empty lines
    are left out.
    """
    from seqgen.errors import ConfigError

    output = None if output == "-" else output
    neighbours, as_json = flags["neighbours"], flags["as_json"]
    _check_files(output, flags["plot"])
    if neighbours is not None and neighbours < 1:
        raise ConfigError(f"--neighbours must be at least 1, not {neighbours}")
    matrix = output is None and not as_json and flags["plot"] is None and neighbours is None
    if matrix and sys.stdout.isatty() and not flags["force"]:
        raise ConfigError("npy is binary, and this is a terminal: give -o out.npy, > out.npy, --json, or --force")
    translator = loaded_translator(model_path)
    if translator.source_unit != "text":
        raise ConfigError("this model does not read text; Translator.embed in Python takes what it reads")
    rows = [text for group in lines.groups(texts, flags["text_encoding"]) for text in group]
    given = [(number, text) for number, text in enumerate(rows, start=1) if text.strip()]
    if not given:
        raise ConfigError("there is nothing to embed: give texts, or lines on the standard input")
    if len(given) < len(rows):
        left_out = len(rows) - len(given)
        console.warn(f"{left_out:,} empty line{' is' if left_out == 1 else 's are'} left out")
    kept = [text for _, text in given]
    names = [f"line {number:,}" for number, _ in given]
    vectors = translator.embed(kept, max_length=flags["max_length"], names=names)
    count, size = vectors.shape
    console.say(f"model {translator.name} {translator.digest}: {count:,} vectors of {size:,} numbers")
    if output is not None:
        _write(output, kept, vectors)
    if flags["plot"] is not None:
        _draw(flags["plot"], kept, vectors)
    if matrix:
        sys.stdout.buffer.write(_npy(vectors))
        sys.stdout.buffer.flush()
    elif as_json or neighbours is not None:
        _print(kept, vectors, neighbours, as_json=as_json)


def _check_files(output: str | None, plot: str | None) -> None:
    """Found out before anything is read."""
    from seqgen.errors import ConfigError

    for file, endings in ((output, _ENDINGS), (plot, (".svg",))):
        if file is None:
            continue
        targets(file, 1)
        if Path(file).suffix.lower() not in endings:
            raise ConfigError(f"{file} cannot be written: its name should end in {' or '.join(endings)}")


def _print(texts: list[str], vectors: "np.ndarray", count: int | None, *, as_json: bool) -> None:
    from seqgen.api.vectors import neighbours

    near = neighbours(vectors, count) if count is not None else [[] for _ in texts]
    for text, vector, others in zip(texts, vectors.tolist(), near, strict=True):
        found = [(texts[other.row], round(other.similarity, 6)) for other in others]
        if as_json:
            facts: dict[str, Any] = {"text": text, "vector": vector}
            if count is not None:
                facts["neighbours"] = [{"text": other, "similarity": similarity} for other, similarity in found]
            _line(json.dumps(facts, ensure_ascii=False))
        else:
            _line("\t".join([text, *(f"{other} ({similarity:.3f})" for other, similarity in found)]))
    sys.stdout.buffer.flush()


def _line(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")


def _write(output: str, texts: list[str], vectors: "np.ndarray") -> None:
    from seqgen.durable import write_bytes

    if Path(output).suffix.lower() == ".npy":
        data = _npy(vectors)
    else:
        rows = [{"text": text, "vector": vector} for text, vector in zip(texts, vectors.tolist(), strict=True)]
        data = json.dumps(rows).encode() + b"\n"
    write_bytes(output, data)
    console.say(f"wrote {output}")


def _draw(file: str, texts: list[str], vectors: "np.ndarray") -> None:
    from seqgen.api.vectors import plane
    from seqgen.durable import write_bytes
    from seqgen.formats.scatter import to_svg

    points, (first, second) = plane(vectors)
    summary = f"the two directions in which their vectors differ most: {first:.0%} and {second:.0%} of all differences"
    write_bytes(file, to_svg(points, texts, f"{len(texts):,} texts", summary).encode())
    console.say(f"wrote {file}")


def _npy(vectors: "np.ndarray") -> bytes:
    import numpy as np

    file = io.BytesIO()
    np.save(file, vectors)
    return file.getvalue()
