"""Greedy decoding: what sampling at temperature 0 takes, and the log-probability that each step says."""

import math

import numpy as np
import pytest
from made import Noise, Spelling, Toy, random_stepper, vocabulary_of

from seqgen import encodings
from seqgen.errors import SamplingError
from seqgen.sampling import Sampled, Setting, Strategy, beam, greedy, sample, streams, worth
from seqgen.vocabulary import END, START, Vocabulary

CHARS, WORDS = encodings.make("chars"), encodings.make("words")
ABC = vocabulary_of(CHARS, ["abc"])
LETTERS = Vocabulary.of("abcdefghijklmnopqrstuvwxyz ")


def setting(stepper, vocabulary=ABC, encoding=CHARS) -> Setting:
    return Setting(stepper, encoding.grammar(vocabulary))


def value_of(of: Setting, prefix: list[int], row: Sampled) -> float:
    """Step by step, a row alone."""
    state, value = of.stepper.start(1), 0.0
    moment = of.grammar.start()
    for id in prefix:
        moment = of.grammar.advance(moment, id)
    for id in [START, *prefix][:-1]:
        _, state = of.stepper.step(np.array([id]), state)
    last = prefix[-1] if prefix else START
    for id in [*row.ids, *[END] * row.ended]:
        logits, state = of.stepper.step(np.array([last]), state)
        legal = of.grammar.legal(moment)
        value += float(logits[0, id]) - math.log(math.fsum(np.exp(logits[0].astype(float))[legal]))
        if id != END:
            moment, last = of.grammar.advance(moment, id), id
    return value


@pytest.mark.parametrize("seed", range(6))
def test_it_takes_what_sampling_takes_at_temperature_0(seed):
    prefixes = [ABC.to_ids(text).tolist() for text in ("ab", "ca", "bb", "cc")]
    steps = [1, 3, 8, 20]
    found = greedy(setting(random_stepper(CHARS, ABC, seed)), prefixes, steps)
    sampled = sample(
        setting(random_stepper(CHARS, ABC, seed)),
        prefixes,
        steps,
        strategy=Strategy(temperature=0),
        random=streams(0, 4),
    )
    assert [row for row, _ in found] == sampled
    for prefix, (row, value) in zip(prefixes, found, strict=True):
        assert value == pytest.approx(value_of(setting(random_stepper(CHARS, ABC, seed)), prefix, row), abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_a_beam_of_one(seed):
    of = setting(random_stepper(CHARS, ABC, seed))
    ((row, value),) = greedy(of, [[]], [12])
    ((best, likely),) = beam(of, [], 12, 1)
    assert row == best
    assert value == pytest.approx(likely, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_what_was_drawn_is_worth_what_the_steps_say(seed):
    prefixes = [ABC.to_ids(text).tolist() for text in ("a", "b", "c", "a", "b")]
    of = setting(random_stepper(CHARS, ABC, seed))
    drawn = sample(of, prefixes, [6] * 5, strategy=Strategy(temperature=1.5), random=streams(seed, 5))
    for prefix, row, value in zip(prefixes, drawn, worth(of, prefixes, drawn), strict=True):
        assert value == pytest.approx(value_of(of, prefix, row), abs=1e-4)
    taken = greedy(of, prefixes, [6] * 5)
    assert worth(of, prefixes, [row for row, _ in taken]) == pytest.approx([value for _, value in taken], abs=1e-5)


def test_a_word_and_its_end_are_nearly_certain():
    stepper = Spelling(LETTERS, ["one", "twenty"])
    found = greedy(setting(stepper, LETTERS), [[], []], [10, 4])
    assert [("".join(LETTERS.to_tokens(row.ids)), row.steps, row.ended) for row, _ in found] == [
        ("one", 3, True),
        ("twen", 4, False),
    ]
    assert [value for _, value in found] == pytest.approx([0, 0], abs=1e-9)
    assert [len(call) for call in stepper.calls] == [2, 2, 2, 2]  # the end of the first is known before its fourth
    assert stepper.calls[0] == [START, START]


def test_glue_is_no_step_of_its_own():
    vocabulary = vocabulary_of(WORDS, ["a b", "a-b"])
    words = [["a", "<join>", "-", "<join>", "b"]]
    ((row, _),) = greedy(setting(Spelling(vocabulary, words), vocabulary, WORDS), [[]], [3])
    assert WORDS.decode(vocabulary.to_tokens(row.ids)) == "a-b"
    assert (row.steps, row.ended) == (3, False)


class Answering(Toy):
    """Its context says which letter to repeat."""

    def start(self, batch, context=None):
        self._wanted = list(context)
        return super().start(batch)

    def logits(self, row, time):
        return np.where(np.arange(self.n_values) == (self._wanted[row] if time < 2 else END), 9.0, 0.0)


def test_every_row_has_its_own_context():
    a, b, c = ABC.to_ids("abc").tolist()
    found = greedy(setting(Answering(len(ABC))), [[], [], []], [5] * 3, contexts=[c, a, b])
    assert [row.ids for row, _ in found] == [[c, c], [a, a], [b, b]]
    same = worth(setting(Answering(len(ABC))), [[]] * 3, [row for row, _ in found], contexts=[c, a, b])
    other = worth(setting(Answering(len(ABC))), [[]] * 3, [row for row, _ in found], contexts=[a, b, c])
    assert same == pytest.approx([value for _, value in found])
    assert max(other) < -15


def test_nothing_is_worth_nothing():
    of = setting(Noise(len(ABC)))
    assert worth(of, [[], []], [Sampled([], 0, False), Sampled([4], 1, False)])[0] == 0.0
    assert greedy(of, [], []) == []
    assert worth(of, [], []) == []


def test_logits_that_are_no_numbers_are_said():
    class Broken(Toy):
        def logits(self, row, time):
            return np.full(self.n_values, np.nan)

    with pytest.raises(SamplingError, match="not finite"):
        greedy(setting(Broken(len(ABC))), [[]], [3])
