"""Pictures of digits: they show what their captions say, no image is on both sides, windows are seen where they are."""

import re

import numpy as np
from captioning import DIGIT, NAMES, NOTHING, PLACES, SIDE, STRIDE, WINDOW, classifier, digits, pictures, seen

# An image a digit, all of one tone that says which it is, and a hundred more in its first corner.
TONES = np.tile(np.arange(10, 20, dtype=np.float32)[:, None, None], (1, DIGIT, DIGIT))
TONES[:, 0, 0] += 100


def found(picture: np.ndarray) -> list[tuple[int, int, int]]:
    """(digit, x, y) of every such digit in a picture, whatever made it; the noise is small beside the tones."""
    corners = [(int(np.rint(picture[y, x] - 110)), int(x), int(y)) for y, x in np.argwhere(picture > 100)]
    for digit, x, y in corners:
        tones = picture[y : y + DIGIT, x : x + DIGIT] - TONES[digit]
        assert tones.shape == (DIGIT, DIGIT)
        assert tones.max() < 0.5  # nothing else lies on it
    return corners


def test_captions_say_what_is_shown_in_its_order():
    canvas, held, captions = pictures(TONES, np.arange(10), 300, seed=1)
    assert canvas.shape == (300, SIDE, SIDE)
    assert canvas.dtype == np.float32
    kinds = set()
    for picture, windows, caption in zip(canvas, held, captions, strict=True):
        across = " left of " in caption
        order = sorted(found(picture), key=lambda digit: digit[1 if across else 2])
        kinds.add((across, len(order)))
        words = re.split(" left of | above ", caption)
        assert [NAMES[digit] for digit, _, _ in order] == words, caption
        # a window holds a digit if it holds it wholly, less than a stride from its corner
        wanted = np.full((PLACES, PLACES), NOTHING)
        for digit, x, y in order:
            wanted[y // STRIDE, x // STRIDE] = digit
            assert y // STRIDE * STRIDE + WINDOW >= y + DIGIT
            assert x // STRIDE * STRIDE + WINDOW >= x + DIGIT
        np.testing.assert_array_equal(windows, wanted)
    assert kinds == {(across, count) for across in (True, False) for count in (2, 3)}


def test_the_seed_decides():
    one, two, other = (pictures(TONES, np.arange(10), 5, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one[0], two[0])
    assert one[2] == two[2] != other[2]


def test_no_image_is_on_both_sides():
    (known, known_labels), (unknown, unknown_labels) = digits(seed=1)
    assert (len(known), len(unknown)) == (1437, 360)
    assert set(known_labels) == set(unknown_labels) == set(range(10))
    assert not {image.tobytes() for image in known} & {image.tobytes() for image in unknown}
    assert known.min() == 0
    assert known.max() == 1


def test_a_window_is_seen_the_same_in_a_picture_and_alone():
    (images, labels), _ = digits()
    canvas, held, _ = pictures(images, labels, 12)
    features = classifier(canvas, held, epochs=1)
    vectors = seen(features, canvas)
    assert len(vectors) == 12
    assert vectors[0].shape == (PLACES**2, 66)
    assert vectors[0].dtype == np.float32
    for row, column in ((0, 0), (2, 3), (4, 4)):
        window = canvas[:, row * STRIDE : row * STRIDE + WINDOW, column * STRIDE : column * STRIDE + WINDOW]
        alone = features.predict(window[..., None], verbose=0).reshape(12, 64)
        together = np.array([series[row * PLACES + column] for series in vectors])
        np.testing.assert_allclose(together[:, :64], alone, atol=1e-5)
        np.testing.assert_allclose(together[:, 64:], [[row / PLACES, column / PLACES]] * 12, atol=1e-6)
