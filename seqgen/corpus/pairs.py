"""Sources to pairs: lines of text with a translation, an answer, a result, or some parts of a piece and all of them.

A pair is told by its two sides. Text is read from files in which a line is a pair, or from two files line by line;
music is any corpus of scores, of which some parts are given and others are to be found.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seqgen.corpus.load import Progress, load_corpus
from seqgen.corpus.pair_lines import SOURCES, read_rows, tables
from seqgen.corpus.pair_values import Value, as_bytes, checked
from seqgen.corpus.parts import part_names, take_parts, with_parts
from seqgen.corpus.sources import Skipped, listed
from seqgen.errors import ConfigError, CorpusError, TokenError
from seqgen.piece import Piece


class Pair(NamedTuple):
    """What is read, and what is to be written. Of music the target is the source's parts, then the others."""

    name: str
    source: Value
    target: Value


@dataclass(frozen=True, eq=False)
class PairCorpus:
    """Pairs in the order of their sources; all have the same two units: "text", "music" or "vectors"."""

    title: str
    source_unit: str
    target_unit: str
    pairs: tuple[Pair, ...]
    skipped: tuple[Skipped, ...] = ()
    repeated: int = 0  # pairs of text that were there before
    names: tuple[str, ...] = ()  # of the files of text, or of the pieces
    licence: str = ""
    options: dict[str, Any] = field(default_factory=dict)  # music: those of the encoding that its corpus.toml names
    from_parts: tuple[str, ...] = ()  # music: as they were asked for
    to_parts: tuple[str, ...] = ()

    @staticmethod
    def of(sources: Iterable[Any], targets: Iterable[Any], *, title: str = "pairs") -> "PairCorpus":
        """Pairs from Python values: texts, Pieces, or series of vectors as arrays `(steps, size)`, all of one kind.

        A Piece goes with a Piece that has the same parts first, then others. Vectors become float32. Pairs with an
        empty text are skipped, and of equal pairs of text one is kept.

        >>> PairCorpus.of(["12+7", "3+3"], ["19", "6"]).pairs[1]
        Pair(name='pair 2', source='3+3', target='6')

        Raises:
            CorpusError: there is no pair, not the same number of both, or values of different kinds; of vectors another
                size, no step, or a number that is not finite.
        """
        source_unit, first = checked(sources, f"{title}: sources")
        target_unit, second = checked(targets, f"{title}: targets")
        if len(first) != len(second):
            raise CorpusError(f"{title}: there are {len(first):,} sources and {len(second):,} targets")
        if source_unit != target_unit and "music" in (source_unit, target_unit):
            raise CorpusError(f"{title}: a piece goes with a piece, not {source_unit} with {target_unit}")
        pairs, skipped = [], []
        for number, (source, target) in enumerate(zip(first, second, strict=True), start=1):
            name = f"pair {number}"
            if isinstance(source, str) and not source:
                skipped.append(Skipped(name, "has an empty source"))
            elif isinstance(target, str) and not target:
                skipped.append(Skipped(name, "has an empty target"))
            else:
                pairs.append(Pair(name, source, target))
        if not pairs:
            raise CorpusError(f"{title}: each of the {len(first):,} pairs has an empty side")
        distinct = _distinct(pairs) if source_unit == target_unit == "text" else pairs
        return PairCorpus(
            title,
            source_unit,
            target_unit,
            tuple(distinct),
            tuple(skipped),
            len(pairs) - len(distinct),
            names=tuple(pair.name for pair in distinct) if source_unit == "music" else (),
        )

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal over both sides of all pairs."""
        found = hashlib.sha256()
        for pair in self.pairs:
            for side in (pair.source, pair.target):
                data = as_bytes(side)
                found.update(len(data).to_bytes(8, "little") + data)
        return found.hexdigest()

    def losses(self) -> dict[str, int]:
        """What reading the pieces lost or changed, counted by reason, the most frequent first."""
        counts: Counter[str] = Counter()
        for pair in self.pairs:
            if isinstance(pair.target, Piece):
                counts.update(pair.target.losses)
        return dict(counts.most_common())


def are_pairs(sources: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether all of them are .tsv files, or folders with such files and neither music nor text."""
    return bool(sources) and all(tables(source) is not None for source in sources)


def load_pairs(
    *sources: str | os.PathLike[str],
    text_encoding: str | None = None,
    from_parts: str | Sequence[str] | None = None,
    to_parts: str | Sequence[str] | None = None,
    max_length: int | None = None,
    progress: Progress | None = None,
) -> PairCorpus:
    """The pairs in `sources`.

    Text: .tsv files and folders of them, one file of another name that is written so, or two files whose lines belong
    together. A line is the source, a tab and the target; further columns are not read, nor white space around a side.
    A line without a tab, with an empty side, or with more than `max_length` characters on one (1000, unless it is said)
    is skipped. Of equal pairs one is kept. `text_encoding` is as for `load_corpus`.

    Music: with `from_parts` and `to_parts`, what `load_corpus` reads. The source is the piece with the former parts
    alone, the target with the former, then the latter. They are names as in `seqgen.corpus.parts`, like ["soprano"].

    Raises:
        CorpusError: no such source, no pair in it, or two files with different numbers of lines.
        ConfigError: parts that cannot be, a max_length below 1 or for music, no such text encoding.
        MissingExtra: the scores need an optional part that is not installed.
    """
    if not sources:
        raise CorpusError(f"no source of pairs was given: {SOURCES}")
    if from_parts is None and to_parts is None:
        return _of_text(sources, text_encoding, max_length, progress)
    if from_parts is None or to_parts is None:
        raise ConfigError("pairs of music need the parts that are given (from_parts) and those to find (to_parts)")
    if max_length is not None:
        raise ConfigError("a max_length is for pairs of text; the parts of a piece are taken whole")
    return _of_music(sources, part_names(from_parts), part_names(to_parts), progress)


def _of_text(
    sources: Sequence[str | os.PathLike[str]],
    text_encoding: str | None,
    max_length: int | None,
    progress: Progress | None,
) -> PairCorpus:
    if max_length is not None and max_length < 1:
        raise ConfigError(f"the most characters of a side must be at least 1, not {max_length}")
    read = read_rows(sources, text_encoding, max_length, progress)
    pairs = _distinct([Pair(*row) for row in read.rows])
    return PairCorpus(
        title=listed([path.stem for path in read.files]),
        source_unit="text",
        target_unit="text",
        pairs=tuple(pairs),
        skipped=tuple(read.skipped),
        repeated=len(read.rows) - len(pairs),
        names=tuple(read.names),
    )


def _distinct(pairs: list[Pair]) -> list[Pair]:
    """Without the pairs of text that were there before."""
    kept: dict[tuple[Value, Value], Pair] = {}
    for pair in pairs:
        kept.setdefault((pair.source, pair.target), pair)
    return list(kept.values())


def _of_music(
    sources: Sequence[str | os.PathLike[str]],
    from_parts: tuple[str, ...],
    to_parts: tuple[str, ...],
    progress: Progress | None,
) -> PairCorpus:
    both = part_names((*from_parts, *to_parts))  # no part on both sides
    corpus = load_corpus(*sources, progress=progress)
    if corpus.unit != "music":
        raise CorpusError(f"{corpus.title!r} is {corpus.unit}: only music has parts to take")
    stated = corpus.encoding is not None  # then the corpus means the pieces that have them
    pairs: list[Pair] = []
    skipped = list(corpus.skipped)
    for document in corpus.documents:
        assert isinstance(document.content, Piece)  # the unit says so
        try:
            target = take_parts(document.content, both)
        except TokenError as error:
            skipped.append(Skipped(document.name, str(error), failed=not stated))
            continue
        pairs.append(Pair(document.name, with_parts(target, range(len(from_parts))), target))
    if not pairs:
        reasons = "; ".join(f"{skip.name}: {skip.reason}" for skip in skipped[-3:])
        raise CorpusError(f"no piece of {corpus.title!r} has the parts {', '.join(both)}: {reasons}")
    return PairCorpus(
        title=corpus.title,
        source_unit="music",
        target_unit="music",
        pairs=tuple(pairs),
        skipped=tuple(skipped),
        names=tuple(pair.name for pair in pairs),
        licence=corpus.licence,
        options=corpus.options if corpus.encoding == "chorale" else {},
        from_parts=from_parts,
        to_parts=to_parts,
    )
