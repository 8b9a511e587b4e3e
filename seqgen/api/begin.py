"""How what is generated begins: controls, and the prime."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seqgen.api.request import Request
from seqgen.constraints import Bars, Chords, Constraint
from seqgen.encodings.grid import CONTROL_NAMES, CONTROLS
from seqgen.errors import ConfigError
from seqgen.vocabulary import Vocabulary

if TYPE_CHECKING:
    from seqgen.api.model import Model


def given_tokens(model: "Model", request: Request, constraints: Sequence[Constraint]) -> list[str]:
    """The tokens of the prime, with the controls that the constraints ask for; nothing without a prime."""
    if request.prime is None:
        return []
    tokens = model.prime_tokens(request.prime)
    if model.unit == "text":
        return tokens
    counted = [constraint for constraint in constraints if isinstance(constraint, (Bars, Chords))]
    if counted and (unknown := _unknown_times(model, tokens)):
        raise ConfigError(
            f"the model has never seen {' and '.join(unknown[:5])} of the prime, so it cannot count its bars; "
            f"give {'steps instead' if isinstance(counted[-1], Bars) else 'no chords'}"
        )
    return [*controls_of(tokens[:CONTROLS], constraints), *tokens[CONTROLS:]]


def controls_of(tokens: Sequence[str], constraints: Sequence[Constraint]) -> list[str]:
    """The controls of a piece that is there, with those that the constraints ask for."""
    pickup = CONTROL_NAMES.index("pickup")  # says where its bar lines are
    controls = _with_controls(tokens, constraints)
    return [*controls[:pickup], tokens[pickup], *controls[pickup + 1 :]]


def length_steps(model: "Model", tokens: Sequence[str]) -> int:
    """How many grid steps a piece has with all its tokens, those included that the model has never seen."""
    vocabulary = _with_unknown(model, tokens)
    grammar = model.encoding.grammar(vocabulary)
    state = grammar.start()
    for id in vocabulary.to_ids(tokens).tolist():
        state = grammar.advance(state, id)
    return state.clock.time


def _unknown_times(model: "Model", tokens: Sequence[str]) -> list[str]:
    """Of a piece the tokens that say when something is, and that the model has never seen."""
    vocabulary = _with_unknown(model, tokens)
    advance = model.encoding.table(vocabulary).advance
    when = {*tokens[1:CONTROLS], *[token for token in tokens[CONTROLS:] if advance[vocabulary.ids[token]]]}
    return [token for token in vocabulary.tokens[len(model.vocabulary) :] if token in when]


def _with_unknown(model: "Model", tokens: Sequence[str]) -> Vocabulary:
    known = model.vocabulary
    return Vocabulary([*known.tokens, *dict.fromkeys(token for token in tokens if token not in known.ids)])


def drawn_controls(model: "Model", constraints: Sequence[Constraint], random: np.random.Generator) -> list[str]:
    """Control tokens drawn as often as they occur in the corpus, as the constraints want them; none for text."""
    if model.unit != "music":
        return []
    begins = model.statistics.controls or {"key=? meter=? pickup=0": 1}
    if any(isinstance(constraint, Bars) for constraint in constraints):
        # a piece with a pickup ends that much before the bar line, so one that ends on it has none, if there are such
        begins = {name: count for name, count in begins.items() if name.endswith("pickup=0")} or begins
    names = sorted(begins)  # a model file keeps no order, and the same seed must give the same piece after loading
    shares = np.cumsum([begins[name] for name in names])
    drawn = names[int(np.searchsorted(shares, random.random() * shares[-1], side="right"))].split(" ")
    return _with_controls(drawn, constraints)


def _with_controls(tokens: Sequence[str], constraints: Sequence[Constraint]) -> list[str]:
    wanted: dict[str, str] = {}
    for constraint in constraints:
        for name, value in constraint.controls.items():
            if wanted.setdefault(name, value) != value:
                raise ConfigError(f"the constraints want the {name} {wanted[name]} and {value}; give one of them")
    return [
        f"{name}={wanted[name]}" if name in wanted else token for name, token in zip(CONTROL_NAMES, tokens, strict=True)
    ]
