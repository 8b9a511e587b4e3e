"""Scoring a stepper on held-out sequences, the baseline it is held against, statistics of pieces, metrics of texts."""

from seqgen.evaluate.ngram import NgramStepper
from seqgen.evaluate.references import Difference, TextMetrics, paired_bootstrap, text_metrics
from seqgen.evaluate.score import Score, score, surprises
from seqgen.evaluate.statistics import VOICE_RANGES, Comparison, compare, whole_groups
from seqgen.evaluate.typical import Typical, place, typical

__all__ = [
    "VOICE_RANGES",
    "Comparison",
    "Difference",
    "NgramStepper",
    "Score",
    "TextMetrics",
    "Typical",
    "compare",
    "paired_bootstrap",
    "place",
    "score",
    "surprises",
    "text_metrics",
    "typical",
    "whole_groups",
]
