"""`seqgen generate`."""

import sys
from pathlib import Path
from typing import Any

import click

from seqgen.cli import console, constraints
from seqgen.cli.output import check_stdout, format_name, loaded, targets, write


@click.command("generate")
@click.option("-m", "--model", "model_path", metavar="MODEL", help="A file, or a name. [./model.safetensors]")
@click.option(
    "--steps", type=int, help="At most so many characters, words, note events, grid steps or frames. [one piece]"
)
@click.option("--bars", type=int, help="Music: end exactly after so many bars.")
@click.option("--fill", is_flag=True, help="Where a piece ends early, begin another, until there are --steps.")
@click.option("--temperature", default="1.0", metavar="X", help="Boldness; 0 always takes the most probable. [1]")
@click.option("--top-k", default="0", metavar="K", help="Choose among the K most probable. [off]")
@click.option("--top-p", default="1.0", metavar="P", help="Choose among the most probable that hold this share. [off]")
@click.option(
    "--min-p",
    default="0.0",
    metavar="P",
    help="Leave out what has less than P times the share of the best. [off]",
)
@click.option("--penalty", default="1.0", metavar="X", help="Above 1: what came lately becomes less probable. [off]")
@click.option(
    "--prime", metavar="FILE|TEXT", help="How it begins: a file, - for stdin, or for text the words themselves."
)
@click.option("--continue-only", is_flag=True, help="Leave the prime out of the output.")
@constraints.options
@click.option(
    "--particles",
    type=int,
    metavar="K",
    help="So many weighted tries at once, for chords, endings and the like. [16 with these]",
)
@click.option("--tempo", type=float, metavar="BPM", help="Music: quarter notes a minute. [as the prime or the corpus]")
@click.option("--instrument", type=int, metavar="N", help="Music: General MIDI program 0 to 127, for all parts.")
@click.option("--seed", type=click.IntRange(min=0), help="The same seed gives the same result. [drawn, and said]")
@click.option("--count", type=int, default=1, show_default=True, help="So many variations.")
@click.option("--best-of", type=int, metavar="N", help="Make N of each, keep the one most typical of the corpus.")
@click.option(
    "-o", "--output", metavar="FILE", help="Write here; with --count, {n} in the name is the number. [stdout]"
)
@click.option(
    "--format",
    "format_",
    metavar="FORMAT",
    help="mid, musicxml, svg, strudel, sonicpi, jsonl, npy or txt. [by -o; mid or txt]",
)
@click.option("--stream", is_flag=True, help="Write text or JSON lines as they are made, until nobody reads.")
@click.option("--force", is_flag=True, help="Write binary data to a terminal.")
def command(model_path: str | None, prime: str | None, output: str | None, **flags: Any) -> None:
    """Write new music or text with a model: MIDI or text to stdout, or a file with -o.

    Numbers such as --temperature may change over the piece: 0.6:1.2 goes from one to the other.
    """
    from seqgen.api.finish import copied
    from seqgen.api.generate import generate, prime_breaks
    from seqgen.api.request import Request

    output = None if output == "-" else output
    count, wanted, force = flags["count"], flags.pop("format_"), flags.pop("force")
    model = loaded(model_path)
    if flags.pop("stream"):
        _stream(model, output, wanted, prime, flags)
        return
    format_ = format_name(wanted, output, model.unit)
    check_stdout(format_, output, count, model.unit, force=force)
    files = targets(output, count)
    limits = constraints.made(flags)
    request = Request(**flags, prime=_prime(prime, model), constraints=limits)
    for name in prime_breaks(model, request):
        console.warn(f"the prime goes against {name}, which holds from its end on")
    generated = generate(model, request)
    console.say(f"model {model.name} {model.digest}, seed {request.seed}")
    if originality := copied(model, request, generated):
        console.say(originality)
    write(generated, files, format_)


def _stream(model: Any, output: str | None, wanted: str | None, prime: str | None, flags: dict[str, Any]) -> None:
    """Write what is made as it is made; of the options only those that a stream can have."""
    from seqgen.api.request import curve, new_seed
    from seqgen.cli import streaming
    from seqgen.errors import ConfigError
    from seqgen.sampling import Strategy

    limits = constraints.made(flags)
    not_for_it = {"output": output, "format": wanted if wanted != "jsonl" else None, **flags}
    for name in ("steps", "seed", *Strategy._fields):
        del not_for_it[name]
    if flags["count"] == 1:
        del not_for_it["count"]
    given = [name.replace("_", "-") for name, value in not_for_it.items() if value is not None and value is not False]
    if given:
        raise ConfigError(
            f"--stream writes to the standard output as it goes, so it cannot be joined with --{given[0]}"
        )
    controls = {name: curve(flags[name], name) for name in Strategy._fields}
    for name, value in controls.items():
        if not isinstance(value, float):
            raise ConfigError(f"a stream has no end, so {name} is one number in it, not a curve")
    seed = new_seed() if flags["seed"] is None else flags["seed"]
    console.say(f"model {model.name} {model.digest}, seed {seed}")
    chosen = {"steps": flags["steps"], "seed": seed, "prime": _prime(prime, model), "constraints": limits}
    chosen["endless"] = not any(limit.whole for limit in limits)
    streaming.run(model, sys.stdout.buffer, **chosen, **controls)


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
            f"the prime has {len(unknown)} token{'s' * (len(unknown) > 1)} the model has never seen ({shown}), "
            "read as unknown"
        )
    return begin


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a text too long for a name, or with a NUL
        return False
