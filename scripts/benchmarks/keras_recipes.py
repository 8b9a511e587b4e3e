"""Two examples of Keras' own, as they were published, in our words: what `applications.py` measures against.

Addition: the question reversed and padded, an LSTM of 128 units, its output repeated, another LSTM, one-hot characters,
Adam, batches of 32. Translation: an LSTM of 256 units hands its states to another one, one-hot characters, RMSprop,
batches of 64, padding with spaces that count in the loss. Clocks run in `fit` alone, not while it is being scored.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

Pairs = Sequence[tuple[str, str]]
DIGITS = 3


class Clock(keras.callbacks.Callback):
    """Stops `fit` after so many seconds of it."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.limit, self.seconds, self._begun = seconds, 0.0, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._begun = time.perf_counter() - self.seconds

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.seconds = time.perf_counter() - self._begun
        if self.seconds >= self.limit:
            self.model.stop_training = True

    @property
    def over(self) -> bool:
        return self.seconds >= self.limit


def addition(pairs: Pairs, enough: float, minutes: float, seed: int = 0) -> tuple[float, float]:
    """Seconds until so large a share of the last tenth is right, and that share; or what there is when time is over."""
    keras.utils.set_random_seed(seed)
    characters = " +0123456789"
    length, places = 2 * DIGITS + 1, DIGITS + 1
    x = one_hot([f"{question:{length}}"[::-1] for question, _ in pairs], characters, length)
    y = one_hot([f"{answer:{places}}" for _, answer in pairs], characters, places)
    model = keras.Sequential(
        [
            keras.layers.Input((length, len(characters))),
            keras.layers.LSTM(128),
            keras.layers.RepeatVector(places),
            keras.layers.LSTM(128, return_sequences=True),
            keras.layers.Dense(len(characters), activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    clock, right, known = Clock(60 * minutes), 0.0, len(pairs) - len(pairs) // 10
    while right < enough and not clock.over:
        model.fit(x[:known], y[:known], batch_size=32, callbacks=[clock], verbose=0)
        given = model.predict(x[known:], batch_size=256, verbose=0).argmax(axis=-1)
        right = float((given == y[known:].argmax(axis=-1)).all(axis=1).mean())
        print(f"  {clock.seconds:6.0f} s  {right:.2%} exact", flush=True)
    return clock.seconds, right


class Nats(NamedTuple):
    """Nats a target character, the end among them and padding not: at the end, and after the best epoch for these."""

    last: float
    best: float
    epochs: int


def translation(learned: Pairs, unseen: Pairs, minutes: float, seed: int = 0) -> Nats:
    """How well the recipe predicts the unseen targets after so many minutes of `fit`."""
    keras.utils.set_random_seed(seed)
    everything = [*learned, *unseen]
    sources = "".join(sorted({character for source, _ in everything for character in source} | {" "}))
    targets = "".join(sorted({character for _, target in everything for character in target} | set("\t\n ")))
    lengths = max(len(source) for source, _ in everything), max(len(target) for _, target in everything) + 2
    model = _encoder_decoder(len(sources), len(targets))
    model.compile("rmsprop", "categorical_crossentropy", metrics=["accuracy"])

    def arrays(pairs: Pairs) -> tuple[list[np.ndarray], np.ndarray]:
        read = one_hot([source for source, _ in pairs], sources, lengths[0])
        fed = one_hot([f"\t{target}\n" for _, target in pairs], targets, lengths[1])
        return [read, fed], one_hot([f"{target}\n" for _, target in pairs], targets, lengths[1])

    (x, y), (unseen_x, unseen_y) = arrays(learned), arrays(unseen)
    real = np.array([len(target) + 1 for _, target in unseen])  # and the newline that ends it
    clock, scores = Clock(60 * minutes), []
    while not clock.over:
        model.fit(x, y, batch_size=64, callbacks=[clock], verbose=0)
        scores.append(nats(model.predict(unseen_x, batch_size=256, verbose=0), unseen_y, real))
        print(f"  {clock.seconds:6.0f} s  {scores[-1]:.4f} nats a character", flush=True)
    return Nats(scores[-1], min(scores), len(scores))


def _encoder_decoder(n_sources: int, n_targets: int, units: int = 256) -> keras.Model:
    read, fed = keras.Input((None, n_sources)), keras.Input((None, n_targets))
    _, *states = keras.layers.LSTM(units, return_state=True)(read)
    written = keras.layers.LSTM(units, return_sequences=True)(fed, initial_state=states)
    return keras.Model([read, fed], keras.layers.Dense(n_targets, activation="softmax")(written))


def one_hot(texts: Sequence[str], characters: str, length: int) -> np.ndarray:
    """`(texts, length, characters)`; what is shorter is filled up with spaces."""
    index = {character: place for place, character in enumerate(characters)}
    ids = np.array([[index[character] for character in text.ljust(length)] for text in texts])
    return np.eye(len(characters), dtype=np.float32)[ids]


def nats(probabilities: np.ndarray, targets: np.ndarray, lengths: np.ndarray) -> float:
    """The mean of -log p over the first `lengths` places of each row; both arrays are (rows, places, characters)."""
    chosen = (probabilities * targets).sum(axis=-1)
    real = np.arange(chosen.shape[1]) < lengths[:, None]
    return float(-np.log(np.maximum(chosen[real], 1e-30)).mean())
