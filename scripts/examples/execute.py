"""Learn to execute: a small program in, what it prints out, character by character (Zaremba and Sutskever, 2014).

Run it with `python scripts/examples/execute.py`; it needs the extra `train` (TensorFlow).
"""

import operator
import random
from typing import Any

import seqgen
from seqgen.corpus.pairs import PairCorpus

NAMES = "abcdefgh"
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def programs(count: int = 50_000, seed: int = 0) -> list[tuple[str, str]]:
    """So many different programs, such as `b=4;a=27;print(a-b)`, and what each prints, such as `23`.

    Values are 0 to 99; what a product multiplies with is 0 to 9. In half of the programs it is a number that is added,
    subtracted or multiplied with, as in `b=4;a=27;print(a-9)`: then one of the names is not used.
    """
    chosen = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        (left, right), sign = chosen.sample(NAMES, 2), chosen.choice(list(OPERATORS))
        value, operand = chosen.randrange(100), chosen.randrange(10 if sign == "*" else 100)
        named = chosen.random() < 0.5
        assignments = [f"{left}={value};", f"{right}={operand if named else chosen.randrange(100)};"]
        chosen.shuffle(assignments)
        code = "".join(assignments) + f"print({left}{sign}{right if named else operand})"
        found[code] = str(OPERATORS[sign](value, operand))
    return list(found.items())


def main(count: int = 50_000, seed: int = 0, **length: Any) -> float:
    """The fraction of unseen programs whose output is right. length: `minutes=` or `max_steps=`."""
    pairs = programs(count, seed)
    tenth = count // 10
    test, held_out, learned = pairs[:tenth], pairs[tenth : tenth + tenth // 5], pairs[tenth + tenth // 5 :]
    translator = seqgen.train_pairs(
        PairCorpus.of(*zip(*learned, strict=True)),
        valid=PairCorpus.of(*zip(*held_out, strict=True)),  # says which weights are best; the figure is of others
        preset="seq2seq",
        attention="multiplicative",
        n_a=128,
        dropout=0.0,  # 45,000 programs are too many to learn by heart
        seed=seed,
        **(length or {"minutes": 6}),
    )
    codes, outputs = zip(*test, strict=True)
    given = [translation.text for translation in translator.translate(codes)]
    for code, output in list(zip(codes, given, strict=True))[:5]:
        print(f"{code} prints {output}")
    right = sum(map(str.__eq__, given, outputs)) / len(outputs)
    print(f"{right:.1%} of {len(outputs)} unseen programs are executed right")
    return right


if __name__ == "__main__":
    main()
