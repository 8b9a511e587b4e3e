"""Pairs as tokens, what tells one source from another, and a split that keeps equal sources together."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgen.corpus.families import families, split
from seqgen.corpus.load import Document
from seqgen.corpus.packed import digest
from seqgen.corpus.pair_values import as_bytes
from seqgen.corpus.pairs import Pair, PairCorpus
from seqgen.corpus.sources import Skipped
from seqgen.encodings import Encoding
from seqgen.encodings.chorale import Chorale
from seqgen.encodings.grid import CONTROLS
from seqgen.errors import ConfigError, TokenError
from seqgen.piece import Piece

Codec = Encoding[Any] | None  # None: vectors


class Spelled(NamedTuple):
    """A pair, and both sides of it as tokens; vectors stay as they are."""

    pair: Pair
    source: Sequence[str] | np.ndarray
    target: Sequence[str] | np.ndarray


def spell(source: Codec, target: Codec, corpus: PairCorpus) -> tuple[list[Spelled], list[Skipped], dict[str, int]]:
    """The pairs that the encodings can hold, the others with the reason, and what was not carried, by reason."""
    spelled: list[Spelled] = []
    skipped: list[Skipped] = []
    losses: Counter[str] = Counter()
    stated = bool(corpus.options)  # then the corpus means the pieces that fit
    for pair in corpus.pairs:
        try:
            if isinstance(source, Chorale) and isinstance(target, Chorale):
                spelled.append(_music(source, target, pair, losses))
            else:
                spelled.append(Spelled(pair, _tokens(source, pair.source), _tokens(target, pair.target)))
        except TokenError as error:
            skipped.append(Skipped(pair.name, str(error), failed=not stated))
    return spelled, skipped, dict(losses)


def _tokens(codec: Codec, value: Any) -> Sequence[str] | np.ndarray:
    if codec is None:
        return value
    tokens = codec.encode(value)[0].tokens
    if not tokens:
        raise TokenError(f"the encoding {codec.name} leaves nothing of a side")
    return tokens


def _music(source: Chorale, target: Chorale, pair: Pair, losses: Counter[str]) -> Spelled:
    """Both sides have the same steps, though the given parts may end earlier, and the controls the source has.

    Raises:
        TokenError: the parts are not as many as they should be, hold two notes at once, or are not the same ones.
    """
    assert isinstance(pair.source, Piece)  # the unit says so
    assert isinstance(pair.target, Piece)
    read, whole = source.encode(pair.source)[0].tokens, target.encode(pair.target)[0]
    body = whole.tokens[CONTROLS:]
    steps = len(body) // target.parts
    given = read[CONTROLS:] + ["rest"] * (steps * source.parts - len(read) + CONTROLS)
    if any(given[part :: source.parts] != body[part :: target.parts] for part in range(source.parts)):
        raise TokenError("the target does not begin with the parts of the source")
    losses.update(whole.losses)
    # of the source: what only the other parts could tell, such as the mode of a key, is not known where they are sought
    return Spelled(pair, read[:CONTROLS] + given, read[:CONTROLS] + body)


def key(source: Sequence[str] | np.ndarray) -> bytes:
    """What two sources have in common if and only if they are read the same."""
    return as_bytes(source if isinstance(source, np.ndarray) else "\0".join(source))


def split_pairs(pairs: list[Spelled], fraction: float, seed: int) -> tuple[list[Spelled], list[Spelled]]:
    """What to train on, and about a `fraction` to hold out. Pairs of one source stay together, pieces of one family.

    Which sources are held out depends on the seed and all of them, not on their order. With two or more there are some
    on both sides; with fewer nothing is held out.

    Raises:
        ConfigError: `fraction` is not at least 0 and below 1.
    """
    if not 0 <= fraction < 1:
        raise ConfigError(f"the held-out fraction must be at least 0 and below 1, not {fraction:g}")
    if not fraction:
        return pairs, []
    if any(isinstance(pair.pair.target, Piece) for pair in pairs):
        whole = documents(pairs)
        inside, outside = split(whole, families(whole), fraction, seed)
        return [pairs[index] for index in inside], [pairs[index] for index in outside]
    keys = [key(pair.source) for pair in pairs]
    drawn = sorted(set(keys), key=lambda key: hashlib.sha256(b"%d " % seed + key).digest())
    held = set(drawn[: min(max(1, round(fraction * len(drawn))), len(drawn) - 1)])
    sides: tuple[list[Spelled], list[Spelled]] = ([], [])
    for pair, key_ in zip(pairs, keys, strict=True):
        sides[key_ in held].append(pair)
    return sides


def documents(pairs: Sequence[Spelled]) -> list[Document]:
    """All parts of pairs of music, as families know pieces."""
    return [
        Document(pair.name, pair.target, digest(pair.target)) for pair, _, _ in pairs if isinstance(pair.target, Piece)
    ]
