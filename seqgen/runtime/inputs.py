"""What the first layer of a stack reads at a step, as its product with the layer's kernel: ids, vectors, or nothing.

A one-hot never exists: its product is a row of the kernel, and that of an embedding is computed once for every id.

Of every kind of input, `columns` checks what a step was given and says it as arrays of `(batch, ...)`, or as single
values for a batch of one; `bind` gives the function that makes the product of them, for a batch of a shape that is
`(rows,)` or, for a single row, `()`. What `bias` holds, `(gates,)`, that function leaves to its caller. An encoder
takes the products of a whole `sequence` at once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from seqgen.errors import ConfigError, TokenError
from seqgen.runtime.product import Kernel

Read = Callable[[Sequence[Any]], Any]  # from the columns of a step to the product `(..., gates)`, valid until the next

# Numbers that the products of all ids may take, 64 MB; with more of them an embedding is multiplied when it is read.
_MOST_KEPT = 16_000_000


def of_ids(
    kernel: np.ndarray,
    bias: np.ndarray,
    n_values: int,
    feature_sizes: Sequence[int] = (),
    embedding: np.ndarray | None = None,
) -> "Table | Embedded":
    """kernel: the rows of the ids, or of their embedding `(n_values, size)`, then those of the features; taken over."""
    if embedding is None:
        kernel[:n_values] += bias  # the rows of which every step takes exactly one
        return Table(kernel[: n_values + sum(feature_sizes)], n_values, feature_sizes)
    size = embedding.shape[1]
    of_features = kernel[size : size + sum(feature_sizes)]
    if n_values * kernel.shape[1] > _MOST_KEPT:
        return Embedded(embedding.copy(), kernel[:size], bias, of_features, feature_sizes)
    return Table(np.concatenate([embedding @ kernel[:size] + bias, of_features]), n_values, feature_sizes)


class _Ids:
    """Ids and the features beside them, as rows of tables."""

    def __init__(self, n_values: int, feature_sizes: Sequence[int], first: int) -> None:
        """first: the row of the first feature."""
        self.n_values, self.feature_sizes = n_values, tuple(feature_sizes)
        self._first_rows = [first + sum(self.feature_sizes[:index]) for index in range(len(self.feature_sizes))]

    def columns(self, ids: np.ndarray, features: np.ndarray | None) -> list[Any]:
        """The rows: `(batch,)` for the ids and for each feature; numbers for a batch of one.

        All are in range: numpy would take -1 for the last row.
        """
        if features is None and not self.feature_sizes:
            return [_checked(ids, self.n_values, "id")]
        wanted = (len(ids), len(self.feature_sizes))
        if features is None or features.shape != wanted:
            came = "none" if features is None else f"{features.shape}"
            raise ConfigError(f"the model needs features of shape {wanted}, not {came}")
        rows = [_checked(ids, self.n_values, "id")]
        for index, (size, first) in enumerate(zip(self.feature_sizes, self._first_rows, strict=True)):
            rows.append(first + _checked(features[:, index], size, f"feature {index}"))
        return rows


class Table(_Ids):
    """The products of all ids, the bias included, and of all features."""

    bias = None  # it is in the table

    def __init__(self, table: np.ndarray, n_values: int, feature_sizes: Sequence[int] = ()) -> None:
        """table `(n_values + sum(feature_sizes), gates)`."""
        super().__init__(n_values, feature_sizes, n_values)
        self._table = table

    def bind(self, shape: tuple[int, ...]) -> Read:
        table, add = self._table, np.add
        x, more = (np.empty((*shape, table.shape[1]), np.float32) for _ in range(2))

        def row(columns: Sequence[int]) -> np.ndarray:
            product = table[columns[0]]
            for place in columns[1:]:
                product = add(product, table[place], x)
            return product

        def gathered(columns: Sequence[np.ndarray]) -> np.ndarray:
            table.take(columns[0], 0, x, "clip")  # all are in range; otherwise numpy would buffer the rows
            for column in columns[1:]:
                add(x, table.take(column, 0, more, "clip"), x)
            return x

        return gathered if shape else row

    def sequence(self, ids: np.ndarray) -> np.ndarray:
        """The products `(n, gates)` of ids `(n,)` without features, the bias included."""
        return self._table[_checked(ids, self.n_values, "id")].reshape(len(ids), -1)


class Embedded(_Ids):
    """Ids whose products would take too much memory."""

    def __init__(
        self,
        embedding: np.ndarray,
        kernel: np.ndarray,
        bias: np.ndarray,
        of_features: np.ndarray,
        feature_sizes: Sequence[int],
    ) -> None:
        super().__init__(len(embedding), feature_sizes, 0)
        self._embedding, self._features, self.bias = embedding, of_features, bias
        self._vectors = Vectors(kernel, bias)

    def bind(self, shape: tuple[int, ...]) -> Read:
        embedding, of_features, product, add = self._embedding, self._features, self._vectors.bind(shape), np.add

        def read(columns: Sequence[Any]) -> np.ndarray:
            x = product([embedding[columns[0]]])
            for place in columns[1:]:
                add(x, of_features[place], x)
            return x

        return read

    def sequence(self, ids: np.ndarray) -> np.ndarray:
        """See `Table.sequence`."""
        return self._vectors.sequence(self._embedding[_checked(ids, self.n_values, "id")].reshape(len(ids), -1))


class Vectors:
    """Real numbers, float32 `(batch, size)`."""

    feature_sizes: tuple[int, ...] = ()

    def __init__(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """kernel `(size, gates)`."""
        self._kernel, self.bias = Kernel(kernel), bias

    def columns(self, ids: np.ndarray, features: np.ndarray | None) -> list[Any]:
        wanted = (len(ids), len(self._kernel.matrix))
        if np.shape(ids) != wanted or features is not None:
            came = f"{np.shape(ids)}" if features is None else "features"
            raise ConfigError(f"the model reads vectors of shape {wanted} and no features, not {came}")
        return [np.asarray(ids, np.float32) if len(ids) > 1 else ids[0]]

    def bind(self, shape: tuple[int, ...]) -> Read:
        vectors, x = (np.empty((*shape, size), np.float32) for size in self._kernel.matrix.shape)
        product = self._kernel.onto(vectors, x)

        def read(columns: Sequence[np.ndarray]) -> np.ndarray:
            vectors[...] = columns[0]
            product()
            return x

        return read

    def sequence(self, ids: np.ndarray) -> np.ndarray:
        """The products `(n, gates)` of vectors `(n, size)`, the bias included."""
        products = self._kernel.times(ids)
        return np.add(products, self.bias, products)


class Nothing:
    """A decoder without feedback: what it is given is not read."""

    feature_sizes: tuple[int, ...] = ()

    def __init__(self, bias: np.ndarray) -> None:
        self.bias = bias

    def columns(self, ids: np.ndarray, features: np.ndarray | None) -> list[Any]:
        return []

    def bind(self, shape: tuple[int, ...]) -> Read:
        return lambda columns: None


def _checked(column: np.ndarray, size: int, what: str) -> Any:
    """The column itself, or its only number."""
    if len(column) == 1:
        low = high = column = column.item()
    else:
        low, high = column.min(), column.max()
    if low < 0 or high >= size:
        raise TokenError(f"{what} {low if low < 0 else high} is outside 0 to {size - 1}")
    return column


Inputs = Table | Embedded | Vectors | Nothing
