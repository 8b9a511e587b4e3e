"""`seqgen train`."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from seqgen.cli import console

_SAMPLE_STEPS = {"chars": 300, "bytes": 300, "words": 60}
_SAMPLE_MUSIC_STEPS = 128
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
@click.option("--layers", type=int, default=0, help="Recurrent layers. [by the corpus]")
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
    """
    from seqgen.api import load
    from seqgen.api.train import BASELINE_TOKENS, FINAL_TOKENS, held_out_scores, like, require_tensorflow, train_on
    from seqgen.corpus import load_corpus
    from seqgen.corpus.dataset import prepare
    from seqgen.errors import ConfigError, ModelFileError
    from seqgen.training.cluster import task_of_environment

    require_tensorflow()
    target = Path(output)
    settings = _settings(flags)
    task = task_of_environment(settings)
    writes = task is None or task.is_chief
    if task is not None:
        console.say(f"worker {task.index + 1} of {len(task.workers)}; the chief {task.workers[0]} writes the files")
        ctx.obj["quiet"] |= not writes
    if writes and not target.parent.is_dir():
        raise ConfigError(f"cannot write {output}: there is no folder {str(target.parent)!r}")
    if target.is_dir():
        raise ConfigError(
            f"cannot write {output}: it is a folder; name a file, for example {target / 'model.safetensors'}"
        )
    if writes:
        _check_writable(target)
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
    checkpoint = {
        "checkpoint_path": target.with_name(f"{target.name}.checkpoint"),
        "checkpoint_every": flags["checkpoint_every"],
        "resume": flags["resume"],
    }
    saved = checkpoint["checkpoint_path"]
    if writes and saved.exists() and not flags["resume"]:
        aside = saved.with_name(f"{saved.name}.old")
        saved.replace(aside)
        console.warn(f"{saved} held a run that was stopped, and --resume was not given; it is now {aside}")
    display = _Display(target, samples=writes and not flags["no_samples"], seed=settings.seed)
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
    stopped = trained.result.stopped
    if not writes:
        ctx.exit({"interrupted": 130, "diverged": 1}.get(stopped, 0))
    if stopped == "interrupted" and not trained.result.history and target.exists():
        console.say(
            f"interrupted before the first score: {target} is still the old one; --resume goes on with this run"
        )
        ctx.exit(130)
    if trained.result.unsaved:
        console.warn(trained.result.unsaved)
    try:
        trained.model.save(target)
    except ModelFileError as error:
        if saved.exists():
            raise ModelFileError(f"{error}; then the same command with --resume goes on from {saved}") from error
        raise
    if stopped != "interrupted":
        saved.unlink(missing_ok=True)
    report = trained.result.report
    ends = {"stalled": "the held-out loss has stalled", "interrupted": "interrupted", "diverged": "the loss diverged"}
    how = ends.get(stopped, "done")
    console.say(f"{how} after {report.steps:,} steps, {report.epochs:.1f} epochs, {report.seconds:.0f} s")
    if stopped == "interrupted":
        console.say(
            f"saved the best model so far as {target}"
            + ("; --resume with the same options goes on" if saved.exists() else "")
        )
        ctx.exit(130)
    if stopped == "diverged":
        console.warn(
            f"the loss was no number any more after step {report.steps:,}: lower --lr"
            f" (now {trained.result.settings.lr:g}); saved the best model before that as {target}"
        )
        ctx.exit(1)
    console.say(f"saved {target}")
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


def _check_writable(target: Path) -> None:
    """Found out before training, not after it."""
    from seqgen.errors import ConfigError

    if target.exists() and not target.is_file():
        raise ConfigError(f"cannot write {target}: it is no regular file")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror or error}") from error


def _settings(flags: dict[str, Any]) -> Any:
    from seqgen.training.settings import make_settings

    names = ("size", "cell", "n_a", "layers", "dropout", "weight_drop", "tx", "batch_size", "shards", "optimizer", "lr")
    lengths = ("minutes", "epochs", "max_steps", "seed")
    settings = make_settings(
        **{name: flags[name] for name in (*names, *lengths)},
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


class _Display:
    """The progress bar of training, and a sample beside the model at every validation."""

    def __init__(self, target: Path, samples: bool, seed: int) -> None:
        self._folder = target.parent / "samples" if samples else None
        self._seed = seed
        self._warned = False

    def __enter__(self) -> "_Display":
        from rich.progress import BarColumn, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[figures]}"))
        self._context = console.bar(columns)
        self._bar = self._context.__enter__()
        if self._bar is not None:
            self._task = self._bar.add_task("Preparing (compiling the model)", total=1, figures="")
        return self

    def __exit__(self, *raised: Any) -> None:
        self._context.__exit__(*raised)

    def step(self, report: Any) -> None:
        if self._bar is None:
            return
        figures = f"loss {report.loss:.3f}"
        if report.valid_nats is not None:
            figures += f", held out {report.valid_nats:.3f}"
        figures += f", {report.tokens_per_second / 1000:,.0f}k tokens/s"
        if report.progress > 0.01:
            figures += f", {max(0.0, report.seconds * (1 - report.progress) / report.progress):.0f} s left"
        self._bar.update(self._task, description="Training", completed=report.progress, figures=figures)

    def validated(self, report: Any, model: Any) -> None:
        if self._bar is None:
            held_out = "" if report.valid_nats is None else f"held out {report.valid_nats:.3f} nats a token, "
            console.say(
                f"  step {report.steps:,}: loss {report.loss:.3f}, {held_out}"
                f"{report.tokens_per_second:,.0f} tokens/s, {report.progress:.0%}"
            )
        if report.looping and not self._warned:
            console.warn(
                "left to itself the model repeats itself far more than the corpus does; this often passes, and if it"
                " does not: more data, more dropout, or a smaller --size"
            )
        self._warned = report.looping
        if self._folder is None:
            return
        from seqgen import formats
        from seqgen.cli.main import one_line
        from seqgen.errors import SamplingError, SeqgenError

        steps = _SAMPLE_STEPS.get(model.encoding.name, _SAMPLE_MUSIC_STEPS)
        ending = "mid" if model.unit == "music" else "txt"
        try:
            sample = model.generate(steps, seed=self._seed)
        except SamplingError:  # a model that has hardly learned may never finish a step
            return
        if model.unit == "music" and not len(sample.notes):
            return
        try:
            self._folder.mkdir(exist_ok=True)
            formats.write(sample, self._folder / f"sample-{report.validations:03d}.{ending}")
        except (SeqgenError, OSError) as error:  # a sample is no reason to lose the training
            console.warn(f"no more samples are written: {one_line(error)}")
            self._folder = None
