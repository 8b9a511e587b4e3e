"""Piano rolls: a Piece as one SVG picture, readable alone on a page, in a notebook or in a browser.

Pitch goes up, time to the right; parts differ in colour, velocity in opacity. Drum parts have lanes of their own below.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from seqgen.formats import engraving
from seqgen.formats.musicxml import NOT_XML
from seqgen.formats.notation import PROVENANCE
from seqgen.piece import Key, Piece

# Okabe and Ito's colours, which stay apart for colour-blind eyes; without their yellow, which is lost on white
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5d4a9c", "#4d4d4d")
INK, SOFT, LINE, BEAT, SHADE, PAPER = "#22272e", "#6b7280", "#c3c8d0", "#e6e8ec", "#f1f3f6", "#ffffff"
FONT = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

MARGIN = 20
WIDTH = 1100  # pixels of time a piece gets, where PER_QUARTER allows
PER_QUARTER = (14, 56)  # pixels, least and most
LANES = 440  # pixels of pitch a piece gets, where LANE allows
LANE = (6, 14)  # pixels a semitone, least and most
DRUM_LANE = 15
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
MAJOR = "C♭ G♭ D♭ A♭ E♭ B♭ F C G D A E B F♯ C♯".split()
MINOR = "A♭ E♭ B♭ F C G D A E B F♯ C♯ G♯ D♯ A♯".split()


class _Frame(NamedTuple):
    """Where things are, in pixels. `pitched` and `drums` are the pitches of the lanes, from the top down."""

    left: float
    top: float
    per_tick: float
    lane: float
    pitched: Sequence[int]
    drums: Sequence[int]
    ticks: int

    def x(self, tick: float) -> float:
        return self.left + tick * self.per_tick

    def y(self, pitch: int) -> float:
        return self.top + (self.pitched[0] - pitch) * self.lane

    def drum_y(self, pitch: int) -> float:
        return self.drum_top + self.drums.index(pitch) * DRUM_LANE

    @property
    def drum_top(self) -> float:
        return self.top + len(self.pitched) * self.lane + (10 if self.pitched and self.drums else 0)

    @property
    def bottom(self) -> float:
        return self.drum_top + len(self.drums) * DRUM_LANE


def to_bytes(piece: Piece) -> bytes:
    """`to_svg` as UTF-8."""
    return to_svg(piece).encode()


def to_svg(piece: Piece) -> str:
    """An SVG document; the same piece gives the same text."""
    layout = engraving.bars(piece)
    legend = _legend(piece)
    marks = [*piece.chords, *(mark for mark in piece.markers if not mark.text.startswith(PROVENANCE))]
    top = MARGIN + 44 + (14 * bool(marks))
    frame = _frame(piece, layout[-1].end, top)
    right = frame.x(frame.ticks) + MARGIN
    rows = list(_legend_rows(legend, right - frame.left - MARGIN))
    frame = frame._replace(top=top + 20 * len(rows))
    height = frame.bottom + MARGIN
    summary = _summary(piece, len([bar for bar in layout if bar.number > 0]))
    provenance = [mark.text for mark in piece.markers if mark.text.startswith(PROVENANCE)]
    title = piece.title or "Piano roll"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {right:.0f} {height:.0f}" role="img" aria-labelledby="title desc" font-family="{FONT}">',
        f'<title id="title">{_text(title)}</title>',
        f'<desc id="desc">{_text(_description(piece, summary))}</desc>',
        *(f"<metadata>{_text(text)}</metadata>" for text in provenance),
        f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>',
        _label(MARGIN, MARGIN + 14, title, 17, INK, 'font-weight="600"'),
        _label(MARGIN, MARGIN + 32, summary, 12, SOFT),
        *_legend_marks(rows, MARGIN, MARGIN + 52),
        *_lanes(frame),
        *_grid(frame, layout),
        *_mark_labels(frame, marks),
        *_notes(piece, frame),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _frame(piece: Piece, ticks: int, top: float) -> _Frame:
    drum = [part.drums for part in piece.parts]
    pitches = {is_drum: sorted({n["pitch"].item() for n in piece.notes if drum[n["part"]] is is_drum}) for is_drum in (0, 1)}
    return _Frame(0, top, 1, 1, (), (), ticks)
