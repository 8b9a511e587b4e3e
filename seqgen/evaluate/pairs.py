"""How well an encoder-decoder predicts targets from their sources: nats, accuracy, exact match.

The rules are those of `seqgen.evaluate.score`: the model reads the true target so far; probability is over the ids that
the grammar allows, UNK among them; what is given of a target (controls, the voices of a melody) is not predicted; END
counts in nats per token only. Of vectors it is the mean squared error of their numbers.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from seqgen.corpus.dataset import IdSequence
from seqgen.corpus.spelling import read_order
from seqgen.corpus.walk import MaskTable, Walk, walk
from seqgen.encodings import Encoding
from seqgen.errors import ConfigError
from seqgen.evaluate.score import cost
from seqgen.runtime import Seq2SeqStepper
from seqgen.threads import one_thread
from seqgen.vocabulary import END, UNK, Vocabulary

_BATCH = 64


class Pair(Protocol):
    """A source with its target."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> np.ndarray:
        """Ids `(n,)` in the order of the sentence, END the last, or vectors `(n, size)`."""
        ...

    @property
    def target(self) -> np.ndarray:
        """Ids `(m,)` from START to END, or vectors `(m, size)`."""
        ...

    @property
    def features(self) -> np.ndarray:
        """`(m - 1, n_features)`: row t is what the grammar says after `target[:t + 1]`; of vectors `(m, 0)`."""
        ...

    @property
    def targets(self) -> np.ndarray:
        """`(m - 1,)` bool: `target[t + 1]` is predicted, not given; of vectors `(m,)`."""
        ...

    @property
    def characters(self) -> int:
        """Of the target's text."""
        ...


class Spelling(Protocol):
    """How targets are spelled; None where they are vectors."""

    @property
    def encoding(self) -> Encoding[Any] | None: ...

    @property
    def vocabulary(self) -> Vocabulary | None: ...


class PairScore(NamedTuple):
    """Figures of one model on a set of pairs; None where one does not apply."""

    pairs: int
    tokens: int  # predicted, END included; or vectors
    nats_per_token: float | None = None
    perplexity: float | None = None
    accuracy: float | None = None  # share of tokens that were the most probable legal id
    exact_match: float | None = None  # share of pairs whose target greedy decoding writes
    unknown: int | None = None  # targets that are UNK
    nats_per_character: float | None = None
    bits_per_character: float | None = None
    characters: int | None = None
    nats_per_step: float | None = None  # music
    steps: int | None = None
    mean_squared_error: float | None = None  # vectors

    @property
    def loss(self) -> float:
        """What is to become small: nats per token, or the mean squared error."""
        error = self.mean_squared_error if self.nats_per_token is None else self.nats_per_token
        return float("nan") if error is None else error

    def as_dict(self) -> dict[str, Any]:
        """What applies, for JSON."""
        return {name: value for name, value in self._asdict().items() if value is not None}


def score_pairs(stepper: Seq2SeqStepper, spelling: Spelling, pairs: Sequence[Pair]) -> PairScore:
    """Score every predicted token, or vector, of all targets once.

    spelling: how the targets are spelled: anything with an `encoding` and a `vocabulary`.

    Raises:
        ConfigError: there are no pairs, or their targets are not what the model makes.
        TokenError: an id of a target is not legal where it stands, or a source's is none.
        SamplingError: the model gives a target no finite probability.
    """
    if not pairs:
        raise ConfigError("there is nothing to evaluate")
    encoding, vocabulary = spelling.encoding, spelling.vocabulary
    if (encoding is None) != stepper.architecture.target_vectors:
        made = "vectors" if stepper.architecture.target_vectors else "tokens"
        raise ConfigError(f"the model makes {made}, and the targets are {'vectors' if encoding is None else 'tokens'}")
    with one_thread():
        if encoding is None or vocabulary is None:
            return _score_vectors(stepper, pairs)
        return _score_tokens(stepper, encoding, vocabulary, pairs)


def _score_tokens(
    stepper: Seq2SeqStepper, encoding: Encoding[Any], vocabulary: Vocabulary, pairs: Sequence[Pair]
) -> PairScore:
    grammar, kinds, table = encoding.grammar(vocabulary), encoding.table(vocabulary).kind, MaskTable()
    walks = [walk(grammar, kinds, IdSequence(pair.name, pair.target), table) for pair in pairs]
    masks = table.scoring()
    written = masks.copy()
    written[:, UNK] = False
    nats = [np.zeros(len(pair.targets)) for pair in pairs]
    hits, greedily = ([np.zeros(len(pair.targets), bool) for pair in pairs] for _ in range(2))
    for members, place, logits in _forced(stepper, pairs):
        targets = np.array([pairs[index].target[place + 1] for index in members]).astype(np.int64)
        numbers = [walks[index].masks[place] for index in members]
        costs, best = cost(logits, masks[numbers], targets)
        most = np.where(written[numbers], logits, -np.inf).argmax(axis=1) == targets
        for row, index in enumerate(members):
            nats[index][place], hits[index][place], greedily[index][place] = costs[row], best[row], most[row]
    return _summary(encoding, pairs, walks, nats, hits, greedily)


def _score_vectors(stepper: Seq2SeqStepper, pairs: Sequence[Pair]) -> PairScore:
    for pair in pairs:
        if pair.target.shape[1:] != (stepper.n_values,):
            came = f"{pair.name} is {pair.target.shape}"
            raise ConfigError(f"the model makes vectors of {stepper.n_values} numbers; the target of {came}")
    squares = 0.0
    for members, place, vectors in _forced(stepper, pairs):
        wanted = np.array([pairs[index].target[place] for index in members], np.float64)
        squares += float(((vectors - wanted) ** 2).sum())
    count = sum(len(pair.targets) for pair in pairs)
    return PairScore(len(pairs), count, mean_squared_error=squares / (count * stepper.n_values))


def _forced(stepper: Seq2SeqStepper, pairs: Sequence[Pair]) -> Iterator[tuple[list[int], int, np.ndarray]]:
    """For every place of every target, those pairs that have it: which, the place, what the model says of it.

    Pairs of about the same length go side by side; one whose target is over leaves the others.
    """
    longest_first = sorted(range(len(pairs)), key=lambda index: (-len(pairs[index].targets), len(pairs[index].source)))
    for begin in range(0, len(pairs), _BATCH):
        members = longest_first[begin : begin + _BATCH]
        encoded = stepper.encode([read_order(pairs[index].source, stepper.architecture.reversed) for index in members])
        state = stepper.start(len(members), encoded)
        for place in range(len(pairs[members[0]].targets)):
            going = sum(place < len(pairs[index].targets) for index in members)
            if going < len(members):
                members, state = members[:going], stepper.take(state, np.arange(going))
            features = np.array([pairs[index].features[place] for index in members])
            read = np.array([_read(pairs[index], place) for index in members])
            logits, state = stepper.step(read, state, features if stepper.feature_sizes else None)
            yield members, place, logits


def _read(pair: Pair, place: int) -> Any:
    """What the decoder reads before it says what is at a place of the target."""
    if pair.target.ndim == 1:
        return int(pair.target[place])
    return pair.target[place - 1] if place else np.zeros(pair.target.shape[1], np.float32)


def _summary(
    encoding: Encoding[Any],
    pairs: Sequence[Pair],
    walks: Sequence[Walk],
    nats: Sequence[np.ndarray],
    hits: Sequence[np.ndarray],
    greedily: Sequence[np.ndarray],
) -> PairScore:
    counted = [pair.targets for pair in pairs]
    tokens = sum(int(mask.sum()) for mask in counted)
    total = sum(float(costs[mask].sum()) for costs, mask in zip(nats, counted, strict=True))
    inside = [mask & (pair.target[1:] != END) for pair, mask in zip(pairs, counted, strict=True)]
    without_end = sum(float(costs[mask].sum()) for costs, mask in zip(nats, inside, strict=True))
    unknown = sum(int((pair.target[1:][mask] == UNK).sum()) for pair, mask in zip(pairs, counted, strict=True))
    more: dict[str, Any] = {}
    if encoding.unit == "text" and not unknown:
        characters = sum(pair.characters for pair in pairs)
        each = without_end / characters
        more = {"nats_per_character": each, "bits_per_character": each / np.log(2), "characters": characters}
    if encoding.unit == "music" and (steps := sum(int(row.steps.sum()) for row in walks)):
        more = {"nats_per_step": without_end / steps, "steps": steps}
    right = sum(int(hit[mask].sum()) for hit, mask in zip(hits, counted, strict=True))
    exact = sum(bool(hit[mask].all()) for hit, mask in zip(greedily, counted, strict=True))
    return PairScore(
        pairs=len(pairs),
        tokens=tokens,
        nats_per_token=total / tokens,
        perplexity=float(np.exp(total / tokens)),
        accuracy=right / tokens,
        exact_match=exact / len(pairs),
        unknown=unknown,
        **more,
    )
