"""Lanes: what the training side holds comes once an epoch, in order, whatever the size of batch and window."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made import document, piece

from seqgen.corpus import Corpus
from seqgen.corpus.dataset import prepare
from seqgen.corpus.walk import Walk
from seqgen.errors import CorpusError
from seqgen.training import make_settings
from seqgen.training.generator import GeneratorLearner
from seqgen.training.lanes import Lanes, Transposition, Window
from seqgen.vocabulary import END, PAD, START


def made(lengths: list[int], seed: int = 0) -> tuple[list[np.ndarray], list[Walk]]:
    """Sequences of so many ids, no id but START and END twice, with random features and weights."""
    random = np.random.default_rng(seed)
    sequences, walks, next_id = [], [], 4
    for length in lengths:
        ids = np.array([START, *range(next_id, next_id + length - 2), END])
        next_id += length - 2
        shape = length - 1
        features = random.integers(1, 100, size=(shape, 2)).astype(np.int32)
        targets = random.random(shape) < 0.8
        sequences.append(ids)
        walks.append(Walk(features, np.zeros(shape, np.int32), targets, np.zeros(shape, bool)))
    return sequences, walks


def reference(sequences, walks, transpositions, batch_size: int, tx: int, seed: int, epoch: int) -> list[Window]:
    """The windows of an epoch, cut out of the whole stream, which is laid out at once."""
    random = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    ids, targets, features, weights = [], [], [], []
    for index in random.permutation(len(sequences)):
        sequence, seen = sequences[index], walks[index].features
        if transpositions is not None:
            table = transpositions[index][random.integers(len(transpositions[index]))]
            sequence = table.ids[sequence]
            seen = np.stack([values[column] for values, column in zip(table.features, seen.T, strict=True)], axis=1)
        ids.append(sequence[:-1])
        targets.append(sequence[1:])
        features.append(seen)
        weights.append(walks[index].targets)
    tokens = sum(map(len, ids))
    offset = int(random.integers(tokens))
    lane = -(-tokens // batch_size)
    windows = -(-lane // tx)

    def laid(parts: list[np.ndarray], dtype) -> np.ndarray:
        values = np.concatenate(parts).astype(dtype)
        padded = np.zeros((lane * batch_size, *values.shape[1:]), dtype)
        padded[:tokens] = np.roll(values, -offset, axis=0)
        whole = np.zeros((windows * tx, batch_size, *values.shape[1:]), dtype)
        whole[:lane] = padded.reshape(batch_size, lane, *values.shape[1:]).swapaxes(0, 1)
        return whole

    stream = [laid(ids, np.int32), laid(features, np.int32), laid(targets, np.int32), laid(weights, np.float32)]
    stream.append((stream[0] != START).astype(np.float32))
    return [Window(*(array[begin : begin + tx] for array in stream)) for begin in range(0, windows * tx, tx)]


LENGTHS = st.lists(st.integers(3, 25), min_size=1, max_size=7)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 30), st.integers(0, 2**31 - 1), st.integers(0, 5))
@settings(max_examples=150)
def test_every_place_comes_exactly_once_an_epoch(lengths, batch_size, tx, seed, epoch):
    sequences, walks = made(lengths)
    tokens = sum(lengths) - len(lengths)
    assume(tokens >= tx)
    lanes = Lanes(sequences, walks, batch_size=batch_size, tx=tx, seed=seed)
    assert lanes.tokens == tokens
    windows = list(lanes.epoch(epoch))
    assert len(windows) == lanes.windows_per_epoch
    wanted: Counter = Counter()
    for ids, row in zip(sequences, walks, strict=True):
        places = zip(ids[:-1].tolist(), ids[1:].tolist(), map(tuple, row.features.tolist()), row.targets, strict=True)
        wanted.update((id, target, features, float(weight)) for id, target, features, weight in places)
    got: Counter = Counter()
    padding = 0
    for window in windows:
        for array in window:
            assert array.shape[:2] == (tx, batch_size)
        assert (window.ids.dtype, window.targets.dtype, window.features.dtype) == (np.int32,) * 3
        assert window.weights.dtype == window.keep.dtype == np.float32
        np.testing.assert_array_equal(window.keep, window.ids != START)  # 0 exactly where a sequence starts
        for place in np.ndindex(tx, batch_size):
            if window.ids[place] == PAD:
                assert window.weights[place] == 0  # what is not there counts for nothing
                padding += 1
                continue
            features = tuple(window.features[place].tolist())
            got[int(window.ids[place]), int(window.targets[place]), features, float(window.weights[place])] += 1
    assert got == wanted
    assert padding == lanes.windows_per_epoch * tx * batch_size - tokens


@given(LENGTHS, st.integers(1, 9), st.integers(1, 30), st.integers(0, 2**31 - 1), st.integers(0, 5), st.integers(0, 3))
@settings(max_examples=150)
def test_windows_are_bit_for_bit_those_of_the_whole_stream(lengths, batch_size, tx, seed, epoch, tables):
    """A run that is resumed depends on it."""
    sequences, walks = made(lengths)
    assume(sum(lengths) - len(lengths) >= tx)
    sequences = [sequence.astype(np.uint16) for sequence in sequences]
    transpositions = None
    if tables:
        random = np.random.default_rng(seed)
        shuffled = [np.append([0, 1, 2, 3], 4 + random.permutation(200)).astype(np.uint16) for _ in range(tables)]
        both = [Transposition(ids, random.permuted(np.tile(np.arange(100), (2, 1)), axis=1)) for ids in shuffled]
        transpositions = [both[: 1 + index % tables] for index in range(len(sequences))]
    wanted = reference(sequences, walks, transpositions, batch_size, tx, seed, epoch)
    lanes = Lanes(sequences, walks, batch_size=batch_size, tx=tx, seed=seed, transpositions=transpositions)
    first = seed % len(wanted)
    for windows, expected in ((lanes.epoch(epoch), wanted), (lanes.epoch(epoch, first), wanted[first:])):
        for window, other in zip(windows, expected, strict=True):
            for array, values in zip(window, other, strict=True):
                assert array.dtype == values.dtype
                assert array.flags.c_contiguous
                np.testing.assert_array_equal(array, values)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 12), st.integers(0, 100))
def test_a_lane_goes_on_where_it_was(lengths, batch_size, tx, seed):
    """So that the state of a window is that of the next: what was predicted is what is read."""
    sequences, walks = made(lengths)
    assume(sum(lengths) - len(lengths) >= tx)
    windows = list(Lanes(sequences, walks, batch_size=batch_size, tx=tx, seed=seed).epoch(0))
    ids, targets = (np.concatenate([getattr(window, name) for window in windows]) for name in ("ids", "targets"))
    for lane in range(batch_size):
        for before, after in zip(targets[:-1, lane], ids[1:, lane], strict=True):
            assert after in (before, PAD) or (before, after) == (END, START)
        padded = ids[:, lane] == PAD
        assert not padded.any() or padded[padded.argmax() :].all()  # only at the end


def arrays(lanes: Lanes, epoch: int) -> list[np.ndarray]:
    return [np.concatenate(arrays) for arrays in zip(*lanes.epoch(epoch), strict=True)]


def test_epochs_differ_and_can_be_had_again():
    sequences, walks = made([20, 12, 9, 30, 7])
    epochs = []
    for seed in (0, 1):
        lanes = Lanes(sequences, walks, batch_size=3, tx=5, seed=seed)
        epochs += [arrays(lanes, number)[0].tobytes() for number in range(6)]
        # in any order, from another object
        again = Lanes(sequences, walks, batch_size=3, tx=5, seed=seed)
        for number in (4, 0, 5):
            for one, other in zip(arrays(lanes, number), arrays(again, number), strict=True):
                np.testing.assert_array_equal(one, other)
    assert len(set(epochs)) == 12


def test_an_epoch_begins_anywhere():
    """So that the windows of a single long text are not the same in every epoch."""
    sequences, walks = made([60])
    lanes = Lanes(sequences, walks, batch_size=1, tx=6, seed=0)
    assert len({int(arrays(lanes, epoch)[0][0, 0]) for epoch in range(20)}) > 10


def test_less_than_a_window():
    sequences, walks = made([5, 6])
    with pytest.raises(CorpusError, match="there are 9 tokens to train on, less than one window of Tx = 10"):
        Lanes(sequences, walks, batch_size=1, tx=10, seed=0)
    assert len(list(Lanes(sequences, walks, batch_size=1, tx=9, seed=0).epoch(0))) == 1


def test_more_lanes_than_tokens():
    sequences, walks = made([4])
    (window,) = Lanes(sequences, walks, batch_size=8, tx=1, seed=0).epoch(0)
    assert sorted(window.ids[0].tolist()) == [0, 0, 0, 0, 0, START, 4, 5]


# --- transposition ----------------------------------------------------------------------------------------------------


def dataset(encoding: str, **options):
    keys = (0, 1, -1, 2, 5)
    pieces = [piece(seed, parts=options.get("parts", 1), key=key, bars=2) for seed, key in enumerate(keys)]
    documents = tuple(document(content, f"piece {number}") for number, content in enumerate(pieces))
    return prepare(Corpus("made", "music", documents), encoding=encoding, options=options, fraction=0), pieces


def sequences_of(lanes: Lanes, epoch: int, array: int = 0) -> list[list]:
    """The whole sequences of an epoch of one lane, put together again where the stream was begun in the middle.

    array: which of the arrays of a window.
    """
    window = [values[: lanes.tokens, 0].tolist() for values in arrays(lanes, epoch)]
    ids, values = window[0], window[array]
    first = ids.index(START)
    turned, values = ids[first:] + ids[:first], values[first:] + values[:first]
    starts = [place for place, id in enumerate(turned) if id == START]
    return [values[begin:end] for begin, end in zip(starts, [*starts[1:], len(turned)], strict=True)]


def features_of(lanes: Lanes, epoch: int) -> list[list[list[int]]]:
    return sequences_of(lanes, epoch, array=1)


def features_along(grammar, ids: list[int]) -> Iterator[list[int]]:
    """What the grammar itself says after each of the ids, the first of which is START."""
    state = grammar.start()
    for id in ids[1:]:
        yield list(grammar.features(state))
        state = grammar.advance(state, id)
    yield list(grammar.features(state))


@pytest.mark.parametrize(
    ("encoding", "options"),
    [("notes", {}), ("notes", {"joint": True}), ("chorale", {"parts": 2}), ("frames", {})],
    ids=["notes", "joint", "chorale", "frames"],
)
def test_a_piece_is_transposed_as_a_whole_with_its_key(encoding, options):
    """Every sequence of an epoch is the encoding of its piece, some semitones higher or lower."""
    made_, pieces = dataset(encoding, **options)
    settings_ = make_settings(batch_size=1, tx=8, n_a=2, layers=1, shards=1)
    lanes = GeneratorLearner(made_, settings_).lanes
    grammar = made_.encoding.grammar(made_.vocabulary)
    possible: dict[tuple[int, ...], tuple[int, int]] = {}
    for number, content in enumerate(pieces):
        for semitones in range(-6, 6):
            tokens = made_.encoding.encode(content.transposed(semitones))[0].tokens
            if all(token in made_.vocabulary.ids for token in tokens):
                ids = (START, *made_.vocabulary.to_ids(tokens).tolist())
                possible[ids] = (number, semitones)
    seen: Counter = Counter()
    for epoch in range(40):
        found = [possible[tuple(ids)] for ids in sequences_of(lanes, epoch)]
        if epoch < 5:
            assert features_of(lanes, epoch) == [
                list(features_along(grammar, ids)) for ids in sequences_of(lanes, epoch)
            ]
        assert sorted(number for number, _ in found) == list(range(len(pieces)))
        seen.update(found)
    if encoding != "frames":  # all that is possible comes, about equally often
        assert set(seen) == set(possible.values())
    assert len({semitones for _, semitones in seen}) > 3


def test_pieces_keep_their_key_where_that_is_wanted():
    made_, _ = dataset("notes")
    lanes = GeneratorLearner(made_, make_settings(batch_size=1, tx=8, n_a=2, layers=1, transpose=False)).lanes
    wanted = sorted(tuple(sequence.ids[:-1].tolist()) for sequence in made_.train)
    for epoch in range(3):
        assert sorted(map(tuple, sequences_of(lanes, epoch))) == wanted
