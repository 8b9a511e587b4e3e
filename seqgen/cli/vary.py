"""`seqgen vary`."""

import sys
from typing import Any

import click

from seqgen.cli import console
from seqgen.cli.output import check_stdout, format_name, loaded, targets, write


@click.command("vary")
@click.argument("file", metavar="FILE")
@click.option("-m", "--model", "model_path", metavar="MODEL", help="A file, or a name. [./model.safetensors]")
@click.option(
    "--keep-bars", default="", metavar="BARS", help="They come out untouched: 1-4,8. A pickup is bar 0. [none]"
)
@click.option(
    "--amount",
    type=float,
    default=1.0,
    show_default=True,
    help="The share of the other notes to make anew, 0 to 1.",
)
@click.option(
    "--temperature", type=float, default=1.0, show_default=True, help="Boldness; 0 always takes the most probable."
)
@click.option(
    "--particles", type=int, default=16, show_default=True, help="So many fills compete to lead into what is kept."
)
@click.option("--seed", type=click.IntRange(min=0), help="The same seed gives the same result. [drawn, and said]")
@click.option("--count", type=int, default=1, show_default=True, help="So many variations.")
@click.option(
    "-o", "--output", metavar="FILE", help="Write here; with --count, {n} in the name is the number. [stdout]"
)
@click.option(
    "--format", "format_", metavar="FORMAT", help="mid, musicxml, svg, strudel, sonicpi, jsonl or npy. [by -o; mid]"
)
@click.option("--force", is_flag=True, help="Write binary data to a terminal.")
def command(file: str, model_path: str | None, count: int, output: str | None, **flags: Any) -> None:
    """Make some bars of the music in FILE anew, and keep the others (- reads from stdin).

    What is made anew is chosen so that it leads into what is kept.
    """
    from seqgen import formats
    from seqgen.api.request import new_seed
    from seqgen.errors import ConfigError

    if output == "-":
        output = None
    model = loaded(model_path)
    if model.unit != "music":
        raise ConfigError("vary is for music, and this model writes text")
    format_ = format_name(flags["format_"], output, model.unit)
    check_stdout(format_, output, count, model.unit, force=flags["force"])
    files = targets(output, count)
    piece = formats.read_bytes(sys.stdin.buffer.read(), "the piece on stdin")[0] if file == "-" else formats.read(file)
    seed = new_seed() if flags["seed"] is None else flags["seed"]
    if isinstance(piece, str):
        raise ConfigError(f"vary wants music, and {file} is text")
    varied = model.vary(
        piece,
        keep_bars=flags["keep_bars"],
        amount=flags["amount"],
        temperature=flags["temperature"],
        particles=flags["particles"],
        seed=seed,
        count=count,
    )
    console.say(f"model {model.name} {model.digest}, seed {seed}")
    write(varied, files, format_)
