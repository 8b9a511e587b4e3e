"""Beam search beside the enumeration of everything a small model can write."""

import math

import numpy as np
import pytest
from made import Noise, Uniform, random_stepper, vocabulary_of

from seqgen import encodings
from seqgen.constraints import Bound, Length, Match, Material, bind
from seqgen.errors import ConfigError, SamplingError
from seqgen.sampling import Setting, Strategy, beam, sample, streams
from seqgen.vocabulary import END, START

CHARS = encodings.make("chars")
ABC = vocabulary_of(CHARS, ["abc"])
EVERYTHING = 4000  # more than there are texts of up to six letters of three


def setting(constraints=(), seed=0, stepper=None) -> Setting:
    grammar = CHARS.grammar(ABC)
    bound = bind(constraints, Material(grammar, CHARS.table(ABC), ABC.tokens, "text"))
    return Setting(stepper or random_stepper(CHARS, ABC, seed), grammar, bound)


def enumerated(of: Setting, prefix: list[int], steps: int, must_end=False) -> dict[tuple[tuple[int, ...], bool], float]:
    """The log-probability of every sequence, by the rules of probability: ids and whether they end with END."""
    found = {}

    def go_on(ids: list[int], state, own, log_probability: float) -> None:
        logits, after = of.stepper.step(np.array([ids[-1] if ids else prefix[-1] if prefix else START]), state)
        logits = logits[0].astype(float).tolist()
        new = len(ids)
        legal = list(range(4, len(ABC))) + [END] * (new + len(prefix) > 0)
        if must_end and new == steps:
            legal = [END]
        mass = math.log(math.fsum(math.exp(logits[id]) for id in legal))
        for id in legal:
            value = log_probability + logits[id] - mass
            if id == END:
                found[tuple(ids), True] = value
            elif new + 1 == steps and not must_end:
                found[(*ids, id), False] = value
            else:
                go_on([*ids, id], of.stepper.take(after, np.array([0])), own, value)

    state = of.stepper.start(1)
    for id in [START, *prefix][:-1]:
        _, state = of.stepper.step(np.array([id]), state)
    go_on([], state, None, 0.0)
    return found


def normalised(value: float, ids, ended: bool, alpha: float) -> float:
    return value / ((5 + len(ids) + ended) / 6) ** alpha


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("prefix", ["", "ab"])
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_that_holds_everything_is_exact(seed, prefix, alpha):
    ids = ABC.to_ids(prefix).tolist()
    wanted = enumerated(setting(seed=seed), ids, 5)
    found = beam(setting(seed=seed), ids, 5, EVERYTHING, length_penalty=alpha)
    assert len(found) == len(wanted)
    assert math.isclose(math.fsum(map(math.exp, wanted.values())), 1, rel_tol=1e-9)
    scores = [normalised(value, row.ids, row.ended, alpha) for row, value in found]
    assert scores == sorted(scores, reverse=True)
    for row, value in found:
        assert row.steps == len(row.ids)
        assert math.isclose(value, wanted[tuple(row.ids), row.ended], rel_tol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("width", [1, 2, 5, 30])
def test_a_narrow_beam_finds_sequences_with_their_true_probabilities(width, alpha):
    for seed in range(10):
        wanted = enumerated(setting(seed=seed), [], 5)
        found = beam(setting(seed=seed), [], 5, width, length_penalty=alpha)
        assert len(found) == width
        assert len({(tuple(row.ids), row.ended) for row, _ in found}) == width
        for row, value in found:
            assert math.isclose(value, wanted[tuple(row.ids), row.ended], rel_tol=1e-5)
        assert found == beam(setting(seed=seed), [], 5, width, length_penalty=alpha)  # no chance in it


def test_a_wider_beam_finds_nothing_worse():
    """Not a law for every model, but for most; and the widest is the best there is."""
    better = 0
    for seed in range(20):
        values = [beam(setting(seed=seed), [], 6, width)[0][1] for width in (1, 3, EVERYTHING)]
        assert values[2] >= max(values) - 1e-5  # the numbers of float32 depend a little on the rows beside
        better += values[1] >= values[0] - 1e-5
    assert better >= 18


def test_a_width_of_one_is_greedy():
    for seed in range(20):
        ((row, _),) = beam(setting(seed=seed), [], 8, 1)
        (wanted,) = sample(setting(seed=seed), [[]], [8], strategy=Strategy(temperature=0), random=streams(0, 1))
        assert row == wanted


def test_under_constraints_it_is_exact_among_what_they_allow():
    """Probabilities are over what is legal at each id, as in sampling."""
    found = beam(setting([Match("a?b*c")]), [], 4, EVERYTHING)
    texts = {"".join(ABC.to_tokens(row.ids)) for row, _ in found}
    assert texts == {"c", "ac", "bc", "abc", "bbc", "bbbc", "abbc"}
    assert all(row.ended for row, _ in found)
    assert math.isclose(math.fsum(math.exp(value) for _, value in found), 1, rel_tol=1e-6)
    values = [value for _, value in found]
    assert values == sorted(values, reverse=True)
    for width in (1, 2, 3):
        for row, _ in beam(setting([Length(3)]), [], 9, width):
            assert len(row.ids) == row.steps == 3
            assert row.ended


def test_equals_come_in_the_order_of_their_ids():
    found = beam(setting(stepper=Uniform(len(ABC))), [], 2, 4)
    assert [row.ids for row, _ in found] == sorted(row.ids for row, _ in found)


def test_length_normalisation_favours_the_long():
    stepper = Noise(len(ABC), favour={END: 1.0})
    short = beam(setting(stepper=stepper), [], 12, 10)[0][0]
    long = beam(setting(stepper=Noise(len(ABC), favour={END: 1.0})), [], 12, 10, length_penalty=5)[0][0]
    assert len(long.ids) > len(short.ids)


def test_what_cannot_be_searched_is_an_error():
    for steps, width in ((0, 1), (1, 0)):
        with pytest.raises(ConfigError, match=f"a width of 1 or more, not {steps} and {width}"):
            beam(setting(), [], steps, width)
    for alpha in (-0.1, math.nan, 11):
        with pytest.raises(ConfigError, match="length penalty must be 0"):
            beam(setting(), [], 5, 3, length_penalty=alpha)

    class Nothing(Bound):
        name = "nothing"

        def legal(self, own, moment):
            return np.zeros(len(ABC), bool) if moment.steps == 2 else np.arange(len(ABC)) > END

    with pytest.raises(SamplingError, match="nothing may follow after 2 steps: nothing leave no legal token"):
        beam(setting()._replace(bound=[Nothing()]), [], 5, 3)

    class Open(Nothing):
        name, must_end = "open", True

        def legal(self, own, moment):
            return np.arange(len(ABC)) > END

    with pytest.raises(SamplingError, match="no sequence came to its end within 3 steps"):
        beam(setting()._replace(bound=[Open()]), [], 3, 2)

    class Broken(Noise):
        def logits(self, row, time):
            return super().logits(row, time) * (math.nan if time == 2 else 1)

    with pytest.raises(SamplingError, match="not finite"):
        beam(setting(stepper=Broken(len(ABC), favour={END: -9})), [], 5, 2)


@pytest.mark.parametrize("seed", range(4))
def test_the_search_is_over_when_nothing_can_become_better(seed):
    """Though a length penalty treats the long well: no text gets longer than its steps allow."""
    stepper = Noise(len(ABC), seed, favour={END: 2.0})
    of = setting(stepper=stepper)
    found = beam(of, [], 80, 3, length_penalty=0.6)
    assert len(stepper.calls) < 20
    of.grammar.most_ids = 10**6  # as if nothing were known of that
    patient = Noise(len(ABC), seed, favour={END: 2.0})
    assert beam(of._replace(stepper=patient), [], 80, 3, length_penalty=0.6) == found
    assert len(patient.calls) > 50
