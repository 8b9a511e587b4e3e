"""The figures of real unseen pieces, against the longest passage of each, found alone."""

import numpy as np
from made import document, piece

from seqgen.corpus import Corpus
from seqgen.corpus.dataset import prepare
from seqgen.originality import CopyIndex, Unseen, lines, longest_passages, of_dataset, sentence, unseen_copied
from seqgen.originality import unseen as module

PIECES = [piece(seed, parts=2, bars=8, durations=(4, 8)) for seed in range(30)]


def of_index(index: CopyIndex | None) -> CopyIndex:
    assert index is not None
    return index


def test_the_figures_are_those_of_each_piece_alone():
    corpus, unseen = PIECES[:19], PIECES[19:]
    documents = [document(content, str(number)) for number, content in enumerate(corpus)]
    longest = [longest_passages(content, documents, top=1)[0].own for content in unseen]
    figures = unseen_copied(corpus, unseen)
    assert figures is not None
    notes, bars = sorted(found.length for found in longest), sorted(found.bars for found in longest)
    assert figures == Unseen(11, (notes[5], notes[10]), (bars[5], bars[10]))


def test_median_and_quantile_are_values_that_occur():
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    texts = [" ".join(words[:count]) for count in range(1, 11)] * 2
    assert unseen_copied([texts[9]], texts) == Unseen(20, (5, 10))
    assert unseen_copied([texts[9]], texts[:5] * 4) == Unseen(20, (3, 5))
    assert unseen_copied([texts[9]], [*texts[:1] * 18, texts[1], texts[9]]) == Unseen(20, (1, 2))


def test_texts_are_cut_into_pages():
    words = [f"w{number}" for number in np.random.default_rng(0).integers(1000, size=1000)]
    copied = " ".join(words[:450])  # 200 words, and a last page of 250
    assert unseen_copied([" ".join(words)], [copied]) == Unseen(2, (200, 250))
    assert unseen_copied([" ".join(words)], ["other things"]) == Unseen(1, (0, 0))


def test_large_corpora_are_not_read_to_their_end(monkeypatch):
    monkeypatch.setattr(module, "MOST_SYMBOLS", 10)
    text = "one two three four five six seven eight nine ten eleven twelve"
    assert unseen_copied([text, text], ["nine ten eleven"]) == Unseen(1, (2, 2))
    monkeypatch.setattr(module, "MOST_PIECES", 3)
    assert unseen_copied([text], ["one two"] * 9) == Unseen(3, (2, 2))


def test_nothing_unseen_has_no_figures():
    assert unseen_copied(["some text"], []) is None
    assert unseen_copied([], ["some text"]) is None
    assert unseen_copied(["some text"], ["..."]) is None


def test_of_a_dataset_it_is_the_training_side_as_it_is_generated():
    """Pieces off the grid are indexed on it, and what is held out is not indexed."""
    contents = [piece(seed, bars=12) for seed in range(12)]
    documents = tuple(document(content, f"{number}.mid") for number, content in enumerate(contents))
    dataset = prepare(Corpus("made", "music", documents), encoding="notes", options={"grid": 2}, fraction=0.25)
    index, unseen = of_dataset(dataset)
    back = {
        row.name: dataset.encoding.decode(dataset.vocabulary.to_tokens(row.ids[1:-1]))
        for row in (*dataset.train, *dataset.held_out)
    }
    trained = [back[row.name] for row in dataset.train]
    assert unseen == unseen_copied(trained, [back[row.name] for row in dataset.held_out])
    for content in trained:
        assert of_index(index).longest(content).length == len(lines(content)[0].starts)
    same = of_index(CopyIndex.of(trained, "music"))
    np.testing.assert_array_equal(of_index(index).bits, same.bits)


def test_the_sentence_of_words():
    index = of_index(CopyIndex.of(["one two three four five six"], "text"))
    found = index.longest("then one two three four five")
    assert sentence(found, index, Unseen(9, (3, 5.0))) == (
        "longest copied passage: 5 words; unseen pages of 200 words: median 3, 95 % 5"
    )
    assert sentence(None, index, None) == "longest copied passage: fewer than 4 words"
