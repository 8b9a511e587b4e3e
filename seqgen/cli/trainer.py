"""What the training of any model has in common: where it writes, how it shows itself, how it ends."""

import tempfile
from pathlib import Path
from typing import Any

import click

from seqgen.cli import console

_SAMPLE_STEPS = {"chars": 300, "bytes": 300, "words": 60}
_SAMPLE_MUSIC_STEPS = 128


def checked_target(output: str, *, writes: bool) -> Path:
    """The model file to write, found possible before training, not after it; only the one who writes looks closely."""
    from seqgen.errors import ConfigError

    target = Path(output)
    if writes and not target.parent.is_dir():
        raise ConfigError(f"cannot write {output}: there is no folder {str(target.parent)!r}")
    if target.is_dir():
        raise ConfigError(
            f"cannot write {output}: it is a folder; name a file, for example {target / 'model.safetensors'}"
        )
    if writes:
        _check_writable(target)
    return target


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


def checkpoint_of(target: Path, flags: dict[str, Any], *, writes: bool) -> dict[str, Any]:
    """Arguments for training. A checkpoint that is there, and is not to be resumed, is put aside, and that is said."""
    path = target.with_name(f"{target.name}.checkpoint")
    if writes and path.exists() and not flags["resume"]:
        aside = path.with_name(f"{path.name}.old")
        path.replace(aside)
        console.warn(f"{path} held a run that was stopped, and --resume was not given; it is now {aside}")
    return {"checkpoint_path": path, "checkpoint_every": flags["checkpoint_every"], "resume": flags["resume"]}


def ended(ctx: click.Context, trained: Any, target: Path, checkpoint: Path) -> None:
    """Save the model and say how the training ended; a run that did not end by itself ends the command."""
    from seqgen.errors import ModelFileError

    result, report = trained.result, trained.result.report
    stopped = result.stopped
    if stopped == "interrupted" and not result.history and target.exists():
        console.say(
            f"interrupted before the first score: {target} is still the old one; --resume goes on with this run"
        )
        ctx.exit(130)
    if result.unsaved:
        console.warn(result.unsaved)
    try:
        trained.model.save(target)
    except ModelFileError as error:
        if checkpoint.exists():
            raise ModelFileError(f"{error}; then the same command with --resume goes on from {checkpoint}") from error
        raise
    if stopped != "interrupted":
        checkpoint.unlink(missing_ok=True)
    ends = {"stalled": "the held-out loss has stalled", "interrupted": "interrupted", "diverged": "the loss diverged"}
    how = ends.get(stopped, "done")
    console.say(f"{how} after {report.steps:,} steps, {report.epochs:.1f} epochs, {report.seconds:.0f} s")
    if stopped == "interrupted":
        console.say(
            f"saved the best model so far as {target}"
            + ("; --resume with the same options goes on" if checkpoint.exists() else "")
        )
        ctx.exit(130)
    if stopped == "diverged":
        console.warn(
            f"the loss was no number any more after step {report.steps:,}: lower --lr"
            f" (now {result.settings.lr:g}); saved the best model before that as {target}"
        )
        ctx.exit(1)
    console.say(f"saved {target}")


class Display:
    """The progress bar of training, and a sample beside the model at every validation."""

    def __init__(self, target: Path, samples: bool, seed: int) -> None:
        self._folder = target.parent / "samples" if samples else None
        self._seed = seed
        self._warned = False

    def __enter__(self) -> "Display":
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
