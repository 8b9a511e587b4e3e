"""A melody in, the other voices out: the melody as it was, and what a model of pairs of music puts under it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seqgen.api.begin import controls_of
from seqgen.api.finish import mark
from seqgen.api.generate import particles_for
from seqgen.api.melody import Melody, read_melody
from seqgen.api.request import Control, Request
from seqgen.constraints import Chords, Constraint, EndsWithGiven, ForOthers, GivenParts, Listener, Material, bind
from seqgen.corpus.spelling import read_order
from seqgen.encodings.grid import CONTROLS
from seqgen.errors import ConfigError
from seqgen.evaluate.statistics import FIFTH, OCTAVE, parallels
from seqgen.piece import Part, Piece
from seqgen.sampling import Setting, sample, streams, worth
from seqgen.threads import one_thread

if TYPE_CHECKING:
    from seqgen.api.translator import Translator


def harmonize(
    translator: "Translator",
    melody: Piece,
    *,
    part: str | Sequence[str] | None = None,
    temperature: Control = 1.0,
    top_k: Control = 0,
    top_p: Control = 1.0,
    min_p: Control = 0.0,
    penalty: Control = 1.0,
    constraints: Sequence[Constraint] = (),
    particles: int | None = None,
    instrument: int | None = None,
    seed: int | None = None,
    count: int = 1,
    best_of: int | None = None,
) -> list[Piece]:
    """The melody with other voices, as many times as `count` says.

    The melody comes out note for note as it is, with its tempo, key, meter, pickup and fermatas; other parts that the
    piece has do not. The voices are on the model's grid, end with the melody, and are as loud as it.

    part: which part the melody is, see `read_melody`. constraints: from `seqgen.constraints`, for the other voices;
    those that say how long the piece is have nothing to say here. instrument: General MIDI program of the voices,
    that of the melody where none is given. best_of: make so many of each, and keep the one with the fewest parallel
    fifths and octaves, of several the most probable. Everything else is as in `Model.generate`.

    Raises:
        ConfigError: a value out of range, no melody to find, a model of something else.
        TokenError: a melody in which two notes sound at once. SamplingError: the constraints leave nothing to choose.
    """
    request = Request(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        penalty=penalty,
        constraints=constraints,
        particles=particles,
        instrument=instrument,
        seed=seed,
        count=count,
        best_of=best_of,
    )
    return harmonies(translator, read_melody(translator, melody, part), request)


def harmonies(translator: "Translator", melody: Melody, request: Request) -> list[Piece]:
    """As many as the request's count: of each group of `best_of` the best. See `harmonize`."""
    plan, constraints, group = request.plan, request.constraints, request.best_of or 1
    given = len(melody.piece.parts)
    tokens = [*controls_of(melody.tokens[:CONTROLS], constraints), *melody.tokens[CONTROLS:]]
    _check_counted(translator, tokens, constraints)
    setting = _setting(translator, np.reshape(tokens[CONTROLS:], (-1, given)), constraints)
    ids = translator.source_spelling.ids(tokens)
    count = (request.count or 1) * group
    prefixes = [translator.vocabulary.to_ids(tokens[:CONTROLS]).tolist()] * count
    with one_thread():
        contexts = translator.stepper.encode([read_order(ids, translator.header.architecture.reversed)]) * count
        found = sample(
            setting,
            prefixes,
            [setting.grammar.steps] * count,
            strategy=plan,
            random=streams(request.drawn_with, count),
            particles=particles_for(setting, plan, request),
            contexts=contexts,
        )
        values = worth(setting, prefixes, found, contexts=contexts) if group > 1 else [0.0] * count
    spelled = [translator.vocabulary.to_tokens([*prefixes[0], *one.ids]) for one in found]
    pieces = [translator.encoding.decode(tokens) for tokens in spelled]
    ranks = [(_parallels(piece) if group > 1 else 0, -value) for piece, value in zip(pieces, values, strict=True)]
    best = [min(range(begin, begin + group), key=ranks.__getitem__) for begin in range(0, count, group)]
    return [_with_voices(translator, melody, pieces[place].notes, request, place) for place in best]


def unknown(translator: "Translator", melody: Melody) -> list[str]:
    """The tokens of a melody that the model has never seen; it reads them as unknown."""
    both: tuple[Any, ...] = translator.source_vocabulary, translator.vocabulary
    return [token for token in melody.tokens if not all(token in vocabulary.ids for vocabulary in both)]


def _check_counted(translator: "Translator", tokens: Sequence[str], constraints: Sequence[Constraint]) -> None:
    """Raises ConfigError where chords are to follow bars that the model cannot count."""
    strange = [token for token in tokens[1:CONTROLS] if token not in translator.vocabulary.ids]
    if strange and any(isinstance(constraint, Chords) for constraint in constraints):
        raise ConfigError(
            f"the model has never seen {' and '.join(strange)} of the melody, so it cannot count its bars; give no"
            " chords"
        )


def _setting(translator: "Translator", body: np.ndarray, constraints: Sequence[Constraint]) -> Setting:
    """The model with the melody given, and the constraints bound to the other parts.

    body: `(steps, parts that are given)`, tokens.
    """
    ids = translator.vocabulary.to_ids(body.ravel().tolist()).reshape(body.shape)
    grammar: Any = GivenParts(translator.grammar, ids, _names(translator))
    table = translator.table
    if not constraints:
        return Setting(translator.stepper, grammar, penalised=table.strikes)
    bound = bind(constraints, Material(grammar, table, translator.vocabulary.tokens, "music"))
    for_others = [ForOthers(one, grammar) for one in bound]
    return Setting(
        translator.stepper,
        grammar,
        [*for_others, EndsWithGiven(grammar.steps)],
        Listener(grammar, table),
        table.strikes,
    )


def _names(translator: "Translator") -> tuple[str, ...]:
    """Of all parts: what they were called in training, where that were names, else what the encoding calls them."""
    known = (*translator.statistics.from_parts, *translator.statistics.to_parts)
    names = translator.grammar.part_names
    named = len(known) == len(names) and not any(name.isdecimal() for name in known)
    return tuple(name.capitalize() for name in known) if named else names


def _with_voices(translator: "Translator", melody: Melody, notes: np.ndarray, request: Request, number: int) -> Piece:
    """The melody, and of the notes of all parts, whose ticks are grid steps, those of the others.

    number: of the piece, from 0.
    """
    piece, given = melody.piece, len(melody.piece.parts)
    step_ticks = piece.ticks_per_quarter // translator.encoding.grid
    voices = notes[notes["part"] >= given]
    voices["onset"] *= step_ticks
    voices["duration"] *= step_ticks
    lead = piece.part_notes(0)
    sounding = np.searchsorted(lead["onset"], voices["onset"], side="right") - 1
    voices["velocity"] = lead["velocity"][np.maximum(sounding, 0)]
    together = np.concatenate([piece.notes, voices])
    program = piece.parts[0].program if request.instrument is None else request.instrument
    return replace(
        piece,
        notes=together[np.lexsort((together["pitch"], together["part"], together["onset"]))],
        parts=(*piece.parts, *(Part(name, program) for name in _names(translator)[given:])),
        markers=(mark(translator, request, number), *piece.markers),
    )


def _parallels(piece: Piece) -> int:
    """How often two voices go in parallel fifths or octaves."""
    return parallels(piece, FIFTH)[True] + parallels(piece, OCTAVE)[True]
