"""The `seqgen` command: finds the subcommand, and turns every expected failure into one line and an exit status.

0 done; 1 failed; 2 wrong usage; 3 done, but files were skipped and --strict was given; 130 interrupted.
"""

import importlib
import os
import sys
from collections.abc import Sequence

import click

from seqgen.errors import SeqgenError

# Where each subcommand lives; it is imported when it is asked for, so that --help and generate start at once.
_COMMANDS = {
    "train": ("seqgen.cli.train", "Learn from scores or text; write a model file."),
    "generate": ("seqgen.cli.generate", "Write new music or text with a model."),
    "vary": ("seqgen.cli.vary", "Make some bars of a piece anew, and keep the others."),
    "translate": ("seqgen.cli.translate", "Turn lines into others with a model of pairs."),
    "embed": ("seqgen.cli.embed", "Vectors of phrases, and which lie near each other."),
    "harmonize": ("seqgen.cli.harmonize", "Put other voices under a melody."),
    "models": ("seqgen.cli.models", "The models that come with seqgen."),
    "evaluate": ("seqgen.cli.evaluate", "How well a model predicts what it has not seen."),
    "originality": ("seqgen.cli.originality", "Which passages of a file are copied from its sources."),
}


class _Commands(click.Group):
    """Subcommands by name, imported late."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(_COMMANDS[cmd_name][0]).command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        from seqgen.version import __version__

        click.echo(f"seqgen {__version__}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.pass_context
def cli(ctx: click.Context, debug: bool, quiet: bool) -> None:
    """Learn a style from a folder of scores or text, in minutes; play it back in an instant.

    \b
    seqgen train bach-chorales --minutes 2
    seqgen generate --steps 100 > out.mid
    """
    ctx.obj = {"debug": debug, "quiet": quiet}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    words = _globals_first(list(sys.argv[1:] if arguments is None else arguments))
    try:
        if sys.stdin is None or sys.stdout is None or sys.stderr is None:
            raise SeqgenError("a standard stream is closed; redirect it, for example to /dev/null")
        status = cli.main(words, prog_name="seqgen", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("seqgen: interrupted", err=True)
        status = 130
    except BrokenPipeError:
        # whoever read our output has gone; writing what is buffered at exit would fail again
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except (SeqgenError, OSError) as error:
        if "--debug" in words:
            raise
        click.echo(f"seqgen: {one_line(error)}", err=True)
        status = 1
    sys.exit(status if isinstance(status, int) else 0)


def _globals_first(words: list[str]) -> list[str]:
    """`seqgen generate --quiet` means `seqgen --quiet generate`: the options of all commands may stand anywhere."""
    end = words.index("--") if "--" in words else len(words)
    moved = [word for word in words[:end] if word in ("--debug", "--quiet", "-q")]
    return moved + [word for word in words[:end] if word not in moved] + words[end:]


def one_line(error: Exception) -> str:
    """What an expected failure has to say."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())
