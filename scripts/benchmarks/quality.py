"""How well a model predicts pieces it never saw, beside n-gram models of the same tokens.

The test pieces are set apart by whole families before anything else; training selects its weights on pieces of its own
side; the test pieces are scored once, at the end.
"""

import argparse
from dataclasses import replace

from seqgen.api.train import train_on
from seqgen.corpus import families, load_corpus, split
from seqgen.corpus.dataset import encode_with, prepare
from seqgen.evaluate import NgramStepper, score
from seqgen.training import make_settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--orders", default="2,3,5", help="of the n-gram models")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    corpus = load_corpus(arguments.source)
    inside, outside = split(corpus.documents, families(corpus.documents), 0.15, arguments.seed)
    learned = replace(corpus, documents=tuple(corpus.documents[index] for index in inside))
    test = replace(corpus, documents=tuple(corpus.documents[index] for index in outside))
    dataset = prepare(learned, seed=arguments.seed)
    model = train_on(learned, dataset, make_settings(minutes=arguments.minutes, seed=arguments.seed)).model
    sequences, _ = encode_with(model.encoding, model.vocabulary, test)
    sizes = f"{len(dataset.train)} to train on, {len(dataset.held_out)} to select on, {len(sequences)} to test"
    print(f"{corpus.title}: {sizes}")
    known = [*dataset.train, *dataset.held_out]  # the n-gram models may count both
    contestants = {
        f"{order}-gram": NgramStepper(order, len(model.vocabulary), known) for order in _orders(arguments.orders)
    }
    for name, stepper in {"seqgen": model.stepper, **contestants}.items():
        result = score(stepper, model.encoding, model.vocabulary, sequences)
        steps = f"   {result.nats_per_step:.4f} nats a step" if result.nats_per_step else ""
        print(f"  {name:8} {result.nats_per_token:.4f} nats a token{steps}   accuracy {result.accuracy:.3f}")


def _orders(text: str) -> list[int]:
    return [int(order) for order in text.split(",")]


if __name__ == "__main__":
    main()
