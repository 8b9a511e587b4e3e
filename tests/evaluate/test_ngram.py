"""The baseline beside Witten and Bell's formula, computed by hand and by a plain recursion."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen import encodings
from seqgen.corpus.dataset import IdSequence
from seqgen.evaluate import NgramStepper, ngram, score
from seqgen.vocabulary import END, PAD, START, Vocabulary

A, B = 4, 5
N_VALUES = 6


def sequences(*texts: list[int]) -> list[IdSequence]:
    return [IdSequence("text", np.array([START, *text, END], np.uint16), len(text)) for text in texts]


def after(stepper: NgramStepper, *ids: int) -> np.ndarray:
    """The probabilities of what follows `ids`, START first."""
    state, logits = stepper.start(1), np.empty(0)
    for id in ids:
        logits, state = stepper.step(np.array([id]), state)
    return np.exp(logits[0].astype(np.float64))


def test_a_unigram_by_hand():
    """Seen: A twice, B and END once. Three kinds share the weight 3 / (4 + 3) that goes to the uniform 1/6."""
    stepper = NgramStepper(1, N_VALUES, sequences([A, B, A]))
    wanted = [3 / 6, 3 / 6, 1 + 3 / 6, 3 / 6, 2 + 3 / 6, 1 + 3 / 6]
    for ids in ((START,), (START, A), (START, B, B, B)):
        np.testing.assert_allclose(after(stepper, *ids), np.array(wanted) / 7, rtol=1e-6)


def test_a_bigram_by_hand():
    stepper = NgramStepper(2, N_VALUES, sequences([A, B, A]))
    unigram = np.array([0.5, 0.5, 1.5, 0.5, 2.5, 1.5]) / 7
    # after START came A once, one kind: (c + 1 * unigram) / (1 + 1)
    np.testing.assert_allclose(after(stepper, START), (np.eye(N_VALUES)[A] + unigram) / 2, rtol=1e-6)
    # after A came B and END, two kinds: (c + 2 * unigram) / (2 + 2)
    once = np.eye(N_VALUES)[B] + np.eye(N_VALUES)[END]
    np.testing.assert_allclose(after(stepper, START, A), (once + 2 * unigram) / 4, rtol=1e-6)
    # an id that was never seen as a history leaves the shorter one
    np.testing.assert_allclose(after(stepper, START, 3), unigram, rtol=1e-6)


IDS = st.lists(st.integers(3, 6), max_size=12)


@given(st.integers(1, 4), st.lists(IDS, min_size=1, max_size=4), IDS)
def test_any_order_equals_the_plain_recursion(order, texts, history):
    n_values = 7
    counts: Counter = Counter()
    for text in texts:
        padded = [PAD] * (order - 1) + [START, *text, END]
        for place in range(order, len(padded)):
            for length in range(order):
                counts[(*padded[place - length : place], "then", padded[place])] += 1

    def probability(id: int, given_: tuple[int, ...]) -> float:
        lower = probability(id, given_[1:]) if given_ else 1 / n_values
        seen = {other: count for (*before, _, other), count in counts.items() if tuple(before) == given_}
        if not seen:
            return lower
        return (seen.get(id, 0) + len(seen) * lower) / (sum(seen.values()) + len(seen))

    stepper = NgramStepper(order, n_values, sequences(*texts))
    got = after(stepper, START, *history)
    padded = ([PAD] * order + [START, *history])[-(order - 1) :] if order > 1 else []
    wanted = [probability(id, tuple(padded)) for id in range(n_values)]
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert math.fsum(got) == pytest.approx(1, abs=1e-5)


def test_rows_are_independent_and_can_be_taken():
    stepper = NgramStepper(3, N_VALUES, sequences([A, B, A, A], [B, B]))
    state = stepper.start(3)
    _, state = stepper.step(np.array([START, START, START]), state)
    _, state = stepper.step(np.array([A, B, A]), state)
    logits, _ = stepper.step(np.array([B, A]), stepper.take(state, np.array([1, 0])))
    np.testing.assert_allclose(np.exp(logits[0]), after(stepper, START, B, B), rtol=1e-5)
    np.testing.assert_allclose(np.exp(logits[1]), after(stepper, START, A, A), rtol=1e-5)


def test_it_is_scored_as_any_stepper():
    """A bigram of a text that alternates knows the text; a unigram does not."""
    encoding, vocabulary = encodings.make("chars"), Vocabulary.of("ab")
    (text,) = sequences([A, B] * 50)
    unigram, bigram = (score(NgramStepper(n, 6, [text]), encoding, vocabulary, [text]) for n in (1, 2))
    assert bigram.nats_per_token < 0.1
    assert unigram.nats_per_token == pytest.approx(math.log(2), abs=0.1)


def test_what_it_keeps_is_bounded_and_makes_no_difference(monkeypatch):
    texts = sequences([A, B, A, A, B, B, A], [B, A])
    histories = [(START, A), (START, A, B), (START, B, A), (START, B, B, A)]
    wanted = [after(NgramStepper(3, N_VALUES, texts), *history) for history in histories]
    monkeypatch.setattr(ngram, "_NUMBERS_KEPT", 2 * N_VALUES)
    stepper = NgramStepper(3, N_VALUES, texts)
    for _ in range(2):
        for history, row in zip(histories, wanted, strict=True):
            np.testing.assert_array_equal(after(stepper, *history), row)
    assert len(stepper._known) == 2
