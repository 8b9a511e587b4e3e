"""The most typical of several generated pieces."""

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from seqgen.corpus import Corpus, Document
from seqgen.corpus.dataset import IdSequence, encode_with
from seqgen.errors import CorpusError
from seqgen.evaluate import place, surprises

if TYPE_CHECKING:
    from seqgen.api.model import Model


def ranked(model: "Model", generated: Sequence[Any]) -> list[int]:
    """The places of `generated` from the most to the least typical of the model's corpus; of equals the earlier first.

    See `evaluate.typical`; a piece whose longest copied passage is longer than that of 95 % of unseen pieces comes
    after all others, but for those that nothing can be said of, since they are silent.
    """
    most, index = model.statistics.unseen_copied, model.copy_index
    copies = [False] * len(generated)
    if index is not None and most is not None:
        passages = [index.longest(source) for source in generated]
        copies = [passage is not None and passage.length > most.length[1] for passage in passages]
    sequences = {
        number: sequence for number, source in enumerate(generated) if (sequence := _encoded(model, source)) is not None
    }
    distances = [inf] * len(generated)
    if sequences:
        nats = surprises(model.stepper, model.encoding, model.vocabulary, list(sequences.values()))
        for number, own in zip(sequences, nats, strict=True):
            distances[number] = place(model.statistics.typical, generated[number], own).distance
    return sorted(range(len(generated)), key=lambda one: (one not in sequences, copies[one], distances[one]))


def _encoded(model: "Model", source: Any) -> IdSequence | None:
    """As the model reads it; None of a piece without a note."""
    corpus = Corpus("generated", model.unit, (Document("generated", source, ""),))
    try:
        return encode_with(model.encoding, model.vocabulary, corpus)[0][0]
    except CorpusError:
        return None
