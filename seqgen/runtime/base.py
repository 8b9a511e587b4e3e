"""Where the steppers look for their protocol; it lives below, since samplers know nothing else."""

from seqgen.stepper import State, Stepper

__all__ = ["State", "Stepper"]
