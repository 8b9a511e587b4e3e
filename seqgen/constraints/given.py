"""Parts of a piece that are given: they are told, and the constraints are for the others."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from seqgen.constraints.base import Bound, Moment
from seqgen.encodings.chorale import ChoraleGrammar
from seqgen.encodings.grid import CONTROLS
from seqgen.encodings.music_grammar import MusicState
from seqgen.vocabulary import END


class GivenParts:
    """The grammar of `chorale` where its first parts are given: in their places one id is legal.

    It is a grammar, not a constraint, since what is given is nothing that a model believes or not: no particle weighs
    by it. UNK is legal where it is what is given, and END after the last grid step, only there.
    """

    def __init__(self, grammar: ChoraleGrammar, ids: np.ndarray, names: Sequence[str] = ()) -> None:
        """ids: `(steps, parts that are given)`. names: of all parts, where they are not those of the grammar."""
        self.steps, self.given = ids.shape
        self._legal = grammar.legal
        self._ids = ids.tolist()
        self._masks = {id: grammar.mask([id]) for id in {END, *ids.ravel().tolist()}}
        # everything else is the grammar's own
        self.vocabulary, self.grid, self.parts = grammar.vocabulary, grammar.grid, grammar.parts
        self.part_names = tuple(names) or grammar.part_names
        self.feature_sizes, self.feature_names = grammar.feature_sizes, grammar.feature_names
        self.start, self.advance, self.features = grammar.start, grammar.advance, grammar.features
        self.transpose_features = grammar.transpose_features
        self.at_step, self.part = grammar.at_step, grammar.part

    def legal(self, state: MusicState) -> np.ndarray:
        """`(n_values,)` bool."""
        if not self.is_given(state):
            return self._legal(state)
        step, part = state.clock.time, self.part(state)
        return self._masks[END if step == self.steps else self._ids[step][part]]

    def is_given(self, state: MusicState) -> bool:
        """Whether the next id, or END in its place, is that of a given part."""
        return state.read == CONTROLS and self.part(state) < self.given


class ForOthers(Bound):
    """A constraint for the parts that are not given."""

    def __init__(self, bound: Bound, grammar: GivenParts) -> None:
        self._bound, self._grammar = bound, grammar
        self.name, self.far, self.must_end = bound.name, bound.far, bound.must_end

    def start(self, given: Sequence[int], moment: Moment) -> Hashable:
        return self._bound.start(given, moment)

    def end(self, moment: Moment) -> int | None:
        return self._bound.end(moment)

    def advance(self, own: Any, id: int, moment: Moment) -> Hashable:
        return self._bound.advance(own, id, moment)

    def legal(self, own: Any, moment: Moment) -> np.ndarray | None:
        return None if self._grammar.is_given(moment.state) else self._bound.legal(own, moment)


class EndsWithGiven(Bound):
    """The piece ends where what is given does, which other constraints need to know."""

    name = "the given voice"
    must_end = True

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def end(self, moment: Moment) -> int:
        return self._steps
