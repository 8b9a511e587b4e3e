"""The score of pairs beside a plain one: one pair and one token at a time, its rules read off the tokens themselves."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import piece, random_weights, vocabulary_of

from seqgen import encodings, sampling
from seqgen.architecture import Seq2Seq
from seqgen.corpus.spelling import read_order
from seqgen.errors import ConfigError, SamplingError, TokenError
from seqgen.evaluate import pairs, score_pairs
from seqgen.runtime import Seq2SeqStepper
from seqgen.vocabulary import END, START, UNK, Vocabulary

TEXTS = ["the rose is red", "a", "blue, red", "so so", "the the the", "is", "rose", "red"]


class Pair(NamedTuple):
    name: str
    source: np.ndarray
    target: np.ndarray
    features: np.ndarray
    targets: np.ndarray
    characters: int = 0


class Spelling(NamedTuple):
    encoding: encodings.Encoding | None = None
    vocabulary: Vocabulary | None = None


def greedy(stepper: Seq2SeqStepper, spelling: Spelling, sources, steps) -> list[sampling.Sampled]:
    """What the model writes for each source, END included or so many steps."""
    setting = sampling.Setting(stepper, spelling.encoding.grammar(spelling.vocabulary))
    contexts = stepper.encode([read_order(source, stepper.architecture.reversed) for source in sources])
    return [row for row, _ in sampling.greedy(setting, [[] for _ in sources], steps, contexts=contexts)]


def paired(spelling: Spelling, contents, seed: int = 0) -> list[Pair]:
    """With random sources; of music all voices but the last are given."""
    random, found = np.random.default_rng(seed), []
    encoding, vocabulary = spelling.encoding, spelling.vocabulary
    grammar = encoding.grammar(vocabulary)
    for number, content in enumerate(contents):
        ids = vocabulary.to_ids(["<start>", *encoding.encode(content)[0].tokens, "<end>"]).astype(np.uint16)
        state, features = grammar.start(), []
        for id in ids[1:].tolist():
            features.append(grammar.features(state))
            state = grammar.advance(state, id) if id != END else state
        targets = np.ones(len(ids) - 1, bool)
        if encoding.unit == "music":
            place = np.arange(len(targets)) - 3  # after the controls
            targets = (place >= 0) & ((place % 3 == 2) | (ids[1:] == END))
        source = np.append(random.integers(4, 9, size=random.integers(0, 9)), END).astype(np.uint16)
        features = np.array(features, np.int32).reshape(len(targets), -1)
        characters = len(content) if isinstance(content, str) else 0
        found.append(Pair(f"pair {number}", source, ids, features, targets, characters))
    return found


def spelled(name: str, known, **options) -> Spelling:
    encoding = encodings.make(name, **options)
    return Spelling(encoding, vocabulary_of(encoding, known))


def reader(spelling: Spelling, seed: int = 0, **parts) -> Seq2SeqStepper:
    grammar = spelling.encoding.grammar(spelling.vocabulary)
    shape = {
        "cell": "gru",
        "n_a": 6,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "source_values": 9,
        "n_values": len(spelling.vocabulary),
        "attention": "additive",
        "feature_sizes": tuple(grammar.feature_sizes),
    }
    model = Seq2Seq(**{**shape, **parts})
    return Seq2SeqStepper(model, random_weights(model, seed, scale=0.9))


def plain(stepper, spelling, scored) -> dict:
    """The figures by their definitions; see the docstring of seqgen.evaluate.pairs."""
    encoding, vocabulary = spelling
    grammar = encoding.grammar(vocabulary)
    inside, ends, right, unknown, exact, steps = [], [], 0, 0, 0, 0
    for pair in scored:
        source = pair.source.tolist()
        if stepper.architecture.reversed:
            source = [*source[-2::-1], source[-1]]
        state, place, same = stepper.start(1, stepper.encode([np.array(source)])), grammar.start(), True
        for before, wanted, predicted in zip(pair.target[:-1], pair.target[1:], pair.targets, strict=True):
            features = np.array([grammar.features(place)]) if grammar.feature_sizes else None
            logits, state = stepper.step(np.array([before]), state, features)
            legal = [id for id in range(len(vocabulary)) if grammar.legal(place)[id]]
            if wanted != END:
                place = grammar.advance(place, int(wanted))
                steps += encoding.unit == "music" and predicted and grammar.at_step(place)
            if not predicted:
                continue
            values = {id: float(logits[0, id]) for id in {*legal, UNK}}
            cost = math.log(math.fsum(map(math.exp, values.values()))) - values[int(wanted)]
            (ends if wanted == END else inside).append(cost)
            right += max(values, key=lambda id: values[id]) == wanted
            unknown += int(wanted == UNK)
            same = same and max(legal, key=lambda id: values[id]) == wanted
        exact += same
    total = len(inside) + len(ends)
    figures = {
        "pairs": len(scored),
        "tokens": total,
        "nats_per_token": (sum(inside) + sum(ends)) / total,
        "perplexity": math.exp((sum(inside) + sum(ends)) / total),
        "accuracy": right / total,
        "exact_match": exact / len(scored),
        "unknown": unknown,
    }
    if encoding.unit == "text" and not unknown:
        characters = sum(pair.characters for pair in scored)
        figures |= {"nats_per_character": sum(inside) / characters, "characters": characters}
        figures |= {"bits_per_character": sum(inside) / characters / math.log(2)}
    if encoding.unit == "music":
        figures |= {"nats_per_step": sum(inside) / steps, "steps": steps}
    return figures


def check(got: dict, wanted: dict) -> None:
    assert set(got) == set(wanted)
    for name, value in wanted.items():
        assert got[name] == (value if isinstance(value, int) else pytest.approx(value, rel=1e-5)), name


@pytest.mark.parametrize("name", ["chars", "words", "bytes"])
@pytest.mark.parametrize("parts", [{}, {"reversed": True}, {"attention": "none", "bidirectional": True}])
def test_the_score_of_texts_is_the_plain_one(name, parts, monkeypatch):
    monkeypatch.setattr(pairs, "_BATCH", 3)
    spelling = spelled(name, TEXTS)
    stepper, scored = reader(spelling, **parts), paired(spelling, TEXTS)
    got = score_pairs(stepper, spelling, scored)
    check(got.as_dict(), plain(stepper, spelling, scored))
    assert got.unknown == 0
    assert got.loss == got.nats_per_token


@given(st.permutations(range(len(TEXTS))), st.integers(1, 4))
@settings(max_examples=20)
def test_neither_order_nor_batches_matter(order, batch):
    spelling = spelled("chars", TEXTS)
    stepper, scored = reader(spelling), paired(spelling, TEXTS)
    wanted = score_pairs(stepper, spelling, scored).as_dict()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_BATCH", batch)
        check(score_pairs(stepper, spelling, [scored[index] for index in order]).as_dict(), wanted)


@pytest.mark.parametrize("attention", ["additive", "aligned"])
def test_the_voices_that_are_given_are_not_predicted(attention):
    pieces = [piece(seed, parts=3, bars=1 + seed % 2, key=seed) for seed in range(4)]
    spelling = spelled("chorale", pieces, parts=3)
    alignment = (3, 3) if attention == "aligned" else (0, 1)
    stepper = reader(spelling, attention=attention, alignment=alignment)
    scored = paired(spelling, pieces)
    got = score_pairs(stepper, spelling, scored)
    check(got.as_dict(), plain(stepper, spelling, scored))
    assert got.steps is not None
    assert got.tokens == got.steps + len(pieces)  # a voice of three, and END


def test_what_the_vocabulary_does_not_have_is_scored_as_unknown():
    spelling = spelled("chars", TEXTS[1:])
    stepper, scored = reader(spelling), paired(spelling, [*TEXTS, "Zebra"])
    got = score_pairs(stepper, spelling, scored)
    check(got.as_dict(), plain(stepper, spelling, scored))
    assert got.unknown
    assert got.nats_per_character is None  # an unknown token may be any number of characters


def answering(spelling: Spelling, written, unknown: float = 0.0) -> tuple[Seq2SeqStepper, list[np.ndarray]]:
    """A model that writes the source: the texts that are to be `written`, token by token, and END. With its sources."""
    size = len(spelling.vocabulary)
    model = Seq2Seq(
        cell="gru",
        n_a=1,
        encoder_layers=0,
        decoder_layers=1,
        source_values=size,
        n_values=size,
        bridge="none",
        attention="aligned",
    )
    weights = random_weights(model, scale=0.0)
    # the hidden state becomes a number that only the aligned source id decides, and the logits favour that id
    place = np.linspace(-0.95, 0.95, size)
    weights["decoder/0/kernel"][-size:, 0] = -40  # the update gate: nothing of before
    weights["decoder/0/kernel"][-size:, 2] = np.arctanh(place)
    weights["densor/kernel"][0] = 400 * place  # -(hidden - place)^2, but for what all have
    weights["densor/bias"][:] = -200 * place**2
    weights["densor/bias"][UNK] += unknown
    return Seq2SeqStepper(model, weights), [np.append(spelling.vocabulary.to_ids(text), END) for text in written]


def test_exact_are_those_that_greedy_decoding_writes():
    spelling = spelled("chars", TEXTS)
    written = [*TEXTS[:5], "a rose", "is"]
    stepper, sources = answering(spelling, written)
    scored = [pair._replace(source=source) for pair, source in zip(paired(spelling, TEXTS[:7]), sources, strict=True)]
    decoded = greedy(stepper, spelling, [pair.source for pair in scored], [20] * 7)
    assert ["".join(spelling.vocabulary.to_tokens(row.ids)) for row in decoded] == written
    assert all(row.ended for row in decoded)
    assert score_pairs(stepper, spelling, scored).exact_match == 5 / 7
    cut = greedy(stepper, spelling, [sources[2], sources[0]], [3, 4])
    assert [(row.ids, row.ended) for row in cut] == [(decoded[2].ids[:3], False), (decoded[0].ids[:4], False)]


def test_what_is_never_written_stands_in_the_way_of_a_score_but_not_of_decoding():
    """A model that believes in unknown tokens: scored they are the most probable, decoded they are left out."""
    spelling = spelled("chars", TEXTS)
    stepper, sources = answering(spelling, TEXTS, unknown=600.0)
    scored = [pair._replace(source=source) for pair, source in zip(paired(spelling, TEXTS), sources, strict=True)]
    got = score_pairs(stepper, spelling, scored)
    assert (got.accuracy, got.exact_match) == (0, 1)
    assert [
        "".join(spelling.vocabulary.to_tokens(row.ids)) for row in greedy(stepper, spelling, sources, [20] * 8)
    ] == TEXTS
    unseen = Pair("unseen", sources[0], np.array([START, UNK, END]), np.zeros((2, 0), int), np.ones(2, bool))
    assert score_pairs(stepper, spelling, [unseen]).exact_match == 0


@pytest.mark.parametrize("seed", range(3))
def test_greedy_decoding_is_that_of_each_source_alone(seed, monkeypatch):
    monkeypatch.setattr(pairs, "_BATCH", 3)
    spelling = spelled("chars", TEXTS)
    stepper = reader(spelling, seed, reversed=True)
    sources = [pair.source for pair in paired(spelling, TEXTS, seed)]
    together = greedy(stepper, spelling, sources, [9] * len(sources))
    assert together == [greedy(stepper, spelling, [source], [9])[0] for source in sources]
    # what is written is exact, and what is changed is not
    ended = [(source, row) for source, row in zip(sources, together, strict=True) if row.ended]
    for source, row in ended:
        ids = np.array([START, *row.ids, END])
        pair = Pair("written", source, ids, np.zeros((len(ids) - 1, 0), int), np.ones(len(ids) - 1, bool), 1)
        assert score_pairs(stepper, spelling, [pair]).exact_match == 1
        ids[1] = 4 + (ids[1] - 3) % (len(spelling.vocabulary) - 4)
        assert score_pairs(stepper, spelling, [pair._replace(target=ids)]).exact_match == 0


# vectors


@pytest.mark.parametrize("feedback", [True, False])
def test_of_vectors_it_is_the_mean_squared_error(feedback, monkeypatch):
    monkeypatch.setattr(pairs, "_BATCH", 2)
    model = Seq2Seq(
        cell="lstm",
        n_a=4,
        encoder_layers=1,
        decoder_layers=1,
        source_values=3,
        n_values=2,
        source_vectors=True,
        target_vectors=True,
        bridge="repeat",
        feedback=feedback,
        reversed=True,
    )
    stepper, random = Seq2SeqStepper(model, random_weights(model)), np.random.default_rng(1)
    scored, errors = [], []
    for length in (4, 1, 6, 4, 2):
        source, target = (random.normal(size=(length, size)).astype(np.float32) for size in (3, 2))
        scored.append(Pair("vectors", source, target, np.zeros((length, 0), int), np.ones(length, bool)))
        state, before = stepper.start(1, stepper.encode([source[::-1]])), np.zeros(2)
        for wanted in target:
            got, state = stepper.step(before[None], state)
            errors += ((got[0].astype(float) - wanted) ** 2).tolist()
            before = wanted
    got = score_pairs(stepper, Spelling(), scored)
    assert got.mean_squared_error == pytest.approx(np.mean(errors), rel=1e-5)
    assert got.as_dict() == {"pairs": 5, "tokens": 17, "mean_squared_error": got.mean_squared_error}
    assert got.loss == got.mean_squared_error
    with pytest.raises(ConfigError, match=r"makes vectors of 2 numbers; the target of vectors is \(4, 3\)"):
        score_pairs(stepper, Spelling(), [scored[0], scored[3]._replace(target=np.zeros((4, 3), np.float32))])


# what cannot be asked


def test_what_cannot_be_scored_is_refused():
    spelling = spelled("chars", TEXTS)
    stepper, scored = reader(spelling), paired(spelling, TEXTS)
    with pytest.raises(ConfigError, match="nothing to evaluate"):
        score_pairs(stepper, spelling, [])
    with pytest.raises(ConfigError, match="the model makes tokens, and the targets are vectors"):
        score_pairs(stepper, Spelling(), scored)
    bad = scored[2].target.copy()
    bad[3] = START
    with pytest.raises(TokenError, match=rf"pair 2: id {START} is not legal at token 3$"):
        score_pairs(stepper, spelling, [scored[0], scored[2]._replace(target=bad)])
    weights = random_weights(stepper.architecture)
    weights["densor/bias"][5] = np.nan
    with pytest.raises(SamplingError, match="not finite"):
        score_pairs(Seq2SeqStepper(stepper.architecture, weights), spelling, scored)
