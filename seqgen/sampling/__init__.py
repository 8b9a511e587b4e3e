"""Choosing the next id, and the next: strategies and the loop, for any stepper, under any constraints."""

from seqgen.sampling.beam import beam
from seqgen.sampling.greedy import greedy, worth
from seqgen.sampling.sample import Sampled, sample
from seqgen.sampling.strategies import Curve, Plan, Strategy, draw, probabilities, streams
from seqgen.sampling.walk import Setting, Walk, broken

__all__ = [
    "Curve",
    "Plan",
    "Sampled",
    "Setting",
    "Strategy",
    "Walk",
    "beam",
    "broken",
    "draw",
    "greedy",
    "probabilities",
    "sample",
    "streams",
    "worth",
]
