"""Points with names in a plane, as one SVG picture."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from seqgen.errors import ConfigError
from seqgen.formats.attention import SUMMARY, TITLE, shortened, width_of
from seqgen.formats.pianoroll import COLOURS, FONT, INK, LINE, MARGIN, PAPER, SOFT, escaped, text_element

_SIDE, _LEAST = 640, 240  # pixels of the longer side of the plane, and of the shorter one at least
_LETTERS = 11
_DOT = 3.2  # radius
_LONGEST = 28  # characters of a name
_ANCHORS = {1: "start", 0: "middle", -1: "end"}

_Box = tuple[float, float, float, float]  # left, top, right, bottom


def to_svg(points: np.ndarray, names: Sequence[str], title: str = "", summary: str = "") -> str:
    """An SVG document with points `(n, 2)`, x to the right and y up, on one scale, each with its name beside it.

    A name that has no room is left out; pointing at its dot shows it.

    >>> to_svg(np.array([[0, 0], [1, 2]]), ["one", "two"]).count("<circle")
    2

    Raises:
        ConfigError: there are no points, not as many names, or a coordinate is no number.
    """
    places = np.asarray(points, np.float64)
    if places.shape != (len(names), 2) or not len(names) or not np.isfinite(places).all():
        raise ConfigError(f"{len(names)} names and points of shape {places.shape} make no picture")
    low, high = places.min(axis=0), places.max(axis=0)
    scale = _SIDE / (float((high - low).max()) or 1.0)
    width, height = np.maximum((high - low) * scale, _LEAST)
    shown = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in map(_line, names)]
    room = max(width_of(name, _LETTERS) for name in shown) / 2 + 2 * _DOT  # for the names of outer points
    left, top = MARGIN + room, MARGIN + 44 * bool(title or summary) + 24
    middle = (low + high) / 2
    xs = left + width / 2 + (places[:, 0] - middle[0]) * scale
    ys = top + height / 2 - (places[:, 1] - middle[1]) * scale
    heading = max(width_of(shortened(title), TITLE * 1.12), width_of(shortened(summary), SUMMARY))
    size = f"{max(left + width + room, MARGIN + heading) + MARGIN:.0f} {top + height + 24 + MARGIN:.0f}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{size.split()[0]}" height="{size.split()[1]}"'
            f' viewBox="0 0 {size}" role="img" font-family="{FONT}">',
            f"<title>{escaped(title or 'Points')}</title>",
            f"<desc>{escaped(f'{len(names)} points: {summary}')}</desc>",
            f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>',
            text_element(MARGIN, MARGIN + 14, shortened(title), TITLE, INK, 'font-weight="600"'),
            text_element(MARGIN, MARGIN + 34, shortened(summary), SUMMARY, SOFT),
            f'<rect x="{left - room:.1f}" y="{top - 18:.1f}" width="{width + 2 * room:.1f}" height="{height + 36:.1f}"'
            f' rx="4" fill="none" stroke="{LINE}"/>',
            *_dots(xs.tolist(), ys.tolist(), names),
            *_names(xs.tolist(), ys.tolist(), shown, (left - room, top - 18, left + width + room, top + height + 18)),
            "</svg>\n",
        ]
    )


def _dots(xs: Sequence[float], ys: Sequence[float], names: Sequence[str]) -> Iterator[str]:
    yield f'<g fill="{COLOURS[0]}" fill-opacity="0.8">'
    for x, y, name in zip(xs, ys, names, strict=True):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_DOT}"><title>{escaped(_line(name))}</title></circle>'
    yield "</g>"


def _names(xs: Sequence[float], ys: Sequence[float], names: Sequence[str], frame: _Box) -> Iterator[str]:
    """Each beside its dot where it covers neither a dot nor another name, those of lonely points first.

    The same name of the same place is written once.
    """
    points = np.column_stack([xs, ys])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.where(np.eye(len(xs)), np.inf, 0)
    taken: list[_Box] = [(x - _DOT, y - _DOT, x + _DOT, y + _DOT) for x, y in zip(xs, ys, strict=True)]
    written: set[tuple[float, float, str]] = set()
    for index in map(int, np.argsort(-distances.min(axis=1), kind="stable")):
        x, y, name = round(xs[index], 1), round(ys[index], 1), names[index]
        if not name or (x, y, name) in written:
            continue
        written.add((x, y, name))
        wide = width_of(name, _LETTERS)
        for down, across in product((0, -1, 1), (1, -1, 0)):  # beside, above, below; to the right, left, centred
            if not down and not across:
                continue
            edge = x + across * (_DOT + 3) * (not down)
            begin = edge + (across - 1) * wide / 2
            base = y + _LETTERS * 0.35 + down * (_LETTERS * 0.5 + _DOT + 3)
            box = (begin, base - _LETTERS * 0.8, begin + wide, base + _LETTERS * 0.2)
            if _inside(box, frame) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                yield text_element(edge, base, name, _LETTERS, INK, f'text-anchor="{_ANCHORS[across]}"')
                break


def _inside(box: _Box, frame: _Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _line(name: str) -> str:
    return " ".join(name.split())
