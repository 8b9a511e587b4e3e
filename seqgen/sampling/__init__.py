"""Choosing the next id, and the next: strategies, constraints and the loop, for any stepper."""

from seqgen.sampling.constraints import Bars, Constraint
from seqgen.sampling.sample import Sampled, sample
from seqgen.sampling.strategies import Strategy, draw, probabilities, streams

__all__ = ["Bars", "Constraint", "Sampled", "Strategy", "draw", "probabilities", "sample", "streams"]
