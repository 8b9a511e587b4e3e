"""What vectors of phrases say: which lie near each other, and where all of them lie in a plane."""

from typing import NamedTuple

import numpy as np

from seqgen.errors import ConfigError


class Neighbour(NamedTuple):
    """Another vector, by its row, and how alike the two are: the cosine of their angle, -1 to 1."""

    row: int
    similarity: float


class Plane(NamedTuple):
    """Vectors seen in the two directions in which they differ most."""

    points: np.ndarray  # `(n, 2)` float64
    shares: tuple[float, float]  # of all their differences (variance), those along each direction


def neighbours(vectors: np.ndarray, count: int) -> list[list[Neighbour]]:
    """For each of the vectors `(n, size)` the others most alike, at most `count`, the most alike first.

    >>> neighbours(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1]]), 1)[0][0].row
    2

    Raises:
        ConfigError: count is below 1, or the vectors are no matrix of numbers.
    """
    if count < 1:
        raise ConfigError(f"the number of neighbours must be at least 1, not {count}")
    matrix = _checked(vectors)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    directions = matrix / np.where(lengths > 0, lengths, 1)
    alike = (directions @ directions.T).clip(-1, 1)
    np.fill_diagonal(alike, -np.inf)  # nothing is its own neighbour
    order = np.argsort(-alike, axis=1, kind="stable")[:, : min(count, len(matrix) - 1)]
    return [
        [Neighbour(other, float(alike[row, other])) for other in others] for row, others in enumerate(order.tolist())
    ]


def plane(vectors: np.ndarray) -> Plane:
    """The vectors `(n, size)` in two dimensions: their principal components (Pearson 1901).

    Of each direction that sign is taken with which its largest part is positive, so that a picture does not turn over.

    Raises:
        ConfigError: fewer than two vectors, or they are no matrix of numbers.
    """
    matrix = _checked(vectors)
    if len(matrix) < 2:
        raise ConfigError(f"a plane needs at least 2 vectors, not {len(matrix)}")
    centred = matrix - matrix.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    values, directions = np.append(values, [0, 0])[:2], directions[:2]
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    points = np.zeros((len(matrix), 2))
    points[:, : len(directions)] = centred @ directions.T
    total = float((centred**2).sum()) or 1.0
    return Plane(points, (float(values[0] ** 2 / total), float(values[1] ** 2 / total)))


def _checked(vectors: np.ndarray) -> np.ndarray:
    matrix = np.asarray(vectors, np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ConfigError(f"vectors are a matrix of finite numbers, a row for each, not an array of {matrix.shape}")
    return matrix
