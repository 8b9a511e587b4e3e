"""What the examples of encoder-decoders reach, and in what time; and Keras' own examples of the same.

An example runs in full, as a reader would run it: it prints its figure, and here its wall time is added.

    addition, captioning, conversation, execute, movement, speech: the script of that name in scripts/examples
    keras-addition: Keras' recipe, until 99 % of 5,000 unseen sums are right
    translation PAIRS: characters to characters from the shortest pairs of a tab-separated file, a fifth of the sources
        held out; ours and Keras' recipe, as many minutes each, in nats a target character, the end among them
"""

import argparse
import random
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]
EXAMPLES = ("addition", "captioning", "conversation", "execute", "movement", "speech")
SENTENCES = ("Be nice.", "Drop it!", "Get out!")
Pairs = list[tuple[str, str]]


def example(name: str) -> None:
    begun = time.perf_counter()
    subprocess.run([sys.executable, SCRIPTS / "examples" / f"{name}.py"], check=True)
    print(f"{name}: {time.perf_counter() - begun:.0f} s")


def keras_addition(minutes: float, seed: int) -> None:
    import keras_recipes

    sys.path.insert(0, str(SCRIPTS / "examples"))
    from addition import sums

    seconds, right = keras_recipes.addition(sums(seed=seed), 0.99, minutes, seed)
    print(f"Keras' addition: {right:.2%} of the unseen sums are right after {seconds:.0f} s")


def shortest(path: str, count: int, seed: int) -> tuple[Pairs, Pairs]:
    """The pairs with the shortest sources, to learn from and unseen: a source and all its targets are on one side."""
    with open(path, encoding="utf-8") as file:
        rows = [unicodedata.normalize("NFC", line.rstrip("\n")).split("\t")[:2] for line in file]
    pairs = sorted(dict.fromkeys((source, target) for source, target in rows), key=lambda pair: len(pair[0]))[:count]
    sources = sorted({source for source, _ in pairs} - set(SENTENCES))
    unseen = set(random.Random(seed).sample(sources, len(sources) // 5))
    learned = [pair for pair in pairs if pair[0] not in unseen]
    known = {character for _, target in learned for character in target}
    # a character that was never learned has no probability to compare
    return learned, [pair for pair in pairs if pair[0] in unseen and set(pair[1]) <= known]


def translation(path: str, count: int, minutes: float, seed: int, **settings: object) -> None:
    import keras_recipes

    import seqgen
    from seqgen.corpus.pairs import PairCorpus

    learned, unseen = shortest(path, count, seed)
    print(f"{len(learned)} pairs to learn from, {len(unseen)} unseen")
    begun = time.perf_counter()
    translator = seqgen.train_pairs(
        PairCorpus.of(*zip(*learned, strict=True)), preset="char-translate", minutes=minutes, seed=seed, **settings
    )
    seconds = time.perf_counter() - begun
    score = translator.evaluate(PairCorpus.of(*zip(*unseen, strict=True))).score
    print(f"seqgen: {score.nats_per_token:.4f} nats a character, {seconds:.0f} s")
    for sentence, given in zip(SENTENCES, translator.translate(SENTENCES), strict=True):
        print(f"  {sentence} -> {given.text}")
    found = keras_recipes.translation(learned, unseen, minutes, seed)
    print(f"Keras: {found.last:.4f} nats a character, {found.best:.4f} after the best of {found.epochs} epochs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=(*EXAMPLES, "keras-addition", "translation"))
    parser.add_argument("pairs", nargs="?", help="of translation: the file")
    parser.add_argument("--count", type=int, default=10_000, help="of translation: so many pairs")
    parser.add_argument("--minutes", type=float, default=10.0, help="of translation each; of keras-addition at most")
    parser.add_argument("--cell", choices=("lstm", "gru"), default="lstm", help="of translation: ours")
    parser.add_argument("--teacher-forcing", type=float, default=1.0, help="of translation: ours")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.name == "translation":
        if arguments.pairs is None:
            parser.error("translation needs a file of pairs")
        ours = {"cell": arguments.cell, "teacher_forcing": arguments.teacher_forcing}
        translation(arguments.pairs, arguments.count, arguments.minutes, arguments.seed, **ours)
    elif arguments.name == "keras-addition":
        keras_addition(arguments.minutes, arguments.seed)
    else:
        example(arguments.name)


if __name__ == "__main__":
    main()
