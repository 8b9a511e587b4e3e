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
from seqgen.stepper import State, Stepper
from seqgen.threads import one_thread
from seqgen.vocabulary import END, UNK, Vocabulary

_BATCH = 64
# A long sequence is scored in pieces side by side. A piece finds its first state by reading so many tokens before it,
# which is then held against the state in which the piece before it ended.
_SHORTEST_PIECE, _READ_BEFORE = 4096, 512
_SAME_STATE = 1e-5


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
    walks, nats, hits = _scored(stepper, encoding, vocabulary, sequences, window)
    return _summary(encoding, sequences, walks, nats, hits)


def surprises(
    stepper: Stepper, encoding: Encoding[Any], vocabulary: Vocabulary, sequences: Sequence[IdSequence]
) -> list[float]:
    """Nats per token of each sequence, as `score` counts them."""
    walks, nats, _ = _scored(stepper, encoding, vocabulary, sequences, None)
    return [float(cost[row.targets].mean()) for cost, row in zip(nats, walks, strict=True)]


def _scored(
    stepper: Stepper,
    encoding: Encoding[Any],
    vocabulary: Vocabulary,
    sequences: Sequence[IdSequence],
    window: int | None,
) -> tuple[list[Walk], list[np.ndarray], list[np.ndarray]]:
    """For each sequence what the grammar says of it, and as `_run`."""
    if window is not None and window < 1:
        raise ConfigError(f"the window must be at least 1 token, not {window}")
    if not sequences:
        raise ConfigError("there is nothing to evaluate")
    grammar, kinds = encoding.grammar(vocabulary), encoding.table(vocabulary).kind
    table = MaskTable()
    walks = [walk(grammar, kinds, sequence, table) for sequence in sequences]
    with one_thread():
        return walks, *_run(stepper, sequences, walks, table.scoring(), window)


class _Piece(NamedTuple):
    """Targets `begin` to `end`, of all sequences laid end to end, scored in one go from `origin` on."""

    origin: int  # where the state begins
    begin: int
    end: int


def _run(
    stepper: Stepper, sequences: Sequence[IdSequence], walks: Sequence[Walk], masks: np.ndarray, window: int | None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Nats `(n - 1,)` float64 and whether the best legal id was the target, for each sequence."""
    ends = np.cumsum([len(row.masks) for row in walks])
    flat = _Flat(
        ids=np.concatenate([sequence.ids[:-1] for sequence in sequences]),
        targets=np.concatenate([sequence.ids[1:] for sequence in sequences]),
        features=np.concatenate([row.features for row in walks]),
        masks=np.concatenate([row.masks for row in walks]),
    )
    nats, hits = np.zeros(ends[-1]), np.zeros(ends[-1], bool)
    longest = window or max(_SHORTEST_PIECE, -(-int(ends[-1]) // _BATCH))
    pieces: list[_Piece] = []
    for first, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        for begin in range(first, end, longest):
            pieces.append(
                _Piece(begin if window else max(first, begin - _READ_BEFORE), begin, min(end, begin + longest))
            )
    begun, ended = _score_pieces(stepper, flat, masks, pieces, {}, nats, hits)
    # Reading before a piece nearly always reaches the state that was carried there. Where not, it is scored once more.
    while True:
        wrong = [
            index
            for index, piece in enumerate(pieces)
            if piece.origin < piece.begin
            and not all(
                np.allclose(own, carried, rtol=0, atol=_SAME_STATE)
                for own, carried in zip(begun[index], ended[index - 1], strict=True)
            )
        ]
        if not wrong:
            break
        states = {number: ended[index - 1] for number, index in enumerate(wrong)}
        again = [_Piece(pieces[index].begin, *pieces[index][1:]) for index in wrong]
        _, after = _score_pieces(stepper, flat, masks, again, states, nats, hits)
        for number, index in enumerate(wrong):
            begun[index], ended[index] = states[number], after[number]
    return np.split(nats, ends[:-1]), np.split(hits, ends[:-1])


class _Flat(NamedTuple):
    """All sequences end to end: what is known at each place, `(total,)`."""

    ids: np.ndarray
    targets: np.ndarray
    features: np.ndarray  # (total, n_features)
    masks: np.ndarray


def _score_pieces(
    stepper: Stepper,
    flat: _Flat,
    masks: np.ndarray,
    pieces: Sequence[_Piece],
    states: dict[int, State],
    nats: np.ndarray,
    hits: np.ndarray,
) -> tuple[list[State], list[State]]:
    """Fill `nats` and `hits` at the pieces' places; the states, of one row, in which each began and ended.

    Pieces run side by side in lanes; when one ends, the next begins in its lane. states: where a piece, by its number,
    begins from another state than that of the start.
    """
    waiting = sorted(range(len(pieces)), key=lambda index: pieces[index].end - pieces[index].origin)  # the longest last
    lanes = np.array([waiting.pop() for _ in range(min(_BATCH, len(waiting)))])
    begins, ends = (np.array([getattr(piece, name) for piece in pieces]) for name in ("begin", "end"))
    places = np.array([pieces[lane].origin for lane in lanes])
    zero = stepper.start(1)
    state = stepper.take(zero, np.zeros(len(lanes), int))
    for index, lane in enumerate(lanes):
        _put(state, index, states.get(int(lane), zero))
    begun: list[State] = [zero] * len(pieces)
    ended: list[State] = [zero] * len(pieces)
    while len(lanes):
        for index in np.flatnonzero(places == begins[lanes]):
            begun[lanes[index]] = stepper.take(state, np.array([index]))
        features = flat.features[places] if flat.features.shape[1] else None
        logits, state = stepper.step(flat.ids[places].astype(np.int64), state, features)
        more, hit = cost(logits, masks[flat.masks[places]], flat.targets[places])
        counted = places >= begins[lanes]
        nats[places[counted]], hits[places[counted]] = more[counted], hit[counted]
        places += 1
        kept = np.ones(len(lanes), bool)
        for index in np.flatnonzero(places == ends[lanes]):
            ended[lanes[index]] = stepper.take(state, np.array([index]))
            if waiting:
                lanes[index] = waiting.pop()
                places[index] = pieces[lanes[index]].origin
                _put(state, int(index), states.get(int(lanes[index]), zero))
            else:
                kept[index] = False
        if not kept.all():
            lanes, places, state = lanes[kept], places[kept], stepper.take(state, np.flatnonzero(kept))
    return begun, ended


def _put(state: State, row: int, values: State) -> None:
    """Overwrite one row."""
    for array, value in zip(state, values, strict=True):
        array[row] = value[0]


def cost(logits: np.ndarray, legal: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nats `(rows,)` float64 of the targets, over the legal ids, and whether each is the most probable of these.

    Raises:
        SamplingError: the model gives a target no finite probability.
    """
    scores = np.where(legal, logits.astype(np.float64), -np.inf)
    rows = np.arange(len(targets))
    highest = scores.max(axis=1)
    with np.errstate(invalid="ignore"):  # infinities: said below
        nats = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1)) - scores[rows, targets]
    if not np.isfinite(nats[legal[rows, targets]]).all():
        raise SamplingError("the model's logits are not finite; its weights are damaged")
    return nats, scores.argmax(axis=1) == targets


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
