"""Say what a picture shows: two or three written digits in, `seven left of two` out.

A small convolutional network first learns to classify what a window of 12 by 12 pixels shows. Its last hidden layer
then looks at 25 windows of a picture, and the decoder attends to what it found there. Run it with
`python scripts/examples/captioning.py`; it needs the extras `train` (TensorFlow) and `examples` (scikit-learn).
"""

# Keras' own annotations know no `verbose=0`.
# pyright: reportArgumentType=false
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

import seqgen
from seqgen.corpus.pairs import PairCorpus

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDE, DIGIT, WINDOW, STRIDE = 28, 8, 12, 4  # pixels
PLACES = (SIDE - WINDOW) // STRIDE + 1  # of windows, in each direction
NOTHING = len(NAMES)
Images = tuple[np.ndarray, np.ndarray]


def digits(seed: int = 0) -> tuple[Images, Images]:
    """1,437 images and 360 others: each (n, 8, 8) from 0 to 1, and what they show, (n,)."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    images, labels = pixels[order].reshape(-1, DIGIT, DIGIT).astype(np.float32) / 16, labels[order]
    return (images[360:], labels[360:]), (images[:360], labels[:360])


def pictures(images: np.ndarray, labels: np.ndarray, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list]:
    """Pictures (count, 28, 28), which digit each window holds (count, 5, 5) if it holds one wholly, and captions."""
    rng = np.random.default_rng(seed)
    canvas = np.abs(rng.normal(0, 0.05, (count, SIDE, SIDE))).astype(np.float32)
    held = np.full((count, PLACES, PLACES), NOTHING)
    captions = []
    for index in range(count):
        chosen = rng.integers(len(images), size=rng.integers(2, 4))
        across = rng.random() < 0.5
        room = PLACES * STRIDE - 1 - DIGIT * (len(chosen) - 1)  # beside the digits, where they stand close together
        gaps = np.sort(rng.integers(room + 1, size=len(chosen)))
        along = DIGIT * np.arange(len(chosen)) + gaps
        beside = np.clip(rng.integers(PLACES * STRIDE) + rng.integers(-2, 3, len(chosen)), 0, PLACES * STRIDE - 1)
        for image, x, y in zip(chosen, *((along, beside) if across else (beside, along)), strict=True):
            canvas[index, y : y + DIGIT, x : x + DIGIT] += images[image]
            held[index, y // STRIDE, x // STRIDE] = labels[image]
        captions.append((" left of " if across else " above ").join(NAMES[labels[image]] for image in chosen))
    return canvas, held, captions


def classifier(canvas: np.ndarray, held: np.ndarray, epochs: int, seed: int = 0) -> keras.Model:
    """Learns which digit a window shows, or none, and gives its last hidden layer: pictures to (n, 5, 5, 64)."""
    keras.utils.set_random_seed(seed)
    picture = keras.Input((None, None, 1))
    found = keras.layers.Conv2D(32, 3, activation="relu")(picture)
    found = keras.layers.Conv2D(32, 3, activation="relu")(found)
    found = keras.layers.MaxPooling2D(2)(found)
    hidden = keras.layers.Conv2D(64, STRIDE, strides=STRIDE // 2, activation="relu")(found)  # (12, 12) to (1, 1)
    shown = keras.layers.Conv2D(len(NAMES) + 1, 1)(keras.layers.Dropout(0.5)(hidden))
    windows = np.lib.stride_tricks.sliding_window_view(canvas, (WINDOW, WINDOW), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    some = (held != NOTHING) | (np.random.default_rng(seed).random(held.shape) < 0.1)
    model = keras.Model(picture, shown)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(windows[some][..., None], held[some][:, None, None], batch_size=64, epochs=epochs, verbose=0)
    return keras.Model(picture, hidden)


def seen(features: keras.Model, canvas: np.ndarray) -> list[np.ndarray]:
    """A picture as a series (25, 66): for each window what the hidden layer has to say, and where it is."""
    hidden = features.predict(canvas[..., None], verbose=0).reshape(len(canvas), PLACES**2, -1)
    where = np.indices((PLACES, PLACES)).reshape(2, -1).T.astype(np.float32) / PLACES
    return [np.concatenate([row, where], axis=1) for row in hidden]


def main(count: int = 6000, epochs: int = 15, seed: int = 0, **length: Any) -> float:
    """The fraction of pictures of held-out digits with the right caption. length: `minutes=` or `max_steps=`."""
    known, unknown = digits(seed)
    canvas, held, captions = pictures(*known, count, seed)
    features = classifier(canvas, held, epochs, seed)
    sources, tenth = seen(features, canvas), count // 10
    translator = seqgen.train_pairs(
        PairCorpus.of(sources[tenth:], captions[tenth:]),
        valid=PairCorpus.of(sources[:tenth], captions[:tenth]),  # says which weights are best
        preset="attention",
        target_as="words",
        n_a=128,
        seed=seed,
        **(length or {"minutes": 3}),
    )
    canvas, _, captions = pictures(*unknown, max(10, count // 6), seed + 1)
    given = [translation.text for translation in translator.translate(seen(features, canvas))]
    for caption, answer in list(zip(captions, given, strict=True))[:5]:
        print(f"{caption}: {answer}")
    right = sum(map(str.__eq__, given, captions)) / len(captions)
    print(f"{right:.1%} of {len(captions)} pictures of unseen digits are described right")
    return right


if __name__ == "__main__":
    main()
