"""What the commands say to people, on stderr, and how they show progress. Rich is loaded only where there is some."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from seqgen.corpus import Skipped

_LISTED = 10  # reasons
_NAMED = 3  # files a reason


def say(message: str) -> None:
    """A line for people, unless --quiet."""
    if not _quiet():
        click.echo(message, err=True)


def warn(message: str) -> None:
    """A line that is shown even with --quiet."""
    click.echo(f"seqgen: {message}", err=True)


def _quiet() -> bool:
    context = click.get_current_context(silent=True)
    return bool(context and context.obj and context.obj["quiet"])


@contextmanager
def bar(columns: Sequence[Any] = ()) -> Iterator[Any]:
    """A rich Progress on stderr, or None where nobody is looking."""
    if _quiet() or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(
        *(columns or Progress.get_default_columns()), console=Console(stderr=True), transient=True
    ) as progress:
        yield progress


@contextmanager
def reading() -> Iterator[Any]:
    """The `progress` argument of `load_corpus`: a bar that appears when there is something to wait for."""
    with bar() as progress:
        if progress is None:
            yield None
            return
        task = progress.add_task("Reading", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def list_skipped(skipped: Sequence[Skipped]) -> None:
    """Say what was left out, and why: a line for each reason, with the names that share it."""
    by_reason: dict[str, list[str]] = {}
    for skip in skipped:
        by_reason.setdefault(skip.reason, []).append(skip.name)
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1]))[:_LISTED]:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        warn(f"skipped {', '.join(names[:_NAMED])}{more}: {reason}")
    if len(by_reason) > _LISTED:
        warn(f"... and {len(by_reason) - _LISTED} more reasons; {len(skipped)} skipped in all")


def list_losses(losses: Mapping[str, int]) -> None:
    """Say in one line what reading or encoding did not keep."""
    if losses:
        say("  not kept: " + ", ".join(f"{reason} ({count:,})" for reason, count in losses.items()))
