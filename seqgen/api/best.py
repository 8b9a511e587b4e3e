"""The most typical of several generated pieces."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqgen.corpus import Corpus, Document
from seqgen.corpus.dataset import encode_with
from seqgen.evaluate import place, surprises

if TYPE_CHECKING:
    from seqgen.api.model import Model


def ranked(model: "Model", generated: Sequence[Any]) -> list[int]:
    """The places of `generated` from the most to the least typical of the model's corpus; of equals the earlier first.

    See `evaluate.typical`; a piece whose longest copied passage is longer than that of 95 % of unseen pieces comes
    after all others.
    """
    sequences = []
    for source in generated:
        corpus = Corpus("generated", model.unit, (Document("generated", source, ""),))
        sequences += encode_with(model.encoding, model.vocabulary, corpus)[0][:1]
    most = model.statistics.unseen_copied
    index = model.copy_index
    copies = [False] * len(generated)
    if index is not None and most is not None:
        passages = [index.longest(source) for source in generated]
        copies = [passage is not None and passage.length > most.length[1] for passage in passages]
    nats = surprises(model.stepper, model.encoding, model.vocabulary, sequences)
    usual = model.statistics.typical
    distances = [place(usual, source, own).distance for source, own in zip(generated, nats, strict=True)]
    return sorted(range(len(generated)), key=lambda place: (copies[place], distances[place]))
