"""Pairs as ids: both sides encoded, split by source into what is trained on and what is held out, with vocabularies.

The vocabularies come from the training side alone: what only the held-out side has is UNK there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqgen.corpus.dataset import shared, style
from seqgen.corpus.pair_encodings import choose_both
from seqgen.corpus.pair_sequences import PairSequence, Reference, longest, references, to_pair_sequences
from seqgen.corpus.pairs import PairCorpus
from seqgen.corpus.sources import Skipped
from seqgen.corpus.spelled import Spelled, documents, key, spell, split_pairs
from seqgen.corpus.spelling import Spelling
from seqgen.encodings import Encoded, Encoding
from seqgen.errors import CorpusError
from seqgen.piece import Piece
from seqgen.vocabulary import Vocabulary


@dataclass(frozen=True)
class PairDataset:
    """What training and evaluation of an encoder-decoder read."""

    source_spelling: Spelling
    spelling: Spelling  # of the target
    train: tuple[PairSequence, ...]
    held_out: tuple[PairSequence, ...]
    skipped: tuple[Skipped, ...]  # pairs the encodings cannot hold, with the reason
    losses: dict[str, int]  # what the encodings did not carry, by reason
    chosen: str  # why these encodings
    statistics: dict[str, Any]  # what generation needs to know of the corpus
    references: tuple[Reference, ...]  # of the held-out side, where the target is text
    shared: int = 0  # pairs to train on whose source, or a passage of whose piece, is in a corpus to be held out

    @property
    def source_encoding(self) -> Encoding[Any] | None:
        return self.source_spelling.encoding

    @property
    def source_vocabulary(self) -> Vocabulary | None:
        return self.source_spelling.vocabulary

    @property
    def encoding(self) -> Encoding[Any] | None:
        return self.spelling.encoding

    @property
    def vocabulary(self) -> Vocabulary | None:
        return self.spelling.vocabulary


def prepare_pairs(
    corpus: PairCorpus,
    *,
    source_as: str | None = None,
    source_options: dict[str, Any] | None = None,
    target_as: str | None = None,
    target_options: dict[str, Any] | None = None,
    held_out: PairCorpus | None = None,
    fraction: float = 0.1,
    seed: int = 0,
) -> PairDataset:
    """Encode and split pairs.

    source_as, source_options, target_as, target_options: the encoding of each side; of text `chars` where nothing is
    said. Music is `chorale` on both sides, the source's parts first in the target and given there.
    held_out: a corpus of its own to hold out; then nothing of `corpus` is, and what both have is counted as `shared`.
    fraction: how much of `corpus` to hold out otherwise: of text and vectors so many of the sources, each with all its
    pairs, of music whole families.

    Raises:
        CorpusError: an encoding is for another kind of side, no pair fits the encodings, or corpora of other kinds.
        ConfigError: no such encoding or option, or a fraction that is not at least 0 and below 1.
    """
    source_codec, codec, chosen = choose_both(
        corpus, (source_as, source_options or {}), (target_as, target_options or {})
    )
    spelled, skipped, losses = spell(source_codec, codec, corpus)
    if not spelled:
        raise CorpusError(_nothing_fits(corpus, skipped))
    inside, outside = split_pairs(spelled, 0 if held_out is not None else fraction, seed)
    source = _spelling(source_codec, [pair.source for pair in inside])
    target = _spelling(codec, [pair.target for pair in inside])
    if held_out is not None:
        outside, more_skipped = _spelled(source, target, held_out)
        skipped = [*skipped, *more_skipped]
    train, beyond = (to_pair_sequences(source, target, side) for side in (inside, outside))
    return PairDataset(
        source_spelling=source,
        spelling=target,
        train=train,
        held_out=beyond,
        skipped=tuple(skipped),
        losses=losses,
        chosen=chosen,
        statistics={
            **_statistics(corpus, inside, train),
            "held_out_fraction": 0.0 if held_out is not None else fraction,
            "split_seed": seed,
        },
        references=references(source, beyond),
        shared=0 if held_out is None else _shared(inside, outside),
    )


def encode_pairs(
    source: Spelling, target: Spelling, corpus: PairCorpus
) -> tuple[tuple[PairSequence, ...], list[Skipped]]:
    """All pairs of a corpus in the spelling of a model, and those it cannot hold.

    Raises:
        CorpusError: none fits, or the corpus is of another kind.
    """
    spelled, skipped = _spelled(source, target, corpus)
    return to_pair_sequences(source, target, spelled), skipped


def held_out_pairs(
    source: Spelling, target: Spelling, corpus: PairCorpus, fraction: float, seed: int
) -> tuple[tuple[PairSequence, ...], list[Skipped]]:
    """What `prepare_pairs` holds out of the same corpus with the same encodings, fraction and seed.

    Raises:
        CorpusError: that is nothing.
    """
    spelled, skipped = _spelled(source, target, corpus)
    _, outside = split_pairs(spelled, fraction, seed)
    if not outside:
        raise CorpusError(f"the training of this model held out nothing of {corpus.title!r}")
    return to_pair_sequences(source, target, outside), skipped


def _spelled(source: Spelling, target: Spelling, corpus: PairCorpus) -> tuple[list[Spelled], list[Skipped]]:
    """The pairs of a corpus in the encodings that a model has, or is to have.

    Raises:
        CorpusError: none fits, or the corpus is of another kind.
    """
    units, wanted = (corpus.source_unit, corpus.target_unit), (source.unit, target.unit)
    if units != wanted:
        raise CorpusError(f"wanted are pairs of {' and '.join(wanted)}, not of {' and '.join(units)}: {corpus.title!r}")
    for called, spelling, vectors in zip(("sources", "targets"), (source, target), corpus.pairs[0][1:], strict=True):
        if isinstance(vectors, np.ndarray) and vectors.shape[1] != spelling.values:
            raise CorpusError(
                f"wanted are {called} with {spelling.values} numbers a vector, not with {vectors.shape[1]}:"
                f" {corpus.title!r}"
            )
    spelled, skipped, _ = spell(source.encoding, target.encoding, corpus)
    if not spelled:
        raise CorpusError(_nothing_fits(corpus, skipped))
    return spelled, skipped


def _nothing_fits(corpus: PairCorpus, skipped: Sequence[Skipped]) -> str:
    reasons = "; ".join(f"{skip.name}: {skip.reason}" for skip in skipped[:3])
    return f"no pair of {corpus.title!r} fits the encodings: {reasons}"


def _spelling(codec: Encoding[Any] | None, sides: Sequence[Any]) -> Spelling:
    """codec: of the sides, which are tokens; None where they are vectors."""
    if codec is None:
        return Spelling(sides[0].shape[1])
    vocabulary = codec.vocabulary([Encoded(tokens, {}) for tokens in sides])
    return Spelling(len(vocabulary), codec, vocabulary)


def _shared(train: Sequence[Spelled], held_out: Sequence[Spelled]) -> int:
    if documents(train):
        return shared(documents(train), documents(held_out))
    taken = {key(pair.source) for pair in held_out}
    return sum(key(pair.source) in taken for pair in train)


def _statistics(corpus: PairCorpus, pairs: Sequence[Spelled], sequences: Sequence[PairSequence]) -> dict[str, Any]:
    longest_source, longest_target = longest(sequences)
    statistics: dict[str, Any] = {
        "pairs": len(pairs),
        "source_tokens": sum(len(pair.source) for pair in pairs),
        "tokens": sum(len(pair.target) for pair in pairs),
        "longest_source": longest_source,
        "longest_target": longest_target,
    }
    if corpus.target_unit == "music":
        pieces = [pair.pair.target for pair in pairs if isinstance(pair.pair.target, Piece)]
        statistics |= style((list(pair.target) for pair in pairs), pieces)
        statistics |= {"from_parts": list(corpus.from_parts), "to_parts": list(corpus.to_parts)}
    return statistics
