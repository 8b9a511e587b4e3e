"""Pairs of similar lengths together, in few shapes: each shape of a batch is compiled once, and padding costs time."""

from typing import NamedTuple

import numpy as np

_SAVED = 0.02  # the share of all places that one more shape must save: to compile it, and to know it, costs as well


class Bucket(NamedTuple):
    """Which pairs are batched together, and in which shape."""

    members: np.ndarray  # (n,) indices of pairs, ascending
    source: int  # steps of the longest source in it
    target: int


def bucketed(lengths: np.ndarray, batch_size: int, most: int) -> list[Bucket]:
    """At most so many buckets, each pair in one of them, so that the batches of an epoch have few places in all.

    As long as it is worth another shape, the bucket is parted for which that saves most, at the best place in the order
    of its sources' lengths, of its targets', or of both together. A batch always has `batch_size` rows.

    lengths: (n, 2) steps of source and target, n >= 1.
    """
    parts = [np.arange(len(lengths))]
    cuts = [_best_cut(lengths, parts[0], batch_size)]
    while len(parts) < most:
        worst = max(range(len(parts)), key=lambda index: cuts[index][0])
        saved, two = cuts[worst]
        if saved <= _SAVED * sum(_places(lengths, part, batch_size) for part in parts):
            break
        parts[worst : worst + 1] = two
        cuts[worst : worst + 1] = [_best_cut(lengths, part, batch_size) for part in two]
    found = [Bucket(np.sort(part), *lengths[part].max(axis=0).tolist()) for part in parts]
    return sorted(found, key=lambda bucket: (bucket.source + bucket.target, bucket.source))


def _places(lengths: np.ndarray, part: np.ndarray, batch_size: int) -> int:
    """Of all batches of a bucket, padding included."""
    return int(lengths[part].max(axis=0).sum()) * -(-len(part) // batch_size) * batch_size


def _best_cut(lengths: np.ndarray, part: np.ndarray, batch_size: int) -> tuple[int, list[np.ndarray]]:
    """How many places are saved where a bucket becomes two, and these; 0 where nothing can be."""
    best: tuple[int, list[np.ndarray]] = (0, [])
    whole = _places(lengths, part, batch_size)
    for order in (lengths[part].sum(axis=1), lengths[part, 0], lengths[part, 1]):
        sorted_ = part[np.argsort(order, kind="stable")]
        at = np.flatnonzero(np.diff(np.sort(order))) + 1  # equal ones are not parted
        if not len(at):
            continue
        below = np.maximum.accumulate(lengths[sorted_]).sum(axis=1)[at - 1]
        above = np.maximum.accumulate(lengths[sorted_[::-1]])[::-1].sum(axis=1)[at]
        batches, more_batches = -(-at // batch_size), -(-(len(part) - at) // batch_size)
        places = (below * batches + above * more_batches) * batch_size
        cheapest = int(places.argmin())
        if whole - places[cheapest] > best[0]:
            best = int(whole - places[cheapest]), np.split(sorted_, [at[cheapest]])
    return best
