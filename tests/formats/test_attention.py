"""Pictures of attention: every weight in its place and shade, labels as they can be seen, nothing outside the frame."""

import io
import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen.errors import ConfigError, FormatError, MissingExtra
from seqgen.formats import attention as pictures
from seqgen.formats.attention import Attention, width_of
from seqgen.formats.attention_png import to_png

SVG = "{http://www.w3.org/2000/svg}"


def made(source, target, seed=0) -> Attention:
    weights = np.random.default_rng(seed).random((len(target), len(source))) + 0.02
    weights /= weights.sum(axis=1, keepdims=True)
    return Attention(tuple(source), tuple(target), weights.astype(np.float32))


WORDS = made(["Be", "nice", ".", "<end>"], ["Sois", "gentil", "<b>", "<end>"])


def tree(attention: Attention, *titles: str) -> ElementTree.Element:
    return ElementTree.fromstring(pictures.to_svg(attention, *titles))


def cells(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [rect for group in root.iter(f"{SVG}g") for rect in group.iter(f"{SVG}rect")]


def labels(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_every_weight_has_its_place_and_its_shade():
    root = tree(WORDS)
    found = cells(root)
    assert len(found) == WORDS.weights.size
    xs = sorted({float(cell.get("x", "")) for cell in found})
    ys = sorted({float(cell.get("y", "")) for cell in found})
    drawn = np.zeros_like(WORDS.weights)
    for cell in found:
        row, column = ys.index(float(cell.get("y", ""))), xs.index(float(cell.get("x", "")))
        drawn[row, column] = float(cell.get("fill-opacity", ""))
        assert cell.findtext(f"{SVG}title", "").endswith(f": {WORDS.weights[row, column]:.3f}")
    np.testing.assert_allclose(drawn, WORDS.weights / WORDS.weights.max(), atol=1e-3)
    assert f"{WORDS.weights.max():.2g}" in labels(root)  # what the darkest shade means


def test_labels_stand_at_their_rows_and_columns():
    root = tree(WORDS, "Be nice.", "Sois gentil <b>")
    found = {text.text: text for text in root.iter(f"{SVG}text")}
    ys = sorted({float(cell.get("y", "")) for cell in cells(root)})
    xs = sorted({float(cell.get("x", "")) for cell in cells(root)})
    size = xs[1] - xs[0]
    for row, label in enumerate(["Sois", "gentil", "<b>"]):
        assert ys[row] < float(found[label].get("y", "")) < ys[row] + size
        assert float(found[label].get("x", "")) < xs[0]
        assert found[label].get("text-anchor") == "end"
    for column, label in enumerate(["Be", "nice", "."]):
        assert xs[column] < float(found[label].get("x", "")) < xs[column] + size
        assert float(found[label].get("y", "")) < ys[0]
        assert "rotate(-45" in found[label].get("transform", "")
    assert labels(root)[:2] == ["Be nice.", "Sois gentil <b>"]
    assert root.findtext(f"{SVG}title") == "Be nice."
    assert "weight  ·  ∎ end" in labels(root)


def test_a_leaning_label_ends_within_the_picture():
    root = tree(made([*["aa"] * 20, "antidisestablishment"], ["b"]))
    (label,) = [text for text in root.iter(f"{SVG}text") if text.text == "antidisestablishment"]
    reach = width_of("antidisestablishment", float(label.get("font-size", ""))) / 2**0.5
    assert float(label.get("x", "")) + reach <= float(root.get("width", ""))
    assert float(label.get("y", "")) - reach >= 0


def test_letters_lie_level_and_many_words_stand_upright():
    letters = tree(made("Drop it", "Lâche ça !"))
    assert not any("rotate" in text.get("transform", "") for text in letters.iter(f"{SVG}text"))
    assert "␣" in labels(letters)  # a space can be seen
    many = tree(made([f"word{n}" for n in range(60)], ["one"]))
    assert sum("rotate(-90" in text.get("transform", "") for text in many.iter(f"{SVG}text")) == 60


label = st.text(min_size=1, max_size=40)


@settings(max_examples=40)
@given(st.lists(label, min_size=1, max_size=30), st.lists(label, min_size=1, max_size=8), label)
def test_any_labels_are_well_formed_and_nothing_lies_outside(source, target, title):
    root = tree(made(source, target), title, title)
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    for rect in cells(root):
        assert float(rect.get("x", "")) + float(rect.get("width", "")) <= width
        assert float(rect.get("y", "")) + float(rect.get("height", "")) <= height
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.get("x", "")) <= width
        assert 0 <= float(text.get("y", "")) <= height
        assert len(text.text or "") <= 90


def test_the_page_knows_the_weights_and_needs_nothing_else():
    page = pictures.to_html(made(["</script>", "b"], ["c"]), "A & B")
    (data,) = re.findall(r"const picture = (.*);\n", page)
    assert page.count("</script>") == 1
    facts = json.loads(data)
    assert facts["source"] == ["</script>", "b"]
    np.testing.assert_allclose(facts["weights"], made(["a", "b"], ["c"]).weights, atol=1e-4)
    assert "<title>A &amp; B</title>" in page
    (picture,) = re.findall(r"<svg.*</svg>", page, flags=re.S)
    root = ElementTree.fromstring(picture)
    left = min(float(cell.get("x", "")) for cell in cells(root))
    assert left == pytest.approx(facts["left"], abs=0.1)
    assert not re.findall(r"(?:src|href)=|url\(http|@import", page)


def test_the_picture_in_pixels_has_the_same_shades():
    from matplotlib import image

    attention = Attention(("a", "b"), ("c", "d"), np.array([[1, 0], [0.5, 0.5]], np.float32))
    frame = pictures.layout(attention, "", "")
    pixels = image.imread(io.BytesIO(to_png(attention)))[..., :3]
    scale = pixels.shape[1] / frame.width
    found = np.array(
        [
            [
                pixels[
                    int((frame.top + (row + 0.5) * frame.cell) * scale),
                    int((frame.left + (column + 0.5) * frame.cell) * scale),
                ]
                for column in range(2)
            ]
            for row in range(2)
        ]
    )
    dark = np.array([int(pictures.DARKEST[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    np.testing.assert_allclose(found[0, 0], dark, atol=0.02)
    np.testing.assert_allclose(found[0, 1], [1, 1, 1], atol=0.02)
    np.testing.assert_allclose(found[1, 0], (dark + 1) / 2, atol=0.03)
    np.testing.assert_allclose(found[1, 1], found[1, 0], atol=0.02)


def test_marks_of_mathematics_are_letters_like_others():
    assert to_png(made(["$x_1$", r"\frac"], ["$"]), "$\\bad{$").startswith(b"\x89PNG")


def test_a_letter_that_no_font_has_is_said():
    unassigned = "\U000e1000"
    with pytest.raises(FormatError, match=r"no font .* write \.svg or \.html instead"):
        to_png(made([unassigned], ["a"]))


@pytest.mark.parametrize("ending", [".svg", ".html", ".png", ".SVG"])
def test_the_ending_of_the_name_says_the_format(tmp_path, ending):
    path = tmp_path / f"picture{ending}"
    pictures.write(WORDS, path, "Be nice.")
    begins = {".svg": b"<svg", ".html": b"<!DOCTYPE html>", ".png": b"\x89PNG"}
    assert path.read_bytes().startswith(begins[ending.lower()])


@pytest.mark.parametrize("name", ["picture.gif", "picture", "picture.svg.txt"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"is \.svg, \.html or \.png"):
        pictures.write(WORDS, tmp_path / name)


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for attempt in (lambda: to_png(WORDS), lambda: pictures.write(WORDS, tmp_path / "a.png")):
        with pytest.raises(MissingExtra, match=r"pip install 'seqgen\[plot\]'"):
            attempt()


@pytest.mark.parametrize(
    ("attention", "said"),
    [
        (Attention(("a",), ("b",), np.zeros((2, 1), np.float32)), "1 target over 1 source tokens is no matrix of"),
        (Attention((), ("b",), np.zeros((1, 0), np.float32)), "no matrix"),
        (Attention(("a",), ("b",), np.array([[np.nan]], np.float32)), "numbers of 0 and more"),
        (Attention(("a",), ("b",), np.array([[-0.1]], np.float32)), "numbers of 0 and more"),
        (made(["a"] * 501, ["b"]), "at most 500 tokens a side, not 501"),
    ],
)
def test_what_is_no_attention_is_said(attention, said):
    for draw in (pictures.to_svg, pictures.to_html, to_png):
        with pytest.raises(ConfigError, match=said):
            draw(attention)


def test_all_zeros_are_a_picture_too():
    assert not cells(tree(Attention(("a",), ("b",), np.zeros((1, 1), np.float32))))


def test_matplotlib_is_loaded_for_pixels_only():
    code = """
import sys
import numpy as np
from seqgen.formats import attention
attention.to_html(attention.Attention(("a",), ("b",), np.ones((1, 1), np.float32)))
print("matplotlib" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False"]
