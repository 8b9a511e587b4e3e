"""Families of documents, and splits that keep them together."""

import importlib
import random

import pytest
from corpus_cases import FOLK, OTHER, text, tune
from hypothesis import given
from hypothesis import strategies as st

from seqgen.corpus import Document, families, split
from seqgen.corpus.packed import digest
from seqgen.errors import ConfigError
from seqgen.piece import Part, Piece

MODULE = importlib.import_module("seqgen.corpus.families")  # the package has the function of that name
LONG = 30  # notes of a random melody; two of them do not share 16 by chance


def melody(seed: int, length: int = LONG) -> list[int]:
    draw = random.Random(seed)
    return [draw.randrange(55, 80) for _ in range(length)]


def test_a_transposed_copy_is_family():
    assert families([tune(FOLK), tune(OTHER), tune([pitch + 5 for pitch in FOLK])]) == [0, 1, 0]


def test_sixteen_notes_in_a_row_make_a_family_and_fifteen_do_not():
    passage = FOLK[:16]
    for length, expected in ((16, [0, 0]), (15, [0, 1])):
        shared = passage[:length]
        one = tune(melody(1) + shared + melody(2))
        other = tune(melody(3) + [pitch - 3 for pitch in shared] + melody(4))
        assert families([one, other]) == expected, length


def test_families_join_over_a_third():
    first, second = FOLK[:16], OTHER[:16]
    documents = [tune(first + melody(1)), tune(melody(2) + second), tune(second + melody(3) + first)]
    assert families(documents) == [0, 0, 0]


@pytest.mark.parametrize(
    "passage",
    [
        [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 81, 83, 84, 86],  # a scale
        [60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62, 60, 62],  # up and down
        [60] * 16,
        [60, 64, 67, 72] * 4,  # an arpeggio
        [60, 67, 64, 67] * 4,  # Alberti
        [60, 62, 60, 62, 64, 62, 60, 62, 60, 62, 64, 60, 62, 64, 60, 62],  # three pitches
        [60, 64, 62, 65, 64, 67, 65, 69, 67, 71, 69, 72, 71, 74, 72, 76],  # thirds climbing the scale
    ],
)
def test_anybodys_passages_make_no_family(passage):
    documents = [tune(melody(1) + passage + melody(2)), tune(melody(3) + passage + melody(4))]
    assert families(documents) == [0, 1]


def test_a_passage_counts_in_any_part_and_as_the_highest_of_chords():
    chords = [(index, 1, pitch - 12, 80, 1) for index, pitch in enumerate(FOLK)]
    chords += [(index, 1, pitch - 15, 80, 1) for index, pitch in enumerate(FOLK)]
    above = [(index, 1, pitch, 80, 0) for index, pitch in enumerate(melody(1))]
    piece = Piece.build(above + chords, 1)
    assert families([tune(FOLK), Document("chords", piece, digest(piece))]) == [0, 0]


def test_time_does_not_matter_to_a_passage_but_to_a_copy_it_does():
    short = FOLK[:8]  # too short for a passage
    slow = Piece.build([(4 * index, 4, pitch, 80, 0) for index, pitch in enumerate(short)], 1)
    fine = Piece.build([(960 * index, 960, pitch + 2, 90, 0) for index, pitch in enumerate(short)], 960, title="other")
    documents = [tune(short), Document("slow", slow, digest(slow)), Document("fine", fine, digest(fine))]
    assert families(documents) == [0, 1, 0]
    slow = Piece.build([(4 * index, 4, pitch, 80, 0) for index, pitch in enumerate(FOLK)], 1)
    assert families([tune(FOLK), Document("slow", slow, digest(slow))]) == [0, 0]


def test_drums_share_no_melody_but_copies_are_copies():
    assert families([tune([*FOLK, 60], drums=True), tune(FOLK, drums=True), tune(FOLK, drums=True)]) == [0, 1, 1]
    higher = [pitch + 1 for pitch in FOLK]  # other instruments
    assert families([tune(FOLK, drums=True), tune(higher, drums=True)]) == [0, 1]


def test_a_drum_part_beside_a_transposed_melody_stays():
    def song(by: int) -> Document:
        rows = [(index, 1, pitch + by, 80, 0) for index, pitch in enumerate(FOLK[:8])] + [(0, 1, 36, 80, 1)]
        piece = Piece.build(rows, 1, [Part(), Part("", 0, True)])
        return Document(f"by {by}", piece, digest(piece))

    assert families([song(0), song(3)]) == [0, 0]


def test_few_or_no_documents():
    assert families([]) == []
    assert families([tune(FOLK)]) == [0]
    assert families([tune([]), tune([60]), tune([60, 61])]) == [0, 1, 2]


def words(seed: int, count: int) -> str:
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abcdefghijklmnop", k=draw.randrange(2, 9))) for _ in range(count))


def test_texts_are_family_by_copy_or_by_a_long_passage():
    passage = words(1, 60)  # more than 200 characters
    assert families([text("To be,\n or not"), text("To be, or  not\n"), text("To be")]) == [0, 0, 2]
    one, other = f"{words(2, 50)} {passage} {words(3, 50)}", f"{words(4, 50)}\n{passage}\n{words(5, 50)}"
    assert families([text(one), text(words(6, 200)), text(other)]) == [0, 1, 0]
    assert families([text(f"{words(2, 50)} {passage[:190]} {words(3, 50)}"), text(other)]) == [0, 1]


def test_a_licence_in_every_text_makes_no_family():
    licence = words(1, 100)
    assert families([text(f"{words(10 + number, 100)}\n{licence}") for number in range(9)]) == list(range(9))
    assert families([text(f"{words(10 + number, 100)}\n{licence}") for number in range(4)]) == [0] * 4


def test_large_texts_are_sampled_and_still_found(monkeypatch):
    monkeypatch.setattr(MODULE, "_MOST_WINDOWS", 1000)
    one, other = words(1, 2000), words(2, 2000)
    half = one[len(one) // 2 :]
    hashes, _ = MODULE._passages([one, other])
    assert 300 < len(hashes) < 3000
    assert families([text(one), text(other), text(words(3, 500) + " " + half)]) == [0, 1, 0]


def test_blocks_do_not_hide_a_passage(monkeypatch):
    monkeypatch.setattr(MODULE, "_BLOCK_CHARACTERS", 64)
    passage = words(1, 60)[:200]
    one, other = f"{words(2, 50)}|{passage}|{words(3, 50)}", f"{words(4, 37)}|{passage}|{words(5, 50)}"
    assert families([text(one), text(other)]) == [0, 0]


SIZES = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 6)), min_size=1, max_size=30)


def some(sizes: list[tuple[int, int]]) -> tuple[list[Document], list[int]]:
    """Documents of these sizes, and the family of each."""
    documents = [text(f"{number} ".ljust(size, "x"), f"{number}") for number, (size, _) in enumerate(sizes)]
    return documents, [family for _, family in sizes]


@given(SIZES, st.floats(0.01, 0.99), st.integers(0, 5))
def test_no_family_is_on_both_sides(sizes, fraction, seed):
    documents, of = some(sizes)
    train, held_out = split(documents, of, fraction, seed)
    assert sorted(train + held_out) == list(range(len(documents)))
    assert train == sorted(train)
    assert held_out == sorted(held_out)
    assert not {of[index] for index in train} & {of[index] for index in held_out}
    assert train
    assert bool(held_out) == (len(set(of)) > 1)


@given(SIZES, st.floats(0.05, 0.95), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(sizes, fraction, seed, shuffle):
    documents, of = some(sizes)
    _, held_out = split(documents, of, fraction, seed)
    order = list(range(len(documents)))
    shuffle.shuffle(order)
    _, again = split([documents[index] for index in order], [of[index] + 7 for index in order], fraction, seed)
    assert {documents[index].name for index in held_out} == {documents[order[index]].name for index in again}


@given(st.lists(st.integers(1, 50), min_size=40, max_size=80), st.floats(0.1, 0.5), st.integers(0, 5))
def test_the_fraction_is_met_by_size(sizes, fraction, seed):
    documents = [text(f"{number} ".ljust(100 * size, "x")) for number, size in enumerate(sizes)]
    _, held_out = split(documents, list(range(len(sizes))), fraction, seed)
    share = sum(sizes[index] for index in held_out) / sum(sizes)
    assert abs(share - fraction) <= max(sizes) / sum(sizes)


def test_another_seed_draws_other_families():
    documents = [tune(melody(number)) for number in range(60)]
    drawn = {tuple(split(documents, list(range(60)), 0.2, seed)[1]) for seed in range(10)}
    assert len(drawn) == 10
    assert split(documents, list(range(60)), 0.2, 3) == split(documents, list(range(60)), 0.2, 3)


def test_notes_are_the_size_of_music():
    documents = [tune(melody(number, 100 if number == 0 else 10)) for number in range(11)]
    _, held_out = split(documents, list(range(11)), 0.25, 0)
    assert sum(100 if index == 0 else 10 for index in held_out) == 50


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_a_fraction_is_between_zero_and_one(fraction):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        split([tune(FOLK)], [0], fraction, 0)
