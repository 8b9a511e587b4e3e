"""`seqgen evaluate`."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from seqgen.cli import console, evaluate_pairs

if TYPE_CHECKING:
    from seqgen.api.model import Model
    from seqgen.corpus import Corpus, Skipped
    from seqgen.piece import Piece


@click.command("evaluate")
@click.argument("sources", nargs=-1, metavar="SOURCE...", required=True)
@click.option("-m", "--model", "model_path", default="model.safetensors", show_default=True, metavar="MODEL")
@click.option("--held-out", is_flag=True, help="Only what this model's training held out of these sources.")
@click.option("--window", type=int, help="Start from the zero state every so many tokens. [carry it through a piece]")
@click.option(
    "--generated", type=int, metavar="N", help="Music: compare statistics of N new pieces with those of real ones."
)
@click.option("--seed", type=click.IntRange(min=0), help="With --generated: the seed of the new pieces. [0]")
@click.option("--beam", type=int, metavar="K", help="Pairs: translate with a beam K wide. [the most probable tokens]")
@click.option("--max-length", type=int, metavar="N", help="Pairs: leave out longer lines, as in training.")
@click.option("--text-encoding", help="How text files are encoded, where it is not Unicode.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--strict", is_flag=True, help="Exit with 3 if a file could not be used.")
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[str, ...],
    model_path: str,
    held_out: bool,
    window: int | None,
    generated: int | None,
    seed: int | None,
    beam: int | None,
    max_length: int | None,
    text_encoding: str | None,
    as_json: bool,
    strict: bool,
) -> None:
    """How well a model predicts SOURCE, in nats: the lower the better.

    START and control tokens are given, not predicted; END counts in nats per token only; probability is over the tokens
    that are legal at their place.

    With --generated: how far generated pieces, and the pieces that training held out of SOURCE, are from those it
    learned from.

    A model of pairs also translates their sources: how many come out exactly as one of their targets, BLEU and chrF.
    """
    from seqgen.api.load import load
    from seqgen.api.model import Model
    from seqgen.corpus import load_corpus
    from seqgen.corpus.dataset import encode_with, held_out_of, split_again
    from seqgen.errors import ConfigError
    from seqgen.evaluate import score

    if generated is None and seed is not None:
        raise ConfigError("--seed is for the pieces of --generated; scores do not depend on chance")
    if generated is not None and (held_out or window is not None):
        raise ConfigError("--generated scores nothing; leave out --held-out and --window, or run it once more for them")
    model = load(model_path)
    if not isinstance(model, Model):
        if generated is not None or window is not None:
            raise ConfigError(f"--{'window' if generated is None else 'generated'} is not for models of pairs")
        asked = {"beam": beam, "max_length": max_length, "text_encoding": text_encoding, "held_out": held_out}
        evaluate_pairs.run(ctx, model, sources, **asked, as_json=as_json, strict=strict)
        return
    if beam is not None or max_length is not None:
        raise ConfigError(f"--{'max-length' if beam is None else 'beam'} is for models of pairs, and this one is none")
    if generated is not None and model.unit != "music":
        raise ConfigError("--generated compares statistics of music, and this model writes text")
    with console.reading() as progress:
        corpus = load_corpus(*sources, text_encoding=text_encoding, progress=progress)
    trained_on = model.header.corpus.digest == corpus.digest
    if (held_out or generated is not None) and not trained_on:
        raise ConfigError("these are not the sources the model was trained on, so nothing of them was held out")
    fraction, split_seed = model.statistics.held_out_fraction, model.statistics.split_seed
    if generated is not None:
        inside, outside, skipped = split_again(model.encoding, corpus, fraction, split_seed)
        failed = _say_skipped(model, corpus, skipped)
        # through the encoding, as what is generated: real music must not differ by what no model of it could write
        sides = ([encoded for _, encoded in side if encoded is not None] for side in (inside, outside))
        training, real = ([model.encoding.decode(encoded.tokens) for encoded in side] for side in sides)
        compared = _compared(model, training, real, generated, seed or 0)
        click.echo(json.dumps(compared) if as_json else _table(compared))
    else:
        if held_out:
            sequences, skipped = held_out_of(model.encoding, model.vocabulary, corpus, fraction, split_seed)
        else:
            sequences, skipped = encode_with(model.encoding, model.vocabulary, corpus)
            if trained_on:
                console.warn("the model was trained on these sources; --held-out scores only what it has not seen")
        failed = _say_skipped(model, corpus, skipped)
        result = score(model.stepper, model.encoding, model.vocabulary, sequences, window=window).as_dict()
        if as_json:
            click.echo(json.dumps(result))
        else:
            for name, value in result.items():
                click.echo(
                    f"{name.replace('_', ' '):28} {value:,}"
                    if isinstance(value, int)
                    else f"{name.replace('_', ' '):28} {value:.4f}"
                )
    if strict and failed:
        ctx.exit(3)


def _say_skipped(model: "Model", corpus: "Corpus", skipped: "Sequence[Skipped]") -> "list[Skipped]":
    """List the files that could not be used, and return them."""
    failed = [skip for skip in corpus.skipped if skip.failed]
    if corpus.encoding != model.encoding.name:  # else the corpus means just the pieces that fit
        failed += skipped
    console.list_skipped(failed)
    return failed


def _compared(
    model: "Model", training: "list[Piece]", held_out: "list[Piece]", wanted: int, seed: int
) -> dict[str, Any]:
    """The comparison with new pieces of the model, for JSON."""
    from seqgen.evaluate import VOICE_RANGES, compare, whole_groups

    count = whole_groups(wanted, len(held_out)) * len(held_out)
    left = f"; {wanted - count} more would not fill a group of {len(held_out)}" if count < wanted else ""
    console.say(f"generating {count} pieces{left}")
    four_part = model.encoding.name == "chorale" and model.encoding.options["parts"] == len(VOICE_RANGES)
    comparison = compare(training, held_out, model.generate(count=count, seed=seed), four_part=four_part)
    ranges = {"voice_ranges": VOICE_RANGES} if four_part else {}
    return {"seed": seed, **comparison.as_dict(), **ranges}


def _table(compared: dict[str, Any]) -> str:
    """What `_compared` gives, as lines for people."""

    def row(name: str, *values: str) -> str:
        return f"{name:31}" + "".join(f"{value:>11}" for value in values)

    def number(value: Any) -> str:
        """Empty for a histogram, - where there was nothing to count."""
        return "-" if value is None else "" if isinstance(value, dict) else f"{value:.4f}"

    lines = [
        f"{compared['training_pieces']} training pieces, {compared['held_out_pieces']} held-out pieces, "
        f"{compared['generated_pieces']} generated pieces in groups of {compared['held_out_pieces']}, "
        f"seed {compared['seed']}",
        "",
        f"{'':31}{'rate among':>33}{'distance from training':>33}",
        row("", "training", "held out", "generated", "generated", "held out", "ratio"),
    ]
    shown = ("training", "held_out", "generated", "distance_generated", "distance_held_out", "ratio")
    for statistic in compared["statistics"]:
        *values, ratio = (statistic[name] for name in shown)
        lines.append(row(statistic["name"], *map(number, values), "-" if ratio is None else f"{ratio:.2f}"))
    if "voice_ranges" in compared:
        ranges = ", ".join(f"{name} {low} to {high}" for name, (low, high) in compared["voice_ranges"].items())
        lines += ["", f"voice ranges, in MIDI pitches: {ranges}"]
    return "\n".join(lines)
