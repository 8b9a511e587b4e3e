"""`seqgen harmonize`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqgen.cli import console, constraints
from seqgen.cli.output import DEFAULT_MODEL, check_stdout, format_name, loaded_translator, targets, write

if TYPE_CHECKING:
    from seqgen.api.melody import Melody
    from seqgen.api.translator import Translator


@click.command("harmonize")
@click.argument("file", metavar="FILE")
@click.option("-m", "--model", "model_path", metavar="MODEL", help="A file, or a name. [./model.safetensors if it can]")
@click.option("--part", metavar="NAME|N", help="Which part of FILE is the melody. [the only one, or the soprano]")
@click.option("--temperature", default="1.0", metavar="X", help="Boldness; 0 always takes the most probable. [1]")
@click.option("--top-k", default="0", metavar="K", help="Choose among the K most probable. [off]")
@click.option("--top-p", default="1.0", metavar="P", help="Choose among the most probable that hold this share. [off]")
@click.option(
    "--min-p", default="0.0", metavar="P", help="Leave out what has less than P times the share of the best. [off]"
)
@click.option("--penalty", default="1.0", metavar="X", help="Above 1: what came lately becomes less probable. [off]")
@constraints.options_of_voices
@click.option(
    "--particles",
    type=int,
    metavar="K",
    help="So many weighted tries at once, for chords, endings and the like. [16 with these]",
)
@click.option("--instrument", type=int, metavar="N", help="General MIDI program 0 to 127 of the voices. [the melody's]")
@click.option("--seed", type=click.IntRange(min=0), help="The same seed gives the same result. [drawn, and said]")
@click.option("--count", type=int, default=1, show_default=True, help="So many variations.")
@click.option(
    "--best-of", type=int, metavar="N", help="Make N of each, keep the one with the fewest parallel fifths and octaves."
)
@click.option(
    "-o", "--output", metavar="FILE", help="Write here; with --count, {n} in the name is the number. [stdout]"
)
@click.option(
    "--format", "format_", metavar="FORMAT", help="mid, musicxml, svg, strudel, sonicpi, jsonl or npy. [by -o; mid]"
)
@click.option("--force", is_flag=True, help="Write binary data to a terminal.")
def command(file: str, model_path: str | None, part: str | None, output: str | None, **flags: Any) -> None:
    """Put other voices under the melody in FILE, which comes out note for note (- reads from stdin).

    What constrains, constrains the other voices.
    """
    from seqgen import formats
    from seqgen.api.harmonize import harmonies
    from seqgen.api.melody import read_melody
    from seqgen.api.request import Request
    from seqgen.errors import ConfigError

    output = None if output == "-" else output
    count, wanted, force = flags["count"], flags.pop("format_"), flags.pop("force")
    format_ = format_name(wanted, output, "music")
    check_stdout(format_, output, count, "music", force=force)
    files = targets(output, count)
    limits = constraints.made(flags)
    request = Request(**flags, constraints=limits)
    translator = _loaded(model_path)
    piece = formats.read_bytes(sys.stdin.buffer.read(), "the melody on stdin")[0] if file == "-" else formats.read(file)
    if isinstance(piece, str):
        raise ConfigError(f"harmonize wants music, and {file} is text")
    melody = read_melody(translator, piece, part)
    _say(translator, melody)
    found = harmonies(translator, melody, request)
    console.say(f"model {translator.name} {translator.digest}, seed {request.seed}")
    write(found, files, format_)


def _loaded(name: str | None) -> "Translator":
    """The model of that file or name; without one that of this folder, if it can harmonise, else the shipped one."""
    from seqgen.api.shipped import HARMONY
    from seqgen.modelfile import read_header

    if name is None and not (Path(DEFAULT_MODEL).exists() and _harmonises(read_header(DEFAULT_MODEL))):
        console.say(f"there is no {DEFAULT_MODEL} that harmonises here, so this is {HARMONY}, which comes with seqgen")
        name = HARMONY
    return loaded_translator(name)


def _harmonises(header: Any) -> bool:
    sides = header.sides
    return sides.source is not None and sides.source.encoding == sides.target.encoding == "chorale"


def _say(translator: "Translator", melody: "Melody") -> None:
    """What the model does not see of the melody, and what will not come out."""
    from seqgen.api.harmonize import unknown

    if melody.left_out:
        console.say(f"left out, beside the melody: {', '.join(melody.left_out)}")
    if melody.losses:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in melody.losses.items())
        console.say(f"what the model does not see of the melody: {reasons}")
    tokens = unknown(translator, melody)
    if tokens:
        shown = ", ".join(repr(token) for token in list(dict.fromkeys(tokens))[:5])
        console.warn(
            f"the melody has {len(tokens)} token{'s' * (len(tokens) > 1)} the model has never seen ({shown}), read as"
            " unknown"
        )
    if melody.tokens[0] == "key=?":
        console.warn("the melody states no key; --key names one, to which the voices then keep")
