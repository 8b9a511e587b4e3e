"""Sums, programs and small talk: right, different from each other, and the same for the same seed."""

import io
import re
from collections import Counter
from contextlib import redirect_stdout

import pytest
from addition import sums
from conversation import talk, with_gaps
from execute import programs


def test_sums_are_right_and_none_comes_twice():
    pairs = sums(2000, seed=3)
    assert len(pairs) == 2000
    terms = [tuple(map(int, question.split("+"))) for question, _ in pairs]
    assert [str(a + b) for a, b in terms] == [answer for _, answer in pairs]
    assert len({frozenset(pair) for pair in terms}) == 2000  # also not the other way round
    assert any(a > b for a, b in terms)
    assert any(a < b for a, b in terms)


def test_numbers_are_written_without_zeros_in_front_and_every_length_is_as_frequent():
    pairs = sums(2000)
    written = [number for question, _ in pairs for number in question.split("+")]
    assert all(number == str(int(number)) for number in written)
    lengths = Counter(map(len, written))
    assert set(lengths) == {1, 2, 3}
    # short numbers run out: pairs of them were drawn before
    assert lengths[3] > 0.3 * len(written)
    assert max(len(number) for question, _ in sums(300, digits=5) for number in question.split("+")) == 5


def test_programs_print_what_they_say():
    pairs = programs(1000, seed=1)
    assert len({code for code, _ in pairs}) == 1000
    for code, output in pairs:
        with redirect_stdout(io.StringIO()) as printed:
            exec(code, {})
        assert printed.getvalue() == f"{output}\n", code


def test_programs_hold_all_there_is_to_learn():
    codes = [code for code, _ in programs(1000)]
    signs = Counter(re.search(r"print\(\w(.)\w+\)", code)[1] for code in codes)
    assert set(signs) == {"+", "-", "*"}
    assert min(signs.values()) > 250
    # the name that is printed first is assigned first as often as last
    first = sum(code[0] == code[code.index("(") + 1] for code in codes)
    assert 400 < first < 600


@pytest.mark.parametrize("make", [sums, programs])
def test_the_seed_decides(make):
    assert make(50, seed=4) == make(50, seed=4)
    assert make(50, seed=4) != make(50, seed=5)


# --- conversation ---


def words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text.lower())


def longest_run(one: list[str], other: list[str]) -> int:
    """How many words in a row two questions share."""
    runs = {tuple(one[i:j]) for i in range(len(one)) for j in range(i + 1, len(one) + 1)}
    found = [j - i for i in range(len(other)) for j in range(i + 1, len(other) + 1) if tuple(other[i:j]) in runs]
    return max(found, default=0)


def test_a_hundred_questions_each_asked_in_several_ways():
    ways = Counter(answer for _, answer in talk("conversation"))
    assert len(ways) == 100
    assert set(ways.values()) <= {5, 6, 7, 8}
    assert Counter(answer for _, answer in talk("unseen")) == Counter(ways.keys())  # one more of each
    questions = [" ".join(words(question)) for name in ("conversation", "unseen") for question, _ in talk(name)]
    assert len(set(questions)) == len(questions)


def test_unseen_questions_share_words_but_no_phrasing():
    known = talk("conversation")
    for question, answer in talk("unseen"):
        own = [words(other) for other, its in known if its == answer]
        assert max(longest_run(words(question), other) for other in own) <= 3, question
        assert set(words(question)) & {word for other in own for word in other}, question


def test_lines_are_written_carefully():
    for question, answer in [*talk("conversation"), *talk("unseen")]:
        for text in (question, answer):
            assert text.isascii()
            assert text == " ".join(text.split())
            assert text[0].isupper()
            assert text[-1] in ".?!"


def test_gaps_leave_words_out_and_nothing_else():
    pairs = talk("conversation")
    found = with_gaps(pairs, seed=2)
    assert found[: len(pairs)] == pairs
    answers = {(question, answer) for question, answer in pairs}
    assert len(found) > 11 * len(pairs)
    sources = {answer: [question for question, its in answers if its == answer] for _, answer in pairs}
    for question, answer in found[len(pairs) :: 37]:
        assert question
        assert any(is_part(question.split(), other.split()) for other in sources[answer])
    kept = sum(len(question.split()) for question, _ in found[len(pairs) :])
    assert 0.55 < kept / (12 * sum(len(question.split()) for question, _ in pairs)) < 0.65
    assert with_gaps(pairs, seed=2) == found != with_gaps(pairs, seed=3)


def is_part(some: list[str], whole: list[str]) -> bool:
    """Whether they are in `whole`, in their order."""
    rest = iter(whole)
    return all(word in rest for word in some)
