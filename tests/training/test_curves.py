"""The learning curves as files."""

import json
import math
import xml.etree.ElementTree as ElementTree

from seqgen.training import curves

HISTORY = [
    {"step": 10, "epoch": 0.5, "loss": 3.0, "valid_nats": 2.8},
    {"step": 20, "epoch": 1.0, "loss": 2.0, "valid_nats": 1.9},
    {"step": 30, "epoch": 1.5, "loss": 1.0, "valid_nats": 2.1},
]


def lines_of(picture: str) -> list[list[tuple[float, float]]]:
    root = ElementTree.fromstring(picture)
    paths = [path.get("d", "") for path in root.iter("{http://www.w3.org/2000/svg}path") if path.get("fill") == "none"]
    return [[(float(x), float(y)) for x, y in (point.split() for point in path[1:].split("L"))] for path in paths]


def test_the_picture_shows_both_losses_to_scale():
    held_out, training = lines_of(curves.picture(HISTORY))
    assert len(held_out) == len(training) == 3
    # equal steps to the right, and a nat is as high everywhere: down is less
    assert math.isclose(training[1][0] - training[0][0], training[2][0] - training[1][0], abs_tol=0.2)
    nat = training[1][1] - training[0][1]
    assert nat > 0
    assert math.isclose(held_out[0][1] - training[0][1], 0.2 * nat, abs_tol=0.1)
    assert math.isclose(held_out[2][1] - held_out[1][1], -0.2 * nat, abs_tol=0.1)
    assert "best 1.900" in curves.picture(HISTORY)


def test_without_anything_held_out_there_is_one_line():
    (line,) = lines_of(curves.picture([{**entry, "valid_nats": None} for entry in HISTORY]))
    assert len(line) == 3


def test_any_history_is_a_picture():
    one = [{"step": 1, "epoch": 0.001, "loss": math.nan, "valid_nats": 4.2}]
    for history in ([], one, [HISTORY[0]] * 2):
        ElementTree.fromstring(curves.picture(history))


def test_the_files_lie_beside_the_model(tmp_path):
    curves.write(tmp_path / "my.model.safetensors", [{**HISTORY[0], "loss": math.nan}, *HISTORY[1:]])
    rows = [json.loads(line) for line in (tmp_path / "my.model.log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [10, 20, 30]
    assert rows[0]["loss"] is None
    assert (tmp_path / "my.model.curve.svg").read_text().startswith("<svg")
