"""BLEU and chrF: the figures of the papers' formulas, any number of references, what chance makes of a difference."""

import subprocess
import sys
from collections import Counter
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import ConfigError, MissingExtra
from seqgen.evaluate import paired_bootstrap, text_metrics

LINES = ["the cat sat on the mat", "a dog barked at the old gate", "rain fell all day long on the hill"]
words = st.lists(st.sampled_from(list("abcdefg")), min_size=4, max_size=9).map(" ".join)
references = st.lists(words, min_size=1, max_size=3)


def grams(text, order):
    items = list(text)
    return Counter(tuple(items[n : n + order]) for n in range(len(items) - order + 1))


def bleu(texts, references):
    """The formula of Papineni et al.: clipped precisions of one to four words, and the brevity penalty."""
    matched, total, own, theirs = [0] * 4, [0] * 4, 0, 0
    for text, of_text in zip(texts, references, strict=True):
        length = len(text.split())
        own += length
        theirs += min((len(one.split()) for one in of_text), key=lambda other: (abs(other - length), other))
        for order in range(4):
            found = grams(text.split(), order + 1)
            most = Counter()
            for one in of_text:
                most |= grams(one.split(), order + 1)
            matched[order] += sum((found & most).values())
            total[order] += sum(found.values())
    if not all(matched):
        return None  # smoothing is sacrebleu's own
    brevity = 1 if own >= theirs else exp(1 - theirs / own)
    return 100 * brevity * exp(sum(log(m / t) for m, t in zip(matched, total, strict=True)) / 4)


def chrf(text, reference):
    """The formula of Popović for one sentence and one reference: F2 of the mean precision and recall of six orders."""
    text, reference = "".join(text.split()), "".join(reference.split())
    precisions, recalls = [], []
    for order in range(1, 7):
        own, theirs = grams(text, order), grams(reference, order)
        if own and theirs:
            same = sum((own & theirs).values())
            precisions.append(same / sum(own.values()))
            recalls.append(same / sum(theirs.values()))
    p, r = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 100 * 5 * p * r / (4 * p + r) if p + r else 0.0


@given(st.lists(st.tuples(words, references), min_size=1, max_size=6))
def test_bleu_is_that_of_the_paper_with_any_number_of_references(rows):
    texts, of_texts = [text for text, _ in rows], [own for _, own in rows]
    expected = bleu(texts, of_texts)
    if expected is not None:
        assert text_metrics(texts, of_texts).bleu == pytest.approx(expected, abs=1e-4)


@given(words, words)
def test_chrf_is_that_of_the_paper(text, reference):
    assert text_metrics([text], [[reference]]).chrf == pytest.approx(chrf(text, reference), abs=1e-4)


@given(st.lists(st.tuples(words, references), min_size=1, max_size=5), words)
def test_a_further_reference_never_lowers_chrf_of_one_sentence(rows, more):
    text, own = rows[0]
    assert text_metrics([text], [[*own, more]]).chrf >= text_metrics([text], [own]).chrf - 1e-9


def test_the_order_of_references_does_not_matter():
    many = [[LINES[0], "the cat sat"], [LINES[1]], ["rain fell", LINES[2], "it rained"]]
    turned = [own[::-1] for own in many]
    texts = ["the cat sat on a mat", "a dog barked", "rain fell all day"]
    assert text_metrics(texts, many) == text_metrics(texts, turned)
    assert "nrefs:var" in text_metrics(texts, many).bleu_signature


def test_letters_of_chinese_and_japanese_are_words():
    near = text_metrics(["我喜欢很多音乐"], [["我喜欢很多书"]])
    assert "tok:zh" in near.bleu_signature
    assert near.bleu > 50  # in words between spaces nothing would be the same
    assert "tok:char" in text_metrics(["ねこがすき"], [["ねこがすきだ"]]).bleu_signature
    assert "tok:13a" in text_metrics(LINES, [[line] for line in LINES]).bleu_signature


def test_a_better_system_is_told_from_an_equal_one():
    right = [f"{line} number {number}" for number in range(30) for line in LINES]
    wrong = [text.replace(" the ", " one ", 1).replace(" all ", " no ") for text in right]
    # equally good: each goes wrong in every other sentence
    some = [(wrong if place % 2 else right)[place] for place in range(len(right))]
    others = [(right if place % 2 else wrong)[place] for place in range(len(right))]
    own = [[text] for text in right]
    found = paired_bootstrap(wrong, right, own, samples=200)
    assert set(found) == {"BLEU", "chrF"}
    for name, score in zip(("BLEU", "chrF"), text_metrics(wrong, own)[:2], strict=True):
        assert found[name].baseline == pytest.approx(score, abs=1e-4)
        assert found[name].system == pytest.approx(100)
        assert found[name].p_value < 0.01
    equal = paired_bootstrap(some, others, own, samples=200)
    assert all(difference.p_value > 0.05 for difference in equal.values())
    same = paired_bootstrap(right, right, own, samples=50)
    assert all(difference.p_value == 1 for difference in same.values())
    assert paired_bootstrap(wrong, right, own, samples=200) == found


@pytest.mark.parametrize(
    ("texts", "own", "said"),
    [
        ([], [], "0 texts cannot be compared with the references of 0"),
        (["a"], [["a"], ["b"]], "1 texts cannot be compared with the references of 2"),
        (["a", "b"], [["a"], []], "text 2 needs a list of references"),
        (["a"], ["a"], "text 1 needs a list of references, at least one, not 'a'"),
    ],
)
def test_what_cannot_be_compared_is_said(texts, own, said):
    with pytest.raises(ConfigError, match=said):
        text_metrics(texts, own)
    with pytest.raises(ConfigError, match=said):
        paired_bootstrap(texts, texts, own)


def test_without_sacrebleu_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    with pytest.raises(MissingExtra, match=r"pip install 'seqgen\[metrics\]'"):
        text_metrics(LINES, [[line] for line in LINES])


def test_sacrebleu_is_loaded_when_it_is_needed():
    code = "import sys, seqgen.evaluate; print('sacrebleu' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False"]
