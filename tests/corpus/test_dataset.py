"""prepare: encoded, split, numbered; and held_out_of, which must find the same again."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from corpus_cases import long
from hypothesis import given
from hypothesis import strategies as st
from made import document, piece

from seqgen import encodings
from seqgen.corpus import Corpus, families
from seqgen.corpus.dataset import Dataset, at_most, encode_with, held_out_of, prepare
from seqgen.errors import ConfigError, CorpusError
from seqgen.piece import Part, Piece, Tempo
from seqgen.vocabulary import END, START, UNK


def corpus(*contents, unit="music", names=None, **fields) -> Corpus:
    names = names or [f"document {number}" for number in range(len(contents))]
    return Corpus("made", unit, tuple(document(*pair) for pair in zip(contents, names, strict=True)), **fields)


def melody(seed: int, bars: int = 6, semitones: int = 0) -> Piece:
    made = piece(seed, bars=bars)
    return made.transposed(semitones) if semitones else made


def names_of(sequences) -> set[str]:
    return {sequence.name for sequence in sequences}


def spelled(vocabulary, sequence) -> str:
    """The text of an IdSequence of characters."""
    assert sequence.ids[0] == START
    assert sequence.ids[-1] == END
    return "".join(vocabulary.to_tokens(sequence.ids[1:-1]))


def test_families_stay_on_one_side():
    """Eight tunes, each also in another key and with another ending: what is held out is not in the training side."""
    contents, names = [], []
    for seed in range(8):
        contents += [melody(seed), melody(seed, semitones=3), melody(seed, bars=7)]
        names += [f"{seed} as it is", f"{seed} higher", f"{seed} longer"]
    made = corpus(*contents, names=names)
    whole = families(made.documents)
    # what prepare promises is only as good as the families
    assert len(set(whole)) == 8
    for seed in range(6):
        dataset = prepare(made, fraction=0.25, seed=seed)
        held, kept = names_of(dataset.held_out), names_of(dataset.train)
        assert held
        assert held | kept == set(names)
        assert {name[0] for name in held}.isdisjoint({name[0] for name in kept})


def test_the_split_depends_on_its_seed_alone():
    made = corpus(*[melody(seed) for seed in range(12)])
    splits = [names_of(prepare(made, fraction=0.3, seed=seed).held_out) for seed in range(8)]
    assert [names_of(prepare(made, fraction=0.3, seed=seed).held_out) for seed in range(8)] == splits
    assert len(set(map(frozenset, splits))) > 1


def test_the_vocabulary_is_that_of_the_training_side():
    dataset = prepare(corpus("abcabc", unit="text"), held_out=corpus("abx", unit="text"))
    assert dataset.vocabulary.tokens[4:] == ("a", "b", "c")
    assert dataset.held_out[0].ids.tolist() == [START, 4, 5, UNK, END]
    split_ = prepare(corpus("\n".join(["aa"] * 50 + ["zz"] * 5), unit="text"), fraction=0.1)
    assert "z" not in split_.vocabulary.ids
    assert UNK in split_.held_out[0].ids
    assert UNK not in split_.train[0].ids


@given(st.lists(st.text("ab \n", min_size=2, max_size=80), min_size=1, max_size=9), st.floats(0.05, 0.9))
def test_few_texts_are_cut_and_nothing_is_lost(texts, fraction):
    dataset = prepare(corpus(*texts, unit="text"), fraction=fraction)
    front = {sequence.name: sequence for sequence in dataset.train}
    back = {sequence.name.removesuffix(" (last part)"): sequence for sequence in dataset.held_out}
    assert len(front) == len(texts)
    for number, text in enumerate(texts):
        name = f"document {number}"
        held = back.get(name)
        # compared as characters: what only the held-out part has is unknown
        assert front[name].characters + (held.characters if held else 0) == len(text)
        assert text.startswith(spelled(dataset.vocabulary, front[name]))
        if held is not None:
            rest = text[front[name].characters :]
            assert len(held.ids) == len(rest) + 2
            assert [dataset.vocabulary.ids.get(letter, UNK) for letter in rest] == held.ids[1:-1].tolist()
            assert abs(held.characters - fraction * len(text)) <= 1 + fraction * len(text) / 4


def test_a_cut_is_made_at_the_end_of_a_line_near_by():
    lines = [f"line number {number:02}\n" for number in range(40)]
    dataset = prepare(corpus("".join(lines), unit="text"), fraction=0.23)  # which falls into line 30
    assert spelled(dataset.vocabulary, dataset.train[0]) == "".join(lines[:30])
    assert len(dataset.held_out[0].ids) == 2 + len("".join(lines[30:]))
    far = prepare(corpus("x" * 10 + "\n" + "y" * 200, unit="text"), fraction=0.2)  # no line ends there
    assert len(far.held_out[0].ids) == 2 + round(211 * 0.2)


def test_ten_texts_are_not_cut():
    texts = [f"{word} " * 20 for word in ("one", "two", "six", "ten", "red", "blue", "gold", "green", "pink", "grey")]
    dataset = prepare(corpus(*texts, unit="text"), fraction=0.2)
    assert sorted(sequence.name for sequence in (*dataset.train, *dataset.held_out)) == [
        f"document {number}" for number in range(10)
    ]
    assert dataset.held_out


@pytest.mark.parametrize(
    "made",
    [
        corpus(*[melody(seed) for seed in range(9)]),
        corpus(*[piece(seed, parts=3) for seed in range(6)]),
        corpus("\n".join(f"verse {number}" for number in range(60)), "another one\n" * 9, unit="text"),
        corpus(*[f"text {number} " * (5 + number) for number in range(14)], unit="text"),
    ],
    ids=["melodies", "chorales", "two texts", "many texts"],
)
@pytest.mark.parametrize(("fraction", "seed"), [(0.1, 0), (0.3, 5)])
def test_what_was_held_out_is_found_again(made, fraction, seed):
    dataset = prepare(made, fraction=fraction, seed=seed)
    assert dataset.statistics["held_out_fraction"] == fraction
    assert dataset.statistics["split_seed"] == seed
    again, skipped = held_out_of(dataset.encoding, dataset.vocabulary, made, fraction, seed)
    assert skipped == []
    assert len(again) == len(dataset.held_out) > 0
    for one, other in zip(again, dataset.held_out, strict=True):
        assert one.name == other.name
        assert one.characters == other.characters
        np.testing.assert_array_equal(one.ids, other.ids)


def test_nothing_held_out_is_not_found_again():
    made = corpus("some text, and more", unit="text")
    dataset = prepare(made, fraction=0)
    assert dataset.held_out == ()
    with pytest.raises(CorpusError, match="held out nothing of 'made'"):
        held_out_of(dataset.encoding, dataset.vocabulary, made, 0, 0)


def test_a_corpus_of_its_own_may_be_held_out():
    inside, outside = [melody(seed) for seed in range(3)], [melody(9), melody(1)]
    dataset = prepare(corpus(*inside), held_out=corpus(*outside), fraction=0.5)
    assert (len(dataset.train), len(dataset.held_out)) == (3, 2)
    assert dataset.statistics["held_out_fraction"] == 0  # of the corpus itself


def test_every_id_sequence_is_what_the_encoding_says():
    made = corpus(*[piece(seed, parts=2, chords=True) for seed in range(5)])
    dataset = prepare(made, encoding="frames", fraction=0.2)
    by_name = {one.name: one for one in made.documents}
    for sequence in (*dataset.train, *dataset.held_out):
        tokens = dataset.encoding.encode(by_name[sequence.name].content)[0].tokens
        assert sequence.ids.dtype == np.uint16
        np.testing.assert_array_equal(sequence.ids, [START, *dataset.vocabulary.to_ids(tokens), END])


def test_every_voice_is_a_sequence_of_its_piece():
    parts = [Part("Soprano"), Part("Bass")]
    pieces = []
    for stride in (1, 2, 3):
        notes = [(time, 1, 60 + 7 * part + time * stride % 5, 80, part) for time in range(16) for part in (0, 1)]
        pieces.append(Piece.build(notes, 1, parts))
    dataset = prepare(corpus(*pieces), encoding="notes", options={"part": "all"}, fraction=0.4)
    assert names_of((*dataset.train, *dataset.held_out)) == {
        f"document {number} ({part})" for number in range(3) for part in ("Soprano", "Bass")
    }
    assert {name.split(" (")[0] for name in names_of(dataset.train)}.isdisjoint(
        {name.split(" (")[0] for name in names_of(dataset.held_out)}
    )


# --- which encoding ---------------------------------------------------------------------------------------------------


def test_the_encoding_is_chosen_stated_or_asked_for():
    tunes = [melody(seed) for seed in range(4)]
    chosen = prepare(corpus(*tunes))
    assert (chosen.encoding.name, chosen.chosen) == ("notes", "4 of 4 pieces have one voice")
    stated = prepare(corpus(*tunes, encoding="frames", options={"grid": 2}), features=False)
    assert (stated.encoding.name, stated.encoding.options) == ("frames", {"grid": 2})
    assert stated.chosen == "as the corpus states"
    more = prepare(corpus(*tunes, encoding="frames", options={"grid": 2, "sees": "key"}), options={"grid": 8})
    assert more.encoding.options == {"grid": 8, "sees": "key"}
    other = {"joint": True, "sees": ""}
    asked = prepare(corpus(*tunes, encoding="frames", options={"grid": 2}), encoding="notes", options=other)
    assert asked.encoding.options == {"grid": 4, "joint": True, "part": "auto"}
    assert asked.chosen == "as asked for"
    assert prepare(corpus("text", unit="text")).encoding.name == "chars"


@pytest.mark.parametrize("encoding", ["notes", "chorale", "frames"])
def test_training_sees_what_an_encoding_has_to_show_unless_it_is_told_not_to(encoding):
    made = corpus(*[piece(seed, parts=4) for seed in range(3)])
    shown = prepare(made, encoding=encoding, fraction=0)
    blind = prepare(made, encoding=encoding, fraction=0, features=False)
    assert "key" in shown.encoding.options["sees"].split()
    assert "sees" not in blind.encoding.options
    sizes = [dataset.encoding.grammar(dataset.vocabulary).feature_sizes for dataset in (shown, blind)]
    assert sizes[0][: len(sizes[1]) - 1] == sizes[1][:-1]
    assert len(sizes[0]) > len(sizes[1])


def test_an_encoding_of_the_wrong_unit():
    with pytest.raises(CorpusError, match="the encoding words is for text, but 'made' is music"):
        prepare(corpus(melody(1)), encoding="words")
    with pytest.raises(CorpusError, match="the encoding notes is for music, but 'made' is text"):
        prepare(corpus("text", unit="text"), encoding="notes")
    with pytest.raises(CorpusError, match="'made' is music, but what is to be held out is text"):
        prepare(corpus(melody(1)), held_out=corpus("text", unit="text"))
    chars = encodings.make("chars")
    with pytest.raises(CorpusError, match="the model is for text, but 'made' is music"):
        encode_with(chars, chars.vocabulary([]), corpus(melody(1)))


def test_what_does_not_fit_is_skipped_with_its_reason():
    fits = [piece(seed, parts=4) for seed in range(3)]
    dataset = prepare(corpus(*fits, piece(9, parts=2)), encoding="chorale", fraction=0.4)
    assert [skip.name for skip in dataset.skipped] == ["document 3"]
    assert dataset.skipped[0].failed
    assert "4 pitched parts with notes, the piece has 2" in dataset.skipped[0].reason


def test_nothing_fits():
    made = corpus(melody(1), melody(2))
    with pytest.raises(CorpusError, match=r"no piece of 'made' fits the encoding chorale: document 0: chorale wants 4"):
        prepare(made, encoding="chorale")
    other = prepare(corpus(*[piece(seed, parts=4) for seed in range(3)]), encoding="chorale")
    with pytest.raises(CorpusError, match="no piece of 'made' fits the encoding chorale"):
        encode_with(other.encoding, other.vocabulary, made)


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan")])
@pytest.mark.parametrize("made", [corpus("some text", unit="text"), corpus(melody(1), melody(2))])
def test_a_fraction_out_of_range(made, fraction):
    with pytest.raises(ConfigError, match="fraction must be at least 0 and below 1"):
        prepare(made, fraction=fraction)


# --- statistics -------------------------------------------------------------------------------------------------------


def test_the_statistics_are_those_of_the_training_side():
    inside = [piece(1), piece(2), piece(3, meter=(3, 4), pickup=2, key=1)]
    outside = [piece(4, meter=(7, 8))]
    dataset = prepare(corpus(*inside), held_out=corpus(*outside))
    assert dataset.statistics["controls"] == {
        "key=C-major meter=4/4 pickup=0": 2,
        "key=G-major meter=3/4 pickup=2": 1,
    }
    assert dataset.statistics["pieces"] == 3
    assert dataset.statistics["tokens"] == sum(len(sequence.ids) - 2 for sequence in dataset.train)


def test_the_tempo_is_the_median_of_the_first_tempi():
    def at(bpm):
        return Piece.build([(0, 1, 60, 80, 0)], 1, tempi=(Tempo(0, bpm), Tempo(1, 300.0)))

    assert prepare(corpus(at(60.0), at(100.0), at(90.0)), fraction=0).statistics["tempo_bpm"] == 90.0
    assert "tempo_bpm" not in prepare(corpus(Piece.build([(0, 1, 60, 80, 0)], 1)), fraction=0).statistics


def test_the_separator_of_a_text_is_kept():
    assert prepare(corpus("a", unit="text", separator="%%"), fraction=0).statistics["separator"] == "%%"
    assert "separator" not in prepare(corpus("a", unit="text"), fraction=0).statistics


def test_losses_are_counted():
    late = Piece.build([(1, 7, 60, 80, 0), (9, 7, 62, 80, 0)], 8)  # an eighth of a quarter off the grid of 4
    dataset = prepare(corpus(late), encoding="notes", fraction=0)
    assert dataset.losses == {"notes moved to the grid": 2}


# --- long texts -------------------------------------------------------------------------------------------------------

VERSES = [f"Zeile {number}: façade, 曲水流觴 and {'é𝄞'[number % 2]}\n" * (3 + number % 5) for number in range(14)]


def same(one: Dataset, other: Dataset) -> None:
    assert one.vocabulary == other.vocabulary
    assert (one.statistics, one.skipped, one.shared) == (other.statistics, other.skipped, other.shared)
    for side in ("train", "held_out"):
        for sequence, wanted in zip(getattr(one, side), getattr(other, side), strict=True):
            assert (sequence.name, sequence.characters) == (wanted.name, wanted.characters)
            np.testing.assert_array_equal(sequence.ids, wanted.ids)


@pytest.mark.parametrize("encoding", ["chars", "bytes", "words"])
@pytest.mark.parametrize("contents", [["\n".join(VERSES)], VERSES[:3], VERSES], ids=["one", "three", "fourteen"])
@pytest.mark.parametrize("characters", [1, 7, 10_000])
def test_long_texts_become_what_short_ones_do(tmp_path, encoding, contents, characters):
    """Cut, split by family, numbered and held out again."""
    short = corpus(*contents, unit="text")
    long_ = replace(short, documents=tuple(long(one, tmp_path, characters) for one in short.documents))
    prepared = prepare(long_, encoding=encoding, fraction=0.25, seed=3)
    same(prepared, prepare(short, encoding=encoding, fraction=0.25, seed=3))
    again, _ = held_out_of(prepared.encoding, prepared.vocabulary, long_, 0.25, 3)
    assert [sequence.ids.tolist() for sequence in again] == [row.ids.tolist() for row in prepared.held_out]
    own = corpus(VERSES[0], "another text", unit="text")
    long_own = replace(own, documents=tuple(long(one, tmp_path, characters) for one in own.documents))
    wanted = prepare(short, encoding=encoding, held_out=own)
    same(prepare(long_, encoding=encoding, held_out=long_own), wanted)
    same(prepare(long_, encoding=encoding, held_out=own), wanted)  # the one long, the other not
    same(prepare(short, encoding=encoding, held_out=long_own), wanted)


def test_the_ids_of_a_long_text_take_the_fewest_bytes(tmp_path):
    for content, encoding, wanted in (
        ("some text", "chars", np.uint8),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 252))), "chars", np.uint8),  # with the specials 256
        ("".join(map(chr, range(0x4E00, 0x4E00 + 253))), "chars", np.uint16),
        ("some text", "bytes", np.uint16),
    ):
        made = corpus(unit="text")
        made = replace(made, documents=(long(document(content, "long"), tmp_path, 100),))
        (sequence,) = prepare(made, encoding=encoding, fraction=0).train
        assert sequence.ids.dtype == wanted
        assert not sequence.ids.flags.owndata
        assert sequence.digest == hashlib.sha256(sequence.ids.tobytes()).digest()


def test_at_most_takes_from_the_front():
    sequences = prepare(corpus("abcdef", "abc", unit="text"), fraction=0).train
    assert [(row.ids.tolist(), row.characters) for row in at_most(sequences, 100)] == [
        (row.ids.tolist(), row.characters) for row in sequences
    ]
    cut = at_most(sequences, 9)
    assert [len(row.ids) - 1 for row in cut] == [7, 2]
    assert cut[1].ids.tolist() == sequences[1].ids[:3].tolist()
    assert cut[1].characters == round(3 * 2 / 4)
    assert [len(row.ids) - 1 for row in at_most(sequences, 3)] == [3]
