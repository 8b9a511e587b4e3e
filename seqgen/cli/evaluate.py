"""`seqgen evaluate`."""

import json

import click

from seqgen.cli import console


@click.command("evaluate")
@click.argument("sources", nargs=-1, metavar="SOURCE...", required=True)
@click.option("-m", "--model", "model_path", default="model.safetensors", show_default=True, metavar="MODEL")
@click.option("--held-out", is_flag=True, help="Only what this model's training held out of these sources.")
@click.option("--window", type=int, help="Start from the zero state every so many tokens. [carry it through a piece]")
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
    text_encoding: str | None,
    as_json: bool,
    strict: bool,
) -> None:
    """How well a model predicts SOURCE, in nats: the lower the better.

    START and control tokens are given, not predicted; END counts in nats per token only; probability is over the tokens
    that are legal at their place.
    """
    from seqgen.api.model import load
    from seqgen.corpus import load_corpus
    from seqgen.corpus.dataset import encode_with, held_out_of
    from seqgen.errors import ConfigError
    from seqgen.evaluate import score

    model = load(model_path)
    with console.reading() as progress:
        corpus = load_corpus(*sources, text_encoding=text_encoding, progress=progress)
    if held_out:
        if model.header.corpus.digest != corpus.digest:
            raise ConfigError("these are not the sources the model was trained on, so nothing of them was held out")
        sequences, skipped = held_out_of(
            model.encoding, model.vocabulary, corpus, model.statistics.held_out_fraction, model.statistics.split_seed
        )
    else:
        sequences, skipped = encode_with(model.encoding, model.vocabulary, corpus)
        if model.header.corpus.digest == corpus.digest:
            console.warn("the model was trained on these sources; --held-out scores only what it has not seen")
    failed = [skip for skip in corpus.skipped if skip.failed]
    if corpus.encoding != model.encoding.name:  # else the corpus means just the pieces that fit
        failed += skipped
    console.list_skipped(failed)
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
