"""Hashes of 64 bits over passages: one for every window of so many values in a row."""

import numpy as np

ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio


def mixed(values: np.ndarray) -> np.ndarray:
    """A bijection of 64 bits in which every bit depends on every other (splitmix64: Steele et al. 2014)."""
    values = values.astype(np.uint64) + ODD
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def window_hashes(values: np.ndarray, width: int) -> np.ndarray:
    """`(n - width + 1,)`: of each `width` consecutive values v the mixed sum of ODD^(width - 1 - i) mixed(v[i]).

    The sum is a polynomial, built up by doubling.
    """
    if len(values) < width:
        return np.empty(0, np.uint64)
    block, block_width, factor = mixed(values), 1, ODD  # hashes of windows of a power of two; ODD ** block_width
    result, result_width = np.zeros(len(values) + 1, np.uint64), 0
    while True:
        if width & block_width:
            count = len(values) - result_width - block_width + 1
            result = result[:count] * factor + block[result_width : result_width + count]
            result_width += block_width
        if result_width == width:
            return mixed(result)
        count = len(values) - 2 * block_width + 1
        block = block[:count] * factor + block[block_width : block_width + count]
        block_width, factor = 2 * block_width, np.uint64(int(factor) ** 2 % 2**64)
