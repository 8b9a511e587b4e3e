"""Generation in one call: what the user asks for, joined with the model, the sampler and the finishing touches."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seqgen.api.best import ranked
from seqgen.constraints import Bars, Bound, Chords, Constraint, Listener, Material, bind
from seqgen.corpus.loudness import shaped, with_velocities_of
from seqgen.encodings.grid import CONTROL_NAMES, CONTROLS
from seqgen.errors import ConfigError, SamplingError
from seqgen.piece import Piece, Tempo, Text, joined
from seqgen.sampling import Curve, Plan, Sampled, Setting, broken, sample, streams
from seqgen.threads import one_thread
from seqgen.version import __version__
from seqgen.vocabulary import SPECIALS

if TYPE_CHECKING:
    from seqgen.api.model import Model

# Without a length a piece ends where the model ends it, at the latest after so many steps.
_CEILINGS = {"chars": 1000, "bytes": 1000, "words": 200}
_MUSIC_CEILING = 2000
_EMPTY_ROUNDS = 100
PARTICLES = 16  # where constraints ask something of the future
Control = float | str | Sequence[float]  # a number, or a curve: "0.6:1.2", or its points


@dataclass(frozen=True)
class Request:
    """What to generate: see `Model.generate`."""

    steps: int | None = None
    bars: int | None = None
    temperature: Control = 1.0
    top_k: Control = 0
    top_p: Control = 1.0
    min_p: Control = 0.0
    penalty: Control = 1.0
    prime: Piece | str | None = None
    continue_only: bool = False
    seed: int | None = None
    count: int | None = None
    fill: bool = False
    constraints: Sequence[Constraint] = ()
    particles: int | None = None
    tempo: float | None = None
    instrument: int | None = None
    best_of: int | None = None

    def __post_init__(self) -> None:
        _in_range("count", self.count, 1)
        _in_range("steps", self.steps, 1)
        _in_range("particles", self.particles, 1, 10_000)
        _in_range("number to choose the best of", self.best_of, 1, 10_000)
        _in_range("instrument", self.instrument, 0, 127)
        _in_range("tempo", self.tempo, 1, 1000)
        if self.seed is None:
            object.__setattr__(self, "seed", new_seed())
        if not 0 <= self.drawn_with < 1 << 64:
            raise ConfigError(f"the seed must be 0 to 2^64 - 1, not {self.seed}")
        if self.fill and (self.steps is None or self.bars is not None):
            raise ConfigError(
                "fill needs a number of steps, and no number of bars: it goes on until the steps are there"
            )
        if self.continue_only and self.prime is None:
            raise ConfigError("there is no prime to leave out: continue_only needs one")

    @property
    def drawn_with(self) -> int:
        """The seed, drawn where none was given."""
        assert self.seed is not None
        return self.seed

    @property
    def plan(self) -> Plan:
        """How to choose.

        Raises:
            ConfigError: a value out of range, or no curve.
        """
        names = ("temperature", "top_k", "top_p", "min_p", "penalty")
        return Plan(**{name: curve(getattr(self, name), name) for name in names})


def curve(value: Control, name: str) -> float | Curve:
    """A number, or a curve of numbers: "0.6:1.2", "0.6,1.2,0.8", or a list.

    Raises:
        ConfigError: it is neither.
    """
    try:
        points = value.replace(":", ",").split(",") if isinstance(value, str) else value
        numbers = tuple(map(float, points)) if isinstance(points, Sequence) else (float(points),)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{name} must be a number, or a curve such as 0.6:1.2 (linear over the piece), not {value!r}"
        ) from error
    if not numbers:
        raise ConfigError(f"a curve for {name} has at least two points, not none")
    return numbers[0] if len(numbers) == 1 else Curve(numbers)


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
    random = streams(request.drawn_with, count)
    segments: list[list[list[str]]] = [[] for _ in range(count)]  # for each variation its pieces, as tokens
    left = [ceiling] * count
    rows = list(range(count))
    empty = 0  # rounds in a row in which every piece ended at once
    while rows:
        prefixes = [begin or drawn_controls(model, constraints, random[row]) for row in rows]
        sampled = _sampled(model, setting, prefixes, [left[row] for row in rows], plan, request, random, rows)
        for row, prefix, new in zip(rows, prefixes, sampled, strict=True):
            segments[row].append([*prefix, *model.vocabulary.to_tokens(new.ids)])
            left[row] -= new.steps
        empty = 0 if any(new.steps for new in sampled) else empty + 1
        if empty > _EMPTY_ROUNDS:
            raise SamplingError("the model ends every piece before its first step; raise the temperature")
        rows = [row for row in rows if request.fill and left[row] > 0]
        begin = None
    return [_finished(model, tokens, request, number) for number, tokens in enumerate(segments)]


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
        bound = bind(constraints, Material(model.grammar, model.table, model.vocabulary.tokens, model.unit))
        listener = Listener(model.grammar, model.table) if model.unit == "music" else None
    penalised = model.table.strikes if model.unit == "music" else np.arange(len(model.vocabulary)) >= len(SPECIALS)
    return Setting(model.stepper, model.grammar, bound, listener, penalised)


def mark(model: "Model", request: Request, number: int) -> Text:
    """Where a piece comes from; number: of the variation, from 0."""
    source = f" model {model.digest}" if model.digest else ""
    which = f" number {number + 1}" if number else ""
    return Text(0, f"seqgen {__version__} seed {request.drawn_with}{which}{source}")


def new_seed() -> int:
    """A seed short enough to be typed again."""
    return secrets.randbelow(1 << 31)


def _sampled(
    model: "Model",
    setting: Setting,
    prefixes: Sequence[Sequence[str]],
    steps: Sequence[int],
    plan: Plan,
    request: Request,
    random: Sequence[np.random.Generator],
    rows: Sequence[int],
) -> list[Sampled]:
    with one_thread():
        return sample(
            setting,
            [model.vocabulary.to_ids(prefix).tolist() for prefix in prefixes],
            steps,
            strategy=plan,
            random=[random[row] for row in rows],
            particles=_particles(setting, plan, request),
        )


def _particles(setting: Setting, plan: Plan, request: Request) -> int:
    """As many as asked for; otherwise several where a constraint asks something of the future."""
    if request.particles is not None:
        return request.particles
    return PARTICLES if any(bound.far for bound in setting.bound) and plan.at(0).temperature > 0 else 1


def _in_range(name: str, value: float | None, least: float, most: float | None = None) -> None:
    if value is None or (least <= value and (most is None or value <= most)):
        return
    wanted = f"at least {least}" if most is None else f"{least} to {most:,}"
    raise ConfigError(f"the {name} must be {wanted}, not {value}")


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


def given_tokens(model: "Model", request: Request, constraints: Sequence[Constraint]) -> list[str]:
    """The tokens of the prime, with the controls that the constraints ask for; nothing without a prime."""
    if request.prime is None:
        return []
    tokens = model.prime_tokens(request.prime)
    if model.unit == "text":
        return tokens
    unknown = [token for token in tokens[1:CONTROLS] if token not in model.vocabulary.ids]
    if unknown and any(isinstance(constraint, Bars) for constraint in constraints):
        raise ConfigError(
            f"the model has never seen {' and '.join(unknown)} of the prime, so it cannot count its bars; "
            "give steps instead"
        )
    pickup = CONTROL_NAMES.index("pickup")  # says where the bar lines of the prime are
    controls = _with_controls(tokens[:CONTROLS], constraints)
    return [*controls[:pickup], tokens[pickup], *controls[pickup + 1 :], *tokens[CONTROLS:]]


def drawn_controls(model: "Model", constraints: Sequence[Constraint], random: np.random.Generator) -> list[str]:
    """Control tokens drawn as often as they occur in the corpus, as the constraints want them; none for text."""
    if model.unit != "music":
        return []
    begins = model.statistics.controls or {"key=? meter=? pickup=0": 1}
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


def _finished(model: "Model", segments: list[list[str]], request: Request, number: int) -> Piece | str:
    sources = [model.encoding.decode(tokens) for tokens in segments]
    prime = request.prime
    if model.unit == "text":
        text = (model.statistics.separator or "\n\n").join(sources)
        given = model.encoding.decode(model.prime_tokens(prime)) if request.continue_only and prime is not None else ""
        return text[len(given) :]
    piece = shaped(joined(sources), model.statistics.velocities)
    if isinstance(prime, Piece):
        piece = with_velocities_of(piece, prime)
    if request.continue_only:
        state = model.grammar.start()
        for id in model.vocabulary.to_ids(given_tokens(model, request, request.constraints)).tolist():
            state = model.grammar.advance(state, id)
        piece = piece.from_tick(state.clock.time)  # a tick is a grid step
    bpm = request.tempo or (prime.tempi[0].bpm if isinstance(prime, Piece) and prime.tempi else None)
    bpm = bpm or model.statistics.tempo_bpm
    parts = piece.parts
    if isinstance(prime, Piece) and len(prime.parts) == len(parts):
        parts = tuple(part._replace(program=given.program) for part, given in zip(parts, prime.parts, strict=True))
    if request.instrument is not None:
        parts = tuple(part._replace(program=request.instrument) for part in parts)
    tempi = (Tempo(0, float(bpm)),) if bpm else ()
    return replace(piece, tempi=tempi, parts=parts, markers=(mark(model, request, number), *piece.markers))
