"""Scoring a stepper on held-out sequences and pairs, the n-gram baseline for the former, and statistics of pieces."""

from seqgen.evaluate.ngram import NgramStepper
from seqgen.evaluate.pairs import PairScore, greedy, score_pairs
from seqgen.evaluate.part_writing import PartWriting, part_writing
from seqgen.evaluate.score import Score, score, surprises
from seqgen.evaluate.statistics import VOICE_RANGES, Comparison, compare, whole_groups
from seqgen.evaluate.typical import Typical, place, typical

__all__ = [
    "VOICE_RANGES",
    "Comparison",
    "NgramStepper",
    "PairScore",
    "PartWriting",
    "Score",
    "Typical",
    "compare",
    "greedy",
    "part_writing",
    "place",
    "score",
    "score_pairs",
    "surprises",
    "typical",
    "whole_groups",
]
