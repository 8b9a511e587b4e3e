"""Matrix products of a step: one row, a few rows, or many, by a matrix that stays."""

from collections.abc import Callable
from functools import partial

import numpy as np

_WIDTH = 32  # columns of a block
_SMALL = 1_000_000  # multiplications up to which OpenBLAS multiplies a matrix where it lies


class Kernel:
    """A matrix to multiply with.

    For a product of a few rows BLAS would first copy the whole matrix into an order of its own, at every step, and
    that takes longer than the product. It leaves a small matrix where it is. So for these the columns are cut once
    into blocks that are small enough: a second copy, made when it is first needed, that answers 8 rows 6 times as
    fast where there is AVX-512, and is no slower elsewhere. A single row needs no such care.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        """matrix `(n, m)` float32."""
        self.matrix = np.ascontiguousarray(matrix)
        self._blocks: tuple[np.ndarray, np.ndarray] | None = None  # (m // width, n, width), and the columns left over

    def times(self, x: np.ndarray) -> np.ndarray:
        """`x @ matrix`, x `(rows, n)`."""
        out = np.empty((len(x), self.matrix.shape[1]), np.float32)
        self.onto(x, out)()
        return out

    def onto(self, x: np.ndarray, out: np.ndarray) -> Callable[[], object]:
        """The function that writes `x @ matrix` to `out`: x `(n,)` or `(rows, n)`, out, contiguous, alike."""
        rows, (n, m) = x.size // x.shape[-1], self.matrix.shape
        if rows == 1:
            return partial(x.dot, self.matrix, out)  # numpy answers it sooner than matmul
        whole = m - m % _WIDTH  # columns in blocks
        if not whole or rows * n * _WIDTH > _SMALL or rows * n * m <= _SMALL:
            return partial(np.matmul, x, self.matrix, out)  # `dot` would copy x, which lies among other layers' rows
        if self._blocks is None:
            columns = self.matrix[:, :whole].reshape(n, -1, _WIDTH)
            self._blocks = np.ascontiguousarray(columns.swapaxes(0, 1)), np.ascontiguousarray(self.matrix[:, whole:])
        blocks, rest = self._blocks
        product = partial(np.matmul, x, blocks, out[:, :whole].reshape(rows, -1, _WIDTH).swapaxes(0, 1))
        if whole == m:
            return product
        last = partial(np.matmul, x, rest, out[:, whole:])
        return lambda: (product(), last())
