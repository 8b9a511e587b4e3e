"""Scoring a stepper on held-out sequences, and the n-gram baseline it is held against."""

from seqgen.evaluate.ngram import NgramStepper
from seqgen.evaluate.score import Score, score

__all__ = ["NgramStepper", "Score", "score"]
