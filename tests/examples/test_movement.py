"""Gestures: what the sensor feels, integrated twice, is where the hand went."""

import numpy as np
import pytest
from movement import COMMANDS, GRAVITY, RATE, recording, series


class Steady:
    """Draws the middle of every range, and no noise: nothing is askew, nothing drifts."""

    def uniform(self, low, high):
        return (low + high) / 2

    def normal(self, mean, deviation, size):
        return np.full(size, mean)


def path(command: str) -> np.ndarray:
    """Where the hand is, (samples, 3) in metres."""
    felt = (recording(command, Steady()) - [0, 0, 1]) * GRAVITY
    return np.cumsum(np.cumsum(felt, axis=0), axis=0) / RATE**2


@pytest.mark.parametrize(
    ("command", "end"),
    [("next", [0.3, 0, 0]), ("back", [-0.3, 0, 0]), ("louder", [0, 0, 0.3]), ("softer", [0, 0, -0.3])],
)
def test_a_stroke_ends_where_it_should(command, end):
    np.testing.assert_allclose(path(command)[-1], end, atol=0.005)


@pytest.mark.parametrize("command", ["play", "repeat", "undo", "stop"])
def test_other_gestures_end_where_they_began(command):
    np.testing.assert_allclose(path(command)[-1], 0, atol=0.005)


def test_circles_go_up_on_their_own_sides():
    for command, side in (("repeat", 1), ("undo", -1)):
        x, _, z = path(command).T
        assert z.min() > -0.005
        assert z.max() == pytest.approx(0.4 * 0.3, abs=0.01)
        assert np.sign(x[np.argmax(np.abs(x[: np.argmax(z)]))]) == side  # the side on which it rises


def test_pushes_are_counted():
    forward = path("play")[:, 1]
    peaks = (forward[1:-1] > forward[:-2]) & (forward[1:-1] > forward[2:]) & (forward[1:-1] > 0.03)
    assert peaks.sum() == 2


def test_at_rest_gravity_is_all_there_is_however_the_sensor_is_held():
    rng = np.random.default_rng(0)
    starts = np.array([recording(str(command), rng)[:3].mean(axis=0) for command in rng.choice(list(COMMANDS), 200)])
    assert np.linalg.norm(starts, axis=1).mean() == pytest.approx(1, abs=0.02)
    assert starts[:, :2].std() > 0.1  # it is held askew


def test_a_series_is_recordings_one_after_another():
    sources, texts = series(60, seed=1)
    assert {len(text.split()) for text in texts} == {2, 3, 4}
    assert {word for text in texts for word in text.split()} == set(COMMANDS)
    for source, text in zip(sources, texts, strict=True):
        assert source.dtype == np.float32
        assert source.shape[1] == 24
        assert 4 < len(source) / len(text.split()) < 12
    again, _ = series(60, seed=1)
    assert all(map(np.array_equal, sources, again))
    assert not np.array_equal(series(1, seed=2)[0][0], sources[0])
