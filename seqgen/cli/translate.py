"""`seqgen translate`."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from seqgen.cli import console, lines
from seqgen.cli.attention import Pictures
from seqgen.cli.output import loaded_translator

if TYPE_CHECKING:
    from seqgen.api.translate import Decoding, Source, Translation
    from seqgen.api.translator import Translator

_NAMED = 5  # unknown tokens of a line, or numbers of lines


@click.command("translate")
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("-m", "--model", "model_path", metavar="MODEL", help="A file of seqgen train. [./model.safetensors]")
@click.option("--beam", type=int, metavar="K", help="Follow the K best beginnings at once. [only the best]")
@click.option("--length-penalty", type=float, metavar="X", help="With --beam: 0 favours short ones, 1 long ones. [0.6]")
@click.option("--sample", is_flag=True, help="Draw, instead of taking the most probable.")
@click.option("--temperature", type=float, metavar="X", help="With --sample: boldness. [1]")
@click.option("--top-k", type=int, metavar="K", help="With --sample: among the K most probable. [off]")
@click.option("--top-p", type=float, metavar="P", help="With --sample: among the best that hold this share. [off]")
@click.option("--min-p", type=float, metavar="P", help="With --sample: at least P times the share of the best. [off]")
@click.option("--penalty", type=float, metavar="X", help="With --sample: above 1, what came lately less often. [off]")
@click.option("--seed", type=click.IntRange(min=0), help="With --sample: the same gives the same. [drawn, and said]")
@click.option("--steps", type=int, metavar="N", help="At most so many characters or words. [twice the longest learned]")
@click.option("--max-length", type=int, metavar="N", help="Cut a source to N characters or words. [refuse far longer]")
@click.option("--scores", is_flag=True, help="Write a tab and the log-probability behind each line.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
@click.option(
    "--attention-plot", metavar="FILE", help="A picture of what was looked at: .svg, .html or .png; of line {n}."
)
@click.option("--text-encoding", help="How the standard input is encoded, where it is not UTF-8.")
@click.option("-v", "--verbose", is_flag=True, help="Say which words of each line the model has never seen.")
def command(texts: tuple[str, ...], model_path: str | None, **flags: Any) -> None:
    """Turn each TEXT, or each line of the standard input, into what a model of pairs makes of it: a line for a line.

    It takes the most probable token after token; --beam looks for more probable lines. An empty line stays empty. A
    line break within a line is written as a space.
    """
    from seqgen.api.translate import check
    from seqgen.errors import ConfigError

    pictures = Pictures(flags["attention_plot"], len(texts))
    how = _decoding(flags)
    translator = loaded_translator(model_path)
    check(translator, how)
    if translator.source_unit != "text":
        raise ConfigError("this model reads vectors, not text; Translator.translate in Python takes them")
    if pictures.wanted:
        translator.check_attention()
    console.say(f"model {translator.name} {translator.digest}{f', seed {how.seed}' if how.sample else ''}")
    run = _Run(translator, how, flags, pictures)
    try:
        for group in lines.groups(texts, flags["text_encoding"]):
            run.group(group)
    finally:
        run.finish()


def _decoding(flags: dict[str, Any]) -> "Decoding":
    from dataclasses import fields

    from seqgen.api.translate import Decoding

    return Decoding(**{field.name: flags[field.name] for field in fields(Decoding)})


class _Run:
    """Line after line: what is written, and what is said of them in the end."""

    def __init__(self, translator: "Translator", how: "Decoding", flags: dict[str, Any], pictures: Pictures) -> None:
        self._translator, self._how, self._flags, self._pictures = translator, how, flags, pictures
        self._lines = self._done = self._unknown = 0  # lines, those translated, unknown tokens
        self._empty: list[int] = []  # numbers of lines
        self._unfinished: list[int] = []
        self._cut: list[int] = []

    def group(self, texts: Sequence[str]) -> None:
        """Answer some lines, in order; those before one that cannot be read are answered before that is raised."""
        from seqgen.errors import SeqgenError

        sources: list[Source | None] = []
        for number, text in enumerate(texts, start=self._lines + 1):
            try:
                sources.append(self._source(text, number))
            except SeqgenError:
                self._answer(texts, sources)
                raise
        self._answer(texts, sources)

    def _source(self, text: str, number: int) -> "Source | None":
        """None of an empty line."""
        if not text.strip():
            return None
        most = self._flags["max_length"]
        return self._translator.encode_sources([text], max_length=most, names=[f"line {number:,}"])[0]

    def _answer(self, texts: Sequence[str], sources: "Sequence[Source | None]") -> None:
        from seqgen.api.translate import Translation, translations

        some = [source for source in sources if source is not None]
        found = translations(self._translator, some, self._how, first=self._done)
        self._done += len(some)
        for text, source in zip(texts, sources, strict=False):
            self._lines += 1
            translation = Translation(score=0.0) if source is None else next(found)
            self._note(source, translation)
            line = self._json(text, source, translation) if self._flags["as_json"] else self._text(source, translation)
            sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace") + b"\n")
            if source is not None:
                self._pictures.add(self._translator, self._lines, source, translation)
        sys.stdout.buffer.flush()

    def _text(self, source: "Source | None", translation: "Translation") -> str:
        line = " ".join(translation.text.splitlines())
        return f"{line}\t{translation.score:.4f}" if self._flags["scores"] and source is not None else line

    def _json(self, text: str, source: "Source | None", translation: "Translation") -> str:
        facts: dict[str, Any] = {"source": text, "translation": translation.text}
        if source is not None:
            facts |= {"score": _rounded(translation.score), "ended": translation.ended}
            if source.unknown:
                facts["unknown"] = source.unknown
            if source.cut:
                facts["cut"] = len(source.tokens) - 1
            if translation.alternatives:
                others = translation.alternatives
                facts["alternatives"] = [{"translation": one.text, "score": _rounded(one.score)} for one in others]
        return json.dumps(facts, ensure_ascii=False)

    def _note(self, source: "Source | None", translation: "Translation") -> None:
        if source is None:
            self._empty.append(self._lines)
            return
        if not translation.ended:
            self._unfinished.append(self._lines)
        if source.cut:
            self._cut.append(self._lines)
        self._unknown += len(source.unknown)
        if source.unknown and self._flags["verbose"]:
            shown = ", ".join(repr(token) for token in dict.fromkeys(source.unknown[:_NAMED]))
            more = ", ..." if len(source.unknown) > _NAMED else ""
            console.say(f"line {self._lines:,}: the model has never seen {shown}{more}")

    def finish(self) -> None:
        """Say what there is to say of all lines."""
        self._pictures.finish()
        if self._empty:
            console.warn(f"{_listed(self._empty, 'is', 'are')} empty, and so is what became of it")
        if self._cut:
            console.warn(f"{_listed(self._cut, 'was', 'were')} cut to {self._flags['max_length']:,} tokens")
        if self._unfinished:
            console.warn(
                f"{_listed(self._unfinished, 'was', 'were')} ended by the number of steps; --steps allows more"
            )
        if self._unknown:
            names = "" if self._flags["verbose"] else "; -v names them"
            tokens = "1 token was" if self._unknown == 1 else f"{self._unknown:,} tokens were"
            console.say(f"{tokens} read as unknown, since the model has never seen such{names}")


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 6)


def _listed(numbers: Sequence[int], one: str, several: str) -> str:
    """Lines by their numbers, and the verb that follows."""
    shown = ", ".join(f"{number:,}" for number in numbers[:_NAMED])
    more = f" and {len(numbers) - _NAMED:,} more" if len(numbers) > _NAMED else ""
    return f"line {shown} {one}" if len(numbers) == 1 else f"lines {shown}{more} {several}"
