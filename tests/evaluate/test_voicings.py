"""The hidden Markov model of voicings that models of harmony are held against: its probabilities add up to 1."""

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from made import piece

from seqgen.encodings.chorale import Chorale

sys.path.append(str(Path(__file__).parents[2] / "scripts" / "benchmarks"))
import harmony
import voicings
from voicing_steps import Steps

Columns = tuple[tuple[str, ...], ...]  # the tokens of each part


def columns(parts: list[tuple[str, ...]], steps: int) -> Iterator[tuple[str, ...]]:
    """Every spelling of a part with these pitches that the grammar of `chorale` allows."""
    (pitches,) = parts
    for tokens in product(("hold", "rest", *pitches), repeat=steps):
        sounding = False
        for token in tokens:
            if token == "hold" and not sounding:
                break
            sounding = token != "rest"
        else:
            yield tokens


def chorale_of(parts: Columns, place: int = 0) -> Steps:
    """place: of the first step."""
    heard = [harmony.heard(tokens, 0) for tokens in parts]
    pitches, moves = (np.array(rows).T for rows in zip(*heard, strict=True))
    return Steps("made", pitches, moves, (np.arange(len(pitches)) + place) % 4)


def all_ways(soprano: tuple[str, ...], sizes: list[int], place: int) -> Iterator[Steps]:
    """Everything that the three voices can do under a soprano."""
    spelled = [list(columns([tuple(map(str, range(1, size)))], len(soprano))) for size in sizes[1:]]
    for voices in product(*spelled):
        yield chorale_of((soprano, *voices), place)


def learned(seed: int, sizes: list[int], steps: int = 40) -> Steps:
    """A piece in which every part does anything."""
    random = np.random.default_rng(seed)
    parts = []
    for size in sizes:
        tokens: list[str] = []
        for _ in range(steps):
            legal = ["rest", *map(str, range(1, size)), *["hold"] * 4 * (tokens[-1:] not in ([], ["rest"]))]
            tokens.append(str(random.choice(legal)))
        parts.append(tuple(tokens))
    return chorale_of(tuple(parts))


@pytest.mark.parametrize(
    ("soprano", "sizes", "place", "weight"),
    [
        (("1", "2", "hold"), [4, 2, 2, 2], 0, 0.7),
        (("2", "hold"), [4, 2, 2, 2], 1, 0.7),
        (("rest", "3"), [4, 3, 2, 2], 3, 0.7),
        (("3", "1"), [4, 2, 2, 3], 2, 0.0),
        (("1",), [4, 4, 5, 3], 0, 0.0),
        # what is remembered over a sixteenth shows in the fourth step
        pytest.param(("1", "hold", "hold", "2"), [4, 2, 2, 2], 0, 0.7, marks=pytest.mark.slow),
    ],
)
def test_the_forward_sum_is_that_of_all_ways(soprano, sizes, place, weight):
    rows = [learned(seed, sizes) for seed in range(3)]
    ways = list(all_ways(soprano, sizes, place))
    often = ways[7 % len(ways)]
    model = voicings.VoicingModel([*rows, *[often] * 9], sizes, voicings.Smoothing(weight=weight))
    joint = np.array([model.log_joint(way) for way in ways])
    whole = model.log_soprano(often)
    assert np.exp(joint).sum() == pytest.approx(np.exp(whole), rel=1e-9)
    assert (abs(whole) < 1e-9) == (weight == 0)  # without looking ahead each step adds up by itself
    assert ways[np.argmax(joint)] is often  # what it has seen often


def test_pieces_are_read_off_the_tokens_in_one_key():
    """Two sharps: everything two semitones lower, and the pickup moves the places."""
    source = piece(3, parts=4, key=2, pickup=3, bars=2)
    found = harmony.transposed(Chorale(), "made", source)
    assert len(found.places) == source.end_tick
    assert found.places[:4].tolist() == [1, 2, 3, 0]
    for part in range(4):
        struck = np.zeros(source.end_tick, bool)
        sounds = np.zeros(source.end_tick, int)
        for onset, duration, pitch, _, _ in source.part_notes(part).tolist():
            struck[onset] = True
            sounds[onset : onset + duration] = pitch - 2
        assert found.pitches[:, part].tolist() == sounds.tolist()
        ended = (sounds == 0) & (np.roll(sounds, 1) != 0)
        ended[0] = False
        assert found.moves[:, part].tolist() == (struck | ended).tolist()
