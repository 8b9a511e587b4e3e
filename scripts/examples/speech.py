"""From sound to text: one to three spoken digits in, as spectra every 16 ms, what was said out, letter by letter.

Run it with `python scripts/examples/speech.py`; it needs the extra `train` (TensorFlow). No utterance is like another:
each has a voice of its own, which [voice.py](voice.py) makes.
"""

from typing import Any

import numpy as np
from voice import WORDS, heard, some_voice, spoken

import seqgen
from seqgen.corpus.pairs import PairCorpus


def utterances(count: int, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """So many utterances, each a series of log spectra (frames, 24), about 30 frames a word, and their texts."""
    rng = np.random.default_rng(seed)
    chosen = [[str(word) for word in rng.choice(list(WORDS), rng.integers(1, 4))] for _ in range(count)]
    return [heard(spoken(words, some_voice(rng), rng)) for words in chosen], [" ".join(words) for words in chosen]


def words_right(given: str, text: str) -> int:
    """How many words of `text` are in `given` at their place."""
    return sum(map(str.__eq__, given.split(), text.split()))


def main(count: int = 6000, seed: int = 0, **length: Any) -> float:
    """The fraction of the words of unseen utterances that are right. length: `minutes=` or `max_steps=`."""
    sources, texts = utterances(count + count // 6, seed)
    last, tenth = slice(count, None), count // 10
    translator = seqgen.train_pairs(
        PairCorpus.of(sources[tenth:count], texts[tenth:count]),
        valid=PairCorpus.of(sources[:tenth], texts[:tenth]),  # says which weights are best; the figure is of others
        preset="attention",
        bidirectional=True,
        n_a=128,
        seed=seed,
        **(length or {"minutes": 8}),
    )
    given = [translation.text for translation in translator.translate(sources[last])]
    for text, answer in list(zip(texts[last], given, strict=True))[:5]:
        print(f"{text}: {answer}")
    # a word too many is as wrong as one too few
    said = sum(max(len(answer.split()), len(text.split())) for answer, text in zip(given, texts[last], strict=True))
    right = sum(map(words_right, given, texts[last])) / said
    print(f"{right:.1%} of {said} words in {len(given)} unseen utterances are right")
    return right


if __name__ == "__main__":
    main()
