"""Generation in one call: what the user asks for, joined with the model and the sampler."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqgen.api.begin import drawn_controls, given_tokens
from seqgen.api.best import ranked
from seqgen.api.finish import finished
from seqgen.api.request import Request
from seqgen.constraints import Bars, Bound, Chords, Constraint, Listener, Material, MaxCopy, bind
from seqgen.encodings.grid import CONTROLS
from seqgen.errors import ConfigError, SamplingError
from seqgen.sampling import Plan, Setting, broken, sample, streams
from seqgen.threads import one_thread
from seqgen.vocabulary import SPECIALS

if TYPE_CHECKING:
    from seqgen.api.model import Model

# Without a length a piece ends where the model ends it, at the latest after so many steps.
_CEILINGS = {"chars": 1000, "bytes": 1000, "words": 200}
_MUSIC_CEILING = 2000
_EMPTY_ROUNDS = 100
PARTICLES = 16  # where constraints ask something of the future


def generate(model: "Model", request: Request) -> list[Any]:
    """Pieces or texts, as many as the request's count: of each group of `best_of` the most typical."""
    group = request.best_of or 1
    generated = _all(model, request, (request.count or 1) * group)
    if group == 1:
        return generated
    groups = (generated[begin : begin + group] for begin in range(0, len(generated), group))
    return [variations[ranked(model, variations)[0]] for variations in groups]


def _all(model: "Model", request: Request, count: int) -> list[Any]:
    plan = request.plan
    if model.unit == "text" and (request.tempo is not None or request.instrument is not None):
        raise ConfigError("a tempo or an instrument is for music, and this model writes text")
    constraints = list(request.constraints)
    bars = _bars(request)
    if bars is not None:
        constraints.append(Bars(bars))
    setting = model.setting(constraints)
    ends = [bound.name for bound in setting.bound if bound.must_end]
    if ends and request.fill:
        raise ConfigError(f"fill goes on with further pieces, so it cannot be joined with {' and '.join(ends)}")
    begin = given_tokens(model, request, constraints)
    ceiling = _ceiling(model, request, bars, constraints)
    particles = particles_for(setting, plan, request)
    random = streams(request.drawn_with, count)
    segments: list[list[list[str]]] = [[] for _ in range(count)]  # for each variation its pieces, as tokens
    left = [ceiling] * count
    rows = list(range(count))
    empty = 0  # rounds in a row in which every piece ended at once
    while rows:
        prefixes = [begin or drawn_controls(model, constraints, random[row]) for row in rows]
        with one_thread():
            sampled = sample(
                setting,
                [model.vocabulary.to_ids(prefix).tolist() for prefix in prefixes],
                [left[row] for row in rows],
                strategy=plan,
                random=[random[row] for row in rows],
                particles=particles,
            )
        for row, prefix, new in zip(rows, prefixes, sampled, strict=True):
            segments[row].append([*prefix, *model.vocabulary.to_tokens(new.ids)])
            left[row] -= new.steps
        empty = 0 if any(new.steps for new in sampled) else empty + 1
        if empty > _EMPTY_ROUNDS:
            raise SamplingError("the model ends every piece before its first step; raise the temperature")
        rows = [row for row in rows if request.fill and left[row] > 0]
        begin = None
    return [finished(model, tokens, request, number) for number, tokens in enumerate(segments)]


def prime_breaks(model: "Model", request: Request) -> list[str]:
    """The names of the constraints that the prime goes against; they are kept from its end on."""
    if request.prime is None:
        return []
    tokens = given_tokens(model, request, request.constraints)
    ids = model.vocabulary.to_ids(tokens).tolist()
    controls = CONTROLS if model.unit == "music" else 0
    return broken(model.setting(request.constraints), ids[:controls], ids[controls:])


def setting(model: "Model", constraints: Sequence[Constraint]) -> Setting:
    """The model with its constraints bound, as the samplers take it."""
    bound: list[Bound] = []
    listener = None
    if constraints:
        index = model.copy_index if any(isinstance(one, MaxCopy) for one in constraints) else None
        material = Material(model.grammar, model.table, model.vocabulary.tokens, model.unit, index)
        bound = bind(constraints, material)
        listener = Listener(model.grammar, model.table) if model.unit == "music" else None
    penalised = model.table.strikes if model.unit == "music" else np.arange(len(model.vocabulary)) >= len(SPECIALS)
    return Setting(model.stepper, model.grammar, bound, listener, penalised)


def particles_for(setting: Setting, plan: Plan, request: Request) -> int:
    """As many as asked for; otherwise several where a constraint asks something of the future."""
    if request.particles is not None:
        return request.particles
    return PARTICLES if any(bound.far for bound in setting.bound) and plan.at(0).temperature > 0 else 1


def _bars(request: Request) -> int | None:
    """How many bars the piece has, where that is known: those asked for, else those of its chords."""
    if request.bars is not None or request.steps is not None:
        return request.bars
    return max((one.bars for one in request.constraints if isinstance(one, Chords)), default=None)


def _ceiling(model: "Model", request: Request, bars: int | None, constraints: Sequence[Constraint]) -> int:
    if request.steps is not None:
        return request.steps
    if bars is not None:
        return (bars + 1) * model.grammar.feature_sizes[0]  # of the longest bar; the constraint ends the piece
    needed = [constraint.steps for constraint in constraints if constraint.steps is not None]
    if needed:
        return max(needed)
    return _CEILINGS.get(model.encoding.name, _MUSIC_CEILING)
