"""Pairs of music: some parts of a piece are given, first in the target, and the others are to be found."""

from dataclasses import replace

import numpy as np
import pytest
from made import FOLK, piece

from seqgen import formats
from seqgen.corpus import Corpus, PairCorpus, families, load_pairs
from seqgen.corpus.load import Document
from seqgen.corpus.packed import digest
from seqgen.corpus.pair_dataset import encode_pairs, held_out_pairs, prepare_pairs
from seqgen.corpus.pair_sequences import transpositions
from seqgen.corpus.parts import with_parts
from seqgen.corpus.spelling import Spelling
from seqgen.errors import ConfigError, CorpusError
from seqgen.piece import Key, Part, Piece
from seqgen.vocabulary import END, START

CONTROLS = 3


def chorale(seed: int, parts: int = 4, **fields) -> Piece:
    return piece(seed, parts=parts, bars=2, **fields)


def pairs(pieces: list[Piece], given: int = 1) -> PairCorpus:
    return PairCorpus.of([with_parts(whole, range(given)) for whole in pieces], pieces)


def prepared(pieces: list[Piece], given: int = 1, **options):
    return prepare_pairs(pairs(pieces, given), **{"fraction": 0, **options})


def same_notes(one: Piece, other: Piece) -> None:
    for name in ("onset", "duration", "pitch", "part"):
        np.testing.assert_array_equal(one.notes[name], other.notes[name])


PIECES = [chorale(1), chorale(2, meter=(3, 4), pickup=2, key=-1), chorale(3, durations=(2, 4, 6), key=2)]
WITH_REST = [*PIECES, chorale(5, meter=(6, 8), pickup=1)]


@pytest.mark.parametrize("given", [1, 2, 3])
def test_both_sides_are_chorales_and_back(given):
    """At four ticks a quarter the grid is that of the pieces."""
    dataset = prepared(WITH_REST, given)
    assert (dataset.source_encoding.name, dataset.encoding.name) == ("chorale", "chorale")
    assert (dataset.source_encoding.parts, dataset.encoding.parts) == (given, 4)
    for whole, sequence in zip(WITH_REST, dataset.train, strict=True):
        assert (sequence.target[0], sequence.target[-1], sequence.source[-1]) == (START, END, END)
        found = dataset.encoding.decode(dataset.vocabulary.to_tokens(sequence.target[1:-1]))
        same_notes(found, whole)
        assert (found.meters, found.keys, found.pickup_ticks) == (whole.meters, whole.keys, whole.pickup_ticks)
        read = dataset.source_encoding.decode(dataset.source_vocabulary.to_tokens(sequence.source[:-1]))
        same_notes(read, with_parts(whole, range(given)))


@pytest.mark.parametrize("given", [1, 2, 3])
def test_the_given_parts_are_not_predicted(given):
    dataset = prepared(WITH_REST, given)
    for whole, sequence in zip(WITH_REST, dataset.train, strict=True):
        steps = whole.end_tick
        wanted = [False] * CONTROLS + ([False] * given + [True] * (4 - given)) * steps + [False]  # the end is told, too
        assert sequence.targets.tolist() == wanted


@pytest.mark.parametrize("given", [1, 2, 3])
def test_the_source_is_what_the_target_says_of_its_parts(given):
    dataset = prepared(WITH_REST, given)
    for sequence in dataset.train:
        source = dataset.source_vocabulary.to_tokens(sequence.source)
        target = dataset.vocabulary.to_tokens(sequence.target)[1:]
        assert source[:CONTROLS] == target[:CONTROLS]
        for part in range(given):
            assert source[CONTROLS + part : -1 : given] == target[CONTROLS + part : -1 : 4]


def test_a_target_place_and_its_source_place():
    """What attention that is aligned relies on: each four target places, and the END, belong to a source place."""
    dataset = prepared(WITH_REST)
    for sequence in dataset.train:
        source = dataset.source_vocabulary.to_tokens(sequence.source)
        for place, id in enumerate(sequence.target[1:].tolist()):
            memory = place if place < CONTROLS else CONTROLS + (place - CONTROLS) // 4
            if place < CONTROLS or (place - CONTROLS) % 4 == 0:
                assert source[memory] == dataset.vocabulary.tokens[id]


def test_features_are_those_of_the_whole_target():
    dataset = prepared(WITH_REST)
    grammar = dataset.encoding.grammar(dataset.vocabulary)
    for sequence in dataset.train:
        state, rows = grammar.start(), []
        for id in sequence.target[1:].tolist():
            rows.append(list(grammar.features(state)))
            state = grammar.advance(state, id) if id != END else state
        assert sequence.features.tolist() == rows


def test_parts_that_end_early_rest():
    whole = Piece.build([(0, 4, 72, 80, 0), (0, 8, 60, 80, 1), (2, 2, 48, 80, 2)], 4, [Part()] * 3)
    dataset = prepared([whole])
    (sequence,) = dataset.train
    assert dataset.source_vocabulary.to_tokens(sequence.source[CONTROLS:-1]) == ["72"] + ["hold"] * 3 + ["rest"] * 4
    assert len(sequence.target) == 1 + CONTROLS + 3 * 8 + 1


def test_a_voice_to_find_may_be_silent():
    whole = replace(chorale(1), notes=chorale(1).notes[chorale(1).notes["part"] != 2])
    dataset = prepared([whole, chorale(2)])
    assert len(dataset.train) == 2
    body = dataset.vocabulary.to_tokens(dataset.train[0].target[1 + CONTROLS : -1])
    assert set(body[2::4]) == {"rest"}


def test_controls_say_what_the_source_alone_says():
    """C E G over A: with its bass A minor, without it, on E, nothing but the signature's major."""
    whole = Piece.build([(0, 4, 76, 80, 0), (0, 4, 57, 80, 1)], 4, [Part()] * 2, keys=(Key(0, 0, ""),))
    dataset = prepared([whole])
    (sequence,) = dataset.train
    assert dataset.vocabulary.tokens[sequence.target[1]] == "key=C-major"
    assert dataset.source_vocabulary.tokens[sequence.source[0]] == "key=C-major"
    assert list(dataset.statistics["controls"]) == ["key=C-major meter=? pickup=0"]


# --- the split, and what is kept of the corpus ------------------------------------------------------------------------


def test_families_stay_on_one_side():
    pieces = [made for seed in range(8) for made in (chorale(seed), chorale(seed).transposed(2))]
    documents = [Document(str(number), made, digest(made)) for number, made in enumerate(pieces)]
    # what is promised is only as good as the families
    assert len(set(families(documents))) == 8
    for seed in range(4):
        dataset = prepared(pieces, fraction=0.25, seed=seed)
        held = {(int(sequence.name.split()[1]) - 1) // 2 for sequence in dataset.held_out}
        kept = {(int(sequence.name.split()[1]) - 1) // 2 for sequence in dataset.train}
        assert held
        assert held.isdisjoint(kept)
        assert len(dataset.held_out) == 2 * len(held)
        source, target = (Spelling.of(spelling.side()) for spelling in (dataset.source_spelling, dataset.spelling))
        again, _ = held_out_pairs(source, target, pairs(pieces), 0.25, seed)
        for one, other in zip(again, dataset.held_out, strict=True):
            np.testing.assert_array_equal(one.target, other.target)
            np.testing.assert_array_equal(one.features, other.features)
    shared = prepare_pairs(pairs([chorale(1), chorale(2)]), held_out=pairs([chorale(2).transposed(-1), chorale(3)]))
    assert (shared.shared, len(shared.train), len(shared.held_out)) == (1, 2, 2)


def test_statistics_for_generation():
    dataset = prepared(PIECES)
    assert dataset.statistics["controls"] == {
        "key=C-major meter=4/4 pickup=0": 1,
        "key=F-major meter=3/4 pickup=2": 1,
        "key=D-major meter=4/4 pickup=0": 1,
    }
    assert dataset.statistics["tempo_bpm"] == 100.0
    assert len(dataset.statistics["velocities"]) == 5
    assert dataset.references == ()
    assert dataset.chosen == "of 4 parts 1 is given"


def test_what_the_model_sees():
    dataset = prepared(PIECES)
    assert dataset.encoding.options["sees"] == "key bar sounding parallel 1 2 4 8"
    assert "sees" not in dataset.source_encoding.options
    own = prepare_pairs(replace(pairs(PIECES), options={"grid": 8, "parts": 4, "sees": "key"}))
    assert own.encoding.options == {"grid": 8, "parts": 4, "sees": "key"}
    assert own.source_encoding.options == {"grid": 8, "parts": 1}
    asked = prepared(PIECES, target_options={"grid": 2, "sees": ""})
    assert asked.encoding.options == {"grid": 2, "parts": 4}
    assert asked.source_encoding.options == {"grid": 2, "parts": 1}


# --- transposition ----------------------------------------------------------------------------------------------------


def test_a_pair_is_transposed_as_a_whole():
    """Each table of a pair gives what the transposed piece is, on both sides, in tokens and features."""
    pieces = [*WITH_REST, chorale(7, key=1).transposed(5), chorale(8).transposed(-4)]
    # without `parallel`: a pitch that would be one may lie outside the vocabulary in one key and inside in another
    dataset = prepared(pieces, target_options={"sees": "key bar sounding 1 2"})
    tables = transpositions(dataset.source_spelling, dataset.spelling, dataset.train)
    assert sum(map(len, tables)) > 2 * len(pieces)
    grammar = dataset.encoding.grammar(dataset.vocabulary)
    for whole, sequence, own in zip(pieces, dataset.train, tables, strict=True):
        possible = {}
        for semitones in range(-6, 6):
            moved = whole.transposed(semitones)
            target = dataset.encoding.encode(moved)[0].tokens
            source = dataset.source_encoding.encode(with_parts(moved, [0]))[0].tokens
            if all(token in dataset.vocabulary.ids for token in target) and all(
                token in dataset.source_vocabulary.ids for token in source
            ):
                ids = dataset.spelling.ids(target, start=True)
                possible[tuple(dataset.source_spelling.ids(source))] = ids
        found = {tuple(table.source[sequence.source]): table.target[sequence.target] for table in own}
        assert found.keys() == possible.keys()
        assert len(found) == len(own)
        assert tuple(sequence.source) in found  # its own key
        for source, ids in found.items():
            np.testing.assert_array_equal(ids, possible[source])
        for table in own:
            state, rows = grammar.start(), []
            for id in table.target[sequence.target][1:].tolist():
                rows.append(list(grammar.features(state)))
                state = grammar.advance(state, id) if id != END else state
            columns = np.arange(sequence.features.shape[1])
            assert table.features[columns, sequence.features].tolist() == rows


def test_neither_side_leaves_its_vocabulary():
    """All targets together have the pitches from 40 to 90, the sources only 60 to 62, and a piece on 60 stays there."""
    low = Piece.build([(0, 4, 60, 80, 0), (0, 4, 58, 80, 1)], 4, [Part()] * 2)
    wide = Piece.build([(0, 4, 62, 80, 0), (0, 4, 40, 80, 1), (4, 4, 90, 80, 1)], 4, [Part()] * 2)
    dataset = prepared([low, wide])
    first, second = transpositions(dataset.source_spelling, dataset.spelling, dataset.train)
    pitches = [dataset.source_vocabulary.tokens[table.source[dataset.train[0].source[CONTROLS]]] for table in first]
    assert pitches == ["60", "61", "62"]
    assert len(second) == 1


def test_text_has_no_keys():
    dataset = prepare_pairs(PairCorpus.of(["a"], ["b"]), fraction=0)
    assert transpositions(dataset.source_spelling, dataset.spelling, dataset.train) is None
    dataset = prepare_pairs(PairCorpus.of([np.ones((1, 2))], ["b"]), fraction=0)
    assert transpositions(dataset.source_spelling, dataset.spelling, dataset.train) is None


# --- what does not fit ------------------------------------------------------------------------------------------------


def test_pieces_that_do_not_fit_are_skipped():
    chords = piece(3, parts=4, bars=2, chords=True)
    other = PairCorpus.of(
        [
            with_parts(chorale(1), [0]),
            with_parts(chorale(1), [0]),
            with_parts(chords, [0]),
            with_parts(chorale(2), [0]),
        ],
        [chorale(1), chorale(9), chords, chorale(2, parts=3)],
    )
    dataset = prepare_pairs(other, fraction=0)
    assert [sequence.name for sequence in dataset.train] == ["pair 1"]
    reasons = {skip.name: (skip.reason, skip.failed) for skip in dataset.skipped}
    assert reasons["pair 2"] == ("the target does not begin with the parts of the source", True)
    assert "chorale holds one note a part at a time" in reasons["pair 3"][0]
    assert reasons["pair 4"][0] == "chorale wants 4 pitched parts with notes, the piece has 3"
    stated = prepare_pairs(replace(other, options={"grid": 4}), fraction=0)
    assert not any(skip.failed for skip in stated.skipped)  # its own encoding says which it means
    dataset = prepared(PIECES)
    with pytest.raises(
        CorpusError, match="no pair of 'pairs' fits the encodings: pair 1: chorale wants 1 pitched part "
    ):
        encode_pairs(dataset.source_spelling, dataset.spelling, pairs(PIECES, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_as": "frames"}, "pairs of music are chorale on both sides, so the target cannot be frames"),
        ({"source_as": "chars"}, "so the source cannot be chars"),
        ({"source_options": {"parts": 2}}, "how many parts the source has is told by the pairs"),
        ({"source_options": {"grid": 2}}, "both sides of music have one grid, not 2 and 4 steps a quarter note"),
        ({"target_options": {"gird": 2}}, "the encoding chorale has no option 'gird'"),
    ],
)
def test_encodings_that_are_not_open(options, message):
    with pytest.raises(ConfigError, match=message):
        prepared(PIECES, **options)


def test_nothing_to_find():
    with pytest.raises(CorpusError, match="the sources of 'pairs' have 4 parts and the targets 4: none to find"):
        prepared(PIECES, 4)
    with pytest.raises(ConfigError, match="chorale holds 1 to 6 parts, not 7"):
        prepared([chorale(1, parts=7)])


# --- from files -------------------------------------------------------------------------------------------------------


def named(made: Piece, *names: str) -> Piece:
    return replace(made, parts=tuple(Part(name) for name in names))


def test_pairs_of_files(tmp_path, monkeypatch):
    whole = named(chorale(1), "Bass", "Soprano", "Tenor", "Alto")
    unnamed = chorale(2)
    three = named(chorale(3, parts=3), "Soprano", "Alto", "Bass")
    documents = tuple(
        Document(name, made, digest(made)) for name, made in (("a.mid", whole), ("b.mid", unnamed), ("c.mid", three))
    )
    read = Corpus("made", "music", documents, licence="free")
    calls = []

    def load(*sources, progress=None):
        calls.append(sources)
        return read

    monkeypatch.setattr("seqgen.corpus.pairs.load_corpus", load)
    corpus = load_pairs("here", from_parts=["soprano"], to_parts="Alto, tenor,bass")
    assert calls == [("here",)]
    assert [pair.name for pair in corpus.pairs] == ["a.mid", "b.mid"]
    assert corpus.pairs[0].target == with_parts(whole, [1, 3, 2, 0])
    assert corpus.pairs[0].source == with_parts(whole, [1])
    assert corpus.pairs[1].target == unnamed
    assert [(skip.name, skip.failed) for skip in corpus.skipped] == [("c.mid", True)]
    assert "has no part 'tenor'; its parts are 'Soprano', 'Alto', 'Bass'" in corpus.skipped[0].reason
    assert (corpus.from_parts, corpus.to_parts) == (("soprano",), ("Alto", "tenor", "bass"))
    assert (corpus.title, corpus.licence, corpus.names, corpus.options) == ("made", "free", ("a.mid", "b.mid"), {})
    dataset = prepare_pairs(corpus, fraction=0)
    assert dataset.statistics["from_parts"] == ["soprano"]
    assert dataset.statistics["to_parts"] == ["Alto", "tenor", "bass"]
    two = prepare_pairs(load_pairs("here", from_parts="bass", to_parts="soprano"), fraction=0)
    assert (two.source_encoding.parts, two.encoding.parts, len(two.train)) == (1, 2, 3)
    with pytest.raises(CorpusError, match=r"no piece of 'made' has the parts 5, 1: a.mid: has no part '5'"):
        load_pairs("here", from_parts="5", to_parts="1")
    read = replace(read, encoding="chorale", options={"grid": 4, "parts": 4})  # which says what it means
    corpus = load_pairs("here", from_parts="soprano", to_parts="alto,tenor,bass")
    assert [skip.failed for skip in corpus.skipped] == [False]
    assert corpus.options == {"grid": 4, "parts": 4}


def test_files_are_read(tmp_path):
    made = Piece.build(
        [(4 * place, 4, pitch + 5 * part, 80, 3 - part) for place, pitch in enumerate(FOLK) for part in range(4)],
        4,
        [Part(name) for name in ("Soprano", "Alto", "Tenor", "Bass")],
    )
    formats.write(made, tmp_path / "a.mid")
    corpus = load_pairs(tmp_path, from_parts=["soprano"], to_parts=["alto", "tenor", "bass"])
    (sequence,) = prepare_pairs(corpus, fraction=0).train
    assert len(sequence.source) == CONTROLS + 4 * len(FOLK) + 1


def test_parts_that_cannot_be_asked_for(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(CorpusError, match="'a' is text: only music has parts to take"):
        load_pairs(tmp_path / "a.txt", from_parts="soprano", to_parts="alto")
    for parts in ({"from_parts": "soprano"}, {"to_parts": "soprano"}):
        with pytest.raises(ConfigError, match=r"need the parts that are given \(from_parts\) and those to find"):
            load_pairs(tmp_path, **parts)
    with pytest.raises(ConfigError, match="a part is named twice: soprano, Soprano"):
        load_pairs(tmp_path, from_parts="soprano", to_parts="Soprano")
    with pytest.raises(ConfigError, match="a max_length is for pairs of text"):
        load_pairs(tmp_path, from_parts="soprano", to_parts="alto", max_length=5)
