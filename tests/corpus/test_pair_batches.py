"""PairBatches: every pair once an epoch, padded on the outside, whatever its shape."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import piece

from seqgen.corpus import PairCorpus
from seqgen.corpus.pair_batches import PairBatches
from seqgen.corpus.pair_dataset import prepare_pairs
from seqgen.corpus.pair_sequences import PairSequence, transpositions
from seqgen.corpus.parts import with_parts
from seqgen.corpus.spelling import read_order
from seqgen.errors import ConfigError, CorpusError
from seqgen.vocabulary import END, PAD, START

LENGTHS = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=25)


def made(lengths, vectors: tuple[bool, bool] = (False, False), seed: int = 0) -> list[PairSequence]:
    """Sources of so many steps and targets of so many places, random features, some places given."""
    random = np.random.default_rng(seed)
    sequences = []
    for number, (steps, places) in enumerate(lengths):
        source = np.append(random.integers(4, 99, steps - 1), END).astype(np.uint16)
        target = np.array([START, *random.integers(4, 99, places - 1), END], np.uint16)
        if vectors[0]:
            source = random.normal(size=(steps, 3)).astype(np.float32)
        if vectors[1]:
            target = random.normal(size=(places, 2)).astype(np.float32)
        features = random.integers(1, 9, size=(places, 0 if vectors[1] else 2)).astype(np.int32)
        targets = random.random(places) < 0.8
        sequences.append(PairSequence(str(number), source, target, features, targets))
    return sequences


def bytes_of(*arrays: np.ndarray) -> tuple:
    return tuple((array.shape, np.asarray(array, float).tobytes()) for array in arrays)


def rows_of(batch, vectors: tuple[bool, bool] = (False, False)):
    """Of every row that is a pair: its source, what goes into the decoder, features, targets and weights."""
    for row in range(batch.real.shape[1]):
        real = batch.real[:, row].astype(bool)
        places = len(batch.weights)
        if not vectors[1]:
            places = int((batch.targets[:, row] != PAD).sum())
        if places:
            arrays = (array[:places, row] for array in (batch.ids, batch.features, batch.targets, batch.weights))
            yield batch.source[real, row], *arrays


@given(LENGTHS, st.integers(1, 9), st.integers(0, 2**31), st.integers(0, 4), st.booleans(), st.integers(1, 5))
def test_every_pair_comes_exactly_once_an_epoch(lengths, batch_size, seed, epoch, reversed, buckets):
    sequences = made(lengths)
    batches = PairBatches(sequences, batch_size=batch_size, seed=seed, reversed=reversed, buckets=buckets)
    drawn = list(batches.epoch(epoch))
    assert len(drawn) == batches.batches_per_epoch
    assert len(batches.shapes) <= buckets
    wanted = Counter(
        bytes_of(read_order(one.source, reversed), one.target[:-1], one.features, one.target[1:], one.targets)
        for one in sequences
    )
    assert Counter(bytes_of(*row) for batch in drawn for row in rows_of(batch)) == wanted
    places = real_places = 0
    for batch in drawn:
        tx, ty = len(batch.source), len(batch.ids)
        assert (tx, ty) in batches.shapes
        assert batch.source.shape == batch.real.shape == (tx, batch_size)
        assert batch.ids.shape == batch.targets.shape == batch.weights.shape == (ty, batch_size)
        assert batch.features.shape == (ty, batch_size, 2)
        assert batch.source.dtype == batch.ids.dtype == batch.targets.dtype == batch.features.dtype == np.int32
        assert batch.real.dtype == batch.weights.dtype == np.float32
        assert all(array.flags.c_contiguous for array in batch)
        assert (np.diff(batch.real, axis=0) >= 0).all()  # padded on the left
        assert (batch.real[-1] == 1).all()  # no row is empty
        assert (batch.source[batch.real == 0] == PAD).all()
        assert (batch.source[-1] == np.where((batch.targets == PAD).all(axis=0), PAD, END)).all()
        padded = batch.targets == PAD
        assert (np.diff(padded.astype(int), axis=0) >= 0).all()  # padded on the right
        assert (batch.weights[padded] == 0).all()
        assert (batch.ids[padded] == PAD).all()
        assert (batch.features[padded] == 0).all()
        pairs = ~padded.all(axis=0)
        assert (batch.real[:, ~pairs].sum(axis=0) == 1).all()  # what is missing: one PAD, and no target
        places += batch_size * (tx + ty)
        real_places += int(batch.real[:, pairs].sum()) + int((~padded).sum())
    assert batches.tokens == sum(batch.weights.sum() for batch in drawn) == sum(one.targets.sum() for one in sequences)
    assert batches.padding == pytest.approx(1 - real_places / places)


@pytest.mark.parametrize("vectors", [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("reversed", [False, True])
def test_vectors(vectors, reversed):
    random = np.random.default_rng(1)
    sequences = made(random.integers([1, 4], 9, size=(40, 2)), vectors)
    left = {bytes_of(one.target): one for one in sequences}
    assert len(left) == 40
    for batch in PairBatches(sequences, batch_size=7, seed=3, reversed=reversed, buckets=3).epoch(0):
        for row in range(7):
            real = batch.real[:, row].astype(bool)
            there = batch.targets[:, row].astype(bool)
            places = int(there.any(axis=1).sum() if vectors[1] else there.sum())
            if not places:
                assert not batch.source[:, row].any()
                assert real.sum() == 1
                assert not batch.weights[:, row].any()
                continue
            wanted = batch.targets[:places, row]
            given_ = batch.ids[:places, row]
            whole = wanted if vectors[1] else np.append(START, wanted)
            sequence = left.pop(bytes_of(whole))
            np.testing.assert_array_equal(batch.source[real, row], read_order(sequence.source, reversed))
            if vectors[1]:  # zeros, then each vector
                assert not given_[0].any()
                np.testing.assert_array_equal(given_[1:], sequence.target[:-1])
                assert batch.ids.dtype == batch.targets.dtype == np.float32
                assert batch.features.shape == (len(batch.ids), 7, 0)
            else:
                np.testing.assert_array_equal(given_, sequence.target[:-1])
            np.testing.assert_array_equal(batch.weights[:places, row], sequence.targets)
            assert not batch.weights[places:, row].any()
            assert not batch.ids[places:, row].any()
        assert batch.source.dtype == (np.float32 if vectors[0] else np.int32)
    assert not left


@given(LENGTHS, st.integers(1, 6), st.integers(0, 9), st.integers(0, 9))
def test_an_epoch_is_told_by_its_seed_and_number(lengths, batch_size, seed, number):
    sequences = made(lengths)
    whole = list(PairBatches(sequences, batch_size=batch_size, seed=seed).epoch(number))
    for first in (0, 1, len(whole) - 1, len(whole)):
        again = PairBatches(sequences, batch_size=batch_size, seed=seed)
        list(again.epoch(number + 1))  # leaves nothing behind
        rest = list(again.epoch(number, first))
        assert len(rest) == len(whole) - first
        for one, other in zip(rest, whole[first:], strict=True):
            assert bytes_of(*one) == bytes_of(*other)


def test_epochs_and_seeds_differ():
    sequences = made([(number % 9 + 1, number % 7 + 1) for number in range(60)])
    orders = set()
    for seed in range(3):
        batches = PairBatches(sequences, batch_size=8, seed=seed)
        orders |= {tuple(bytes_of(*batch) for batch in batches.epoch(number)) for number in range(3)}
    assert len(orders) == 9


# --- without a decoder ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reversed", [False, True])
@pytest.mark.parametrize("vectors", [False, True])
def test_a_length_fills_sources_with_steps_that_are_read(reversed, vectors):
    sequences = made([(3, 2), (1, 5), (4, 4)], (vectors, False))
    batches = PairBatches(sequences, batch_size=2, seed=0, reversed=reversed, length=6)
    assert batches.shapes == [(6, 6)]
    found = []
    for batch in batches.epoch(0):
        for row in range(2):
            target = batch.targets[:, row]
            if not target.any():
                continue
            assert batch.real[:, row].tolist() == [1] * 6
            sequence = next(
                one for one in sequences if bytes_of(one.target[1:]) == bytes_of(target[: len(one.targets)])
            )
            steps = len(sequence.source)
            np.testing.assert_array_equal(batch.source[:steps, row], read_order(sequence.source, reversed))
            assert not batch.source[steps:, row].any()  # target place i is read at source step i
            found.append(sequence.name)
        assert (batch.real.sum(axis=0) >= 1).all()
    assert sorted(found) == ["0", "1", "2"]


def test_a_length_that_is_too_short():
    sequences = made([(3, 2), (1, 5)])
    with pytest.raises(
        ConfigError, match="a length of 4 steps is too short: the longest source has 3 steps, the longest target 5"
    ):
        PairBatches(sequences, batch_size=2, seed=0, length=4)
    assert PairBatches(sequences, batch_size=2, seed=0, length=5).shapes == [(5, 5)]
    with pytest.raises(CorpusError, match="there are no pairs to train on"):
        PairBatches([], batch_size=2, seed=0)


# --- transposition ----------------------------------------------------------------------------------------------------


def test_a_pair_is_drawn_in_one_key_an_epoch():
    pieces = [piece(seed, parts=3, bars=1).transposed(semitones) for seed, semitones in enumerate((0, 4, -2))]
    dataset = prepare_pairs(PairCorpus.of([with_parts(whole, [0]) for whole in pieces], pieces), fraction=0)
    tables = transpositions(dataset.source_spelling, dataset.spelling, dataset.train)
    possible = {}
    columns = np.arange(dataset.train[0].features.shape[1])
    for number, (sequence, own) in enumerate(zip(dataset.train, tables, strict=True)):
        for table in own:
            target, features = table.target[sequence.target], table.features[columns, sequence.features]
            arrays = (table.source[sequence.source], target[:-1], features, target[1:], sequence.targets)
            possible[bytes_of(*arrays)] = number
    assert len(possible) == sum(map(len, tables)) > 9
    batches = PairBatches(dataset.train, batch_size=2, seed=0, transpositions=tables)
    seen = Counter()
    for epoch in range(60):
        found = [bytes_of(*row) for batch in batches.epoch(epoch) for row in rows_of(batch)]
        assert sorted(possible[row] for row in found) == [0, 1, 2]
        seen.update(found)
    assert seen.keys() == possible.keys()  # all that is possible comes
    plain = PairBatches(dataset.train, batch_size=2, seed=0)
    assert Counter(bytes_of(*row) for batch in plain.epoch(0) for row in rows_of(batch)) == Counter(
        bytes_of(one.source, one.target[:-1], one.features, one.target[1:], one.targets) for one in dataset.train
    )
