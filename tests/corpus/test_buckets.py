"""Buckets: few shapes and little padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.corpus.buckets import Bucket, bucketed

LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=60)


def places(buckets: list[Bucket], batch_size: int) -> int:
    """Of all batches of an epoch."""
    return sum(-(-len(it.members) // batch_size) * batch_size * (it.source + it.target) for it in buckets)


@given(LENGTHS, st.integers(1, 20), st.integers(1, 6))
def test_every_pair_is_in_one_bucket_and_fits(lengths, batch_size, most):
    steps = np.array(lengths)
    found = bucketed(steps, batch_size, most)
    assert 1 <= len(found) <= most
    assert sorted(np.concatenate([bucket.members for bucket in found]).tolist()) == list(range(len(lengths)))
    for bucket in found:
        assert (bucket.source, bucket.target) == tuple(steps[bucket.members].max(axis=0))
    # a shape more is there only where it saves
    assert places(found, batch_size) <= places(bucketed(steps, batch_size, 1), batch_size)
    fewer = bucketed(steps, batch_size, most - 1) if most > 1 else found
    assert places(found, batch_size) <= places(fewer, batch_size)


@given(LENGTHS, st.integers(1, 20), st.integers(1, 5), st.randoms())
def test_the_shapes_do_not_depend_on_the_order(lengths, batch_size, most, random):
    wanted = [bucket[1:] for bucket in bucketed(np.array(lengths), batch_size, most)]
    random.shuffle(lengths)
    assert [bucket[1:] for bucket in bucketed(np.array(lengths), batch_size, most)] == wanted


@given(LENGTHS, st.integers(1, 20))
def test_two_buckets_are_parted_where_it_saves_most(lengths, batch_size):
    """Against every way to part them by one of the lengths or by both together."""
    steps = np.array(lengths)

    def cost(part: np.ndarray) -> int:
        return int(part.max(axis=0).sum()) * -(-len(part) // batch_size) * batch_size

    best = whole = cost(steps)
    for order in (steps[:, 0], steps[:, 1], steps.sum(axis=1)):
        for limit in set(order.tolist()) - {order.min()}:
            best = min(best, cost(steps[order < limit]) + cost(steps[order >= limit]))
    found = places(bucketed(steps, batch_size, 2), batch_size)
    assert found == (best if whole - best > 0.02 * whole else whole)


@pytest.mark.parametrize("number", [1, 7, 1000])
def test_equal_lengths_have_one_shape(number):
    assert [bucket[1:] for bucket in bucketed(np.full((number, 2), [8, 5]), 16, 5)] == [(8, 5)]


def test_small_differences_share_a_shape():
    random = np.random.default_rng(0)
    steps = random.integers([100, 80], [102, 82], size=(5000, 2))
    assert [bucket[1:] for bucket in bucketed(steps, 32, 5)] == [(101, 81)]


def test_short_and_long_ones_are_apart():
    random = np.random.default_rng(0)
    short, long, narrow = (
        random.integers(low, high, size=(640, 2)) for low, high in ((9, 11), (90, 101), ([9, 90], [11, 101]))
    )
    found = bucketed(np.concatenate([short, long, narrow]), 32, 3)
    assert [bucket[1:] for bucket in found] == [(10, 10), (10, 100), (100, 100)]
    assert [bucket.members.tolist() for bucket in found] == [
        list(range(640)), list(range(1280, 1920)), list(range(640, 1280)),
    ]  # fmt: skip


def test_few_pairs_are_not_torn_into_batches_of_padding():
    steps = np.array([(4, 4), (5, 5), (6, 6), (7, 7)])
    assert len(bucketed(steps, 64, 5)) == 1
    assert len(bucketed(steps, 1, 5)) == 4
