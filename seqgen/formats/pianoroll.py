"""Piano rolls: a Piece as one SVG picture, readable alone on a page, in a notebook or in a browser.

Pitch goes up, time to the right; parts differ in colour, velocity in opacity. Drum parts have lanes of their own below.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape  # that of xml.sax would load a client for the web
from typing import NamedTuple

from seqgen.formats import engraving
from seqgen.formats.musicxml import NOT_XML
from seqgen.formats.notation import PROVENANCE
from seqgen.piece import Piece, Text

# Okabe and Ito's colours, which stay apart for colour-blind eyes; without their yellow, which is lost on white
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5d4a9c", "#4d4d4d")
INK, SOFT, LINE, BEAT, SHADE, PAPER = "#22272e", "#6b7280", "#c3c8d0", "#e6e8ec", "#f1f3f6", "#ffffff"
FOUND = "#ffe9a8"
FONT = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

MARGIN = 20
WIDTH = 1100  # pixels of time a piece gets, where PER_QUARTER allows
PER_QUARTER = (10, 56)  # pixels, least and most
LANES = 440  # pixels of pitch a piece gets, where LANE allows
LANE = (6, 14)  # pixels a semitone, least and most
DRUM_LANE = 15
KEYBOARD = 18
LETTER = 6.6  # average width at 12 pixels
BLACK_KEYS = {1, 3, 6, 8, 10}

DRUMS = {
    22: "hi-hat edge", 26: "open hi-hat edge", 35: "bass drum 2", 36: "bass drum", 37: "side stick", 38: "snare",
    39: "clap", 40: "snare 2", 41: "floor tom 2", 42: "closed hi-hat", 43: "floor tom", 44: "pedal hi-hat",
    45: "low tom", 46: "open hi-hat", 47: "mid tom", 48: "mid tom 2", 49: "crash", 50: "high tom", 51: "ride",
    52: "china", 53: "ride bell", 54: "tambourine", 55: "splash", 56: "cowbell", 57: "crash 2", 58: "rim shot",
    59: "ride 2", 60: "high bongo", 61: "low bongo", 62: "mute conga", 63: "open conga", 64: "low conga",
    65: "high timbale", 66: "low timbale", 67: "high agogo", 68: "low agogo", 69: "cabasa", 70: "maracas",
    71: "short whistle", 72: "long whistle", 73: "short guiro", 74: "long guiro", 75: "claves", 76: "high block",
    77: "low block", 78: "mute cuica", 79: "open cuica", 80: "mute triangle", 81: "triangle",
}  # fmt: skip
MAJOR = ["C♭", "G♭", "D♭", "A♭", "E♭", "B♭", "F", "C", "G", "D", "A", "E", "B", "F♯", "C♯"]
MINOR = ["A♭", "E♭", "B♭", "F", "C", "G", "D", "A", "E", "B", "F♯", "C♯", "G♯", "D♯", "A♯"]


class Highlight(NamedTuple):
    """The notes of a part that begin from `begin` on and before `end`, in ticks, with a label."""

    part: int
    begin: int
    end: int
    label: str


class _Frame(NamedTuple):
    """Where things are, in pixels. `pitched` and `drums` are the pitches of the lanes from the top down."""

    left: float
    top: float
    per_tick: float
    lane: float
    pitched: Sequence[int]
    drums: Sequence[int]
    end: int  # in ticks

    def x(self, tick: float) -> float:
        return self.left + tick * self.per_tick

    def y(self, pitch: int, drums: bool) -> float:
        """Upper edge of a lane."""
        if drums:
            return self.drum_top + self.drums.index(pitch) * DRUM_LANE
        return self.top + (self.pitched[0] - pitch) * self.lane

    @property
    def right(self) -> float:
        return self.x(self.end)

    @property
    def drum_top(self) -> float:
        return self.top + len(self.pitched) * self.lane + (10 if self.pitched and self.drums else 0)

    @property
    def bottom(self) -> float:
        return self.drum_top + len(self.drums) * DRUM_LANE


def to_bytes(piece: Piece) -> bytes:
    """`to_svg` as UTF-8."""
    return to_svg(piece).encode()


def to_svg(piece: Piece, highlights: Sequence[Highlight] = ()) -> str:
    """An SVG document; the same piece gives the same text. What is in `highlights` is framed and labelled."""
    layout = engraving.bars(piece)
    provenance = [mark.text for mark in piece.markers if mark.text.startswith(PROVENANCE)]
    marks = [*piece.chords, *(mark for mark in piece.markers if mark.text not in provenance)]
    frame = _frame(piece, layout[-1].end)
    legend = list(_legend(piece, frame.right - MARGIN))
    frame = frame._replace(top=MARGIN + 64 + 20 * (legend[-1][1] + 1 if legend else 0) + 15 * bool(marks))
    title = piece.title or "Piano roll"
    summary = _summary(piece, sum(bar.number > 0 for bar in layout))
    width = max(frame.right, 2 * MARGIN + LETTER * len(summary), 2 * MARGIN + 10 * len(title)) + MARGIN
    size = f"{width:.0f} {frame.bottom + MARGIN:.0f}"
    names = ", ".join(part.name for part in piece.parts if part.name)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size.split()[0]}" height="{size.split()[1]}"'
        f' viewBox="0 0 {size}" role="img" font-family="{FONT}">',
        f"<title>{escaped(title)}</title>",
        f"<desc>{escaped(f'Piano roll: {summary}' + (f'. Parts: {names}' if names else ''))}</desc>",
        *(f"<metadata>{escaped(text)}</metadata>" for text in provenance),
        f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>',
        text_element(MARGIN, MARGIN + 14, title, 17, INK, 'font-weight="600"'),
        text_element(MARGIN, MARGIN + 34, summary, 12, SOFT),
        *_legend_marks(legend),
        *_lanes(frame),
        *_bar_lines(frame, layout),
        *_mark_labels(frame, marks),
        *_frames(piece, frame, highlights),
        *_notes(piece, frame),
        *_frame_labels(piece, frame, highlights),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _frame(piece: Piece, end: int) -> _Frame:
    pitches: dict[bool, set[int]] = {False: set(), True: set()}
    for index, part in enumerate(piece.parts):
        pitches[part.drums].update(piece.part_notes(index)["pitch"].tolist())
    pitched: Sequence[int] = ()
    if pitches[False]:
        # at least an octave, and a C to give it a name
        low, high = min(pitches[False]) - 2, max(pitches[False]) + 2
        low, high = (low, high) if high - low >= 14 else (low - (14 - high + low) // 2, high + (15 - high + low) // 2)
        pitched = range(high, low - 1, -1)
    lane = min(max(LANES / max(len(pitched), 1), LANE[0]), LANE[1])
    quarters = max(end / piece.ticks_per_quarter, 1)
    per_quarter = min(max(WIDTH / quarters, PER_QUARTER[0]), PER_QUARTER[1])
    drums = sorted(pitches[True], reverse=True)
    longest = max([len(_drum_name(pitch)) for pitch in drums] + [3])
    left = MARGIN + longest * LETTER * 0.9 + 10 + (KEYBOARD if pitched else 0)
    return _Frame(left, 0, per_quarter / piece.ticks_per_quarter, lane, pitched, drums, end)


def _summary(piece: Piece, bars: int) -> str:
    """Tempo, meter, key and size in one line."""
    facts = []
    if piece.tempi:
        facts.append(f"♩ = {piece.tempi[0].bpm:.4g}")
    if piece.meters:
        facts.append(f"{piece.meters[0].numerator}/{piece.meters[0].denominator}")
    if piece.keys:
        key = piece.keys[0]
        name = (MINOR if key.mode == "minor" else MAJOR)[key.fifths + 7] if abs(key.fifths) <= 7 else ""
        signs = f"{abs(key.fifths)} {'flat' if key.fifths < 0 else 'sharp'}{'s' * (abs(key.fifths) != 1)}"
        facts.append(f"{name} {key.mode}" if key.mode and name else signs)
    notes = len(piece.notes)
    facts += [f"{bars} bar{'s' * (bars != 1)}", f"{notes:,} note{'s' * (notes != 1)}"]
    return "  ·  ".join(facts)


def _legend(piece: Piece, width: float) -> Iterator[tuple[float, int, str, str]]:
    """(x, row, colour, name) of every part, if there are several with notes and some have names."""
    used = set(piece.notes["part"].tolist())
    if len(used) < 2 or not any(piece.parts[index].name for index in used):
        return
    x, row = float(MARGIN), 0
    for index in sorted(used):
        name = _shortened(piece.parts[index].name or f"Part {index + 1}")
        advance = 34 + LETTER * len(name)
        if x > MARGIN and x + advance > width:
            x, row = float(MARGIN), row + 1
        yield x, row, _colour(index), name
        x += advance


def _legend_marks(legend: Iterable[tuple[float, int, str, str]]) -> Iterator[str]:
    for x, row, colour, name in legend:
        y = MARGIN + 44 + 20 * row
        yield f'<rect x="{x:.1f}" y="{y + 2:.1f}" width="14" height="10" rx="2.5" fill="{colour}"/>'
        yield text_element(x + 20, y + 11, name, 12, INK)


def _lanes(frame: _Frame) -> Iterator[str]:
    """Shaded lanes for black keys, a keyboard and the names of the C's at the left, names of drums."""
    width = frame.right - frame.left
    keyboard = frame.left - KEYBOARD
    if frame.pitched:
        height = len(frame.pitched) * frame.lane
        black = [frame.y(pitch, False) for pitch in frame.pitched if pitch % 12 in BLACK_KEYS]
        bottoms_of_c = [frame.y(pitch, False) + frame.lane for pitch in frame.pitched if pitch % 12 == 0]
        bottoms_of_f = [frame.y(pitch, False) + frame.lane for pitch in frame.pitched if pitch % 12 == 5]
        short = KEYBOARD * 0.6  # how far a black key reaches
        lanes = "".join(f"M{frame.left:.1f} {y:.1f}h{width:.1f}v{frame.lane:.2f}h{-width:.1f}z" for y in black)
        keys = "".join(f"M{keyboard:.1f} {y + 0.5:.1f}h{short:.1f}v{frame.lane - 1:.2f}h{-short:.1f}z" for y in black)
        # white keys meet in the middle of a black one, but for B and C, E and F
        white = "".join(f"M{keyboard + short:.1f} {y + frame.lane / 2:.1f}h{KEYBOARD - short:.1f}" for y in black)
        white += "".join(f"M{keyboard:.1f} {y:.1f}h{KEYBOARD}" for y in bottoms_of_c + bottoms_of_f)
        yield f'<path d="{lanes}" fill="{SHADE}"/>'
        yield f'<path d="{keys}" fill="#4b5563"/>'
        yield _line(white, LINE)
        yield _line("".join(f"M{frame.left:.1f} {y:.1f}h{width:.1f}" for y in bottoms_of_c), LINE)
        box = f'x="{keyboard:.1f}" y="{frame.top:.1f}" width="{KEYBOARD + width:.1f}" height="{height:.1f}"'
        yield f'<rect {box} fill="none" stroke="{LINE}"/>'
        yield _line(f"M{frame.left:.1f} {frame.top:.1f}v{height:.1f}", LINE)
        for pitch in frame.pitched:
            if pitch % 12 == 0:
                y = frame.y(pitch, False) + frame.lane / 2 + 3.7
                yield text_element(keyboard - 6, y, f"C{pitch // 12 - 1}", 11, SOFT, 'text-anchor="end"')
    for index, pitch in enumerate(frame.drums):
        y = frame.y(pitch, True)
        if index % 2 == 0:
            yield f'<rect x="{frame.left:.1f}" y="{y:.1f}" width="{width:.1f}" height="{DRUM_LANE}" fill="{SHADE}"/>'
        yield text_element(frame.left - 6, y + 11, _drum_name(pitch), 11, SOFT, 'text-anchor="end"')
    if frame.drums:
        height = len(frame.drums) * DRUM_LANE
        box = f'x="{frame.left:.1f}" y="{frame.drum_top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        yield f'<rect {box} fill="none" stroke="{LINE}"/>'


def _bar_lines(frame: _Frame, layout: Sequence[engraving.Bar]) -> Iterator[str]:
    """Bar lines with numbers, as many as have room, and beats where they do not crowd."""
    spans = [(frame.top, len(frame.pitched) * frame.lane), (frame.drum_top, len(frame.drums) * DRUM_LANE)]
    spans = [(top, height) for top, height in spans if height]

    def lines(ticks: Iterable[int]) -> str:
        return "".join(f"M{frame.x(tick):.1f} {top:.1f}v{height:.1f}" for tick in ticks for top, height in spans)

    beat = layout[-1].beat * frame.per_tick
    if beat >= 9:
        yield _line(lines(tick for bar in layout for tick in range(bar.start + bar.beat, bar.end, bar.beat)), BEAT)
    yield _line(lines(bar.start for bar in layout[1:]), LINE)
    room = (layout[-1].end - layout[-1].start) * frame.per_tick
    every = next((step for step in (1, 2, 4, 5, 10, 20, 50, 100) if step * room >= 26), 200)
    for bar in layout:
        if bar.number and (bar.number == 1 or bar.number % every == 0):
            yield text_element(frame.x(bar.start) + 2, frame.top - 5, str(bar.number), 10, SOFT)


def _mark_labels(frame: _Frame, marks: Iterable[Text]) -> Iterator[str]:
    """Chord symbols and markers above the bar numbers; one that would cover the one before is left out."""
    free = 0.0
    for mark in sorted(marks, key=lambda mark: mark.tick):
        x, text = frame.x(mark.tick) + 2, _shortened(mark.text)
        if x >= free:
            yield text_element(x, frame.top - 19, text, 11, INK)
            free = x + LETTER * len(text) + 4


def _frames(piece: Piece, frame: _Frame, highlights: Iterable[Highlight]) -> Iterator[str]:
    """Below the notes, so that these keep their colours."""
    for highlight in highlights:
        left, top, bottom = _corners(piece, frame, highlight)
        yield (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{frame.x(highlight.end) - left:.1f}"'
            f' height="{bottom - top:.1f}" rx="4" fill="{FOUND}" fill-opacity="0.7" stroke="{_colour(highlight.part)}"'
            f' stroke-width="1.5"><title>{escaped(highlight.label)}</title></rect>'
        )


def _frame_labels(piece: Piece, frame: _Frame, highlights: Iterable[Highlight]) -> Iterator[str]:
    """Over the notes, in the upper left corner, with paper around the letters."""
    weight = 'font-weight="600"'
    # a text of its own, since not every viewer paints strokes first
    halo = f'{weight} stroke="{PAPER}" stroke-width="3" aria-hidden="true"'
    placed: list[tuple[float, float, float]] = []  # left, right, base line
    for highlight in highlights:
        left, top, _ = _corners(piece, frame, highlight)
        text = _shortened(highlight.label)
        begin = max(frame.left, min(left + 2, frame.right - LETTER * len(text)))
        end, base = begin + LETTER * len(text), top - 2
        while any(begin < right and other < end and abs(base - y) < 10 for other, right, y in placed):
            base += 11  # below one that it would cover
        placed.append((begin, end, base))
        for colour, more in ((PAPER, halo), (INK, weight)):
            yield text_element(begin, base, text, 10, colour, more)


def _corners(piece: Piece, frame: _Frame, highlight: Highlight) -> tuple[float, float, float]:
    """Left, upper and lower edge of a highlight, which holds a note at least."""
    notes = piece.part_notes(highlight.part)
    within = notes[(notes["onset"] >= highlight.begin) & (notes["onset"] < highlight.end)]
    edges = [frame.y(int(pitch), piece.parts[highlight.part].drums) for pitch in within["pitch"]]
    height = DRUM_LANE if piece.parts[highlight.part].drums else frame.lane
    return frame.x(highlight.begin), min(edges) - 1, max(edges) + height + 1


def _notes(piece: Piece, frame: _Frame) -> Iterator[str]:
    for index, part in enumerate(piece.parts):
        notes = piece.part_notes(index).tolist()
        if not notes:
            continue
        height = (DRUM_LANE if part.drums else frame.lane) - 1.4
        yield f'<g fill="{_colour(index)}">' + (f"<title>{escaped(part.name)}</title>" if part.name else "")
        for onset, duration, pitch, velocity, _ in notes:
            x, y = frame.x(onset), frame.y(pitch, part.drums) + 0.7
            # a drum has no length worth showing
            width = max(5.0 if part.drums else duration * frame.per_tick - 0.8, 1.2)
            yield (
                f'<rect x="{x + 0.4:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"'
                f' opacity="{0.35 + 0.65 * velocity / 127:.2f}"/>'
            )
        yield "</g>"


def _colour(part: int) -> str:
    return COLOURS[part % len(COLOURS)]


def _drum_name(pitch: int) -> str:
    return DRUMS.get(pitch, f"drum {pitch}")


def _shortened(text: str) -> str:
    return text if len(text) <= 32 else text[:31] + "…"


def _line(path: str, colour: str) -> str:
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1"/>'


def text_element(x: float, y: float, text: str, size: float, colour: str, more: str = "") -> str:
    """A line of an SVG picture; more: attributes."""
    more = f" {more}" if more else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.3g}" fill="{colour}"{more}>{escaped(text)}</text>'


def escaped(text: str) -> str:
    """As the text of an element."""
    return escape(NOT_XML.sub("", text), quote=False)
