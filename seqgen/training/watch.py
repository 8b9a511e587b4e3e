"""The collapse watch: does the model, left to itself, go round in circles?"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen.corpus.dataset import Dataset
from seqgen.encodings.grid import CONTROLS
from seqgen.errors import SamplingError
from seqgen.sampling import Setting, Strategy, sample
from seqgen.stepper import Stepper
from seqgen.threads import one_thread

_ROWS = 4
_TEXT_STEPS, _MUSIC_STEPS = 256, 128
_PASSAGE = 8  # tokens
_FEWEST = 4 * _PASSAGE  # tokens in a row that say something


class Signs(NamedTuple):
    """Of rows of ids: what share of their passages came before in the same row, and how varied the ids are."""

    repeat_rate: float
    entropy: float  # nats, of the ids as if drawn one by one


class Watch:
    """Compares free-running samples of a model with its corpus."""

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self._grammar, self._seed = dataset.encoding.grammar(dataset.vocabulary), seed
        music = dataset.encoding.unit == "music"
        self._steps = _MUSIC_STEPS if music else _TEXT_STEPS
        random = np.random.default_rng(seed)
        chosen = [dataset.train[index].ids for index in random.integers(len(dataset.train), size=_ROWS)]
        self._prefixes = [ids[1 : 1 + CONTROLS].tolist() if music else [] for ids in chosen]
        # a text may be one long sequence, so its rows begin anywhere
        begins = [1 + CONTROLS if music else int(random.integers(1, max(2, len(ids) - _TEXT_STEPS))) for ids in chosen]
        self._excerpts = [ids[begin:-1] for ids, begin in zip(chosen, begins, strict=True)]

    def look(self, stepper: Stepper) -> tuple[Signs, Signs] | None:
        """The signs of a sample, and those of excerpts of the corpus that are as long; None if it ends at once."""
        random = [np.random.default_rng([self._seed, row]) for row in range(_ROWS)]
        steps = [self._steps] * _ROWS
        setting = Setting(stepper, self._grammar)
        try:
            with one_thread():
                rows = sample(setting, self._prefixes, steps, strategy=Strategy(), random=random)
        except SamplingError:  # a model that has hardly learned may never finish a step
            return None
        pairs = [
            (row.ids[:length], excerpt[:length])
            for row, excerpt in zip(rows, self._excerpts, strict=True)
            if (length := min(len(row.ids), len(excerpt))) >= _FEWEST
        ]
        if not pairs:
            return None
        sampled, excerpts = zip(*pairs, strict=True)
        return signs(sampled), signs(excerpts)


def signs(rows: Sequence[Any]) -> Signs:
    """Of one or more rows of ids, each longer than a passage."""
    came_before = total = 0
    for row in rows:
        passages = np.lib.stride_tricks.sliding_window_view(np.asarray(row), _PASSAGE)
        total += len(passages)
        came_before += len(passages) - len(np.unique(passages, axis=0))
    _, counts = np.unique(np.concatenate([np.asarray(row) for row in rows]), return_counts=True)
    shares = counts / counts.sum()
    return Signs(came_before / total, float(-(shares * np.log(shares)).sum()))


def collapsed(sampled: Signs, corpus: Signs) -> bool:
    """Whether the sample loops: it repeats itself far more than the corpus does, or has lost most of its variety."""
    return sampled.repeat_rate > (1 + corpus.repeat_rate) / 2 or sampled.entropy < corpus.entropy / 2
