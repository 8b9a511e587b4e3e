"""Scoring a stepper on held-out sequences and pairs; metrics of texts, statistics of pieces."""

from seqgen.evaluate.ngram import NgramStepper
from seqgen.evaluate.pairs import PairScore, score_pairs
from seqgen.evaluate.part_writing import PartWriting, part_writing
from seqgen.evaluate.references import Difference, TextMetrics, paired_bootstrap, text_metrics
from seqgen.evaluate.score import Score, score, surprises
from seqgen.evaluate.statistics import VOICE_RANGES, Comparison, compare, whole_groups
from seqgen.evaluate.typical import Typical, place, typical

__all__ = [
    "VOICE_RANGES",
    "Comparison",
    "Difference",
    "NgramStepper",
    "PairScore",
    "PartWriting",
    "Score",
    "TextMetrics",
    "Typical",
    "compare",
    "paired_bootstrap",
    "part_writing",
    "place",
    "score",
    "score_pairs",
    "surprises",
    "text_metrics",
    "typical",
    "whole_groups",
]
