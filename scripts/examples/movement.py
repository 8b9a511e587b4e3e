"""From gestures to commands: recordings of an accelerometer in the hand in, one after another, as many commands out.

Run it with `python scripts/examples/movement.py`; it needs the extra `train` (TensorFlow). The gestures are made on the
fly: a path of the hand, differentiated twice, as a sensor that is held askew feels it, with gravity, noise and drift.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import seqgen
from seqgen.corpus.pairs import PairCorpus

RATE = 50  # samples a second
FRAME = 8  # samples in a vector
GRAVITY = 9.81  # metres a second squared

# Where the hand is (to the right, forward, up) while u goes from 0 to 1, to be multiplied with the gesture's size.
COMMANDS: dict[str, Callable[[np.ndarray], tuple]] = {
    "next": lambda u: (u, 0, 0),
    "back": lambda u: (-u, 0, 0),
    "louder": lambda u: (0, 0, u),
    "softer": lambda u: (0, 0, -u),
    "play": lambda u: (0, 0.1 - 0.1 * np.cos(4 * np.pi * u), 0),  # two pushes forward
    "repeat": lambda u: (0.2 * np.sin(2 * np.pi * u), 0, 0.2 - 0.2 * np.cos(2 * np.pi * u)),  # a circle
    "undo": lambda u: (-0.2 * np.sin(2 * np.pi * u), 0, 0.2 - 0.2 * np.cos(2 * np.pi * u)),  # the other way round
    "stop": lambda u: (0.04 * np.sin(6 * np.pi * u), 0, 0),  # shaken
}


def recording(command: str, rng: np.random.Generator) -> np.ndarray:
    """What the sensor feels, (samples, 3) in multiples of gravity: 0.7 to 1.2 s of moving, and some rest around it."""
    moving, before, after = (int(RATE * rng.uniform(*seconds)) for seconds in ((0.7, 1.2), (0.06, 0.3), (0.06, 0.3)))
    time = np.clip(np.arange(-before, moving + after) / moving, 0, 1)
    eased = time**3 * (10 - 15 * time + 6 * time**2)  # hands start and stop smoothly (Flash and Hogan, 1985)
    path = np.stack(np.broadcast_arrays(*COMMANDS[command](eased)), axis=1) * rng.uniform(0.2, 0.4)  # (n, 3) in metres
    felt = np.gradient(np.gradient(path, 1 / RATE, axis=0), 1 / RATE, axis=0) / GRAVITY + [0, 0, 1]
    for axes in ((0, 1), (0, 2), (1, 2)):
        angle = rng.uniform(-0.3, 0.3)  # 17 degrees
        turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        felt[:, axes] = felt[:, axes] @ turn
    drift = np.linspace(0, 1, len(felt))[:, None] * rng.normal(0, 0.05, 3)
    return felt + drift + rng.normal(0, 0.04, felt.shape)


def series(count: int, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """So many series of two to four recordings, each (frames, 24) with about 8 frames a recording, and their commands.

    A frame is 8 samples of 3 axes, 0.16 s. Nothing says where a recording ends.
    """
    rng = np.random.default_rng(seed)
    sources, texts = [], []
    for _ in range(count):
        chosen = [str(command) for command in rng.choice(list(COMMANDS), rng.integers(2, 5))]
        felt = np.concatenate([recording(command, rng) for command in chosen])
        sources.append(felt[: len(felt) // FRAME * FRAME].reshape(-1, FRAME * 3).astype(np.float32))
        texts.append(" ".join(chosen))
    return sources, texts


def main(count: int = 4000, seed: int = 0, **length: Any) -> float:
    """The fraction of unseen series with all commands right. length: `minutes=` or `max_steps=`."""
    sources, texts = series(count + count // 4, seed)
    last, tenth = slice(count, None), count // 10
    translator = seqgen.train_pairs(
        PairCorpus.of(sources[tenth:count], texts[tenth:count]),
        valid=PairCorpus.of(sources[:tenth], texts[:tenth]),  # says which weights are best; the figure is of others
        preset="attention",
        target_as="words",
        bidirectional=True,
        n_a=64,
        seed=seed,
        **(length or {"minutes": 2}),
    )
    given = [translation.text for translation in translator.translate(sources[last])]
    for text, answer in list(zip(texts[last], given, strict=True))[:5]:
        print(f"{text}: {answer}")
    right = sum(map(str.__eq__, given, texts[last])) / len(given)
    print(f"seed {seed}: {right:.1%} of {len(given)} unseen series are all right")
    return right


if __name__ == "__main__":
    figures = [main(seed=seed) for seed in range(5)]
    print(f"over five seeds: {sum(figures) / len(figures):.1%}")
