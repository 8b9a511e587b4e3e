import numpy as np
import pytest

from seqgen.runtime.product import Kernel


@pytest.mark.parametrize("shape", [(40, 64), (300, 1024), (300, 1000), (7, 5)])
@pytest.mark.parametrize("rows", [None, 1, 2, 17, 32, 200])
def test_a_product_is_that_of_whole_matrices(shape, rows):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=shape).astype(np.float32)
    wide = rng.normal(size=(*([] if rows is None else [rows]), 2 * shape[0])).astype(np.float32)
    x = wide[..., shape[0] :]  # a slice, as in a stack
    out = np.full((*x.shape[:-1], shape[1]), np.nan, np.float32)
    product = Kernel(matrix).onto(x, out)
    for _ in range(2):
        product()
        np.testing.assert_allclose(out, x.astype(np.float64) @ matrix, atol=1e-3)
        x[...] = rng.normal(size=x.shape)  # it reads what x holds now


def test_few_rows_read_blocks_and_others_the_matrix():
    kernel = Kernel(np.ones((512, 2048), np.float32))

    def right(*, whole: bool) -> list[bool]:
        kernel.matrix[...] = whole
        return [product() is not None and bool((out == 512).all()) for product, out in bound]

    bound = [(kernel.onto(np.ones(shape, np.float32), out), out) for shape, out in made_for(2048, 512)]
    assert right(whole=True) == [True, True, True]
    assert right(whole=False) == [False, True, False]  # the blocks are a copy


def made_for(m: int, n: int) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """A row, few rows, and more than OpenBLAS would multiply where they lie."""
    return [(shape, np.zeros((*shape[:-1], m), np.float32)) for shape in [(n,), (16, n), (200, n)]]
