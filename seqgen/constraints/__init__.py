"""What the output must obey, whatever the model believes: masks over the ids, for every encoding."""

from seqgen.constraints.bars import Bars
from seqgen.constraints.base import Bound, Constraint, Material, Moment, Note, Sounding, Strike
from seqgen.constraints.keep import Keep
from seqgen.constraints.lengths import bind
from seqgen.constraints.listen import Listener
from seqgen.constraints.pitch import Key, MaxLeap, Range, Scale

__all__ = [
    "Bars",
    "Bound",
    "Constraint",
    "Keep",
    "Key",
    "Listener",
    "Material",
    "MaxLeap",
    "Moment",
    "Note",
    "Range",
    "Scale",
    "Sounding",
    "Strike",
    "bind",
]
