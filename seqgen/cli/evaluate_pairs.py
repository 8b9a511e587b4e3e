"""`seqgen evaluate` with a model of pairs."""

import json
from typing import TYPE_CHECKING

import click

from seqgen.cli import console

if TYPE_CHECKING:
    from seqgen.api.translator import Translator


def run(
    ctx: click.Context,
    translator: "Translator",
    sources: tuple[str, ...],
    *,
    held_out: bool,
    beam: int | None,
    max_length: int | None,
    text_encoding: str | None,
    as_json: bool,
    strict: bool,
) -> None:
    """Read the pairs, and write the model's figures on them."""
    from seqgen.api.evaluate_pairs import evaluate
    from seqgen.api.translate import Decoding, check
    from seqgen.corpus.pair_dataset import encode_pairs, held_out_pairs
    from seqgen.corpus.pairs import load_pairs
    from seqgen.errors import ConfigError

    how = Decoding(beam=beam)
    if beam is not None:
        check(translator, how)
    statistics = translator.statistics
    with console.reading() as progress:
        corpus = load_pairs(
            *sources,
            text_encoding=text_encoding,
            from_parts=statistics.from_parts or None,
            to_parts=statistics.to_parts or None,
            max_length=max_length,
            progress=progress,
        )
    trained_on = translator.header.corpus.digest == corpus.digest
    if held_out and not trained_on:
        raise ConfigError("these are not the sources the model was trained on, so nothing of them was held out")
    both = translator.source_spelling, translator.spelling
    if held_out:
        fraction, seed = statistics.held_out_fraction, statistics.split_seed
        pairs, skipped = held_out_pairs(*both, corpus, fraction, seed)
    else:
        pairs, skipped = encode_pairs(*both, corpus)
        if trained_on:
            console.warn("the model was trained on these sources; --held-out scores only what it has not seen")
    failed = [skip for skip in (*corpus.skipped, *skipped) if skip.failed]
    console.list_skipped(failed)
    figures = evaluate(translator, pairs, how)
    if figures.sources is not None and figures.metrics is None:
        console.warn("BLEU and chrF need an optional part. Install it with: pip install 'seqgen[metrics]'")
    found = figures.as_dict()
    if as_json:
        click.echo(json.dumps(found))
    else:
        for name, value in found.items():
            shown = value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
            click.echo(f"{name.replace('_', ' '):28} {shown}")
    if strict and failed:
        ctx.exit(3)
