"""Add numbers that are written as text: `123+45` in, `168` out, the question read from its end.

Run it with `python scripts/examples/addition.py [PRESET]...`; it needs the extra `train` (TensorFlow). The preset
`simple` reads the question into one vector, then writes; `same-length` writes a character at every step that it reads,
so it reads in both directions. Both reach 99 % of the sums they never saw.
"""

import random
import sys
from typing import Any

import seqgen
from seqgen.corpus.pairs import PairCorpus


def sums(count: int = 50_000, digits: int = 3, seed: int = 0) -> list[tuple[str, str]]:
    """So many different sums, question and answer. A sum and the same the other way round count as one.

    A number has 1 to `digits` digits, each length as often, any of them 0; zeros in front are not written.
    """
    chosen = random.Random(seed)
    found: dict[tuple[int, int], tuple[int, int]] = {}
    while len(found) < count:
        a, b = (chosen.randrange(10 ** chosen.randint(1, digits)) for _ in range(2))
        found.setdefault((min(a, b), max(a, b)), (a, b))
    return [(f"{a}+{b}", f"{a + b}") for a, b in found.values()]


def main(preset: str = "simple", count: int = 50_000, seed: int = 0, **length: Any) -> float:
    """The fraction of unseen sums whose answer is right in every digit. length: `minutes=` or `max_steps=`."""
    pairs = sums(count, seed=seed)
    tenth = count // 10
    test, held_out, learned = pairs[:tenth], pairs[tenth : tenth + tenth // 5], pairs[tenth + tenth // 5 :]
    translator = seqgen.train_pairs(
        PairCorpus.of(*zip(*learned, strict=True)),
        valid=PairCorpus.of(*zip(*held_out, strict=True)),  # says which weights are best; the figure is of others
        preset=preset,
        seed=seed,
        n_a=128,
        reverse_source=True,
        dropout=0.0,  # 45,000 sums are too many to learn by heart
        **(length or {"minutes": 3}),
    )
    questions, answers = zip(*test, strict=True)
    given = [translation.text for translation in translator.translate(questions)]
    for question, answer in list(zip(questions, given, strict=True))[:5]:
        print(f"{question} = {answer}")
    right = sum(map(str.__eq__, given, answers)) / len(answers)
    print(f"{preset}: {right:.1%} of {len(answers)} unseen sums are right")
    return right


if __name__ == "__main__":
    for named in sys.argv[1:] or ("simple", "same-length"):
        main(named)
