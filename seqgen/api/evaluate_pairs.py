"""How well an encoder-decoder does on pairs: what it believes of their targets, and what it makes of their sources."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from seqgen.api.translate import Decoding, Source, translations
from seqgen.corpus.pair_sequences import PairSequence, references, unknown
from seqgen.corpus.spelling import read_order
from seqgen.errors import MissingExtra
from seqgen.evaluate import PairScore, TextMetrics, score_pairs, text_metrics

if TYPE_CHECKING:
    from seqgen.api.translator import Translator


class PairFigures(NamedTuple):
    """Figures of one model on a set of pairs; what is None does not apply."""

    score: PairScore  # of every predicted token
    unknown_in_sources: int  # tokens
    sources: int | None = None  # different ones, whose targets are text
    exact_match: float | None = None  # share of the sources whose translation is one of their targets
    metrics: TextMetrics | None = None  # BLEU and chrF of the translations; None also without sacrebleu

    def as_dict(self) -> dict[str, Any]:
        """What applies, for JSON. The exact match is that of sources, where there is one."""
        own = {"unknown_in_sources": self.unknown_in_sources, "sources": self.sources, "exact_match": self.exact_match}
        found = {**self.score.as_dict(), **{name: value for name, value in own.items() if value is not None}}
        return {**found, **(self.metrics._asdict() if self.metrics else {})}


def evaluate(translator: "Translator", pairs: Sequence[PairSequence], how: Decoding) -> PairFigures:
    """Score the pairs, and where the targets are text translate each different source once.

    All targets of a source are its references, spelled as the model spells text: where it writes no capitals, none are
    wanted of it.

    Raises:
        ConfigError: there are no pairs, or `how` asks what the model cannot do.
        SamplingError: the model's weights are damaged.
    """
    score = score_pairs(translator.stepper, translator.spelling, pairs)
    missing = unknown(translator.source_spelling, translator.spelling, pairs).source
    asked = references(translator.source_spelling, pairs)
    if not asked:
        return PairFigures(score, missing)
    wanted = [[_as_spelled(translator, text) for text in reference.texts] for reference in asked]
    reads_backwards = translator.header.architecture.reversed
    sources = [Source(one.sequence.source_text, (), read_order(one.sequence.source, reads_backwards)) for one in asked]
    texts = [translation.text for translation in translations(translator, sources, how)]
    right = sum(text in own for text, own in zip(texts, wanted, strict=True))
    try:
        metrics = text_metrics(texts, wanted)
    except MissingExtra:
        metrics = None
    return PairFigures(score, missing, len(asked), right / len(asked), metrics)


def _as_spelled(translator: "Translator", text: str) -> str:
    return translator.encoding.decode(translator.encoding.encode(text)[0].tokens)
