"""Vectors of phrases: neighbours by the cosine, a plane by the variance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seqgen.api.vectors import neighbours, plane
from seqgen.errors import ConfigError

matrices = st.tuples(st.integers(2, 8), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-100, 100, width=32))
)


@given(matrices, st.integers(1, 9))
def test_neighbours_are_all_others_by_their_cosine(vectors, count):
    found = neighbours(vectors, count)
    for row, others in enumerate(found):
        assert len(others) == min(count, len(vectors) - 1)
        assert row not in [other.row for other in others]
        similarities = [other.similarity for other in others]
        assert similarities == sorted(similarities, reverse=True)
        for other in others:
            one, two = vectors[row].astype(float), vectors[other.row].astype(float)
            length = np.sqrt((one**2).sum()) * np.sqrt((two**2).sum())
            assert other.similarity == pytest.approx((one * two).sum() / length if length > 0 else 0, abs=1e-6)
        worst = min(similarities)
        left = set(range(len(vectors))) - {row} - {other.row for other in others}
        everyone = {other.row: other.similarity for other in neighbours(vectors, len(vectors))[row]}
        assert all(everyone[other] <= worst + 1e-12 for other in left)


@given(matrices)
def test_a_plane_keeps_as_much_as_any_plane_can(vectors):
    points, shares = plane(vectors)
    centred = vectors - vectors.mean(axis=0, dtype=float)
    total = (centred**2).sum()
    values = np.append(np.linalg.eigvalsh(centred.T @ centred)[::-1], [0, 0])[:2]
    assert points.shape == (len(vectors), 2)
    np.testing.assert_allclose((points**2).sum(axis=0), values, atol=1e-3 + 1e-6 * total)
    if total > 1e-3:
        assert shares == pytest.approx(values / total, abs=1e-6)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-4)


def test_what_lies_in_a_plane_keeps_its_distances_and_does_not_turn_over():
    random = np.random.default_rng(0)
    flat = random.normal(size=(7, 2)) @ random.normal(size=(2, 6)) + 3
    points, shares = plane(flat)
    wanted = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(points[:, None] - points[None], axis=2), wanted, atol=1e-9)
    assert sum(shares) == pytest.approx(1)
    for order in (slice(None, None, -1), [3, 1, 0, 2, 6, 5, 4]):
        np.testing.assert_allclose(plane(flat[order]).points, points[order], atol=1e-9)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: neighbours(np.ones((2, 3)), 0), "at least 1, not 0"),
        (lambda: neighbours(np.ones(3), 1), "a matrix of finite numbers"),
        (lambda: plane(np.array([[np.inf, 1], [0, 1]])), "a matrix of finite numbers"),
        (lambda: plane(np.ones((1, 3))), "at least 2 vectors, not 1"),
    ],
)
def test_what_cannot_be_is_said(call, said):
    with pytest.raises(ConfigError, match=said):
        call()
