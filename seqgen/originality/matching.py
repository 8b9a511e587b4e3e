"""Exact matching: at every place of one sequence, how far does it go on as the other does somewhere?

By doubling, as suffix arrays are sorted (Manber and Myers, 1990; Larsson and Sadakane, 2007), but only what the two
sequences share is sorted: the substrings of 1, 2, 4, 8 ... symbols are ranked until none is in both.
"""

import numpy as np

_CHUNK = 1 << 21  # symbols of the corpus that are matched at once, which takes some hundred bytes each


def match_lengths(query: np.ndarray, corpus: np.ndarray, chunk: int = _CHUNK) -> np.ndarray:
    """`(len(query),)` int64: for each place the symbols from there on that stand in a row somewhere in `corpus`.

    query, corpus: int64 symbols, 0 or more. What is below 0 in either, such as the ends of lines, matches nothing.
    """
    query = np.where(query < 0, -2, query)
    lengths = np.zeros(len(query), np.int64)
    longest = max((end - begin for begin, end in _parts(query)), default=0)  # no match is longer: chunks share so many
    for begin in range(0, len(corpus), chunk):
        part = np.maximum(corpus[begin : begin + chunk + longest], -1)
        lengths = np.maximum(lengths, _matched(query, part))
    return lengths


def occurrences(corpus: np.ndarray, passage: np.ndarray) -> np.ndarray:
    """`(n,)`: where in `corpus` all symbols of `passage`, one or more, stand in a row."""
    places = np.flatnonzero(corpus[: max(0, len(corpus) - len(passage) + 1)] == passage[0])
    for offset, symbol in enumerate(passage[1:], start=1):
        places = places[corpus[places + offset] == symbol]
    return places


def _parts(query: np.ndarray) -> list[tuple[int, int]]:
    ends = np.flatnonzero(query < 0)
    return list(zip([0, *(ends + 1).tolist()], [*ends.tolist(), len(query)], strict=True))


def _matched(query: np.ndarray, corpus: np.ndarray) -> np.ndarray:
    text = np.concatenate([query, [-2], corpus, [-1]])
    corpus_begins = len(query) + 1
    # ranks[k][place]: how many substrings of 2^k symbols come before the one at this place; equal ones share it. It is
    # right for what the query and the corpus both have, and for their order among the rest.
    _, inverse, counts = np.unique(text, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - counts)[inverse]
    ranks = [rank]
    order = np.argsort(rank, kind="stable")
    active = order[_shared(order < corpus_begins, rank[order])]
    width = 1
    while len(active):  # a symbol of both never is an end, so that all of a shared substring is followed by something
        keys = rank[active] * len(text) + rank[active + width]
        order = np.argsort(keys)
        active, keys = active[order], keys[order]
        rank = rank.copy()
        rank[active] += _group_starts(keys) - _group_starts(keys // len(text))
        ranks.append(rank)
        active = active[_shared(active < corpus_begins, keys)]
        width *= 2
    # the longest match is with the place of the corpus next before it in the order, or with the next after it
    in_order = corpus_begins + np.argsort(rank[corpus_begins:])
    after = np.searchsorted(rank[in_order], rank[: len(query)])
    neighbours = (in_order[np.maximum(after - 1, 0)], in_order[np.minimum(after, len(in_order) - 1)])
    return np.maximum(*(_common(ranks, np.arange(len(query)), places) for places in neighbours))


def _group_starts(keys: np.ndarray) -> np.ndarray:
    """`(n,)`: for each of sorted keys, the place of the first one equal to it."""
    begins = np.append(True, keys[1:] != keys[:-1])
    return np.maximum.accumulate(np.where(begins, np.arange(len(keys)), 0))


def _shared(of_query: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """`(n,)` bool: which of sorted keys belong to both sides; of_query `(n,)`: to which side each belongs."""
    begins = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    sizes = np.diff(begins, append=len(keys))
    of_query = np.add.reduceat(of_query.astype(np.int64), begins)
    return np.repeat((of_query > 0) & (of_query < sizes), sizes)


def _common(ranks: list[np.ndarray], ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`(n,)`: how many symbols are equal from each of `ones` and each of `others` on."""
    common = np.zeros(len(ones), np.int64)
    for power in range(len(ranks) - 1, -1, -1):
        equal = ranks[power][ones + common] == ranks[power][others + common]
        common += equal.astype(np.int64) << power
    return common
