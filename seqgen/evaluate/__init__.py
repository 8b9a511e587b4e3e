"""Scoring a stepper on held-out sequences, the n-gram baseline it is held against, and statistics of pieces."""

from seqgen.evaluate.ngram import NgramStepper
from seqgen.evaluate.score import Score, score, surprises
from seqgen.evaluate.statistics import VOICE_RANGES, Comparison, compare, whole_groups
from seqgen.evaluate.typical import Typical, place, typical

__all__ = [
    "VOICE_RANGES",
    "Comparison",
    "NgramStepper",
    "Score",
    "Typical",
    "compare",
    "place",
    "score",
    "surprises",
    "typical",
    "whole_groups",
]
