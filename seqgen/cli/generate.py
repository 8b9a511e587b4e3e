"""`seqgen generate`."""

import sys
from pathlib import Path
from typing import Any

import click

from seqgen.cli import console
from seqgen.cli.output import DEFAULT_MODEL, format_name, found_model, targets

_BINARY = ("mid", "npy")


@click.command("generate")
@click.option("-m", "--model", "model_path", metavar="MODEL", help="The model file. [./model.safetensors]")
@click.option(
    "--steps", type=int, help="At most so many characters, words, note events, grid steps or frames. [one piece]"
)
@click.option("--bars", type=int, help="Music: end exactly after so many bars.")
@click.option("--fill", is_flag=True, help="Where a piece ends early, begin another, until there are --steps.")
@click.option(
    "--temperature", type=float, default=1.0, show_default=True, help="Boldness; 0 always takes the most probable."
)
@click.option("--top-k", type=int, default=0, help="Choose among the K most probable. [off]")
@click.option("--top-p", type=float, default=1.0, help="Choose among the most probable that hold this share. [off]")
@click.option(
    "--prime", metavar="FILE|TEXT", help="How it begins: a file, - for stdin, or for text the words themselves."
)
@click.option("--seed", type=click.IntRange(min=0), help="The same seed gives the same result. [drawn, and said]")
@click.option("--count", type=int, default=1, show_default=True, help="So many variations.")
@click.option(
    "-o", "--output", metavar="FILE", help="Write here; with --count, {n} in the name is the number. [stdout]"
)
@click.option(
    "--format", "format_", metavar="FORMAT", help="mid, musicxml, svg, jsonl, npy or txt. [by -o; mid or txt]"
)
@click.option("--force", is_flag=True, help="Write binary data to a terminal.")
def command(model_path: str | None, prime: str | None, count: int, output: str | None, **flags: Any) -> None:
    """Write new music or text with a model: MIDI or text to stdout, or a file with -o."""
    from seqgen import formats
    from seqgen.api.generate import new_seed
    from seqgen.api.model import load
    from seqgen.errors import ConfigError

    if output == "-":
        output = None
    model = load(model_path or found_model())
    format_ = format_name(flags["format_"], output, model.unit)
    binary = format_ in _BINARY
    if output is None and binary and sys.stdout.isatty() and not flags["force"]:
        raise ConfigError(
            f"{format_} is binary, and this is a terminal: give -o out.{format_}, or > out.{format_}, or --force"
        )
    if output is None and count > 1 and model.unit == "music":
        raise ConfigError(f"{count} pieces do not fit into one stream: give -o 'out-{{n}}.{format_}'")
    files = targets(output, count)
    begin = _prime(prime, model)
    seed = new_seed() if flags["seed"] is None else flags["seed"]
    generated = model.generate(
        flags["steps"],
        count=count,
        bars=flags["bars"],
        temperature=flags["temperature"],
        top_k=flags["top_k"],
        top_p=flags["top_p"],
        prime=begin,
        seed=seed,
        fill=flags["fill"],
    )
    console.say(f"model {model_path or DEFAULT_MODEL} {model.digest}, seed {seed}")
    if files:
        for target, source in zip(files, generated, strict=True):
            formats.write(source, target, format=format_)
            console.say(f"wrote {target}")
        return
    data = b"\n".join(formats.to_bytes(source, format_) for source in generated)
    sys.stdout.buffer.write(data if binary or data.endswith(b"\n") else data + b"\n")
    sys.stdout.buffer.flush()


def _prime(prime: str | None, model: Any) -> Any:
    """The prime as Piece or text: stdin, a file that exists, or for text models the words themselves."""
    from seqgen import formats
    from seqgen.errors import ConfigError

    if prime is None:
        return None
    if prime == "-":
        begin = formats.read_bytes(sys.stdin.buffer.read(), "the prime on stdin")[0]
    elif _is_file(prime):
        begin = formats.read(prime)
    elif model.unit == "text":
        begin = prime
    else:
        raise ConfigError(f"the model writes music, so --prime is a file of music; there is no file {prime!r}")
    unknown = model.unknown(begin)
    if unknown:
        shown = ", ".join(repr(token) for token in list(dict.fromkeys(unknown))[:5])
        console.warn(
            f"the prime has {len(unknown)} tokens the model has never seen ({shown}); it reads them as unknown"
        )
    return begin


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a text too long for a name, or with a NUL
        return False
