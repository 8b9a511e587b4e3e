"""Points in a plane: every dot in its place, names beside their dots that cover nothing."""

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen.errors import ConfigError
from seqgen.formats.attention import width_of
from seqgen.formats.scatter import to_svg

SVG = "{http://www.w3.org/2000/svg}"


def tree(points, names, *titles) -> ElementTree.Element:
    return ElementTree.fromstring(to_svg(np.asarray(points, float), names, *titles))


def dots(root) -> np.ndarray:
    return np.array([[float(dot.get("cx")), float(dot.get("cy"))] for dot in root.iter(f"{SVG}circle")])


def test_dots_keep_their_distances_and_y_goes_up():
    points = np.random.default_rng(0).normal(size=(9, 2)) * [3, 1] + [5, -2]
    root = tree(points, [f"p{n}" for n in range(9)])
    drawn = dots(root) * [1, -1]
    scale = np.ptp(drawn[:, 0]) / np.ptp(points[:, 0])
    np.testing.assert_allclose(drawn - drawn.mean(axis=0), (points - points.mean(axis=0)) * scale, atol=0.2)
    assert [dot.findtext(f"{SVG}title") for dot in root.iter(f"{SVG}circle")] == [f"p{n}" for n in range(9)]


def boxes(root):
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}
    for text in root.iter(f"{SVG}text"):
        if text.get("text-anchor") and text.text:
            wide = width_of(text.text, 11)
            left, base = float(text.get("x")) - shift[text.get("text-anchor")] * wide, float(text.get("y"))
            yield text.text, (left, base - 8.8, left + wide, base + 2.2)


coordinate = st.floats(-1e6, 1e6, allow_nan=False)
points = st.lists(st.tuples(coordinate, coordinate, st.text(min_size=1, max_size=35)), min_size=1, max_size=25)


@settings(max_examples=60)
@given(points)
def test_names_cover_neither_dots_nor_each_other_and_all_is_inside(rows):
    root = tree([row[:2] for row in rows], [row[2] for row in rows], "A title", "and what it is about")
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    found = list(boxes(root))
    places = dots(root)
    assert len(places) == len(rows)
    assert (places >= 0).all()
    assert (places <= [width, height]).all()
    for number, (_, (left, top, right, bottom)) in enumerate(found):
        assert left >= 0
        assert right <= width
        assert top >= 0
        assert bottom <= height
        inside = (places > [left - 3, top - 3]) & (places < [right + 3, bottom + 3])
        assert not inside.all(axis=1).any()
        for _, (other_left, other_top, other_right, other_bottom) in found[:number]:
            apart = left >= other_right or other_left >= right or top >= other_bottom or other_top >= bottom
            assert apart


def test_lonely_points_all_have_their_names_and_a_crowd_only_some():
    far = tree([[0, 0], [5, 5], [9, 0]], ["one", "two", "three"])
    assert {name for name, _ in boxes(far)} == {"one", "two", "three"}
    crowd = tree(np.zeros((30, 2)), [f"name {n}" for n in range(30)])
    assert 0 < len(list(boxes(crowd))) < 30
    same = tree([[0, 0], [0, 0], [0, 0], [4, 4]], ["one", "one", "two", "one"])
    assert sorted(name for name, _ in boxes(same)) == ["one", "one", "two"]


def test_long_names_are_shortened_and_marks_are_escaped():
    root = tree([[0, 0], [1, 1]], ["<&>\n", "x" * 50], "<title>")
    names = [name for name, _ in boxes(root)]
    assert sorted(names) == ["<&>", "x" * 27 + "…"]
    assert root.findtext(f"{SVG}title") == "<title>"


@pytest.mark.parametrize(
    ("values", "names"), [([[0, 0]], ["a", "b"]), ([[0, 0, 0]], ["a"]), ([[0, np.nan]], ["a"]), (np.zeros((0, 2)), [])]
)
def test_what_is_no_plane_is_said(values, names):
    with pytest.raises(ConfigError, match="make no picture"):
        to_svg(np.asarray(values, float), names)
