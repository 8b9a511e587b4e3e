"""What the output must obey, whatever the model believes: masks over the ids, for every encoding."""

from seqgen.constraints.bars import Bars
from seqgen.constraints.base import Bound, Constraint, Material, Moment, Note, Sounding, Strike
from seqgen.constraints.chords import Chords
from seqgen.constraints.copies import MaxCopy
from seqgen.constraints.end import End
from seqgen.constraints.given import EndsWithGiven, ForOthers, GivenParts
from seqgen.constraints.keep import Keep
from seqgen.constraints.lengths import bind
from seqgen.constraints.listen import Listener
from seqgen.constraints.match import Match
from seqgen.constraints.pitch import Key, MaxLeap, Range, Scale
from seqgen.constraints.rhythm import Rhythm
from seqgen.constraints.text import Length, Lines

__all__ = [
    "Bars",
    "Bound",
    "Chords",
    "Constraint",
    "End",
    "EndsWithGiven",
    "ForOthers",
    "GivenParts",
    "Keep",
    "Key",
    "Length",
    "Lines",
    "Listener",
    "Match",
    "Material",
    "MaxCopy",
    "MaxLeap",
    "Moment",
    "Note",
    "Range",
    "Rhythm",
    "Scale",
    "Sounding",
    "Strike",
    "bind",
]
