"""The picture of attention in pixels: matplotlib is loaded here and nowhere else."""

import io
import warnings

from seqgen.errors import FormatError, MissingExtra
from seqgen.formats.attention import (
    DARKEST,
    LEGEND,
    SUMMARY,
    TITLE,
    Attention,
    colour,
    layout,
    legend,
    shortened,
    shown,
)
from seqgen.formats.pianoroll import BEAT, INK, LINE, MARGIN, PAPER, SOFT

_INCH = 72  # pixels of the frame; letters are then measured as they are in SVG
_SHARPNESS = 144  # pixels of the picture an inch
# behind the first, in which matplotlib draws what it can, those that a system may have for what it lacks
_FAMILIES = (
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "WenQuanYi Micro Hei", "Microsoft YaHei",
    "PingFang SC", "Hiragino Sans", "Malgun Gothic", "Noto Sans Arabic", "Noto Sans Devanagari", "Arial Unicode MS",
)  # fmt: skip


def to_png(attention: Attention, title: str = "", summary: str = "") -> bytes:
    """The picture of `attention.to_svg` as PNG.

    Raises:
        MissingExtra: matplotlib is not installed.
        FormatError: no font of this machine has a letter of the labels; .svg and .html leave that to the reader.
        ConfigError: as `attention.to_svg`.
    """
    frame = layout(attention, title, summary)
    try:
        from matplotlib import font_manager
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("A picture as .png (.svg and .html need nothing)", "plot") from error
    known = set(font_manager.get_font_names())
    style = {"fontfamily": [family for family in _FAMILIES if family in known], "parse_math": False}
    figure = Figure(figsize=(frame.width / _INCH, frame.height / _INCH), dpi=_SHARPNESS, facecolor=PAPER)

    def box(left: float, bottom: float, width: float, height: float) -> tuple[float, float, float, float]:
        """As matplotlib wants it: in shares of the picture, from below."""
        return left / frame.width, 1 - bottom / frame.height, width / frame.width, height / frame.height

    axes = figure.add_axes(box(frame.left, frame.bottom, frame.columns * frame.cell, frame.rows * frame.cell))
    shades = LinearSegmentedColormap.from_list("shades", [PAPER, DARKEST])
    image = axes.imshow(attention.weights, cmap=shades, vmin=0, vmax=attention.highest, aspect="auto")
    axes.xaxis.tick_top()
    axes.set_xticks(range(frame.columns), map(shown, attention.source), rotation=frame.turned)
    axes.set_yticks(range(frame.rows), map(shown, attention.target))
    if frame.turned == 45:
        for text in axes.get_xticklabels():
            text.set(ha="left", rotation_mode="anchor")
    labels = zip(
        (*axes.get_xticklabels(), *axes.get_yticklabels()), (*attention.source, *attention.target), strict=True
    )
    for text, label in labels:
        text.set(**style, fontsize=frame.letters, color=colour(label))
    axes.set_xticks([n - 0.5 for n in range(1, frame.columns)], minor=True)
    axes.set_yticks([n - 0.5 for n in range(1, frame.rows)], minor=True)
    axes.grid(which="minor", color=BEAT, linewidth=0.6)
    scale = figure.add_axes(box(frame.left, frame.bottom + 27, LEGEND, 9))
    figure.colorbar(image, cax=scale, orientation="horizontal", ticks=[0, attention.highest], format="%.2g")
    scale.tick_params(labelsize=10, labelcolor=SOFT)
    for one in (axes, scale):
        one.tick_params(which="both", length=0, pad=4)
        one.spines[:].set(color=LINE, linewidth=1)
    for x, y, line, size, shade, weight in (
        (MARGIN, MARGIN + 14, shortened(title), TITLE, INK, "bold"),
        (MARGIN, MARGIN + 34, shortened(summary), SUMMARY, SOFT, "normal"),
        (frame.left + LEGEND + 10, frame.bottom + 26, legend(attention), 11, SOFT, "normal"),
    ):
        figure.text(*box(x, y, 0, 0)[:2], line, fontsize=size, color=shade, fontweight=weight, **style)
    file = io.BytesIO()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    missing = [str(warning.message) for warning in said if "missing from font" in str(warning.message)]
    if missing:
        raise FormatError(
            f"this machine has no font for {_character(missing[0])} in a picture as .png; write .svg or .html instead"
        )
    return file.getvalue()


def _character(message: str) -> str:
    """The one that matplotlib says a font lacks."""
    code = next((word for word in message.split() if word.isdecimal()), None)
    return repr(chr(int(code))) if code else "a letter"
