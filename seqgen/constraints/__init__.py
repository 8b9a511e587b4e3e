"""What the output must obey, whatever the model believes: masks over the ids, for every encoding."""

from seqgen.constraints.bars import Bars
from seqgen.constraints.base import Bound, Constraint, Material, Moment, Note, Sounding, bind
from seqgen.constraints.keep import Keep
from seqgen.constraints.listen import Listener

__all__ = ["Bars", "Bound", "Constraint", "Keep", "Listener", "Material", "Moment", "Note", "Sounding", "bind"]
