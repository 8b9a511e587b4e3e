"""A corpus as ids: encoded, split by family into what is trained on and what is held out, with a vocabulary.

The vocabulary comes from the training side alone: what only the held-out side has is UNK there, and counted.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from seqgen import encodings
from seqgen.corpus import cache
from seqgen.corpus.families import families, split
from seqgen.corpus.load import Corpus, Document, Skipped
from seqgen.corpus.loudness import profile
from seqgen.encodings import Encoded, Encoding
from seqgen.encodings.grid import CONTROLS
from seqgen.encodings.text import Bytes, Chars
from seqgen.errors import ConfigError, CorpusError, TokenError
from seqgen.longtext import LongText, Scratch
from seqgen.piece import Piece
from seqgen.vocabulary import END, START, Vocabulary

_FEW_TEXTS = 10  # below this number of texts, each is cut: its last part is held out
_CONTROLS_KEPT = 1000


class IdSequence(NamedTuple):
    """One piece or text as ids `(n,)`: START, controls, body, END.

    They are uint16 or uint32; those of a long text are mapped from a file, in the smallest type that holds them.
    """

    name: str
    ids: np.ndarray
    characters: int = 0  # text only
    digest: bytes = b""  # SHA-256 of the ids of a long text, so that they need not be read for it


@dataclass(frozen=True)
class Dataset:
    """What training and evaluation read."""

    encoding: Encoding[Any]
    vocabulary: Vocabulary
    train: tuple[IdSequence, ...]
    held_out: tuple[IdSequence, ...]
    skipped: tuple[Skipped, ...]  # documents the encoding cannot hold, with the reason
    losses: dict[str, int]  # what the encoding did not carry, by reason
    chosen: str  # why this encoding
    statistics: dict[str, Any]  # what generation needs to know of the corpus
    shared: int = 0  # documents to train on that share a passage with a corpus that was named to be held out


def prepare(
    corpus: Corpus,
    *,
    encoding: str | None = None,
    options: dict[str, Any] | None = None,
    held_out: Corpus | None = None,
    fraction: float = 0.1,
    seed: int = 0,
    features: bool = True,
) -> Dataset:
    """Encode and split a corpus.

    encoding, options: what to use instead of what the corpus states; chosen from the pieces where neither says.
    held_out: a corpus of its own to hold out; then nothing of `corpus` is.
    fraction: how much of `corpus` to hold out otherwise, by whole families; texts fewer than ten are cut instead.
    features: music: what the options do not say of it, the model sees beside the tokens as training has it by default.

    Raises:
        CorpusError: the encoding is for the other kind of source, or no document fits it.
        ConfigError: no such encoding or option, or a fraction that is not at least 0 and below 1.
    """
    if not 0 <= fraction < 1:
        raise ConfigError(f"the held-out fraction must be at least 0 and below 1, not {fraction:g}")
    name, settings, chosen = _encoding_of(corpus, encoding)
    defaults = encodings.training_options(name) if features else {}
    codec = encodings.make(name, **{**defaults, **settings, **(options or {})})
    if codec.unit != corpus.unit:
        raise CorpusError(f"the encoding {name} is for {codec.unit}, but {corpus.title!r} is {corpus.unit}")
    if held_out is not None and held_out.unit != corpus.unit:
        raise CorpusError(f"{corpus.title!r} is {corpus.unit}, but what is to be held out is {held_out.unit}")
    encoded, skipped, losses = _encode_all(codec, corpus.documents)
    if name == corpus.encoding:  # the corpus means the pieces that fit it
        skipped = [replace(skip, failed=False) for skip in skipped]
    if not encoded:
        reasons = "; ".join(f"{skip.name}: {skip.reason}" for skip in skipped[:3])
        raise CorpusError(f"no piece of {corpus.title!r} fits the encoding {name}: {reasons}")
    if held_out is not None:
        outside, more_skipped, _ = _encode_all(codec, held_out.documents)
        skipped = [*skipped, *more_skipped]
        inside = encoded
    else:
        inside, outside = _split(codec, encoded, fraction, seed)
    vocabulary = _vocabulary(codec, inside)
    train = to_sequences(codec, vocabulary, inside)
    return Dataset(
        encoding=codec,
        vocabulary=vocabulary,
        train=train,
        held_out=to_sequences(codec, vocabulary, outside),
        skipped=tuple(skipped),
        losses=losses,
        chosen=chosen,
        statistics={
            **_statistics(codec, inside, train, corpus.separator),
            "held_out_fraction": 0.0 if held_out is not None else fraction,
            "split_seed": seed,
        },
        shared=0 if held_out is None else shared(corpus.documents, held_out.documents),
    )


def encode_with(
    codec: Encoding[Any], vocabulary: Vocabulary, corpus: Corpus
) -> tuple[tuple[IdSequence, ...], list[Skipped]]:
    """All documents of a corpus as ids of an existing vocabulary, and those the encoding cannot hold."""
    if codec.unit != corpus.unit:
        raise CorpusError(f"the model is for {codec.unit}, but {corpus.title!r} is {corpus.unit}")
    encoded, skipped, _ = _encode_all(codec, corpus.documents)
    if not encoded:
        reasons = "; ".join(f"{skip.name}: {skip.reason}" for skip in skipped[:3])
        raise CorpusError(f"no piece of {corpus.title!r} fits the encoding {codec.name}: {reasons}")
    return to_sequences(codec, vocabulary, encoded), skipped


def held_out_of(
    codec: Encoding[Any], vocabulary: Vocabulary, corpus: Corpus, fraction: float, seed: int
) -> tuple[tuple[IdSequence, ...], list[Skipped]]:
    """What `prepare` holds out of the same corpus with the same fraction and seed, as ids of an existing vocabulary.

    Raises:
        CorpusError: that is nothing.
    """
    _, outside, skipped = split_again(codec, corpus, fraction, seed)
    return to_sequences(codec, vocabulary, outside), skipped


def at_most(sequences: Sequence[IdSequence], tokens: int) -> tuple[IdSequence, ...]:
    """Sequences from the front, as many as have about `tokens` ids, cutting the last one that is kept."""
    kept: list[IdSequence] = []
    left = tokens
    for sequence in sequences:
        if left < 2:
            break
        ids = sequence.ids[: left + 1]
        characters = round(sequence.characters * (len(ids) - 1) / (len(sequence.ids) - 1))
        kept.append(IdSequence(sequence.name, ids, characters))
        left -= len(ids) - 1
    return tuple(kept)


_Pair = tuple[Document, Encoded | None]  # None: a long text, which is spelled when its ids are written


def split_again(
    codec: Encoding[Any], corpus: Corpus, fraction: float, seed: int
) -> tuple[list[_Pair], list[_Pair], list[Skipped]]:
    """What `prepare` trains on and holds out of the same corpus with the same fraction and seed, and what it skips.

    Raises:
        CorpusError: nothing is held out.
    """
    encoded, skipped, _ = _encode_all(codec, corpus.documents)
    inside, outside = _split(codec, encoded, fraction, seed)
    if not outside:
        raise CorpusError(f"the training of this model held out nothing of {corpus.title!r}")
    return inside, outside, skipped


def _encoding_of(corpus: Corpus, wanted: str | None) -> tuple[str, dict[str, Any], str]:
    if wanted is not None and wanted != corpus.encoding:
        return wanted, {}, "as asked for"
    if corpus.encoding is not None:
        return corpus.encoding, dict(corpus.options), "as the corpus states"
    if corpus.unit == "text":
        return "chars", {}, "text"
    return encodings.choose(document.content for document in corpus.documents if isinstance(document.content, Piece))


def _encode_all(
    codec: Encoding[Any], documents: Sequence[Document]
) -> tuple[list[_Pair], list[Skipped], dict[str, int]]:
    in_pieces = isinstance(codec, (Chars, Bytes))
    encoded: list[_Pair] = []
    skipped: list[Skipped] = []
    losses: Counter[str] = Counter()
    for document in documents:
        content = document.content
        if isinstance(content, LongText):
            if in_pieces:
                encoded.append((document, None))
                continue
            content = content.whole()
            document = replace(document, content=content)
        try:
            sequences = codec.encode(content)
        except TokenError as error:
            skipped.append(Skipped(document.name, str(error)))
            continue
        encoded += [(document, sequence) for sequence in sequences]
        for sequence in sequences:
            losses.update(sequence.losses)
    return encoded, skipped, dict(losses)


def _split(codec: Encoding[Any], encoded: list[_Pair], fraction: float, seed: int) -> tuple[list[_Pair], list[_Pair]]:
    if fraction <= 0:
        return encoded, []
    documents = list({id(document): document for document, _ in encoded}.values())
    if codec.unit == "text" and len(documents) < _FEW_TEXTS:
        cuts = [_cut(document, fraction) for document in documents]
        inside, outside = [front for front, _ in cuts], [back for _, back in cuts if back is not None]
        return _encode_all(codec, inside)[0], _encode_all(codec, outside)[0]
    _, chosen = split(documents, families(documents), fraction, seed)
    outside_ids = {id(documents[index]) for index in chosen}
    inside = [pair for pair in encoded if id(pair[0]) not in outside_ids]
    return inside, [pair for pair in encoded if id(pair[0]) in outside_ids]


def shared(documents: Sequence[Document], held_out: Sequence[Document]) -> int:
    """How many of the documents share a passage with what is held out."""
    groups = families([*documents, *held_out])
    taken = set(groups[len(documents) :])
    return sum(group in taken for group in groups[: len(documents)])


def _cut(document: Document, fraction: float) -> tuple[Document, Document | None]:
    """A text without its last part, and that part, cut after a line end where one is near."""
    text = document.content
    assert not isinstance(text, Piece)  # the unit says so
    place = round(len(text) * (1 - fraction))
    line_end = text.rfind("\n", 0, place) + 1
    place = line_end if line_end > place - len(text) * fraction / 4 else place
    if not 0 < place < len(text):
        return document, None
    front = Document(document.name, text[:place], document.digest)
    return front, Document(f"{document.name} (last part)", text[place:], document.digest)


def _vocabulary(codec: Encoding[Any], encoded: Sequence[_Pair]) -> Vocabulary:
    if isinstance(codec, (Chars, Bytes)) and any(sequence is None for _, sequence in encoded):
        return codec.vocabulary_of(piece for pair in encoded for piece in _spelled(*pair))
    return codec.vocabulary([sequence for _, sequence in encoded if sequence is not None])


def _spelled(document: Document, sequence: Encoded | None) -> Iterable[str]:
    """A text in pieces: its own where it is long, else its tokens."""
    return document.content.pieces() if isinstance(document.content, LongText) else sequence.tokens if sequence else ()


def to_sequences(codec: Encoding[Any], vocabulary: Vocabulary, encoded: Sequence[_Pair]) -> tuple[IdSequence, ...]:
    """Ids with START and END."""
    smallest = np.uint16 if len(vocabulary) <= 1 << 16 else np.uint32
    written = iter(_written(codec, vocabulary, [document for document, sequence in encoded if sequence is None]))
    sequences = []
    for document, sequence in encoded:
        if sequence is None:
            sequences.append(next(written))
            continue
        ids = np.empty(len(sequence.tokens) + 2, smallest)
        ids[0], ids[-1] = START, END
        ids[1:-1] = vocabulary.to_ids(sequence.tokens)
        name = f"{document.name} ({sequence.part})" if sequence.part else document.name
        characters = len(document.content) if isinstance(document.content, str) else 0
        sequences.append(IdSequence(name, ids, characters))
    return tuple(sequences)


def _written(codec: Encoding[Any], vocabulary: Vocabulary, documents: Sequence[Document]) -> list[IdSequence]:
    """Long texts, whose ids lie in one file."""
    if not documents:
        return []
    assert isinstance(codec, (Chars, Bytes))  # no other has a pair without tokens
    scratch = Scratch(cache.home())
    spell, smallest = codec.speller(vocabulary), vocabulary.smallest_type
    start, end = np.array([START], smallest), np.array([END], smallest)
    texts: list[tuple[str, int, bytes]] = []  # name, characters, digest
    ends: list[int] = []
    length = 0
    for document in documents:
        assert isinstance(document.content, LongText)
        digest = hashlib.sha256()
        for ids in chain([start], map(spell, document.content.pieces()), [end]):
            data = ids.tobytes()
            scratch.append(data)
            digest.update(data)
            length += len(ids)
        texts.append((document.name, len(document.content), digest.digest()))
        ends.append(length)
    mapped = np.split(scratch.mapped(smallest), ends[:-1])
    return [
        IdSequence(name, ids, characters, digest) for (name, characters, digest), ids in zip(texts, mapped, strict=True)
    ]


def _statistics(
    codec: Encoding[Any], encoded: Sequence[_Pair], sequences: Sequence[IdSequence], separator: str
) -> dict[str, Any]:
    """How pieces begin (their controls, as often as they occur), how long they are, how fast."""
    tokens = sum(len(sequence.ids) - 2 for sequence in sequences)
    statistics: dict[str, Any] = {"pieces": len(encoded), "tokens": tokens}
    if separator:
        statistics["separator"] = separator
    if codec.unit == "music":
        pieces = [document.content for document, _ in encoded if isinstance(document.content, Piece)]
        statistics |= style((sequence.tokens for _, sequence in encoded if sequence is not None), pieces)
    return statistics


def style(tokens: Iterable[Sequence[str]], pieces: Sequence[Piece]) -> dict[str, Any]:
    """What generation needs to know of music: how its tokens begin and how often, how loud it is, how fast."""
    begins = Counter(" ".join(sequence[:CONTROLS]) for sequence in tokens)
    statistics: dict[str, Any] = {
        "controls": dict(begins.most_common(_CONTROLS_KEPT)),
        "velocities": list(profile(pieces)),
    }
    tempi = sorted(piece.tempi[0].bpm for piece in pieces if piece.tempi)
    if tempi:
        statistics["tempo_bpm"] = tempi[len(tempi) // 2]
    return statistics
