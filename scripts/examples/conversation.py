"""Small talk: a question in, an answer out, word by word, from a hundred questions, each asked in seven ways.

Run it with `python scripts/examples/conversation.py`; it needs the extra `train` (TensorFlow). The questions of the
final figure are asked in an eighth way, which training never sees.
"""

import random
from pathlib import Path
from typing import Any

import seqgen
from seqgen.corpus.pairs import PairCorpus

FOLDER = Path(__file__).parents[2] / "corpora" / "conversation"
COPIES, KEPT = 12, 0.6


def talk(name: str) -> list[tuple[str, str]]:
    """Question and answer of every line of a file: `conversation` is to learn from, `unseen` to be asked at the end."""
    lines = (FOLDER / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [(question, answer) for question, answer in (line.split("\t") for line in lines)]


def with_gaps(pairs: list[tuple[str, str]], seed: int = 0) -> list[tuple[str, str]]:
    """The pairs, and copies of them with words left out at random: no single word is to decide alone."""
    chosen = random.Random(seed)
    copies = []
    for question, answer in pairs * COPIES:
        kept = [word for word in question.split() if chosen.random() < KEPT]
        copies += [(" ".join(kept), answer)] * bool(kept)
    return pairs + copies


def main(seed: int = 0, **length: Any) -> float:
    """The fraction of unseen questions that get their answer. length: `minutes=` or `max_steps=`."""
    pairs = talk("conversation")
    random.Random(seed).shuffle(pairs)
    held_out, learned = pairs[: len(pairs) // 20], with_gaps(pairs[len(pairs) // 20 :], seed)
    translator = seqgen.train_pairs(
        PairCorpus.of(*zip(*learned, strict=True)),
        valid=PairCorpus.of(*zip(*held_out, strict=True)),
        preset="attention",
        attention="multiplicative",
        cell="gru",
        source_as="words",
        source_options={"lower": True},
        target_as="words",
        n_a=128,
        embedding=64,
        dropout=0.1,
        seed=seed,
        **(length or {"minutes": 3}),
    )
    questions, answers = zip(*talk("unseen"), strict=True)
    given = [translation.text for translation in translator.translate(questions)]
    for question, answer in list(zip(questions, given, strict=True))[::10]:
        print(f"- {question}\n  {answer}")
    right = sum(map(str.__eq__, given, answers)) / len(answers)
    print(f"{right:.0%} of {len(answers)} unseen questions are answered right")
    return right


if __name__ == "__main__":
    main()
