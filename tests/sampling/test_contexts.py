"""Sampling and beam search with something to read: rows with different sources are what they would be alone."""

import math

import numpy as np
import pytest
from made import Toy, random_weights

from seqgen import encodings
from seqgen.architecture import Seq2Seq
from seqgen.constraints import Bound, Length, Material, bind
from seqgen.runtime import Seq2SeqStepper
from seqgen.sampling import Setting, Strategy, Walk, beam, broken, sample, streams
from seqgen.vocabulary import END, START, Vocabulary

CHARS = encodings.make("chars")
LETTERS = Vocabulary.of("abcde")
GRAMMAR = CHARS.grammar(LETTERS)
SHAPES = {
    "states": {},
    "additive": {"attention": "additive", "bidirectional": True},
    "multiplicative": {"attention": "multiplicative", "decoder_layers": 2},
    "aligned": {"attention": "aligned", "alignment": (1, 2)},
    "same-length": {"decoder_layers": 0, "bridge": "none", "feedback": False, "length": 4},
}
shapes = pytest.mark.parametrize("shape", SHAPES)


def reader(shape: str) -> Seq2SeqStepper:
    parts = {"cell": "lstm", "n_a": 6, "encoder_layers": 1, "decoder_layers": 1, "source_values": 9}
    model = Seq2Seq(**{**parts, "n_values": len(LETTERS), **SHAPES[shape]})
    weights = random_weights(model, seed=4, scale=0.9)
    weights["densor/bias"][END] -= 1.5
    return Seq2SeqStepper(model, weights, threads=1)


def sources(stepper: Seq2SeqStepper, count: int) -> list:
    random = np.random.default_rng(1)
    return stepper.encode([random.integers(4, 9, size=random.integers(1, 12)) for _ in range(count)])


def setting(stepper, constraints=()) -> Setting:
    return Setting(stepper, GRAMMAR, bind(constraints, Material(GRAMMAR, CHARS.table(LETTERS), LETTERS.tokens, "text")))


@shapes
@pytest.mark.parametrize(("constraints", "particles"), [((), 1), ((Length(5),), 1), ((Length(5),), 6), ((), 3)])
def test_rows_with_different_sources_are_what_they_are_alone(shape, constraints, particles):
    stepper = reader(shape)
    read = sources(stepper, 9)
    read = [*read, read[0], read[0]]
    among = setting(stepper, constraints)
    options = {"strategy": Strategy(temperature=1.3), "particles": particles}
    rows = sample(among, [[]] * 11, [12] * 11, random=streams(3, 11), contexts=read, **options)
    for number, row in enumerate(rows):
        random = streams(3, 11)[number]
        assert sample(among, [[]], [12], random=[random], contexts=[read[number]], **options) == [row]
    assert len({tuple(row.ids) for row in rows}) > 5


class Trap(Bound):
    """Two ids after an `a` nothing is legal."""

    name = "trap"

    def start(self, given, moment):
        return 0

    def advance(self, own, id, moment):
        return own + 1 if own else int(id == LETTERS.ids["a"])

    def legal(self, own, moment):
        return np.zeros(len(LETTERS), bool) if own == 3 else None


@shapes
def test_going_back_keeps_to_the_source(shape):
    stepper = reader(shape)
    read = sources(stepper, 6)
    among = setting(stepper, [Length(7)])
    among = among._replace(bound=[*among.bound, Trap()])
    rows = sample(among, [[]] * 6, [12] * 6, strategy=Strategy(), random=streams(2, 6), contexts=read)
    for number, row in enumerate(rows):
        assert LETTERS.ids["a"] not in row.ids[:-3]
        random = [streams(2, 6)[number]]
        assert sample(among, [[]], [12], strategy=Strategy(), random=random, contexts=[read[number]]) == [row]


def test_the_logits_are_those_of_its_own_source():
    stepper = reader("additive")
    read = sources(stepper, 4)
    rows = sample(setting(stepper), [[]] * 4, [9] * 4, strategy=Strategy(0), random=streams(0, 4), contexts=read)
    for row, source in zip(rows, read, strict=True):
        ids = [START, *row.ids]
        state = stepper.start(1, [source])
        for place, following in enumerate([*row.ids, END][: len(ids) if row.ended else -1]):
            logits, state = stepper.step(np.array([ids[place]]), state)
            legal = GRAMMAR.legal(min(place, 1))
            assert np.where(legal, logits[0], -np.inf).argmax() == following


class Listening(Toy):
    """Uniform, and says what it was started with."""

    def __init__(self) -> None:
        super().__init__(len(LETTERS))
        self.contexts: list = []

    def logits(self, row, time):
        return np.zeros(self.n_values)

    def start(self, batch, context=None):
        self.contexts.append(context)
        return super().start(batch)


def test_those_that_are_sampled_together_are_given_theirs():
    """In chunks, so that what is read takes no more memory for more of them; without anything to read, None."""
    stepper, named = Listening(), [f"source {number}" for number in range(300)]
    for contexts, wanted in [(named, [named[:128], named[128:256], named[256:]]), (None, [None])]:
        stepper.contexts = []
        sample(setting(stepper), [[]] * 300, [2] * 300, strategy=Strategy(), random=streams(0, 300), contexts=contexts)
        assert stepper.contexts == wanted
    stepper.contexts = []
    beam(setting(stepper), [], 2, 3, context="one")
    beam(setting(stepper), [], 2, 3)
    Walk.begin(setting(stepper), [[4], [5]], contexts=["a", "b"])
    assert stepper.contexts == [["one"], None, ["a", "b"]]


def test_what_a_prime_goes_against_is_known_without_a_model():
    """So nothing has to be read for it."""
    stepper = Listening()
    assert broken(setting(stepper, [Length(2)]), [], LETTERS.to_ids("abc").tolist()) == ["length 2"]
    assert stepper.contexts == []


# beam search


@shapes
def test_a_beam_finds_what_the_model_believes_of_the_source(shape):
    """Every sequence of up to three letters, each with its probability given the source."""
    stepper = reader(shape)
    for source in sources(stepper, 3):
        found = beam(setting(stepper), [], 3, 1000, context=source)
        assert len(found) == 5 + 25 + 125
        assert math.isclose(math.fsum(math.exp(value) for _, value in found), 1, rel_tol=1e-6)
        for row, value in found[::20]:
            ids, wanted, state = [START, *row.ids], 0.0, stepper.start(1, [source])
            for place, following in enumerate([*row.ids, END][: len(ids) - (not row.ended)]):
                logits, state = stepper.step(np.array([ids[place]]), state)
                legal = np.flatnonzero(GRAMMAR.legal(min(place, 1)))
                scores = logits[0].astype(float)
                wanted += scores[following] - math.log(math.fsum(np.exp(scores[legal])))
            assert math.isclose(value, wanted, rel_tol=1e-5)


@shapes
def test_a_width_of_one_is_greedy(shape):
    stepper = reader(shape)
    for source in sources(stepper, 8):
        ((row, _),) = beam(setting(stepper), [], 12, 1, context=source)
        assert [row] == sample(
            setting(stepper), [[]], [12], strategy=Strategy(0), random=streams(0, 1), contexts=[source]
        )


@shapes
@pytest.mark.parametrize("width", [2, 5])
def test_a_beam_is_the_same_whatever_was_searched_before(shape, width):
    stepper = reader(shape)
    read = sources(stepper, 4)
    found = [beam(setting(stepper), [], 12, width, context=source) for source in read]
    for source, wanted in zip(reversed(read), reversed(found), strict=True):
        again = beam(setting(reader(shape)), [], 12, width, context=source)
        assert [row for row, _ in again] == [row for row, _ in wanted]
