"""prepare_pairs: encoded, split by source, numbered; and what finds the same again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen import encodings
from seqgen.corpus import PairCorpus
from seqgen.corpus.pair_dataset import encode_pairs, held_out_pairs, prepare_pairs
from seqgen.corpus.pair_sequences import longest, unknown
from seqgen.corpus.spelling import Spelling, read_order
from seqgen.errors import ConfigError, CorpusError
from seqgen.modelfile import Side
from seqgen.vocabulary import END, START, UNK, Vocabulary

SUMS = [(f"{one}+{two}", str(one + two)) for one in range(12) for two in range(12)]


def corpus(pairs=SUMS, title="made") -> PairCorpus:
    return PairCorpus.of(*zip(*pairs, strict=True), title=title)


def texts(sequences) -> list[tuple[str, str]]:
    return [(sequence.source_text, sequence.target_text) for sequence in sequences]


def sources(sequences) -> set[str]:
    return {sequence.source_text for sequence in sequences}


# --- ids --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source_as", "target_as"), [(None, None), ("words", "chars"), ("bytes", "words"), ("chars", "bytes")]
)
def test_both_sides_are_ids_and_back(source_as, target_as):
    pairs = [("Déjà vu, again.", "nach  hause (gehen)"), ("go!", "é字"), ("Go on", "nach")]
    dataset = prepare_pairs(corpus(pairs), source_as=source_as, target_as=target_as, fraction=0)
    assert dataset.source_encoding.name == (source_as or "chars")
    assert dataset.encoding.name == (target_as or "chars")
    assert dataset.held_out == dataset.references == ()
    for (source, target), sequence in zip(pairs, dataset.train, strict=True):
        assert sequence.source[-1] == END
        assert dataset.source_encoding.decode(dataset.source_vocabulary.to_tokens(sequence.source[:-1])) == source
        assert (sequence.target[0], sequence.target[-1]) == (START, END)
        assert dataset.encoding.decode(dataset.vocabulary.to_tokens(sequence.target[1:-1])) == target
        assert sequence.features.shape == (len(sequence.target) - 1, 0)
        assert sequence.targets.shape == (len(sequence.target) - 1,)
        assert sequence.targets.all()
        assert (sequence.source_text, sequence.target_text, sequence.characters) == (source, target, len(target))


def test_what_the_encodings_were_chosen_for():
    assert prepare_pairs(corpus()).chosen == "text"
    assert prepare_pairs(corpus(), source_as="bytes", target_as="words").chosen == "as asked for"
    assert prepare_pairs(corpus(), target_as="words").chosen == "the sources text, the targets as asked for"


def test_the_options_are_those_of_the_side():
    dataset = prepare_pairs(
        corpus([("Ab c", "Ab c")]), source_as="words", source_options={"lower": True}, target_as="words", fraction=0
    )
    assert dataset.source_vocabulary.tokens[4:] == ("ab", "c")
    assert dataset.vocabulary.tokens[4:] == ("Ab", "c")
    assert dataset.source_spelling.values == len(dataset.source_vocabulary)


def test_the_vocabularies_are_those_of_the_training_side():
    dataset = prepare_pairs(corpus([("ab", "xy"), ("ba", "x")]), held_out=corpus([("abc", "xz"), ("dd", "y")]))
    assert dataset.source_vocabulary.tokens[4:] == ("a", "b")
    assert dataset.vocabulary.tokens[4:] == ("x", "y")
    assert [sequence.source.tolist() for sequence in dataset.held_out] == [[4, 5, UNK, END], [UNK, UNK, END]]
    assert [sequence.target.tolist() for sequence in dataset.held_out] == [[START, 4, UNK, END], [START, 5, END]]
    assert unknown(dataset.source_spelling, dataset.spelling, dataset.held_out) == (3, 1)
    assert unknown(dataset.source_spelling, dataset.spelling, dataset.train) == (0, 0)
    split = prepare_pairs(corpus([(letter, letter * 2) for letter in "abcdefghij"]), fraction=0.3)
    held = sources(split.held_out)
    assert len(held) == 3
    assert held.isdisjoint(split.source_vocabulary.tokens)
    assert unknown(split.source_spelling, split.spelling, split.held_out) == (3, 6)


def test_statistics():
    dataset = prepare_pairs(corpus([("abc", "xy"), ("a", "xyxy")]), held_out=corpus([("abcabc", "x")]))
    assert dataset.statistics == {
        "pairs": 2,
        "source_tokens": 4,
        "tokens": 6,
        "longest_source": 4,  # with END
        "longest_target": 5,
        "held_out_fraction": 0.0,
        "split_seed": 0,
    }
    assert longest(dataset.held_out) == (7, 2)
    assert longest([]) == (0, 0)
    split = prepare_pairs(corpus(), fraction=0.25, seed=7)
    assert (split.statistics["held_out_fraction"], split.statistics["split_seed"]) == (0.25, 7)


# --- the split --------------------------------------------------------------------------------------------------------

# few different sources, with several targets each
PAIRS = st.lists(st.tuples(st.text("ab ", min_size=1, max_size=3), st.text("xy", min_size=1, max_size=3)), min_size=2)


@given(PAIRS, st.floats(0.01, 0.99), st.integers(0, 9))
def test_no_source_is_on_both_sides_and_no_pair_is_lost(pairs, fraction, seed):
    dataset = prepare_pairs(corpus(pairs), fraction=fraction, seed=seed)
    assert sources(dataset.train).isdisjoint(sources(dataset.held_out))
    assert sorted(texts((*dataset.train, *dataset.held_out))) == sorted(set(pairs))
    different = len({source for source, _ in pairs})
    held = len(sources(dataset.held_out))
    if different == 1:
        assert held == 0
    else:
        assert 1 <= held < different
        assert abs(held - fraction * different) <= 1


@given(PAIRS, st.integers(0, 2**40), st.randoms())
def test_the_split_does_not_depend_on_the_order(pairs, seed, random):
    wanted = sources(prepare_pairs(corpus(pairs), fraction=0.4, seed=seed).held_out)
    random.shuffle(pairs)
    assert sources(prepare_pairs(corpus(pairs), fraction=0.4, seed=seed).held_out) == wanted


def test_the_split_depends_on_the_seed():
    splits = {frozenset(sources(prepare_pairs(corpus(), fraction=0.1, seed=seed).held_out)) for seed in range(8)}
    assert len(splits) == 8
    often = [source for split in splits for source in split]
    assert max(often.count(source) for source in set(often)) < 5  # not always the same ones


def test_sources_are_equal_where_they_are_read_the_same():
    """By their tokens, not as they are written."""
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    pairs = [
        (form, "x" * number) for number, word in enumerate(words, 1) for form in (word, word.title(), word.upper())
    ]
    assert len(sources(prepare_pairs(corpus(pairs), fraction=0.3).held_out)) == 7  # of 24 that differ
    for seed in range(5):
        dataset = prepare_pairs(
            corpus(pairs), source_as="words", source_options={"lower": True}, fraction=0.3, seed=seed
        )
        held = {sequence.target_text for sequence in dataset.held_out}
        assert len(held) == 2  # of 8
        assert held.isdisjoint(sequence.target_text for sequence in dataset.train)
        assert len(dataset.held_out) == 6
        assert len(dataset.references) == 2


def test_sources_that_differ_in_their_spaces_are_two():
    corpus_ = corpus([("a b", "x"), ("ab", "y")])
    dataset = prepare_pairs(corpus([("c", "z")]), source_as="words", held_out=corpus_)
    assert [reference.texts for reference in dataset.references] == [("x",), ("y",)]


def test_references_are_all_targets_of_a_source():
    pairs = [("go", "va"), ("run", "cours"), ("go", "allez"), ("hi", "salut"), ("go", "vas-y")]
    dataset = prepare_pairs(corpus([("ab", "x")]), held_out=corpus(pairs))
    assert [(reference.sequence.source_text, reference.texts) for reference in dataset.references] == [
        ("go", ("va", "allez", "vas-y")),
        ("run", ("cours",)),
        ("hi", ("salut",)),
    ]
    # "go" and "hi" have the same ids, since nothing of them is known; "run" has more of them
    assert dataset.held_out[0].source.tolist() == dataset.held_out[3].source.tolist()
    assert dataset.references[0].sequence is dataset.held_out[0]


def test_sources_shared_with_a_corpus_to_hold_out():
    dataset = prepare_pairs(corpus([("a", "1"), ("a", "2"), ("b", "1")]), held_out=corpus([("a", "3"), ("c", "1")]))
    assert len(dataset.train) == 3  # they stay, but are said
    assert dataset.shared == 2
    assert prepare_pairs(corpus(), fraction=0.3).shared == 0


@pytest.mark.parametrize(("fraction", "seed"), [(0.1, 0), (0.3, 5)])
def test_what_was_held_out_is_found_again(fraction, seed):
    dataset = prepare_pairs(corpus(), target_as="words", fraction=fraction, seed=seed)
    source, target = (Spelling.of(spelling.side()) for spelling in (dataset.source_spelling, dataset.spelling))
    again, skipped = held_out_pairs(source, target, corpus(), fraction, seed)
    assert skipped == []
    assert len(again) == len(dataset.held_out) > 0
    for one, other in zip(again, dataset.held_out, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.source, other.source)
        np.testing.assert_array_equal(one.target, other.target)
    everything, _ = encode_pairs(source, target, corpus())
    assert sorted(texts(everything)) == sorted(SUMS)
    with pytest.raises(CorpusError, match="the training of this model held out nothing of 'made'"):
        held_out_pairs(source, target, corpus(), 0, 0)


# --- vectors ----------------------------------------------------------------------------------------------------------


def vectors(*steps: int, size: int = 3, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=(number, size)).astype(np.float32) for number in steps]


def test_vectors_stay_as_they_are():
    one, other = vectors(4, 1, 2), vectors(2, 5, 1, size=2, seed=1)
    dataset = prepare_pairs(PairCorpus.of(one, other), fraction=0)
    assert dataset.source_encoding is dataset.source_vocabulary is dataset.encoding is dataset.vocabulary is None
    assert (dataset.source_spelling.values, dataset.spelling.values) == (3, 2)
    for sequence, source, target in zip(dataset.train, one, other, strict=True):
        np.testing.assert_array_equal(sequence.source, source)
        np.testing.assert_array_equal(sequence.target, target)
        assert sequence.features.shape == (len(target), 0)
        assert sequence.targets.tolist() == [True] * len(target)
    assert dataset.chosen == "vectors"
    assert dataset.statistics["longest_source"] == 4
    assert (dataset.statistics["source_tokens"], dataset.statistics["tokens"]) == (7, 8)
    assert unknown(dataset.source_spelling, dataset.spelling, dataset.train) == (0, 0)


def test_equal_series_stay_together():
    one = vectors(*[3] * 10)
    pairs = PairCorpus.of([*one, *one], [*"abcdefghij", *"klmnopqrst"])
    dataset = prepare_pairs(pairs, fraction=0.3)
    held = {sequence.target_text for sequence in dataset.held_out}
    assert len(held) == 6
    assert {chr(ord(letter) + 10) for letter in held if letter <= "j"} == {letter for letter in held if letter > "j"}
    assert [len(reference.texts) for reference in dataset.references] == [2, 2, 2]
    assert prepare_pairs(PairCorpus.of(one, one), fraction=0.3).references == ()  # no texts


# --- what cannot be ---------------------------------------------------------------------------------------------------


def test_what_the_encoding_cannot_hold_is_skipped():
    pairs = [("a", "b"), ("\ud800", "c"), ("d", "e")]
    dataset = prepare_pairs(corpus(pairs), source_as="bytes", fraction=0)
    assert texts(dataset.train) == [("a", "b"), ("d", "e")]
    assert [(skip.name, skip.failed) for skip in dataset.skipped] == [("pair 2", True)]
    accents = corpus([("a", "b"), ("c", "\u0301"), ("d", "\u0300\u0301")])
    dataset = prepare_pairs(accents, target_as="words", target_options={"strip_accents": True}, fraction=0)
    assert {skip.reason for skip in dataset.skipped} == {"the encoding words leaves nothing of a side"}
    assert len(dataset.train) == 1
    with pytest.raises(CorpusError, match="no pair of 'made' fits the encodings: pair 1: the text has no UTF-8 form"):
        prepare_pairs(corpus([("\ud800", "a")]), source_as="bytes")
    with pytest.raises(CorpusError, match="no pair of 'own' fits the encodings"):
        prepare_pairs(corpus(), source_as="bytes", held_out=corpus([("\ud800", "a")], title="own"))


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan")])
def test_a_fraction_out_of_range(fraction):
    with pytest.raises(ConfigError, match="fraction must be at least 0 and below 1"):
        prepare_pairs(corpus(), fraction=fraction)


def test_encodings_that_do_not_fit():
    with pytest.raises(CorpusError, match="the encoding chorale is for music, but the targets of 'made' are text"):
        prepare_pairs(corpus(), target_as="chorale")
    with pytest.raises(ConfigError, match="the encoding chars has no option 'lower'"):
        prepare_pairs(corpus(), source_options={"lower": True})
    with pytest.raises(ConfigError, match="the sources of 'pairs' are vectors, which have no encoding"):
        prepare_pairs(PairCorpus.of(vectors(1), ["a"]), source_as="chars")


def test_corpora_that_do_not_fit():
    both = PairCorpus.of(vectors(1), ["a"], title="other")
    with pytest.raises(CorpusError, match="wanted are pairs of text and text, not of vectors and text: 'other'"):
        prepare_pairs(corpus(), held_out=both)
    dataset = prepare_pairs(both, fraction=0)
    with pytest.raises(CorpusError, match="wanted are sources with 3 numbers a vector, not with 2: 'made'"):
        encode_pairs(dataset.source_spelling, dataset.spelling, PairCorpus.of(vectors(1, size=2), ["a"], title="made"))


# --- spelling ---------------------------------------------------------------------------------------------------------


def test_a_spelling_and_the_side_of_a_model_file():
    vectors_ = Side(encoding="vectors", options={"size": 12}, vocabulary=[])
    assert Spelling.of(vectors_) == Spelling(12)
    assert Spelling.of(vectors_).unit == "vectors"
    words = Spelling(6, encodings.make("words", lower=True), Vocabulary.of(["a", "b"]))
    assert words.unit == "text"
    assert words.side() == Side(
        encoding="words", options=words.encoding.options, vocabulary=["<pad>", "<start>", "<end>", "<unk>", "a", "b"]
    )
    again = Spelling.of(words.side())
    assert (again.values, again.encoding.options, again.vocabulary) == (6, words.encoding.options, words.vocabulary)
    assert words.ids(["b", "c", "a"]).tolist() == [5, UNK, 4, END]
    assert words.ids(["b"], start=True).tolist() == [START, 5, END]
    assert words.ids([]).tolist() == [END]
    many = Spelling(70_000, words.encoding, Vocabulary.of(map(str, range(69_996))))
    assert many.ids(["9999"]).tolist() == [69_999, END]


@given(st.lists(st.integers(4, 9), max_size=6))
def test_reading_backwards(ids):
    source = np.array([*ids, END], np.uint16)
    assert read_order(source, reversed=False) is source
    assert read_order(source, reversed=True).tolist() == [*ids[::-1], END]
    assert read_order(source, reversed=True).dtype == source.dtype
    series = np.arange(2 * len(ids) + 2).reshape(-1, 2)
    np.testing.assert_array_equal(read_order(series, reversed=True), series[::-1])
