"""What the output must obey, whatever the model believes: masks over the ids, for every encoding."""

from seqgen.constraints.bars import Bars
from seqgen.constraints.base import Bound, Constraint, Material, Moment, Note, Sounding, Strike
from seqgen.constraints.keep import Keep
from seqgen.constraints.lengths import bind
from seqgen.constraints.listen import Listener
from seqgen.constraints.match import Match
from seqgen.constraints.pitch import Key, MaxLeap, Range, Scale
from seqgen.constraints.text import Length, Lines

__all__ = [
    "Bars",
    "Bound",
    "Constraint",
    "Keep",
    "Key",
    "Length",
    "Lines",
    "Listener",
    "Match",
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
