"""Length, Lines and Match: whatever the model wants, the text as a whole obeys. `re` is the judge of a match."""

import re
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import Noise, piece, untrained, vocabulary_of

from seqgen import encodings
from seqgen.constraints import Length, Lines, Match, Material, bind
from seqgen.constraints.pattern import DEAD, START, Pattern
from seqgen.errors import ConfigError, MissingExtra, SamplingError
from seqgen.sampling import Setting, Strategy, sample, streams
from seqgen.vocabulary import END

TEXT = "The sea, the sea! (It's cold.)\n\n\tNo  one—not I—sees 海 海海。x\né1 2 ab ba a b c"
NAMES = ("chars", "bytes", "words")
CASES = {name: (encodings.make(name), vocabulary_of(encodings.make(name), [TEXT])) for name in NAMES}


def written(name, constraints, *, seed=0, steps=60, prime="", favour=None, rows=1, case=None, particles=1):
    """The texts of a model that knows nothing, prime included, and how many steps each has."""
    encoding, vocabulary = case or CASES[name]
    grammar = encoding.grammar(vocabulary)
    bound = bind(constraints, Material(grammar, encoding.table(vocabulary), vocabulary.tokens, "text"))
    prefix = vocabulary.to_ids(encoding.encode(prime)[0].tokens).tolist()
    sampled = sample(
        Setting(Noise(len(vocabulary), seed, favour), grammar, bound),
        [prefix] * rows,
        [steps] * rows,
        strategy=Strategy(),
        random=streams(seed, rows),
        particles=particles,
    )
    assert all(row.ended for row in sampled)
    assert all(row.steps <= steps for row in sampled)
    return [encoding.decode(vocabulary.to_tokens([*prefix, *row.ids])) for row in sampled]


def steps_of(name: str, text: str) -> int:
    if name == "words":
        return sum(not token.startswith("<") for token in CASES[name][0].encode(text)[0].tokens)
    return len(text)


# Length


@pytest.mark.parametrize("name", NAMES)
@given(st.data(), st.integers(0, 10**6), st.sampled_from([-9.0, 0.0, 9.0]))
@settings(max_examples=40)
def test_a_text_has_the_length_asked_for(name, data, seed, wish_to_end):
    least = data.draw(st.integers(1, 40))
    most = data.draw(st.integers(least, 45))
    prime = data.draw(st.sampled_from(["", "The", "a b "]))
    least, most = (max(bound, steps_of(name, prime)) for bound in (least, most))
    (text,) = written(name, [Length(least, most)], seed=seed, favour={END: wish_to_end}, prime=prime)
    assert text.startswith(prime)
    # tokens of a model that knows nothing need not be those that the encoder would write: count what was sampled
    if name != "words":
        assert least <= len(text) <= most


@pytest.mark.parametrize("name", NAMES)
def test_one_number_is_an_exact_length(name):
    model = untrained(name, [TEXT])
    for seed in range(20):
        text = model.generate(constraints=[Length(17)], seed=seed)
        assert name == "words" or len(text) == 17
        only = model.generate(constraints=[Length(17)], seed=seed, prime="The sea", continue_only=True)
        assert name == "words" or len(only) == 10


def test_a_length_beyond_the_usual_ceiling_is_taken_as_the_ceiling():
    assert len(untrained("chars", [TEXT]).generate(constraints=[Length(1500)], seed=1)) == 1500


def test_lengths_that_cannot_be_are_said_at_once():
    with pytest.raises(ConfigError, match="1 to 1,000,000 steps, the least number first, not 5-4"):
        Length(5, 4)
    with pytest.raises(ConfigError, match="not 0-0"):
        Length(0)
    with pytest.raises(SamplingError, match="length 5 cannot be: the beginning has 7 steps already"):
        written("chars", [Length(5)], prime="The sea")
    with pytest.raises(SamplingError, match="length 61 to 70 cannot be within 60 steps"):
        written("chars", [Length(61, 70)])
    with pytest.raises(ConfigError, match="a length is for text"):
        untrained("notes", [piece(1)]).generate(constraints=[Length(5)])


# Lines


@pytest.mark.parametrize("name", NAMES)
@given(
    st.integers(0, 10**6), st.integers(1, 8), st.sampled_from([-4.0, 0.0, 9.0]), st.sampled_from(["", "x\n\n", "a b"])
)
@settings(max_examples=40)
def test_a_text_has_the_lines_asked_for(name, seed, count, wish, prime):
    """Within any number of steps that can hold them, blank lines apart."""
    begun = sum(bool(line.strip(" \t")) for line in prime.split("\n"))
    count = max(count, begun)
    newline = CASES[name][1].ids["0a" if name == "bytes" else "\n"]
    needed = 2 * count - 1 - (0 if not prime else 2 if prime.endswith("\n") else 1)
    needed = max(needed, 1)
    for steps in (needed, needed + 1, needed + 20):
        (text,) = written(name, [Lines(count)], seed=seed, steps=steps, prime=prime, favour={END: wish, newline: wish})
        assert text.startswith(prime)
        lines = text.split("\n")
        assert sum(bool(line.strip(" \t")) for line in lines) == count
        assert lines[-1].strip(" \t") or text == prime


def test_lines_that_cannot_be_are_said_at_once():
    with pytest.raises(SamplingError, match="4 lines cannot be within 6 steps"):
        written("chars", [Lines(4)], steps=6)
    with pytest.raises(SamplingError, match="1 line cannot be: the beginning has 2 already"):
        written("chars", [Lines(1)], prime="a\nb")
    encoding = encodings.make("chars")
    with pytest.raises(SamplingError, match="2 lines cannot be: the model has never seen a line end"):
        written("chars", [Lines(2)], case=(encoding, vocabulary_of(encoding, ["abc"])))
    with pytest.raises(ConfigError, match="1 to 1,000,000 lines, not 0"):
        Lines(0)
    with pytest.raises(ConfigError, match="lines are for text"):
        untrained("notes", [piece(1)]).generate(constraints=[Lines(5)])


# the automaton

ONE = st.sampled_from(
    [
        *"abc1 \n,é海",
        ".",
        r"\w",
        r"\s",
        r"\d",
        r"\S",
        "[a-c]",
        "[^a]",
        "[]x]",
        r"\n",
        r"\x61",
        "[^\\n ]",
        r"\.",
        r"\141",
    ]
)
PATTERN = st.recursive(
    ONE | st.just("()"),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.tuples(inner, inner).map("|".join).map("({})".format),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0}", "{1,3}", "{,2}", "{2,}", "*?", "+?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)
FLAGS = st.sampled_from(["", "", "(?i)", "(?s)", "(?a)", "(?is)"])


@given(PATTERN, FLAGS, st.lists(st.text("abcABC1 \n,éÉ海²", max_size=6), max_size=30))
@settings(max_examples=200)
def test_the_automaton_accepts_what_re_matches(pattern, flags, texts):
    characters = "abcABC1 \n,éÉ海²"
    automaton = Pattern(flags + pattern).automaton(characters)
    for text in texts:
        state = START
        for character in text:
            state = automaton.moves[state, automaton.classes[characters.index(character)]]
        assert bool(automaton.accepts[state]) == bool(re.fullmatch(flags + pattern, text)), text
    assert not automaton.accepts[DEAD]
    assert (automaton.moves[DEAD] == DEAD).all()


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("[a", "'\\[a' is no regular expression: unterminated character set at character 1"),
        ("ab**", "multiple repeat at character 4"),
        ("a)", "unbalanced parenthesis at character 2"),
        ("a(?=b)", "it looks ahead, at character 2"),
        ("a(?!b)", "it looks ahead, at character 2"),
        ("(?<=a)b", "it looks behind, at character 1"),
        ("(?<!a)b", "it looks behind, at character 1"),
        (r"(a)b\1", "it refers back to a group, at character 5"),
        (r"(?P<x>a)(?P=x)", "it refers back to a group, at character 9"),
        ("(a)?(?(1)b|c)", "it asks for a group, at character 5"),
        ("(?>a)b", "an atomic group, at character 1"),
        ("a++", r"the possessive \+\+, at character 2"),
        ("(?i:a)b", "flags for a part, at character 1"),
        ("(?x)a b", "the flag x, at character 1"),
        (r"a\bb", r"\\b here, at character 2"),
        ("a^b", r"\^ here, at character 2"),
        ("x{9999}y{9999}", "longer than 10,000 characters once"),
        ("(x{1000}){1000}", "longer than 10,000 characters once"),
        ("x{99999999999}", "is too large: the repetition number is too large"),
        ("(" * 5000, "is too large"),
    ],
)
def test_patterns_that_cannot_be_followed(pattern, says):
    with pytest.raises(ConfigError, match=says) as caught:
        Match(pattern)
    assert len(str(caught.value)) < 400


def test_an_expression_may_say_that_it_is_whole():
    for pattern in ("^ab$", r"\Aab\Z"):
        assert written("chars", [Match(pattern)]) == ["ab"]


@pytest.mark.parametrize(
    "pattern", [".*a.{16}", "(a|b)*a(a|b){25}", "(.*a){3000}", "(a{0,70}){70}", "(a?){5000}a{5000}"]
)
def test_an_automaton_too_large_is_refused_soon(pattern):
    begin = time.process_time()
    with pytest.raises(ConfigError, match="needs too large an automaton"):
        Pattern(pattern).automaton("abc")
    assert time.process_time() - begin < 60


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "automata.fa.nfa", None)
    with pytest.raises(MissingExtra, match=r"pip install 'seqgen\[match\]'"):
        written("chars", [Match("a")])


# Match


@pytest.mark.parametrize("name", NAMES)
@given(st.data(), PATTERN, FLAGS, st.integers(0, 10**6), st.sampled_from([-9.0, 0.0, 9.0]))
@settings(max_examples=60)
def test_every_text_matches(name, data, pattern, flags, seed, wish_to_end):
    """Or none can be: then a ceiling is too low, or `re` finds none among many."""
    prime = data.draw(st.sampled_from(["", "", "a", "ab", "a b", "海"]))
    steps = data.draw(st.integers(1, 20))
    wanted = Match(flags + pattern)
    possible = texts_of_one_step(name, prime, flags + pattern)
    try:
        texts = written(name, [wanted], seed=seed, steps=steps, prime=prime, favour={END: wish_to_end}, rows=2)
    except SamplingError:
        texts = []
        assert not possible
    for text in texts:
        assert re.fullmatch(flags + pattern, text), text
        assert text.startswith(prime)


def texts_of_one_step(name: str, prime: str, pattern: str) -> list[str]:
    """What matches, of all texts that have one step after the prime."""
    encoding, vocabulary = CASES[name]
    tokens = vocabulary.tokens[4:] if name != "bytes" else [f"{byte:02x}" for byte in range(128)]
    begin = encoding.encode(prime)[0].tokens
    texts = [encoding.decode([*begin, token]) for token in tokens if not token.startswith("<")]
    return [text for text in texts if re.fullmatch(pattern, text)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "pattern",
    [
        r"(\w+ ){3}\w+[.!]",
        r"\(.*\)",
        "(?s).*海。",
        "(a|b| ){11}",
        r"[A-Z][a-z']*( [a-z]+)*",
        r"a  b",
        r"a?b{0,3}\n*",
        "ab ",
        " a",
    ],
)
@pytest.mark.parametrize("particles", [1, 3])
def test_patterns_that_people_write(name, pattern, particles):
    for seed in range(6):
        (text,) = written(name, [Match(pattern)], seed=seed, steps=40, particles=particles)
        assert re.fullmatch(pattern, text), text


def test_bytes_of_any_character_match():
    seen = set()
    for seed in range(60):
        (text,) = written("bytes", [Match("[ßа-я🎵一-龥ࠀ-࣯\U0010fff0-\U0010ffff]+")], seed=seed, steps=5)
        assert re.fullmatch("[ßа-я🎵一-龥ࠀ-࣯\U0010fff0-\U0010ffff]+", text)
        seen.update(len(character.encode()) for character in text)
    assert seen == {2, 3, 4}


@pytest.mark.parametrize("name", NAMES)
def test_every_choice_is_left_open(name):
    """The constraint forbids nothing that could still match: all texts come up, as often as the model believes."""
    favour = dict.fromkeys(CASES[name][1].to_ids(["a", "b"] if name != "bytes" else ["61", "62"]), 3.0)
    pattern = "a?b?" if name != "words" else "(a?|b) ?b?"
    wanted = {"a", "b", "ab"} if name != "words" else {"a", "b", "ab", "a b", "b b", "bb"}
    texts = {
        text.strip(" ") for seed in range(300) for text in written(name, [Match(pattern)], seed=seed, favour=favour)
    }
    assert texts - {""} == wanted


def test_matches_that_cannot_be_are_said_at_once():
    with pytest.raises(SamplingError, match="match 'zq' cannot be: there is no text that the model can spell"):
        written("chars", [Match("zq")])
    with pytest.raises(SamplingError, match="cannot be: there is no text with this beginning that the model can spell"):
        written("chars", [Match("b+")], prime="a")
    with pytest.raises(SamplingError, match=r"cannot be within 9 steps: 10 are needed; allow more of them"):
        written("chars", [Match("a{10}")], steps=9)
    with pytest.raises(SamplingError, match="the beginning holds what the model has never seen"):
        written("chars", [Match(".*")], prime="Q")
    with pytest.raises(ConfigError, match="a regular expression is for text"):
        untrained("notes", [piece(1)]).generate(constraints=[Match(".*")])


def test_constraints_hold_together():
    for seed in range(10):
        (text,) = written("chars", [Match(r"(?s)[ab\n]*"), Lines(3), Length(20)], seed=seed)
        assert re.fullmatch(r"[ab\n]{20}", text)
        assert sum(bool(line) for line in text.split("\n")) == 3
    with pytest.raises(SamplingError, match=r"after \d+ steps?: match 'ab' and length 3 leave no legal token"):
        written("chars", [Match("ab"), Length(3)])


def test_a_prime_that_is_the_whole_text_may_end_at_once():
    assert written("chars", [Match("ab")], prime="ab") == ["ab"]
    assert np.array(written("words", [Match("a b")], prime="a b")).tolist() == ["a b"]
