"""BLEU and chrF: how near texts come to references that people wrote. Computed by sacrebleu, so that figures compare.

BLEU (Papineni et al. 2002) counts runs of words, chrF (Popović 2015) runs of letters; 100 is the best. sacrebleu (Post
2018) says with every figure how it came about: its signature.
"""

import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from seqgen.errors import ConfigError, MissingExtra

SAMPLES = 1000  # of a bootstrap

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile("[\u3040-\u30ff]")
_LETTER = re.compile(r"\w")


class TextMetrics(NamedTuple):
    """Both figures, 0 to 100, and how sacrebleu came to them."""

    bleu: float
    chrf: float
    bleu_signature: str
    chrf_signature: str


class Difference(NamedTuple):
    """One metric of two systems on the same sources.

    p_value: how often chance alone makes them differ as much; below 0.05 they are usually taken to differ.
    """

    baseline: float
    system: float
    p_value: float


def text_metrics(texts: Sequence[str], references: Sequence[Sequence[str]]) -> TextMetrics:
    """Of all texts together, against one or more references each, not necessarily equally many.

    Chinese and Japanese references are compared letter by letter, others in the words of the standard tokenizer, 13a.

    >>> text_metrics(["Va !", "Salut tout le monde !"], [["Va !", "Marche."], ["Salut tout le monde !"]])[:2]
    (100.0, 100.0)

    Raises:
        ConfigError: no texts, a text without a reference, or not as many of the one as of the other.
        MissingExtra: sacrebleu is not installed.
    """
    streams = _streams(texts, references)
    bleu, chrf = _metrics(references)
    scores = [round(metric.corpus_score(list(texts), streams).score, 6) for metric in (bleu, chrf)]
    return TextMetrics(scores[0], scores[1], str(bleu.get_signature()), str(chrf.get_signature()))


def paired_bootstrap(
    baseline: Sequence[str], system: Sequence[str], references: Sequence[Sequence[str]], *, samples: int = SAMPLES
) -> dict[str, Difference]:
    """Whether one system is better than another by more than chance: "BLEU" and "chrF", see `Difference`.

    Sentences are drawn anew `samples` times, the same for both (Koehn 2004), from sacrebleu's own seed: the same
    arguments give the same result.

    Raises: as `text_metrics`.
    """
    streams = _streams(baseline, references)
    _streams(system, references)
    if samples < 1:
        raise ConfigError(f"a bootstrap draws at least 1 sample, not {samples}")
    bleu, chrf = _metrics(references)
    from sacrebleu.significance import PairedTest

    both: Any = [("baseline", list(baseline)), ("system", list(system))]
    test = PairedTest(both, {"BLEU": bleu, "chrF": chrf}, streams, "bs", samples)
    results: dict[str, Any] = test()[1]
    same = list(baseline) == list(system)  # of which sacrebleu's formula would say that they differ for certain
    names = {"BLEU": "BLEU", "chrF2": "chrF"}  # as sacrebleu has it, and as it is known
    return {
        names[key]: Difference(float(first.score), float(second.score), 1.0 if same else float(second.p_value))
        for key, (first, second) in results.items()
        if key in names
    }


def _streams(texts: Sequence[str], references: Sequence[Sequence[str]]) -> list[Any]:
    """The references as sacrebleu takes them: the first of each text, the second of each, None where there is none."""
    if not texts or len(texts) != len(references):
        raise ConfigError(f"{len(texts)} texts cannot be compared with the references of {len(references)}")
    without = next((place for place, own in enumerate(references) if not own or isinstance(own, str)), None)
    if without is not None:
        raise ConfigError(f"text {without + 1} needs a list of references, at least one, not {references[without]!r}")
    return list(zip_longest(*references))


def _metrics(references: Sequence[Sequence[str]]) -> tuple[Any, Any]:
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtra("Scoring with BLEU and chrF", "metrics") from error
    # force: texts that look as if their words were set apart already are no reason to log a warning
    return BLEU(tokenize=_tokenizer(references), force=True), CHRF()


def _tokenizer(references: Sequence[Sequence[str]]) -> str:
    text = "".join(text for own in references for text in own)
    han, kana, letters = (len(pattern.findall(text)) for pattern in (_HAN, _KANA, _LETTER))
    if 2 * (han + kana) <= letters:
        return "13a"
    return "char" if kana else "zh"
