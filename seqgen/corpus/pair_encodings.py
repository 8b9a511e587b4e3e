"""Which encodings pairs get: what was asked for, else characters for text, and for music always chorales."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from seqgen import encodings
from seqgen.corpus.pairs import PairCorpus
from seqgen.encodings import Encoding
from seqgen.encodings.chorale import Chorale
from seqgen.errors import ConfigError, CorpusError
from seqgen.piece import Piece

Wanted = tuple[str | None, dict[str, Any]]  # the name of an encoding, and its options


def choose_both(
    corpus: PairCorpus, source: Wanted, target: Wanted
) -> tuple[Encoding[Any] | None, Encoding[Any] | None, str]:
    """The encodings of sources and targets, None for vectors, and the reason in words.

    Raises:
        CorpusError: an encoding is for another kind of side, or the pieces have no parts to find.
        ConfigError: no such encoding or option, or one that pairs of music do not leave open.
    """
    if corpus.target_unit == "music":
        return _of_music(corpus, source, target)
    first, why_first = _of_side(corpus, "source", corpus.source_unit, *source)
    second, why_second = _of_side(corpus, "target", corpus.target_unit, *target)
    chosen = why_first if why_first == why_second else f"the sources {why_first}, the targets {why_second}"
    return first, second, chosen


def _of_side(
    corpus: PairCorpus, side: str, unit: str, name: str | None, options: dict[str, Any]
) -> tuple[Encoding[Any] | None, str]:
    if unit == "vectors":
        if name is not None or options:
            raise ConfigError(f"the {side}s of {corpus.title!r} are vectors, which have no encoding")
        return None, unit
    codec = encodings.make(name or "chars", **options)
    if codec.unit != unit:
        raise CorpusError(f"the encoding {name} is for {codec.unit}, but the {side}s of {corpus.title!r} are {unit}")
    return codec, unit if name is None else "as asked for"


def _of_music(corpus: PairCorpus, source: Wanted, target: Wanted) -> tuple[Chorale, Chorale, str]:
    for side, (name, options) in (("source", source), ("target", target)):
        if name not in (None, Chorale.name):
            raise ConfigError(f"pairs of music are {Chorale.name} on both sides, so the {side} cannot be {name}")
        if "parts" in options:
            raise ConfigError(f"how many parts the {side} has is told by the pairs, not by an option")
    given = len(corpus.from_parts) or _most(pair.source for pair in corpus.pairs)
    parts = given + len(corpus.to_parts) if corpus.to_parts else _most(pair.target for pair in corpus.pairs)
    if not 0 < given < parts:
        raise CorpusError(f"the sources of {corpus.title!r} have {given} parts and the targets {parts}: none to find")
    stated = {name: value for name, value in corpus.options.items() if name != "parts"}
    settings = {**encodings.training_options(Chorale.name), **stated, **target[1]}
    read = {name: settings[name] for name in ("grid",) if name in settings} | source[1]
    codecs = [encodings.make(Chorale.name, **options, parts=n) for options, n in ((read, given), (settings, parts))]
    first, second = (codec for codec in codecs if isinstance(codec, Chorale))
    if first.grid != second.grid:
        raise ConfigError(f"both sides of music have one grid, not {first.grid} and {second.grid} steps a quarter note")
    return first, second, f"of {parts} parts {given} {'is' if given == 1 else 'are'} given"


def _most(pieces: Iterable[Any]) -> int:
    """How many pitched parts with notes most of the pieces have."""
    counts = Counter(_sounding(piece) for piece in pieces if isinstance(piece, Piece))
    return max(counts, key=lambda parts: (counts[parts], parts))


def _sounding(piece: Piece) -> int:
    return sum(not piece.parts[part].drums for part in set(piece.notes["part"].tolist()))
