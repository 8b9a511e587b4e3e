"""Any constraints together, for any encoding: what comes out obeys them all, or the error names one."""

from collections import Counter
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import obeys
import pytest
from made import Noise, piece, vocabulary_of

from seqgen import encodings
from seqgen.constraints import Bars, Chords, End, Key, Listener, Material, MaxLeap, Range, Rhythm, Scale, bind
from seqgen.errors import ConfigError, SamplingError
from seqgen.sampling import Setting, Strategy, sample, streams
from seqgen.vocabulary import END

METERS = {"4/4": 16, "3/4": 12, "6/8": 12, "5/8": 10, "2/2": 16}  # sixteenths a bar
ENCODINGS: dict[str, tuple[str, dict[str, Any], int]] = {
    "notes": ("notes", {}, 1),
    "joint": ("notes", {"joint": True}, 1),
    "chorale": ("chorale", {"parts": 4}, 4),
    "duo": ("chorale", {"parts": 2}, 2),
    "frames": ("frames", {}, 2),
}
SCALES = {
    "C-major": {0, 2, 4, 5, 7, 9, 11},
    "D-dorian": {0, 2, 4, 5, 7, 9, 11},
    "Bb-major": {10, 0, 2, 3, 5, 7, 9},
    "F#-harmonic-minor": {6, 8, 9, 11, 1, 2, 5},
    "E-minor-pentatonic": {4, 7, 9, 11, 2},
    "G-blues": {7, 10, 0, 1, 2, 5},
}
KEYS = {
    "D-minor": {2, 4, 5, 7, 9, 10, 11, 0, 1},
    "A-minor": {9, 11, 0, 2, 4, 5, 6, 7, 8},
    "Db-major": {1, 3, 5, 6, 8, 10, 0},
}
HOMES = {"C-major": (0, {0, 4, 7}), "D-minor": (2, {2, 5, 9}), "A-minor": (9, {9, 0, 4}), "Bb-major": (10, {10, 2, 5})}


@cache
def made(kind: str):
    """Encoding, vocabulary, grammar and table; and for every meter the tokens of a piece."""
    name, options, parts = ENCODINGS[kind]
    encoding = encodings.make(name, **options)
    pieces = {}
    for seed, meter in enumerate(METERS):
        numerator, denominator = map(int, meter.split("/"))
        pieces[meter] = piece(
            seed, parts=parts, meter=(numerator, denominator), pickup=4 * (seed % 2), durations=(1, 2, 2, 3, 4, 4, 8),
            chords=parts == 1, bars=6,
        )  # fmt: skip
    vocabulary = vocabulary_of(encoding, list(pieces.values()))
    tokens = {meter: encoding.encode(source)[0].tokens for meter, source in pieces.items()}
    return encoding, vocabulary, encoding.grammar(vocabulary), encoding.table(vocabulary), tokens


def random_set(random: np.random.Generator, kind: str, meter: str) -> tuple[list[Any], list[obeys.Judge]]:
    """Constraints and their judges; those that could contradict each other are mostly drawn to go together."""
    constraints: list[Any] = []
    judges: list[obeys.Judge] = []

    def take(constraint: Any, judge: obeys.Judge) -> None:
        constraints.append(constraint)
        judges.append(judge)

    def some(share: float) -> bool:
        return bool(random.random() < share)

    def any_of(choices):
        return choices[int(random.integers(len(choices)))]

    chords, key = some(0.35), ""
    if some(0.5):
        key = any_of(["C-major", "D-dorian"] if chords else list(SCALES))
        take(Scale(key), obeys.of_classes(SCALES[key]))
    elif some(0.3):
        key = "A-minor" if chords else any_of(list(KEYS))
        take(Key(key), obeys.of_classes(KEYS[key]))
    if some(0.3):
        if kind == "chorale" and some(0.5):
            ranges = ((60, 79), (55, 70), (0, 127), (40, 62))
            take(Range.of("soprano=C4-G5, Al=G3-A#4, bass=E2-D4"), obeys.in_range(*ranges))
        else:
            take(Range("F3", "C5"), obeys.in_range((53, 72)))
    if some(0.3):
        most = int(random.integers(3, 13))
        take(MaxLeap(most), obeys.leaps(most))
    if some(0.35):
        durations = any_of([("1/2", "1"), (0.25, 0.5), (1,), (1, 2), ("1/4, 3/4",), ("1/2",), (2, "1/4")])
        wanted = {Fraction(word) for one in durations for word in str(one).split(",")}
        take(Rhythm(*durations), obeys.lasting(wanted))
    if chords:
        most = min(obeys.BEATS[meter], 4 if meter != "5/8" else 2)
        names = [name for name in obeys.CHORDS if name != "E7alt" or not key]
        bars = [[any_of(names) for _ in range(random.integers(1, most + 1))] for _ in range(random.integers(1, 5))]
        strict = some(0.3)
        take(Chords(" | ".join(map(" ".join, bars)), strict), obeys.over(bars, strict))
    if some(0.35):
        home = key if key in HOMES else any_of(["C-major", "A-minor"]) if chords or key else any_of(list(HOMES))
        if not key or key in HOMES:
            take(End("tonic", home), obeys.ends_on(*HOMES[home]))
    if some(0.7):
        bars = int(random.integers(1, 5))
        take(Bars(bars), obeys.in_bars(bars))
    random.shuffle(constraints)  # the order makes no difference
    return constraints, judges


def steps_of(encoding: Any, tokens: list[str]) -> int:
    """The grid steps of a body, read off the tokens alone."""
    if encoding.name == "chorale":
        return len(tokens) // encoding.parts
    if encoding.name == "frames":
        return tokens.count("|")
    return int(sum(Fraction(token.partition("=")[2]) * 4 for token in tokens if "=" in token))


def one(seed: int) -> tuple[str, str]:
    """A random set with a random model: how it went, and for an error its text. Raises where something is broken."""
    random = np.random.default_rng(seed)
    kind, meter = list(ENCODINGS)[seed % len(ENCODINGS)], list(METERS)[int(random.integers(len(METERS)))]
    encoding, vocabulary, grammar, table, sources = made(kind)
    constraints, judges = random_set(random, kind, meter)
    begin = list(sources[meter][:3])
    given = []
    if random.random() < 0.2:  # a prime, up to any of its steps
        state, cuts = grammar.start(), []
        for place, id in enumerate(vocabulary.to_ids(sources[meter]).tolist()):
            cuts += [place] if place >= 3 and grammar.at_step(state) else []
            state = grammar.advance(state, id)
        given = sources[meter][3 : cuts[int(random.integers(len(cuts) // 2))]]
    for constraint in constraints:
        if "key" in constraint.controls:
            begin[0] = f"key={constraint.controls['key']}"
        if "pickup" in constraint.controls and not given:
            begin[2] = "pickup=0"
    wish = float(random.choice([-5.0, 0.0, 4.0]))
    try:
        bound = bind(constraints, Material(grammar, table, vocabulary.tokens, "music"))
        (row,) = sample(
            Setting(Noise(len(vocabulary), seed, {END: wish}), grammar, bound, Listener(grammar, table)),
            [vocabulary.to_ids([*begin, *given]).tolist()],
            [2000 if any(isinstance(constraint, Bars) for constraint in constraints) else 40],
            strategy=Strategy(float(random.choice([0.0, 1.0, 1.0, 3.0]))),
            random=streams(seed, 1),
        )
    except (SamplingError, ConfigError) as error:
        if not any(constraint_name(constraint) in str(error) for constraint in constraints):
            raise
        return "error", f"{kind} {meter} {[constraint_name(c) for c in constraints]}: {error}"
    tokens = [*given, *vocabulary.to_tokens(row.ids)]
    played = obeys.Played(
        encoding.decode([*begin, *tokens]), meter, steps_of(encoding, given), steps_of(encoding, tokens),
        int(begin[2].removeprefix("pickup=")),
    )  # fmt: skip
    assert played.piece.losses == {}
    for judge, name in zip(judges, [judge.__qualname__ for judge in judges], strict=True):
        assert judge(played), f"seed {seed}: {name} of {[constraint_name(c) for c in constraints]}"
    return "obeyed", ""


def constraint_name(constraint: Any) -> str:
    if isinstance(constraint, Bars):
        return f"{constraint.count} bar"
    if isinstance(constraint, MaxLeap):
        return f"at most {constraint.semitones} semitones"
    return constraint.name


def some_sets(seeds: range) -> None:
    outcomes = Counter(one(seed)[0] for seed in seeds)
    assert outcomes["error"] <= 0.05 * len(seeds)


def test_whatever_comes_out_obeys():
    some_sets(range(300))


@pytest.mark.slow
def test_whatever_comes_out_obeys_ten_thousand_times(request):
    some_sets(range(300, 10_300 if request.config.getoption("--full") else 2300))
