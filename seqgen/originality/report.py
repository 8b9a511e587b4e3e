"""Where a passage stands, for people and for JSON, and a page of a text with its copied passages marked."""

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from seqgen.formats import engraving
from seqgen.formats.pianoroll import Highlight
from seqgen.longtext import pieces_of
from seqgen.originality.lines import Content, Stretch, length_of
from seqgen.originality.longest import Passage
from seqgen.piece import Piece

_STYLE = (
    "body{max-width:44em;margin:2em auto;padding:0 1em;font:16px/1.6 Georgia,serif;color:#22272e;background:#fff}"
    "pre{white-space:pre-wrap;font:inherit}mark{background:#ffe9a8;color:inherit}sup{font:11px sans-serif}"
    "ol{font:14px/1.6 sans-serif}"
)


class Place(NamedTuple):
    """Where a passage begins: part, bar and beat of a piece, both from 1, a pickup being bar 0; or line of a text."""

    part: str = ""
    bar: int | None = None
    beat: float | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.line is not None:
            return f"line {self.line:,}"
        return f"{self.part}, bar {self.bar}, beat {self.beat:g}"


def place(content: Content, passage: Stretch) -> Place:
    """Where a passage of `content` begins."""
    if not isinstance(content, Piece):
        text = "".join(pieces_of(content))
        return Place(line=text.count("\n", 0, passage.begin) + 1)
    bar = next(bar for bar in reversed(engraving.bars(content)) if bar.start <= passage.begin)
    beat = round(1 + (passage.begin - bar.start) / bar.beat, 2)
    return Place(content.parts[passage.part].name or f"part {passage.part + 1}", bar.number, beat)


def describe(content: Content, passage: Passage) -> str:
    """A passage in one line: how long, where, and of which document it is a copy."""
    others = f"; in {passage.documents:,} {_kind(content)} in all" if passage.documents > 1 else ""
    return f"{length_of(passage.own)}: {place(content, passage.own)}; {source(passage)}{others}"


def source(passage: Passage) -> str:
    """The document, where in it, and how far it was transposed."""
    there = place(passage.document.content, passage.theirs)
    up = passage.semitones
    moved = f", {abs(up)} semitone{'s' * (abs(up) != 1)} {'higher' if up > 0 else 'lower'}" if up else ""
    return f"as in {passage.document.name}, {there}{moved}"


def as_dict(content: Content, passage: Passage) -> dict[str, Any]:
    """The same for JSON."""
    unit = "notes" if isinstance(content, Piece) else "words"
    own, theirs = place(content, passage.own), place(passage.document.content, passage.theirs)
    return {
        unit: passage.own.length,
        **({"bars": passage.own.bars, "semitones": passage.semitones} if unit == "notes" else {}),
        **_known(own),
        "source": {"name": passage.document.name, **_known(theirs)},
        "documents": passage.documents,
    }


def highlights(passages: Sequence[Passage]) -> list[Highlight]:
    """The passages of a piece as its piano roll takes them."""
    return [
        Highlight(passage.own.part, passage.own.begin, passage.own.end, f"{number}: {passage.document.name}")
        for number, passage in enumerate(passages, start=1)
    ]


def to_html(text: str, passages: Sequence[Passage]) -> str:
    """A page with the text, its copied passages marked and numbered, and below where they come from."""
    parts: list[str] = []
    written = 0
    numbered = sorted(enumerate(passages, start=1), key=lambda item: item[1].own.begin)
    for number, passage in numbered:
        begin, end = passage.own.begin, passage.own.end
        copied = f'<mark title="{escape(source(passage))}">{escape(text[begin:end])}</mark><sup>{number}</sup>'
        parts += [escape(text[written:begin]), copied]
        written = end
    parts.append(escape(text[written:]))
    rows = "".join(f"<li>{escape(describe(text, passage))}</li>\n" for passage in passages)
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>Copied passages</title><style>{_STYLE}</style>'
        f"</head>\n<body><pre>{''.join(parts)}</pre>\n<ol>\n{rows}</ol></body></html>\n"
    )


def _kind(content: Content) -> str:
    return "pieces" if isinstance(content, Piece) else "texts"


def _known(where: Place) -> dict[str, Any]:
    return {name: value for name, value in where._asdict().items() if value not in (None, "")}
