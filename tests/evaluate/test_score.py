"""The score beside a plain one: one sequence and one token at a time, its rules read off the tokens themselves."""

import math
import random
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import Noise, Uniform, piece, random_stepper, vocabulary_of

from seqgen import encodings
from seqgen.corpus.dataset import IdSequence
from seqgen.errors import ConfigError, SamplingError, TokenError
from seqgen.evaluate import score
from seqgen.vocabulary import END, START, UNK, Vocabulary

VERSE = ["The rose is red, the violet blue,\nand so are you.", "a", "Blue; red?", "so,  so\n\nred", "the the the"]
MADE = {
    "chars": ("chars", {}, VERSE, VERSE[2:]),
    "bytes": ("bytes", {}, VERSE, VERSE[1:3]),
    "words": ("words", {}, VERSE, VERSE[2:]),
    "notes": ("notes", {}, [piece(seed) for seed in range(4)], [piece(seed) for seed in range(2, 5)]),
    "chorale": (
        "chorale",
        {"parts": 2},
        [piece(seed, parts=2, key=seed) for seed in range(4)],
        [piece(seed, parts=2, bars=seed, meter=(3, 4)) for seed in range(1, 4)],
    ),
    "frames": (
        "frames",
        {},
        [piece(seed, parts=2, chords=True, meter=(3, 4)) for seed in range(3)],
        [piece(seed, parts=2, chords=True, pickup=2, bars=seed, meter=(3, 4)) for seed in range(1, 4)],
    ),
}
UNSEEN = {  # sources with tokens that the vocabulary of MADE does not have, the last with a meter
    "chars": ["Qu'est?"],
    "words": ["a zebra is red"],
    "notes": [piece(1, durations=(7,)), piece(2, meter=(5, 8))],
    "chorale": [piece(3, parts=2, meter=(5, 8), pickup=3)],
    "frames": [piece(3, parts=1, meter=(5, 8), pickup=3)],
}
every = pytest.mark.parametrize("name", MADE)


def as_ids(encoding, vocabulary, sources, names="piece"):
    sequences = []
    for number, source in enumerate(sources):
        tokens = ["<start>", *encoding.encode(source)[0].tokens, "<end>"]
        characters = len(source) if isinstance(source, str) else 0
        sequences.append(IdSequence(f"{names} {number}", vocabulary.to_ids(tokens).astype(np.uint16), characters))
    return sequences


def built(name, more=()):
    """encoding, vocabulary, sequences to score"""
    kind, options, known, scored = MADE[name]
    encoding = encodings.make(kind, **options)
    vocabulary = vocabulary_of(encoding, known)
    return encoding, vocabulary, as_ids(encoding, vocabulary, [*scored, *more])


def plain(stepper, encoding, vocabulary, sequences, window=None) -> dict:
    """The figures by their definitions; see the docstring of seqgen.evaluate.score."""
    grammar = encoding.grammar(vocabulary)
    controls = 3 if encoding.unit == "music" else 0
    costs, ends, best, unknown, steps, a_piece = [], [], [], 0, 0, []
    for sequence in sequences:
        tokens = [vocabulary.tokens[id] for id in sequence.ids]
        state, place, inside, frames = stepper.start(1), grammar.start(), [], 0
        for index, (given_, wanted) in enumerate(zip(sequence.ids[:-1], sequence.ids[1:], strict=True)):
            if window and index % window == 0:
                state = stepper.start(1)
            features = np.array([grammar.features(place)]) if grammar.feature_sizes else None
            logits, state = stepper.step(np.array([given_]), state, features)
            allowed = [id for id in range(len(vocabulary)) if grammar.legal(place)[id] or id == UNK]
            values = {id: float(logits[0, id]) for id in allowed}
            if wanted != END:
                place = grammar.advance(place, int(wanted))
            if index < controls:
                assert "=" in tokens[index + 1] or wanted == UNK
                continue
            cost = math.log(math.fsum(math.exp(value) for value in values.values())) - values[int(wanted)]
            (ends if wanted == END else inside).append(cost)
            best.append(max(values, key=lambda id: values[id]) == wanted)
            unknown += wanted == UNK
            frames += wanted != END and grammar.at_step(place)
        costs += inside
        steps += frames
        if frames:
            a_piece.append(sum(inside) / frames)
    total = len(costs) + len(ends)
    figures = {
        "nats_per_token": (sum(costs) + sum(ends)) / total,
        "perplexity": math.exp((sum(costs) + sum(ends)) / total),
        "accuracy": sum(best) / total,
        "tokens": total,
        "unknown": unknown,
        "files": len(sequences),
    }
    if encoding.unit == "text" and not unknown:
        characters = sum(sequence.characters for sequence in sequences)
        figures |= {"nats_per_character": sum(costs) / characters, "characters": characters}
        figures |= {"bits_per_character": sum(costs) / characters / math.log(2)}
    if encoding.unit == "music":
        figures |= {"nats_per_step": sum(costs) / steps, "steps": steps}
    if encoding.name == "frames":
        figures |= {"nats_per_frame": sum(costs) / steps, "frames": steps}
        figures |= {"nats_per_frame_piece_mean": sum(a_piece) / len(a_piece)}
    return figures


def check(got: dict, wanted: dict) -> None:
    assert set(got) == set(wanted)
    for name, value in wanted.items():
        assert got[name] == (value if isinstance(value, int) else pytest.approx(value, rel=1e-5)), name


@every
@pytest.mark.parametrize("window", [None, 1, 5])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_score_is_the_plain_one(name, window, cell):
    encoding, vocabulary, sequences = built(name)
    stepper = random_stepper(encoding, vocabulary, seed=1, cell=cell)
    got = score(stepper, encoding, vocabulary, sequences, window=window).as_dict()
    check(got, plain(stepper, encoding, vocabulary, sequences, window))
    assert got["unknown"] == 0


class Counting:
    """Never forgets: what it says depends on how many ids came since the start."""

    def __init__(self, n_values):
        self.n_values = n_values

    def start(self, batch, context=None):
        return (np.zeros((batch, 1)),)

    def step(self, ids, state, features=None):
        (count,) = state
        count += ids[:, None]
        return np.sin(count * np.arange(1, self.n_values + 1)).astype(np.float32), (count,)

    def take(self, state, rows):
        return tuple(array[np.asarray(rows)] for array in state)


@pytest.mark.parametrize("name", ["chars", "frames"])
@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize("window", [None, 11])
def test_a_long_sequence_is_scored_in_pieces_as_if_in_one(name, forgets, window, monkeypatch):
    """The state that a piece finds by reading before itself is right if the model forgets, and corrected if not."""
    for name_of_limit, value in {"_SHORTEST_PIECE": 7, "_READ_BEFORE": 3, "_BATCH": 5}.items():
        monkeypatch.setattr(sys.modules["seqgen.evaluate.score"], name_of_limit, value)
    encoding, vocabulary, sequences = built(name, MADE[name][2])
    stepper = random_stepper(encoding, vocabulary, seed=4) if forgets else Counting(len(vocabulary))
    assert max(len(sequence.ids) for sequence in sequences) > 20
    got = score(stepper, encoding, vocabulary, sequences, window=window).as_dict()
    check(got, plain(stepper, encoding, vocabulary, sequences, window))


@pytest.mark.parametrize("name", UNSEEN)
def test_what_the_vocabulary_does_not_have_is_scored_as_unknown(name):
    encoding, vocabulary, sequences = built(name, UNSEEN[name])
    stepper = random_stepper(encoding, vocabulary, seed=2)
    got = score(stepper, encoding, vocabulary, sequences).as_dict()
    check(got, plain(stepper, encoding, vocabulary, sequences))
    assert UNK in np.concatenate([sequence.ids for sequence in sequences])
    if encoding.unit == "text":
        assert got["unknown"] > 0
        assert "nats_per_character" not in got  # an unknown token may be any number of characters
        assert "characters" not in got


def test_an_unknown_control_is_given_like_the_others():
    """The meter 5/8 is unknown here; it is no target, and so not counted."""
    encoding, vocabulary, _ = built("chorale")
    (odd,) = as_ids(encoding, vocabulary, UNSEEN["chorale"])
    assert odd.ids[2] == UNK
    result = score(random_stepper(encoding, vocabulary), encoding, vocabulary, [odd])
    assert result.tokens == len(odd.ids) - 1 - 3
    assert result.unknown == int((odd.ids[4:] == UNK).sum())


@pytest.mark.parametrize("name", ["words", "frames"])
@given(seed=st.integers(0, 10**6), copies=st.integers(1, 30))
@settings(max_examples=8)
def test_order_and_company_do_not_matter(name, seed, copies):
    """More than 64 sequences do not fit side by side: they take turns."""
    encoding, vocabulary, sequences = built(name)
    stepper = random_stepper(encoding, vocabulary, seed=3)
    many = sequences * copies
    random.Random(seed).shuffle(many)
    alone = [score(stepper, encoding, vocabulary, [sequence]) for sequence in sequences]
    tokens = sum(one.tokens for one in alone)
    together = score(stepper, encoding, vocabulary, many)
    assert together.tokens == copies * tokens
    mean = sum(one.nats_per_token * one.tokens for one in alone) / tokens
    assert together.nats_per_token == pytest.approx(mean, abs=1e-6)
    if name == "frames":
        means = [one.nats_per_frame for one in alone]
        assert together.nats_per_frame_piece_mean == pytest.approx(np.mean(means), abs=1e-6)


@every
def test_a_stepper_that_knows_nothing_costs_the_log_of_what_is_legal(name):
    encoding, vocabulary, sequences = built(name)
    grammar = encoding.grammar(vocabulary)
    nats, targets = 0.0, 0
    for sequence in sequences:
        state = grammar.start()
        for place, id in enumerate(sequence.ids[1:].tolist()):
            if place >= (3 if encoding.unit == "music" else 0):
                nats += math.log(grammar.legal(state).sum() + 1)  # UNK too
                targets += 1
            state = grammar.advance(state, id) if id != END else state
    result = score(Uniform(len(vocabulary)), encoding, vocabulary, sequences)
    assert result.tokens == targets
    assert result.nats_per_token == pytest.approx(nats / targets, rel=1e-12)
    assert result.perplexity == pytest.approx(math.exp(nats / targets))


def test_a_stepper_that_knows_everything_costs_nothing():
    encoding = encodings.make("chars")
    vocabulary = Vocabulary.of("abc")
    text = IdSequence("text", np.array([START, 4, 5, 6, 5, END], np.uint16), 4)

    class Knowing(Uniform):
        def logits(self, row, time):
            return np.where(np.arange(self.n_values) == text.ids[time + 1], 100.0, 0.0)

    result = score(Knowing(len(vocabulary)), encoding, vocabulary, [text])
    assert result.accuracy == 1.0
    assert result.nats_per_token == 0.0
    assert result.bits_per_character == 0.0
    assert (result.tokens, result.characters) == (5, 4)


def test_end_counts_in_nats_per_token_only():
    encoding = encodings.make("chars")
    vocabulary = Vocabulary.of("abc")
    text = IdSequence("text", np.array([START, 4, 4, END], np.uint16), 2)
    result = score(Uniform(len(vocabulary)), encoding, vocabulary, [text])
    first, later = math.log(3 + 1), math.log(3 + 1 + 1)  # three letters and UNK; END where there is a letter
    assert result.nats_per_token == pytest.approx((first + later + later) / 3)
    assert result.nats_per_character == pytest.approx((first + later) / 2)


@pytest.mark.parametrize("window", [1, 3, 1000])
def test_the_window_forgets(window):
    """A stepper that says at what time it is: with a window it never sees more than that."""
    encoding, vocabulary, sequences = built("chars")

    class Watching(Noise):
        longest = 0

        def logits(self, row, time):
            Watching.longest = max(Watching.longest, time)
            return super().logits(row, time)

    score(Watching(len(vocabulary)), encoding, vocabulary, sequences[:1], window=window)
    assert Watching.longest == min(window, len(sequences[0].ids) - 1) - 1


@every
def test_an_illegal_target_is_an_error_naming_the_place(name):
    encoding, vocabulary, sequences = built(name)
    bad = sequences[0].ids.copy()
    place = len(bad) // 2
    bad[place] = START
    with pytest.raises(TokenError, match=rf"piece 0: id {START} is not legal at token {place}$"):
        score(Uniform(len(vocabulary)), encoding, vocabulary, [sequences[1], sequences[0]._replace(ids=bad)])


@pytest.mark.parametrize("name", ["chars", "words", "notes"])
def test_an_empty_sequence_is_illegal(name):
    encoding, vocabulary, sequences = built(name)
    controls = 3 if encoding.unit == "music" else 0
    empty = IdSequence("nothing", np.array([*sequences[0].ids[: 1 + controls], END], np.uint16))
    with pytest.raises(TokenError, match=f"nothing: id {END} is not legal at token {controls + 1}"):
        score(Uniform(len(vocabulary)), encoding, vocabulary, [empty])


def test_a_frame_that_was_cut_short_is_no_frame():
    """Training scores a part of the held-out side; the cut may fall into the first frame of a piece."""
    encoding, vocabulary, sequences = built("frames")
    cut = sequences[0]._replace(ids=sequences[0].ids[:5])
    stepper = random_stepper(encoding, vocabulary)
    check(
        score(stepper, encoding, vocabulary, [sequences[1], cut]).as_dict(),
        plain(stepper, encoding, vocabulary, [sequences[1], cut]),
    )
    alone = score(stepper, encoding, vocabulary, [cut])
    assert (alone.tokens, alone.nats_per_frame, alone.steps) == (1, None, None)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_an_error(value):
    encoding, vocabulary, sequences = built("chars")

    class Broken(Noise):
        def logits(self, row, time):
            return super().logits(row, time) + (value if time == 2 else 0)

    with pytest.raises(SamplingError, match="not finite"):
        score(Broken(len(vocabulary)), encoding, vocabulary, sequences[:1])


def test_what_cannot_be_asked():
    encoding, vocabulary, sequences = built("chars")
    with pytest.raises(ConfigError, match="nothing to evaluate"):
        score(Uniform(len(vocabulary)), encoding, vocabulary, [])
    with pytest.raises(ConfigError, match="at least 1 token, not 0"):
        score(Uniform(len(vocabulary)), encoding, vocabulary, sequences, window=0)
