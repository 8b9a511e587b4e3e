"""`seqgen train` on pairs: its options, and the run."""

from collections.abc import Callable
from typing import Any

import click

from seqgen.cli import console, trainer

_ONLY_PAIRS = (
    "preset", "source_as", "target_as", "from_part", "to_part", "reverse_source", "bidirectional", "attention",
    "bridge", "embedding", "teacher_forcing", "scheduled_sampling", "max_length",
)  # fmt: skip
_ASKS_FOR_PAIRS = ("preset", "source_as", "target_as", "from_part", "to_part")
_NOT_FOR_PAIRS = ("encoding", "part", "joint", "tx", "from_model", "no_features")


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that only pairs have."""
    chosen = [
        click.option("--preset", metavar="NAME", help="Pairs: " + _presets() + ". [attention; of scores harmony]"),
        click.option("--source-as", metavar="ENCODING", help="Pairs: chars, words or bytes. [by the preset]"),
        click.option("--target-as", metavar="ENCODING", help="Pairs: the same of the target."),
        click.option("--from-part", metavar="PARTS", help="Scores: the parts that are given, such as soprano."),
        click.option("--to-part", metavar="PARTS", help="Scores: those to write, such as alto,tenor,bass."),
        click.option("--reverse-source", is_flag=True, default=None, help="Pairs: read the source backwards."),
        click.option("--bidirectional", is_flag=True, default=None, help="Pairs: read the source in both directions."),
        click.option("--attention", metavar="KIND", help="Pairs: none, additive, multiplicative. [by the preset]"),
        click.option("--bridge", metavar="KIND", help="Pairs: states, repeat, peek or none. [by the preset]"),
        click.option("--embedding", type=int, metavar="N", help="Pairs: numbers a token becomes; 0: its one-hot."),
        click.option(
            "--teacher-forcing", type=float, metavar="X", help="Pairs: share of true tokens read. [1]"
        ),
        click.option(
            "--scheduled-sampling",
            metavar="KIND",
            help="Pairs: let that share fall over the run: linear, exponential or sigmoid.",
        ),
        click.option("--max-length", type=int, metavar="N", help="Pairs: leave out longer lines. [1000 characters]"),
    ]
    for option in reversed(chosen):
        command = option(command)
    return command


def _presets() -> str:
    from seqgen.training.presets import PRESETS

    return ", ".join(PRESETS)


def asked_for(sources: tuple[str, ...], flags: dict[str, Any]) -> bool:
    """Whether these sources are pairs: by their ending, or since an option says so."""
    from seqgen.corpus.pairs import are_pairs

    return are_pairs(sources) or any(flags[name] is not None for name in _ASKS_FOR_PAIRS)


def refuse(flags: dict[str, Any]) -> None:
    """Raises ConfigError where an option is given that only pairs have."""
    _refuse([name for name in _ONLY_PAIRS if flags[name] is not None], "for pairs, and these sources are none")


def layers(value: str, *, pairs: bool) -> Any:
    """`3`, or for the two sides of pairs `4,5`."""
    from seqgen.errors import ConfigError

    try:
        numbers = tuple(int(part) for part in value.split(","))
    except ValueError:
        numbers = ()
    if not 1 <= len(numbers) <= 1 + pairs:
        wanted = "a number, or two as in 4,5" if pairs else "a number"
        raise ConfigError(f"--layers is {wanted}, not {value!r}")
    return numbers[0] if len(numbers) == 1 else numbers


def train(ctx: click.Context, sources: tuple[str, ...], output: str, flags: dict[str, Any]) -> None:
    """Read the pairs, train on them, and write the model."""
    from seqgen.api.train_pairs import as_pairs, prepare, train_pairs_on, with_preset
    from seqgen.evaluate import score_pairs
    from seqgen.training import PairSettings, make_settings
    from seqgen.training.cluster import task_of_environment

    _refuse([name for name in _NOT_FOR_PAIRS if flags[name]], "not for pairs")
    from_parts, to_parts = (_names(flags[name]) for name in ("from_part", "to_part"))
    settings = with_preset(_settings(make_settings, PairSettings, flags), from_parts)
    settings.check()
    if task_of_environment(settings) is not None:
        from seqgen.errors import ConfigError

        raise ConfigError("pairs are trained on one machine: unset TF_CONFIG")
    target = trainer.checked_target(output, writes=True)
    reading = {"text_encoding": flags["text_encoding"]}
    with console.reading() as progress:
        parts = (from_parts, to_parts, flags["max_length"])
        corpus = as_pairs(sources, *parts, progress=progress, **reading)
        valid = as_pairs([flags["valid"]], *parts, **reading) if flags["valid"] else None
    words = {name: flags[name] for name in ("lower", "strip_accents", "min_count", "grid") if flags[name] is not None}
    dataset = prepare(
        corpus,
        settings,
        source_as=flags["source_as"],
        target_as=flags["target_as"],
        source_options=words,
        target_options=words,
        held_out=valid,
        fraction=flags["valid_fraction"],
    )
    failed = [skip for skip in (*corpus.skipped, *dataset.skipped) if skip.failed]
    console.list_skipped(failed)
    _describe(corpus, dataset, settings)
    checkpoint = trainer.checkpoint_of(target, flags, writes=True)
    display = trainer.Display(target, samples=False, seed=settings.seed)
    with display:
        trained = train_pairs_on(
            corpus,
            dataset,
            settings,
            on_step=display.step,
            on_validation=display.validated,
            curves_beside=target,
            **checkpoint,
        )
    trainer.ended(ctx, trained, target, checkpoint["checkpoint_path"])
    if dataset.held_out:
        result = score_pairs(trained.model.stepper, dataset, dataset.held_out)
        console.say(f"held out: {_figures(result)}")
    where = "" if output == "model.safetensors" else f" -m {output}"
    next_ = f"harmonize{where} melody.mid -o out.mid" if corpus.target_unit == "music" else f"translate{where} TEXT"
    console.say(f"next: seqgen {next_}")
    if flags["strict"] and failed:
        ctx.exit(3)


def _settings(make_settings: Any, kind: Any, flags: dict[str, Any]) -> Any:
    names = (
        "size", "cell", "n_a", "dropout", "weight_drop", "batch_size", "shards", "optimizer", "lr", "minutes",
        "epochs", "max_steps", "seed", "embedding", "bidirectional", "reverse_source", "bridge", "attention",
        "scheduled_sampling",
    )  # fmt: skip
    more = {name: flags[name] for name in ("preset", "teacher_forcing") if flags[name] is not None}
    return make_settings(
        kind,
        **{name: flags[name] for name in names},
        **more,
        layers=layers(flags["layers"], pairs=True),
        transpose=not flags["no_transpose"],
    )


def _describe(corpus: Any, dataset: Any, settings: Any) -> None:
    def side(encoding: Any, vocabulary: Any) -> str:
        return f"{encoding.name}, {len(vocabulary):,} values" if vocabulary is not None else "vectors"

    source = side(dataset.source_encoding, dataset.source_vocabulary)
    target = side(dataset.encoding, dataset.vocabulary)
    console.say(f"{corpus.title}: {len(corpus.pairs):,} pairs")
    console.say(
        f"  preset {settings.preset}; from {source} to {target}; {len(dataset.train):,} to train on,"
        f" {len(dataset.held_out):,} held out"
    )
    console.list_losses({**corpus.losses(), **dataset.losses})
    if not dataset.held_out:
        console.warn("nothing is held out, so nothing tells when the model begins to learn the pairs by heart")


def _figures(result: Any) -> str:
    if result.mean_squared_error is not None:
        return f"mean squared error {result.mean_squared_error:.5f}"
    step = "" if result.nats_per_step is None else f", {result.nats_per_step:.4f} a step"
    return (
        f"{result.nats_per_token:.4f} nats a token{step}, {result.accuracy:.1%} of the tokens right"
        " where all before them are given (seqgen evaluate says more)"
    )


def _names(value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",")]


def _refuse(names: list[str], reason: str) -> None:
    from seqgen.errors import ConfigError

    if names:
        option = {"encoding": "as", "from_model": "from"}.get(names[0], names[0]).replace("_", "-")
        raise ConfigError(f"--{option} is {reason}")
