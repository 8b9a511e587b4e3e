"""`seqgen originality`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqgen.cli import console

if TYPE_CHECKING:
    from seqgen.originality import Passage
    from seqgen.piece import Piece


@click.command("originality")
@click.argument("file", metavar="FILE")
@click.argument("sources", nargs=-1, metavar="SOURCE...", required=True)
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="List so many passages.")
@click.option("-o", "--output", metavar="FILE", help="A picture of FILE with these passages marked: .svg, text .html.")
@click.option("--text-encoding", help="How text files are encoded, where it is not Unicode.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--strict", is_flag=True, help="Exit with 3 if a file could not be used.")
@click.pass_context
def command(
    ctx: click.Context,
    file: str,
    sources: tuple[str, ...],
    top: int,
    output: str | None,
    text_encoding: str | None,
    as_json: bool,
    strict: bool,
) -> None:
    """The longest passages that FILE shares with SOURCE, and where they stand in it.

    FILE is music or text, - is stdin. Music in another key is found as well: what is compared are the steps from each
    note of a part to the next. Of text it is the words, without capitals and marks.
    """
    from seqgen import formats
    from seqgen.api.originality import check
    from seqgen.corpus import load_corpus
    from seqgen.corpus.packed import digest
    from seqgen.errors import FormatError
    from seqgen.originality import longest_passages
    from seqgen.originality.report import as_dict, describe

    if file == "-":
        found = formats.read_bytes(sys.stdin.buffer.read(), "the file on stdin", text_encoding=text_encoding)
    else:
        found = formats.read_all(file, text_encoding=text_encoding)
    if len(found) > 1:
        raise FormatError(f"{file} holds {len(found)} tunes; give it one at a time")
    content = found[0]
    _check_picture(content, output)
    with console.reading() as progress:
        corpus = load_corpus(*sources, text_encoding=text_encoding, progress=progress)
    failed = [skip for skip in corpus.skipped if skip.failed]
    console.list_skipped(failed)
    check(content, corpus, top)
    own = digest(content)
    same = [document.name for document in corpus.documents if document.digest == own]
    if same:
        console.warn(f"{file} is itself among the sources, as {', '.join(same[:3])}: it is compared with that too")
    passages = longest_passages(content, corpus.documents, top)
    if as_json:
        rows = [as_dict(content, passage) for passage in passages]
        click.echo(json.dumps({"file": file, "corpus": corpus.title, "itself": same, "passages": rows}))
    elif not passages:
        click.echo(f"no passage of {file} is in {corpus.title}")
    else:
        for number, passage in enumerate(passages, start=1):
            click.echo(f"{number:>2}  {describe(content, passage)}")
    if output is not None:
        _write_picture(content, passages, output)
        console.say(f"wrote {output}")
    if strict and failed:
        ctx.exit(3)


def _check_picture(content: "Piece | str", output: str | None) -> None:
    """Found out before the sources are read."""
    from seqgen.errors import ConfigError

    if output is None:
        return
    wanted, unit = (".html", "text") if isinstance(content, str) else (".svg", "music")
    if Path(output).suffix.lower() != wanted:
        raise ConfigError(f"the picture of {unit} is a {wanted[1:]} file: name it like out{wanted}, not {output}")
    if not Path(output).parent.is_dir():
        raise ConfigError(f"cannot write {output}: there is no folder {str(Path(output).parent)!r}")


def _write_picture(content: "Piece | str", passages: "Sequence[Passage]", output: str) -> None:
    from seqgen.durable import write_bytes
    from seqgen.formats import pianoroll
    from seqgen.originality.report import highlights, to_html

    page = to_html(content, passages) if isinstance(content, str) else pianoroll.to_svg(content, highlights(passages))
    write_bytes(output, page.encode("utf-8", "replace"))
