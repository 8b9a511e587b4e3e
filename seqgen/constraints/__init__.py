"""What the output must obey, whatever the model believes: masks over the ids, for every encoding."""

from seqgen.constraints.bars import Bars
from seqgen.constraints.base import Bound, Constraint, Material, Moment, Note, Sounding, bind
from seqgen.constraints.listen import Listener
from seqgen.constraints.match import Match
from seqgen.constraints.text import Length, Lines

__all__ = [
    "Bars",
    "Bound",
    "Constraint",
    "Length",
    "Lines",
    "Listener",
    "Match",
    "Material",
    "Moment",
    "Note",
    "Sounding",
    "bind",
]
