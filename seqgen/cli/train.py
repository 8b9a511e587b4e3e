"""`seqgen train`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from seqgen.cli import console, pairs, trainer

_FEW_HELD_OUT = 200  # tokens
_NAMED = 5  # tokens


@click.command("train")
@click.argument("sources", nargs=-1, metavar="SOURCE...", required=True)
@click.option("-o", "--output", default="model.safetensors", show_default=True, help="The model file to write.")
@click.option(
    "--as", "encoding", metavar="ENCODING", help="chars, words, bytes, notes, chorale or frames. [by the source]"
)
@click.option("--grid", type=int, help="Grid steps a quarter note; 4 are sixteenths, 12 hold triplets. [4]")
@click.option("--part", help="notes: which voice: auto, all, a part's name or its number. [auto]")
@click.option("--joint", is_flag=True, default=None, help="notes: pitch and duration as one token.")
@click.option("--lower", is_flag=True, default=None, help="words: fold to lower case.")
@click.option("--strip-accents", is_flag=True, default=None, help="words: drop accents.")
@click.option("--min-count", type=int, help="words: rarer words are unknown. [1]")
@click.option("--text-encoding", help="How text files are encoded, where it is not Unicode.")
@click.option("--size", help="small, medium or large. [by the corpus]")
@click.option("--cell", help="lstm or gru. [lstm]")
@click.option("--n-a", type=int, default=0, help="Units a layer. [by the size]")
@click.option("--layers", default="0", metavar="N", help="Recurrent layers; of pairs also 4,5. [by the corpus]")
@click.option("--dropout", type=float, help="Share of hidden units dropped in training. [by the corpus]")
@click.option("--weight-drop", type=float, help="Share of recurrent weights dropped in training. [by the corpus]")
@click.option("--tx", type=int, default=0, help="Steps a training window. [by the corpus]")
@click.option("--batch-size", type=int, default=0, help="Windows side by side. [by the corpus]")
@click.option("--shards", type=int, default=0, help="Parts of the batch computed side by side. [one a core]")
@click.option("--optimizer", help="adamw, adam, rmsprop or sgd. [adamw]")
@click.option("--lr", type=float, default=0.0, help="Peak learning rate. [by the optimizer]")
@click.option("--from", "from_model", metavar="MODEL", help="Begin with what this model has learned.")
@click.option("--minutes", type=float, help="Train for so long. [until it stalls, at most 10]")
@click.option("--epochs", type=float, help="Train for so many passes over the corpus.")
@click.option("--max-steps", type=int, help="Train for so many updates.")
@click.option("--valid", metavar="SOURCE", help="Hold this out, instead of a part of the sources.")
@click.option(
    "--valid-fraction", type=click.FloatRange(0, 0.9), default=0.1, show_default=True, help="Hold out this share."
)
@click.option("--no-transpose", is_flag=True, help="Music: train in the original keys only.")
@click.option("--no-features", is_flag=True, help="Music: see the tokens only, not the bar, the key or bars before.")
@pairs.options
@click.option("--no-samples", is_flag=True, help="Write no samples while training.")
@click.option("--checkpoint-every", type=int, metavar="N", help="Save the run every N updates. [at every validation]")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped; give the same options as then.")
@click.option("--seed", type=click.IntRange(min=0, max=2**31 - 1), default=0, show_default=True)
@click.option("--strict", is_flag=True, help="Exit with 3 if a file could not be used.")
@click.pass_context
def command(ctx: click.Context, sources: tuple[str, ...], output: str, **flags: Any) -> None:
    """Learn from SOURCE: folders, files, or corpora by name (bach-chorales, fiddle-tunes, verses).

    Text and music are told apart by the files. Without a length, training ends when the loss on held-out pieces
    stalls, at most after ten minutes. Beside the model, samples/ lets you hear it learn.

    Pairs, for seqgen translate: a .tsv file of sources and targets, or two files whose lines belong together. For
    seqgen harmonize: scores, with --from-part and --to-part.
    """
    from seqgen.api import load
    from seqgen.api.train import BASELINE_TOKENS, FINAL_TOKENS, held_out_scores, like, require_tensorflow, train_on
    from seqgen.corpus import load_corpus
    from seqgen.corpus.dataset import prepare
    from seqgen.errors import ConfigError
    from seqgen.training.cluster import task_of_environment

    require_tensorflow()
    if pairs.asked_for(sources, flags):
        pairs.train(ctx, sources, output, flags)
        return
    pairs.refuse(flags)
    settings = _settings(flags)
    task = task_of_environment(settings)
    writes = task is None or task.is_chief
    if task is not None:
        console.say(f"worker {task.index + 1} of {len(task.workers)}; the chief {task.workers[0]} writes the files")
        ctx.obj["quiet"] |= not writes
    target = trainer.checked_target(output, writes=writes)
    encoding = flags["encoding"]
    options = {name: flags[name] for name in ("grid", "part", "joint", "lower", "strip_accents", "min_count")}
    options = {name: value for name, value in options.items() if value is not None}
    model = None
    if flags["from_model"] is not None:
        model = load(flags["from_model"])
        if target.exists() and target.samefile(flags["from_model"]):
            raise ConfigError(f"{output} is the model to begin from, which is kept: name another file with -o")
        encoding, options, settings = like(model, encoding, options, settings)
    with console.reading() as progress:
        corpus = load_corpus(*sources, text_encoding=flags["text_encoding"], progress=progress)
        valid = load_corpus(flags["valid"], text_encoding=flags["text_encoding"]) if flags["valid"] else None
    dataset = prepare(
        corpus,
        encoding=encoding,
        options=options,
        held_out=valid,
        fraction=flags["valid_fraction"],
        seed=settings.seed,
        features=settings.features,
    )
    if model is not None:
        dataset = replace(dataset, chosen=f"that of {flags['from_model']}")
    failed = [skip for skip in (*corpus.skipped, *dataset.skipped) if skip.failed]
    console.list_skipped(failed)
    _describe(corpus, dataset)
    _describe_held_out(corpus, dataset, valid)
    if model is not None:
        _describe_start(model, str(flags["from_model"]), corpus, dataset)
    checkpoint = trainer.checkpoint_of(target, flags, writes=writes)
    display = trainer.Display(target, samples=writes and not flags["no_samples"], seed=settings.seed)
    with display:
        trained = train_on(
            corpus,
            dataset,
            settings,
            on_step=display.step,
            on_validation=display.validated,
            curves_beside=target if writes else None,
            from_model=model,
            **checkpoint,
        )
    if not writes:
        ctx.exit({"interrupted": 130, "diverged": 1}.get(trained.result.stopped, 0))
    trainer.ended(ctx, trained, target, checkpoint["checkpoint_path"])
    _describe_index(trained.model)
    order = 2 if corpus.unit == "music" else 3
    scores = held_out_scores(trained.model, dataset, order)
    if scores is not None:
        name = {2: "bigram", 3: "trigram"}[order]
        ours, baseline = scores
        console.say(
            f"held out: {ours.nats_per_token:.4f} nats a token; a {name} model of the same tokens:"
            f" {baseline.nats_per_token:.4f} (lower is better)"
        )
        held_out, learned = _tokens(dataset.held_out), _tokens(dataset.train)
        if held_out > FINAL_TOKENS:
            console.say(
                f"  scored on the first {FINAL_TOKENS:,} of {held_out:,} held-out tokens;"
                " seqgen evaluate --held-out scores all of them"
            )
        if learned > BASELINE_TOKENS:
            console.say(f"  the {name} model has counted the first {BASELINE_TOKENS:,} of {learned:,} tokens")
    console.say(
        f"next: seqgen generate{'' if output == 'model.safetensors' else f' -m {output}'} -o "
        + ("out.mid" if corpus.unit == "music" else "out.txt")
    )
    if flags["strict"] and failed:
        ctx.exit(3)


def _settings(flags: dict[str, Any]) -> Any:
    from seqgen.training.settings import make_settings

    names = ("size", "cell", "n_a", "layers", "dropout", "weight_drop", "tx", "batch_size", "shards", "optimizer", "lr")
    lengths = ("minutes", "epochs", "max_steps", "seed")
    settings = make_settings(
        **{name: flags[name] for name in (*names, *lengths)} | {"layers": pairs.layers(flags["layers"], pairs=False)},
        transpose=not flags["no_transpose"],
        features=not flags["no_features"],
    )
    settings.check()
    return settings


def _tokens(sequences: Any) -> int:
    return sum(len(sequence.ids) - 1 for sequence in sequences)


def _describe(corpus: Any, dataset: Any) -> None:
    console.say(f"{corpus.title}: {len(corpus.documents):,} {'pieces' if corpus.unit == 'music' else 'texts'}")
    console.say(
        f"  encoding {dataset.encoding.name} ({dataset.chosen}), {len(dataset.vocabulary):,} values;"
        f" {len(dataset.train):,} to train on ({_tokens(dataset.train):,} tokens), {len(dataset.held_out):,} held out"
    )
    left_out = sum(not skip.failed for skip in dataset.skipped)
    if left_out:
        console.say(f"  left out: {left_out:,} pieces that do not fit the encoding, which the corpus names")
    console.list_losses({**corpus.losses(), **dataset.losses})
    if dataset.shared:
        console.warn(
            f"{dataset.shared:,} of the pieces to train on share a passage with what is held out;"
            " its score will be too kind"
        )


def _describe_held_out(corpus: Any, dataset: Any, valid: Any) -> None:
    tokens = _tokens(dataset.held_out)
    if tokens:
        if tokens < _FEW_HELD_OUT:
            console.warn(f"only {tokens:,} tokens are held out, too few to rely on their score: give it more pieces")
        return
    if valid is not None:
        reason = f"no piece of {valid.title!r} fits the encoding: name others with --valid"
    elif not dataset.statistics["held_out_fraction"]:
        reason = "--valid-fraction is 0"
    elif len(corpus.documents) == 1:
        reason = "there is only one piece: give it more, or name some with --valid"
    else:
        reason = "the pieces share passages with each other: give it others too, or name some with --valid"
    console.warn(f"nothing is held out, so nothing tells when the model begins to copy; {reason}")


def _describe_start(model: Any, name: str, corpus: Any, dataset: Any) -> None:
    tokens, known = dataset.vocabulary.tokens, model.vocabulary.tokens
    console.say(
        f"  begins from {name} ({model.digest}): {_listed(tokens, known)} new to it,"
        f" {_listed(known, tokens)} dropped, which this corpus does not have"
    )
    before = (model.statistics.held_out_fraction, model.statistics.split_seed)
    now = (dataset.statistics["held_out_fraction"], dataset.statistics["split_seed"])
    if dataset.held_out and corpus.digest == model.header.corpus.digest and before != now:
        console.warn(f"{name} has learned from pieces that are held out now, so their score will be too kind")


def _describe_index(model: Any) -> None:
    index = model.copy_index
    if index is None:
        console.say("  without a copy index, which would take more than 1 MB: what is copied is not known later")
        return
    unit = "notes" if index.unit == "music" else "words"
    console.say(
        f"  its copy index: {index.grams:,} passages of {index.length} {unit} in {len(index.bits) / 1000:,.0f} kB,"
        f" {index.false_positives:.1%} false positives"
    )


def _listed(tokens: Sequence[str], without: Sequence[str]) -> str:
    """How many of the tokens are not among the others, and a few of them."""
    missing = sorted(set(tokens) - set(without))
    names = ", ".join([*map(repr, missing[:_NAMED]), *["..."] * (len(missing) > _NAMED)])
    return f"{len(missing):,} value{'s' * (len(missing) != 1)}" + (f" ({names})" if missing else "")
