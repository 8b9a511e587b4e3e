"""Learning curves: a line of JSON for every validation, and a picture of the loss."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqgen.durable import write_bytes
from seqgen.formats.pianoroll import COLOURS, FONT, INK, LINE, PAPER, SOFT

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 48, 48
_LINES = (("loss", "training", COLOURS[0]), ("valid_nats", "held out", COLOURS[1]))


def write(model_path: str | os.PathLike[str], history: Sequence[dict[str, Any]]) -> None:
    """Write `<model>.log.jsonl` and `<model>.curve.svg` beside the model file, whose `.safetensors` they drop.

    Raises:
        OSError: the folder is not writable, or the disk is full.
    """
    path = Path(model_path)
    stem = path.with_name(path.name.removesuffix(".safetensors"))
    lines = "".join(json.dumps({name: _finite(value) for name, value in row.items()}) + "\n" for row in history)
    write_bytes(stem.with_name(stem.name + ".log.jsonl"), lines.encode())
    write_bytes(stem.with_name(stem.name + ".curve.svg"), picture(history).encode())


def picture(history: Sequence[dict[str, Any]]) -> str:
    """The loss in nats a token over the epochs as an SVG: on the training side, and held out."""
    series = [
        ([(row["epoch"], row[name]) for row in history if _finite(row[name]) is not None], label, colour)
        for name, label, colour in _LINES
    ]
    points = [point for line, _, _ in series for point in line]
    last = max((epoch for epoch, _ in points), default=1.0) or 1.0
    low, high = min((loss for _, loss in points), default=0.0), max((loss for _, loss in points), default=1.0)
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def x(epoch: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * epoch / last

    def y(loss: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - loss) / ((high - low) or 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
        f' font-family="{FONT}" font-size="12">',
        "<title>Loss while training</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="{PAPER}"/>',
        _text(_LEFT, 24, "Loss, nats a token", INK, "start"),
        _text(_WIDTH - _RIGHT, _HEIGHT - 12, "epochs", SOFT, "end"),
    ]
    for tick in ticks:
        parts.append(f'<path d="M{_LEFT} {y(tick):.1f}H{_WIDTH - _RIGHT}" stroke="{LINE}" stroke-width="0.5"/>')
        parts.append(_text(_LEFT - 8, y(tick) + 4, f"{tick:g}", SOFT, "end"))
    for tick in _ticks(0.0, last):
        if tick <= last:
            parts.append(_text(x(tick), _HEIGHT - _BOTTOM + 18, f"{tick:g}", SOFT, "middle"))
    right = _WIDTH - _RIGHT
    for line, label, colour in reversed(series):
        if not line:
            continue
        path = "L".join(f"{x(epoch):.1f} {y(loss):.1f}" for epoch, loss in line)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>')
        if label == "held out":  # the best is what the model file holds
            best = min(line, key=lambda point: point[1])
            parts.append(f'<circle cx="{x(best[0]):.1f}" cy="{y(best[1]):.1f}" r="4" fill="{colour}"/>')
            label = f"{label}, best {best[1]:.3f}"
        parts.append(_text(right, 24, label, colour, "end"))
        right -= 7 * len(label) + 16
    return "\n".join([*parts, "</svg>\n"])


def _ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers that span `low` to `high`."""
    if high - low < 1e-6:
        low, high = low - 0.5, high + 0.5
    step = 10.0 ** math.floor(math.log10(high - low))
    while (high - low) / step < 4:
        step /= 2
    while (high - low) / step > 8:
        step *= 2
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 9) for number in range(first, last + 1)]


def _text(x: float, y: float, words: str, colour: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>'


def _finite(value: Any) -> Any:
    """None for what JSON has no number for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
