"""Pictures of attention: which part of the source a decoder looked at when it wrote each part of the target.

One matrix, a row for each target token and a column for each source token; the darker, the more weight.
"""

import importlib.util
import json
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqgen.durable import write_bytes
from seqgen.errors import ConfigError, MissingExtra
from seqgen.formats.pianoroll import BEAT, COLOURS, FONT, INK, LINE, MARGIN, PAPER, SOFT, escaped, text_element
from seqgen.vocabulary import END, SPECIALS

DARKEST = COLOURS[0]
ENDINGS = (".svg", ".html", ".png")
TITLE, SUMMARY = 16, 12  # pixels, size of letters
LEGEND = 120  # pixels

_MATRIX = 720  # pixels that the longer side of the matrix gets, where _CELL allows
_CELL, _CELL_OF_LETTERS = (13, 30), 21  # pixels, least and most
_DIAGONAL = 19  # pixels a cell needs for labels at 45 degrees; above narrower ones they stand upright
_LONGEST = 24  # characters of a label
_MOST = 500  # tokens a side; a picture of more takes many megabytes, and shows nothing
_END_MARK = "∎"
_MARKS = {" ": "␣", "\n": "↵", "\t": "⇥", "\r": "↵", SPECIALS[END]: _END_MARK}


class Attention(NamedTuple):
    """What a decoder looked at. weights: `(len(target), len(source))` float32; each row sums to 1."""

    source: tuple[str, ...]  # tokens in the order of the source, the end mark last
    target: tuple[str, ...]
    weights: np.ndarray

    @property
    def highest(self) -> float:
        """The weight that gets the darkest shade."""
        return float(np.max(self.weights)) or 1.0


class Frame(NamedTuple):
    """Where things are, in pixels."""

    left: float
    top: float
    cell: float
    rows: int
    columns: int
    turned: int  # how far the labels of columns are, in degrees: 0, 45 or 90
    letters: float  # size of labels
    width: float  # of the whole picture
    height: float

    @property
    def right(self) -> float:
        return self.left + self.columns * self.cell

    @property
    def bottom(self) -> float:
        return self.top + self.rows * self.cell


def write(attention: Attention, path: str | os.PathLike[str], title: str = "", summary: str = "") -> None:
    """A picture in the format that the ending of the name says: .svg, .html or .png.

    title, summary: two lines above; the source and what became of it, for instance.

    Raises:
        ConfigError: another ending, or no matrix of weights. MissingExtra: .png without matplotlib.
        FormatError: .png, and no font of this machine has a letter of the labels.
    """
    check_name(path)
    ending = Path(path).suffix.lower()
    if ending == ".png":
        from seqgen.formats.attention_png import to_png

        data = to_png(attention, title, summary)
    else:
        data = (to_svg if ending == ".svg" else to_html)(attention, title, summary).encode()
    write_bytes(path, data)


def check_name(path: str | os.PathLike[str]) -> None:
    """Whether `write` can write a file of that name, found out before there is anything to write.

    Raises: as `write`.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        wanted = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        raise ConfigError(f"a picture of attention is {wanted}, and {os.fspath(path)!r} ends in none of these")
    if ending == ".png" and importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("A picture as .png (.svg and .html need nothing)", "plot")


def to_svg(attention: Attention, title: str = "", summary: str = "") -> str:
    """An SVG document: source labels on top, target labels at the left, the weights between, their scale below.

    >>> picture = to_svg(Attention(("a", "<end>"), ("b",), np.array([[0.25, 0.75]], np.float32)))
    >>> picture.count("fill-opacity"), "∎" in picture
    (2, True)

    Raises:
        ConfigError: the weights are not `(len(target), len(source))`, or not numbers of 0 and more; or there are more
            than 500 tokens a side.
    """
    return "\n".join(_svg_lines(attention, layout(attention, title, summary), title, summary)) + "\n"


def to_html(attention: Attention, title: str = "", summary: str = "") -> str:
    """A page that needs nothing else: the picture of `to_svg`, and below it the weight the pointer stands on.

    Raises: as `to_svg`.
    """
    frame = layout(attention, title, summary)
    *lines, last = _svg_lines(attention, frame, title, summary)
    cross = f'<path id="cross" fill="none" stroke="{INK}" stroke-width="1.2" pointer-events="none" d=""/>'
    facts = {
        "left": frame.left,
        "top": frame.top,
        "cell": frame.cell,
        "source": [shown(label) for label in attention.source],
        "target": [shown(label) for label in attention.target],
        "weights": np.asarray(attention.weights, np.float64).round(4).tolist(),
    }
    data = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")  # so that no label ends the script
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{escaped(title or "Attention")}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{chr(10).join([*lines, cross, last])}\n<output>&nbsp;</output>\n"
        f"<script>const picture = {data};\n{_SCRIPT}</script>\n</body></html>\n"
    )


def layout(attention: Attention, title: str, summary: str) -> Frame:
    """Where everything goes.

    Raises: as `to_svg`.
    """
    rows, columns = len(attention.target), len(attention.source)
    weights = np.asarray(attention.weights)
    if weights.shape != (rows, columns) or not rows or not columns:
        raise ConfigError(f"attention of {rows} target over {columns} source tokens is no matrix of {weights.shape}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ConfigError("weights of attention are numbers of 0 and more")
    if max(rows, columns) > _MOST:
        raise ConfigError(f"a picture of attention holds at most {_MOST} tokens a side, not {max(rows, columns):,}")
    across, down = ([shown(label) for label in labels] for labels in (attention.source, attention.target))
    of_letters = all(len(label) == 1 for label in across)
    cell = min(max(_MATRIX / max(rows, columns), _CELL[0]), _CELL_OF_LETTERS if of_letters else _CELL[1])
    turned = 0 if of_letters else 45 if cell >= _DIAGONAL else 90
    letters = min(12.0, cell * 0.86)
    lengths = [width_of(label, letters) for label in across]
    left = MARGIN + max(width_of(label, letters) for label in down) + 10
    reach = {0: letters, 45: 0.71 * (max(lengths) + letters), 90: max(lengths)}[turned] + 12
    top = MARGIN + 44 * bool(title or summary) + reach
    right = left + columns * cell
    if turned == 45:  # labels of the last columns lean out of the matrix
        right = max(right, *(left + (n + 0.5) * cell + 0.71 * length for n, length in enumerate(lengths)))
    heading = max(width_of(shortened(title), TITLE * 1.12), width_of(shortened(summary), SUMMARY))
    width = max(right, left + LEGEND + 110, MARGIN + heading) + MARGIN
    return Frame(left, top, cell, rows, columns, turned, letters, width, top + rows * cell + MARGIN + 34)


def shown(label: str) -> str:
    """A label as it can be seen."""
    visible = "".join(_MARKS.get(character, character) for character in _MARKS.get(label, label))
    return visible if len(visible) <= _LONGEST else visible[: _LONGEST - 1] + "…"


def colour(label: str) -> str:
    """That of a label: marks are softer than words."""
    return SOFT if label in _MARKS else INK


def shortened(text: str) -> str:
    """As much of a line as stands above a picture."""
    line = " ".join(text.split())
    return line if len(line) <= 90 else line[:89] + "…"


def legend(attention: Attention) -> str:
    """What stands beside the scale."""
    ends = SPECIALS[END] in (*attention.source, *attention.target)
    return f"weight  ·  {_END_MARK} end" if ends else "weight"


def _svg_lines(attention: Attention, frame: Frame, title: str, summary: str) -> Iterator[str]:
    size = f"{frame.width:.0f} {frame.height:.0f}"
    about = f"Attention of {frame.rows} target tokens over {frame.columns} source tokens"
    y = frame.bottom + 18
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size.split()[0]}" height="{size.split()[1]}"'
        f' viewBox="0 0 {size}" role="img" font-family="{FONT}">'
    )
    yield f"<title>{escaped(title or 'Attention')}</title>"
    yield f"<desc>{escaped(f'{about}: {summary}' if summary else about)}</desc>"
    yield f'<defs><linearGradient id="shades"><stop stop-color="{PAPER}"/>'
    yield f'<stop offset="1" stop-color="{DARKEST}"/></linearGradient></defs>'
    yield f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>'
    yield text_element(MARGIN, MARGIN + 14, shortened(title), TITLE, INK, 'font-weight="600"')
    yield text_element(MARGIN, MARGIN + 34, shortened(summary), SUMMARY, SOFT)
    yield from _cells(attention, frame)
    yield from _column_labels(attention.source, frame)
    for row, label in enumerate(attention.target):
        middle = frame.top + (row + 0.5) * frame.cell + frame.letters * 0.35
        yield text_element(frame.left - 7, middle, shown(label), frame.letters, colour(label), 'text-anchor="end"')
    yield f'<rect x="{frame.left:.1f}" y="{y:.1f}" width="{LEGEND}" height="9" fill="url(#shades)" stroke="{LINE}"/>'
    yield text_element(frame.left, y + 22, "0", 10, SOFT)
    yield text_element(frame.left + LEGEND, y + 22, f"{attention.highest:.2g}", 10, SOFT, 'text-anchor="end"')
    yield text_element(frame.left + LEGEND + 10, y + 8, legend(attention), 11, SOFT)
    yield "</svg>"


def _cells(attention: Attention, frame: Frame) -> Iterator[str]:
    """The weights, lines between the cells, a box around them."""
    across, down = frame.columns * frame.cell, frame.rows * frame.cell
    yield f'<g fill="{DARKEST}">'
    for row, weights in enumerate(np.asarray(attention.weights).tolist()):
        for column, weight in enumerate(weights):
            shade = weight / attention.highest
            if shade < 0.002:  # cannot be told from the paper
                continue
            x, y = frame.left + column * frame.cell, frame.top + row * frame.cell
            what = f"{shown(attention.source[column])} → {shown(attention.target[row])}: {weight:.3f}"
            yield (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{frame.cell:.1f}" height="{frame.cell:.1f}"'
                f' fill-opacity="{shade:.3f}"><title>{escaped(what)}</title></rect>'
            )
    yield "</g>"
    lines = "".join(f"M{frame.left + n * frame.cell:.1f} {frame.top:.1f}v{down:.1f}" for n in range(1, frame.columns))
    lines += "".join(f"M{frame.left:.1f} {frame.top + n * frame.cell:.1f}h{across:.1f}" for n in range(1, frame.rows))
    yield f'<path d="{lines}" fill="none" stroke="{BEAT}" stroke-width="0.6"/>'
    box = f'x="{frame.left:.1f}" y="{frame.top:.1f}" width="{across:.1f}" height="{down:.1f}"'
    yield f'<rect {box} fill="none" stroke="{LINE}"/>'


def _column_labels(labels: Sequence[str], frame: Frame) -> Iterator[str]:
    for column, label in enumerate(labels):
        x, y = frame.left + (column + 0.5) * frame.cell, frame.top - 6
        x += frame.letters * 0.35 * (frame.turned == 90)
        turn = f'transform="rotate(-{frame.turned} {x:.1f} {y:.1f})"' if frame.turned else 'text-anchor="middle"'
        yield text_element(x, y, shown(label), frame.letters, colour(label), turn)


def width_of(text: str, size: float) -> float:
    """About how wide a line is; letters of Chinese and its neighbours are as wide as high."""
    return size * sum(1.05 if unicodedata.east_asian_width(letter) in "WF" else 0.6 for letter in text)


_STYLE = (
    f"body{{margin:2em auto;width:fit-content;max-width:96vw;font:15px/1.5 {FONT};color:{INK};background:{PAPER}}}"
    "svg{display:block;max-width:100%;height:auto}output{display:block;min-height:1.5em;padding:0 20px}"
)
_SCRIPT = """const svg = document.querySelector("svg"), said = document.querySelector("output");
const cross = document.getElementById("cross");
svg.addEventListener("pointermove", event => {
  const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const column = Math.floor((place.x - picture.left) / picture.cell);
  const row = Math.floor((place.y - picture.top) / picture.cell);
  const weight = (picture.weights[row] || [])[column];
  if (weight === undefined) { said.textContent = "\\u00a0"; cross.setAttribute("d", ""); return; }
  said.textContent = `${picture.source[column]} \\u2192 ${picture.target[row]}: ${weight.toFixed(3)}`;
  const x = picture.left + column * picture.cell, y = picture.top + row * picture.cell, size = picture.cell;
  cross.setAttribute("d", `M${x} ${y}h${size}v${size}h${-size}z`);
});
"""
