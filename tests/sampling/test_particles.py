"""Particles beside exact conditionals: a chain small enough that everything it can spell is enumerated."""

from collections import Counter
from itertools import pairwise, product
from math import prod

import numpy as np
import pytest
from made import Toy, piece, random_stepper, untrained

from seqgen import encodings
from seqgen.constraints import Bound
from seqgen.errors import SamplingError
from seqgen.sampling import Setting, Strategy, sample, streams
from seqgen.vocabulary import END, START, Vocabulary

CHARS = encodings.make("chars")
LETTERS = Vocabulary.of("abc")
GRAMMAR = CHARS.grammar(LETTERS)
# What follows what: from the row to the letters a, b, c and the end. An a is rare but after a c, and rarest after an a.
FOLLOWS = {
    START: (0.3, 0.4, 0.3, 0.0),
    LETTERS.ids["a"]: (0.02, 0.08, 0.6, 0.3),
    LETTERS.ids["b"]: (0.05, 0.6, 0.05, 0.3),
    LETTERS.ids["c"]: (0.5, 0.1, 0.2, 0.2),
}
PLAIN = Strategy()
IDS = (*LETTERS.to_ids("abc").tolist(), END)


class Chain:
    """A stepper that remembers one id."""

    n_values = len(LETTERS)

    def start(self, batch, context=None):
        return (np.zeros(batch),)

    def step(self, ids, state, features=None):
        logits = np.full((len(ids), self.n_values), -np.inf, np.float32)
        with np.errstate(divide="ignore"):
            logits[:, IDS] = np.log([FOLLOWS[int(id)] for id in ids])
        return logits, state

    def take(self, state, rows):
        return tuple(array[rows] for array in state)


class Spelled(Bound):
    """A text that looks like this; a dot is any letter. Its masks see one id ahead and no further."""

    must_end = True

    def __init__(self, pattern: str) -> None:
        self.name, self.pattern = f"pattern {pattern}", pattern
        letters = np.isin(np.arange(len(LETTERS)), IDS[:-1])
        self.masks = [letters if sign == "." else np.arange(len(LETTERS)) == LETTERS.ids[sign] for sign in pattern]
        self.masks.append(np.arange(len(LETTERS)) == END)

    def start(self, given, moment):
        return 0

    def advance(self, own, id, moment):
        return own + 1

    def legal(self, own, moment):
        return self.masks[own]


def texts(pattern, particles, count, *, stepper=None, seed=0, steps=20, strategy=PLAIN):
    """`count` samples of texts that look like the pattern; any text at all where it is empty."""
    rows = sample(
        Setting(stepper or Chain(), GRAMMAR, [Spelled(pattern)] if pattern else []),
        [[]] * count,
        [steps] * count,
        strategy=strategy,
        random=streams(seed, count),
        particles=particles,
    )
    return ["".join(LETTERS.to_tokens(row.ids)) for row in rows]


def believed(text: str) -> float:
    """The probability of a text in the chain, its end included."""
    ids = [START, *LETTERS.to_ids(text).tolist(), END]
    return prod(FOLLOWS[before][IDS.index(id)] for before, id in pairwise(ids))


def conditional(pattern: str) -> dict[str, float]:
    """Every text that looks like the pattern, with its exact probability given that."""
    every = ["".join(letters) for letters in product(*("abc" if sign == "." else sign for sign in pattern))]
    total = sum(map(believed, every))
    return {text: believed(text) / total for text in every}


def masked(pattern: str) -> dict[str, float]:
    """The same, if every letter is only chosen among those that are legal."""
    found = {}
    for text in conditional(pattern):
        share, before = 1.0, START
        for sign, letter in zip(pattern, text, strict=True):
            legal = sum(FOLLOWS[before][:3]) if sign == "." else FOLLOWS[before]["abc".index(letter)]
            share *= FOLLOWS[before]["abc".index(letter)] / legal
            before = LETTERS.ids[letter]
        found[text] = share
    return found


def distance(samples, exact: dict[str, float]) -> float:
    """Total variation between the samples' distribution and the exact one."""
    seen = Counter(samples)
    assert set(seen) <= set(exact)
    return sum(abs(seen[text] / len(samples) - share) for text, share in exact.items()) / 2


# --- the error falls with the number of particles ---------------------------------------------------------------------


def test_one_particle_obeys_but_samples_what_the_masks_make_of_it():
    samples = texts("..ab", 1, 4000)
    assert distance(samples, masked("..ab")) < 0.03  # about 0.02 by chance
    assert distance(samples, conditional("..ab")) > 0.45
    assert sum(abs(masked("..ab")[text] - share) for text, share in conditional("..ab").items()) / 2 > 0.45


def test_the_error_falls_with_the_particles():
    """About as 1 over their number, from half of everything to what chance alone leaves of so many samples."""
    found = [distance(texts(".a.", particles, 3000), conditional(".a.")) for particles in (1, 2, 4, 8, 16, 32)]
    assert found[0] > 0.45
    for fewer, more in pairwise(found[:5]):
        assert more < 0.75 * fewer
    assert found[4] < 0.05
    assert found[5] < 0.03


def test_what_may_end_at_any_time_is_weighed_with_what_has_ended():
    """Texts of up to four letters that end in a: some particles have ended while others go on, and some find no end."""

    class EndsInA(Bound):
        name, must_end = "ends in a", True

        def start(self, given, moment):
            return False

        def advance(self, own, id, moment):
            return id == LETTERS.ids["a"]

        def legal(self, own, moment):
            return np.arange(len(LETTERS)) != (-1 if own else END)

    every = ["".join(letters) + "a" for length in range(4) for letters in product("abc", repeat=length)]
    total = sum(map(believed, every))
    exact = {text: believed(text) / total for text in every}
    found = []
    for particles in (1, 8, 32):
        rows = sample(
            Setting(Chain(), GRAMMAR, [EndsInA()]),
            [[]] * 1200,
            [4] * 1200,
            strategy=Strategy(),
            random=streams(1, 1200),
            particles=particles,
        )
        assert all(row.ended for row in rows)
        found.append(distance(["".join(LETTERS.to_tokens(row.ids)) for row in rows], exact))
    assert found[0] > 1.8 * found[1] > 3 * found[2]
    assert found[2] < 0.06  # about 0.04 by chance


@pytest.mark.parametrize("particles", [1, 6])
def test_without_constraints_particles_change_nothing(particles):
    """Texts of up to three letters, cut there: each as probable as the chain says."""
    exact = {}
    for length in range(1, 4):
        for letters in product("abc", repeat=length):
            text = "".join(letters)
            goes_on = 1 - FOLLOWS[LETTERS.ids[text[-1]]][3]
            exact[text] = believed(text) * (1 if length < 3 else 1 + goes_on / (1 - goes_on))
    assert sum(exact.values()) == pytest.approx(1)
    assert distance(texts("", particles, 4000, steps=3), exact) < 0.04  # about 0.03 by chance


def test_the_belief_is_that_of_the_temperature():
    """At temperature 2 the chain itself is another one."""
    flatter = {before: np.sqrt(shares) / np.sqrt(shares).sum() for before, shares in FOLLOWS.items()}
    weights = {}
    for text in conditional("..ab"):
        ids = [START, *LETTERS.to_ids(text).tolist(), END]
        weights[text] = prod(flatter[before][IDS.index(id)] for before, id in pairwise(ids))
    exact = {text: weight / sum(weights.values()) for text, weight in weights.items()}
    assert distance(conditional_samples := texts("..ab", 32, 2000, strategy=Strategy(2.0)), exact) < 0.05
    assert distance(conditional_samples, conditional("..ab")) > 0.1


def test_a_network_is_sampled_as_it_believes():
    stepper = random_stepper(CHARS, LETTERS, seed=3, scale=1.5)

    def probability(text: str) -> float:
        ids = [START, *LETTERS.to_ids(text).tolist(), END]
        state, share, step_grammar = stepper.start(1), 1.0, GRAMMAR.start()
        for before, id in pairwise(ids):
            logits, state = stepper.step(np.array([before]), state)
            weights = np.where(GRAMMAR.legal(step_grammar), np.exp(logits[0].astype(float)), 0)
            share *= weights[id] / weights.sum()
            step_grammar = GRAMMAR.advance(step_grammar, id)
        return share

    weights = {text: probability(text) for text in conditional("...cb")}
    exact = {text: weight / sum(weights.values()) for text, weight in weights.items()}
    found = [distance(texts("...cb", particles, 2000, stepper=stepper), exact) for particles in (1, 4, 16)]
    assert found[0] > 1.5 * found[1] > 2 * found[2]
    assert found[2] < 0.06


# --- what becomes of particles ----------------------------------------------------------------------------------------


def test_weights_are_not_taken_twice_where_a_sequence_goes_back():
    """Once, in the middle, nothing is legal in any row, so that all go back by an id and weigh it again."""

    class Once(Spelled):
        rounds = 0

        def legal(self, own, moment):
            self.rounds += own == 2
            return super().legal(own, moment) & (own != 2 or self.rounds > 32)

    rows = []
    for random in streams(1, 400):
        setting = Setting(Chain(), GRAMMAR, [Once(".a.")])
        rows += sample(setting, [[]], [20], strategy=Strategy(), random=[random], particles=32)
    assert distance(["".join(LETTERS.to_tokens(row.ids)) for row in rows], conditional(".a.")) < 0.06


def test_where_all_particles_die_they_go_back():
    """The letter after next decides, and masks do not see it coming: nothing may follow b."""

    class NothingAfterB(Spelled):
        def advance(self, own, id, moment):
            return (own[0] + 1 if isinstance(own, tuple) else 1, id)

        def legal(self, own, moment):
            place, last = own if isinstance(own, tuple) else (0, 0)
            return self.masks[place] & (last != LETTERS.ids["b"])

    for particles in (1, 2, 3):
        rows = sample(
            Setting(Chain(), GRAMMAR, [NothingAfterB("......")]),
            [[]] * 100,
            [20] * 100,
            strategy=Strategy(),
            random=streams(4, 100),
            particles=particles,
        )
        found = ["".join(LETTERS.to_tokens(row.ids)) for row in rows]
        assert {len(text) for text in found} == {6}
        assert "b" not in "".join(found)
    with pytest.raises(SamplingError, match="leave no legal token, also after going back"):
        sample(
            Setting(Chain(), GRAMMAR, [NothingAfterB("..b..")]),
            [[]],
            [20],
            strategy=Strategy(),
            random=streams(0, 1),
            particles=4,
        )


def test_the_seed_decides_whatever_stands_beside_it():
    many = texts("...ab", 8, 20, seed=5)
    assert texts("...ab", 8, 20, seed=5) == many
    assert texts("...ab", 8, 3, seed=5) == many[:3]
    assert texts("...ab", 8, 20, seed=6) != many


def test_particles_that_are_greedy_are_all_the_same():
    assert texts("...ab", 8, 2, strategy=Strategy(0)) == texts("...ab", 1, 2, strategy=Strategy(0))


class Counting(Toy):
    """Uniform, and counts its rows."""

    def logits(self, row, time):
        return np.zeros(self.n_values)


def test_all_particles_are_one_batch():
    stepper = Counting(len(LETTERS))
    texts("...", 7, 3, stepper=stepper)
    assert [len(call) for call in stepper.calls] == [3, 21, 21, 21]


@pytest.mark.parametrize(
    ("name", "options", "parts"), [("notes", {}, 1), ("chorale", {"parts": 2}, 2), ("frames", {}, 2)]
)
def test_particles_of_music_obey(name, options, parts):
    sources = [piece(seed, parts=parts) for seed in range(3)]
    model = untrained(name, sources, **options)
    one, two = model.generate(bars=2, count=2, particles=5, seed=1)
    assert model.generate(bars=2, count=2, particles=5, seed=1) == [one, two]
    assert one != two
    for made in (one, two):
        assert 0 < made.end_tick <= 32
        assert made.losses == {}
