"""How well a stepper predicts sequences: nats, perplexity, accuracy.

The rules: probability is over the ids the grammar allows, UNK among them. START and the control tokens are given, not
predicted. END counts in nats per token only. An unknown target is scored as UNK and counted, and then no figure per
character is claimed. An illegal target is an error naming the place. Sums are in float64.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen.corpus.dataset import IdSequence
from seqgen.corpus.walk import MaskTable, Walk, walk
from seqgen.encodings import Encoding
from seqgen.errors import ConfigError, SamplingError
from seqgen.stepper import Stepper
from seqgen.threads import one_thread
from seqgen.vocabulary import END, UNK, Vocabulary

_BATCH = 64


class Score(NamedTuple):
    """Figures of one stepper on a set of sequences; None where one does not apply."""

    nats_per_token: float
    perplexity: float
    accuracy: float  # share of targets that were the most probable legal id
    tokens: int  # targets, END included
    unknown: int  # targets that are UNK
    files: int  # sequences
    nats_per_character: float | None = None
    bits_per_character: float | None = None
    characters: int | None = None
    nats_per_step: float | None = None  # music: END excluded
    steps: int | None = None
    nats_per_frame: float | None = None  # `frames`: END excluded, the first frame included
    nats_per_frame_piece_mean: float | None = None  # the same a piece, then averaged
    frames: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """What applies, for JSON."""
        return {name: value for name, value in self._asdict().items() if value is not None}


def score(
    stepper: Stepper,
    encoding: Encoding[Any],
    vocabulary: Vocabulary,
    sequences: Sequence[IdSequence],
    *,
    window: int | None = None,
) -> Score:
    """Score every target of `sequences` once, with the state carried through each of them.

    window: start again from the zero state every so many tokens.

    Raises:
        TokenError: a target is not legal where it stands.
        SamplingError: the model gives a target no finite probability.
    """
    if window is not None and window < 1:
        raise ConfigError(f"the window must be at least 1 token, not {window}")
    if not sequences:
        raise ConfigError("there is nothing to evaluate")
    grammar, kinds = encoding.grammar(vocabulary), encoding.table(vocabulary).kind
    table = MaskTable()
    walks = [walk(grammar, kinds, sequence, table) for sequence in sequences]
    with one_thread():
        nats, hits = _run(stepper, sequences, walks, table.scoring(), window)
    return _summary(encoding, sequences, walks, nats, hits)


def _run(
    stepper: Stepper, sequences: Sequence[IdSequence], walks: Sequence[Walk], masks: np.ndarray, window: int | None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Nats `(n - 1,)` float64 and whether the best legal id was the target, for each sequence.

    Sequences run side by side in lanes; when one ends, the next begins in its lane from the zero state.
    """
    nats = [np.zeros(len(sequence.ids) - 1) for sequence in sequences]
    hits = [np.zeros(len(sequence.ids) - 1, bool) for sequence in sequences]
    waiting = sorted(
        range(len(sequences)), key=lambda index: len(sequences[index].ids)
    )  # the longest last, popped first
    lanes = [waiting.pop() for _ in range(min(_BATCH, len(waiting)))]
    places = np.zeros(len(lanes), np.int64)
    zero = stepper.start(len(lanes))
    state = stepper.take(zero, np.arange(len(lanes)))
    while lanes:
        ids = np.array([sequences[lane].ids[place] for lane, place in zip(lanes, places, strict=True)], np.int64)
        targets = np.array(
            [sequences[lane].ids[place + 1] for lane, place in zip(lanes, places, strict=True)], np.int64
        )
        features = np.array([walks[lane].features[place] for lane, place in zip(lanes, places, strict=True)])
        legal = masks[[walks[lane].masks[place] for lane, place in zip(lanes, places, strict=True)]]
        logits, state = stepper.step(ids, state, features if features.shape[1] else None)
        cost, hit = _cost(logits, legal, targets)
        for index, lane in enumerate(lanes):
            nats[lane][places[index]] = cost[index]
            hits[lane][places[index]] = hit[index]
        places += 1
        kept = []
        for index, lane in enumerate(lanes):
            ended = places[index] == len(sequences[lane].ids) - 1
            if ended and waiting:
                lanes[index], places[index] = waiting.pop(), 0
            if not ended or places[index] == 0:
                kept.append(index)
            if places[index] == 0 or (window and places[index] % window == 0):
                for array, fresh in zip(state, zero, strict=True):
                    array[index] = fresh[index]
        if len(kept) < len(lanes):
            rows = np.array(kept, int)
            lanes, places = [lanes[index] for index in kept], places[rows]
            state, zero = stepper.take(state, rows), stepper.take(zero, rows)
    return nats, hits


def _cost(logits: np.ndarray, legal: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores = np.where(legal, logits.astype(np.float64), -np.inf)
    rows = np.arange(len(targets))
    highest = scores.max(axis=1)
    with np.errstate(invalid="ignore"):  # infinities: said below
        cost = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1)) - scores[rows, targets]
    if not np.isfinite(cost[legal[rows, targets]]).all():
        raise SamplingError("the model's logits are not finite; its weights are damaged")
    return cost, scores.argmax(axis=1) == targets


def _summary(
    encoding: Encoding[Any],
    sequences: Sequence[IdSequence],
    walks: Sequence[Walk],
    nats: list[np.ndarray],
    hits: list[np.ndarray],
) -> Score:
    counted = [row.targets for row in walks]
    inside = [row.targets & (sequence.ids[1:] != END) for row, sequence in zip(walks, sequences, strict=True)]
    total = sum(float(cost[mask].sum()) for cost, mask in zip(nats, counted, strict=True))
    tokens = sum(int(mask.sum()) for mask in counted)
    unknown = sum(int((sequence.ids[1:][mask] == UNK).sum()) for sequence, mask in zip(sequences, counted, strict=True))
    without_end = [float(cost[mask].sum()) for cost, mask in zip(nats, inside, strict=True)]
    more: dict[str, Any] = {}
    if encoding.unit == "text" and not unknown:
        characters = sum(sequence.characters for sequence in sequences)
        more |= {
            "nats_per_character": sum(without_end) / characters,
            "bits_per_character": sum(without_end) / characters / np.log(2),
            "characters": characters,
        }
    if encoding.unit == "music":
        steps = [int(row.steps.sum()) for row in walks]
        if sum(steps):
            more |= {"nats_per_step": sum(without_end) / sum(steps), "steps": sum(steps)}
        if sum(steps) and encoding.name == "frames":
            # a sequence that was cut may end within its first frame
            each = [nats / count for nats, count in zip(without_end, steps, strict=True) if count]
            more["nats_per_frame"] = more["nats_per_step"]
            more["nats_per_frame_piece_mean"] = float(np.mean(each))
            more["frames"] = sum(steps)
    return Score(
        nats_per_token=total / tokens,
        perplexity=float(np.exp(total / tokens)),
        accuracy=sum(int(hit[mask].sum()) for hit, mask in zip(hits, counted, strict=True)) / tokens,
        tokens=tokens,
        unknown=unknown,
        files=len(sequences),
        **more,
    )
