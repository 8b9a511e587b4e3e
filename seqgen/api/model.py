"""Model: a trained generator, loaded without TensorFlow; it joins the stepper and the samplers."""

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any

import msgspec
import numpy as np

from seqgen import encodings, modelfile, runtime
from seqgen.corpus import Corpus, load_corpus
from seqgen.corpus.dataset import encode_with
from seqgen.encodings.grid import CONTROLS
from seqgen.errors import ConfigError, ModelFileError, SamplingError, TokenError
from seqgen.evaluate import Score, score
from seqgen.modelfile import Header
from seqgen.originality import TENSORS, CopyIndex, Unseen
from seqgen.piece import Piece, Tempo, Text, joined
from seqgen.sampling import Bars, Constraint, Strategy, sample, streams
from seqgen.threads import one_thread
from seqgen.version import __version__
from seqgen.vocabulary import UNK, Vocabulary

# Without a length a piece ends where the model ends it, at the latest after so many steps.
_CEILINGS = {"chars": 1000, "bytes": 1000, "words": 200}
_MUSIC_CEILING = 2000
_EMPTY_ROUNDS = 100


class Statistics(msgspec.Struct, frozen=True):
    """What generation and evaluation need to know of the corpus a model learned from; `dataset.prepare` collects it."""

    controls: dict[str, Annotated[int, msgspec.Meta(ge=1)]] = {}  # how pieces begin, and how many of them
    tempo_bpm: Annotated[float, msgspec.Meta(gt=0)] | None = None
    separator: str = ""  # between two texts of one file
    held_out_fraction: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    split_seed: int = 0
    unseen_copied: Unseen | None = None  # how much of the corpus real unseen pieces have


class Model:
    """A trained model. Make one with `seqgen.load` or `seqgen.train`."""

    def __init__(
        self,
        header: Header,
        weights: dict[str, np.ndarray],
        digest: str = "",
        index: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.header, self.weights, self.digest, self._index = header, weights, digest, dict(index or {})
        side = header.sides.target
        try:
            self.encoding = encodings.make(side.encoding, **side.options)
            self.vocabulary = Vocabulary(side.vocabulary)
            self.grammar = self.encoding.grammar(self.vocabulary)
            self.table = self.encoding.table(self.vocabulary)
            self.statistics = msgspec.convert(header.corpus.statistics, Statistics)
        except (ConfigError, TokenError, msgspec.ValidationError, ValueError, LookupError, ArithmeticError) as error:
            raise ModelFileError(f"the model's encoding, vocabulary or statistics cannot be used: {error}") from error
        if tuple(self.grammar.feature_sizes) != header.architecture.feature_sizes:
            raise ModelFileError("the model's features are not those of its encoding; train it again")
        self.stepper = runtime.stepper(header, weights)

    @property
    def unit(self) -> str:
        """ "music" or "text"."""
        return self.encoding.unit

    @cached_property
    def copy_index(self) -> CopyIndex | None:
        """What tells how much of the corpus is copied; None where it would have been too large.

        Raises:
            ModelFileError: the one in the model file is damaged.
        """
        return CopyIndex.from_tensors(self._index, self.unit)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file; an existing one is replaced at once, never half."""
        modelfile.save(path, self.header, self.weights, self._index)
        self.digest = modelfile.digest(path)

    def generate(
        self,
        steps: int | None = None,
        *,
        bars: int | None = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        prime: Piece | str | None = None,
        seed: int | None = None,
        count: int | None = None,
        fill: bool = False,
        constraints: Sequence[Constraint] = (),
    ) -> Any:
        """One new Piece, or one new text; with `count` a list of so many variations.

        steps: at most so many steps of the encoding (characters, words, note events, grid steps, frames), those of
        the prime not counted; without it one whole piece. bars: end exactly after so many full bars, counted from the
        first bar line after the prime or the pickup. temperature: 0 is greedy. top_k, top_p: choose among the k most
        probable, or the most probable that hold the share p. prime: how it begins. seed: the same seed gives the same
        result; None draws one. count: the variations are made in one batch, each with its own random stream. fill:
        where a piece ends early, begin another, until there are `steps`.

        Raises:
            ConfigError: a value out of range. TokenError: a prime the encoding cannot hold.
            SamplingError: the constraints leave nothing to choose.
        """
        if count is not None and count < 1:
            raise ConfigError(f"the count must be at least 1, not {count}")
        rows_wanted = 1 if count is None else count
        strategy = Strategy(temperature, top_k, top_p).checked()
        seed = new_seed() if seed is None else seed
        if not 0 <= seed < 1 << 64:
            raise ConfigError(f"the seed must be 0 to 2^64 - 1, not {seed}")
        begin = self.prime_tokens(prime) if prime is not None else None
        limits = list(constraints)
        if bars is not None:
            limits.append(self._bars(bars, begin))
        ceiling = self._ceiling(steps, bars, fill)
        for constraint in limits:
            constraint.bind(self.grammar, self.table)
        random = streams(seed, rows_wanted)
        segments: list[list[list[str]]] = [[] for _ in range(rows_wanted)]  # for each variation its pieces, as tokens
        left = [ceiling] * rows_wanted
        rows = list(range(rows_wanted))
        empty = 0  # rounds in a row in which every piece ended at once
        while rows:
            prefixes = [begin or self._controls(random[row]) for row in rows]
            with one_thread():
                sampled = sample(
                    self.stepper,
                    self.grammar,
                    [self.vocabulary.to_ids(prefix).tolist() for prefix in prefixes],
                    [left[row] for row in rows],
                    strategy=strategy,
                    random=[random[row] for row in rows],
                    constraints=limits,
                )
            for row, prefix, new in zip(rows, prefixes, sampled, strict=True):
                segments[row].append([*prefix, *self.vocabulary.to_tokens(new.ids)])
                left[row] -= new.steps
            empty = 0 if any(new.steps for new in sampled) else empty + 1
            if empty > _EMPTY_ROUNDS:
                raise SamplingError("the model ends every piece before its first step; raise the temperature")
            rows = [row for row in rows if fill and left[row] > 0]
            begin = None
        finished = [self._finished(tokens, prime, seed, number) for number, tokens in enumerate(segments)]
        return finished[0] if count is None else finished

    def evaluate(self, *sources: str | os.PathLike[str] | Corpus, window: int | None = None) -> Score:
        """How well the model predicts what it is given; see `seqgen.evaluate.score`."""
        corpora = [source if isinstance(source, Corpus) else load_corpus(source) for source in sources]
        sequences = [row for corpus in corpora for row in encode_with(self.encoding, self.vocabulary, corpus)[0]]
        return score(self.stepper, self.encoding, self.vocabulary, sequences, window=window)

    def prime_tokens(self, prime: Piece | str) -> list[str]:
        """The tokens a prime becomes, the controls of music included.

        Raises:
            ConfigError: music for a model of text, or the reverse. TokenError: the encoding cannot hold it.
        """
        if isinstance(prime, str) != (self.unit == "text"):
            came = "text" if isinstance(prime, str) else "music"
            raise ConfigError(f"the model writes {self.unit}, so its prime must be {self.unit}, not {came}")
        try:
            return self.encoding.encode(prime)[0].tokens
        except TokenError as error:
            raise TokenError(f"the prime does not fit the model: {error}") from error

    def unknown(self, prime: Piece | str) -> list[str]:
        """The tokens of a prime that the model has never seen; it reads them as unknown."""
        tokens = self.prime_tokens(prime)
        ids = self.vocabulary.to_ids(tokens)
        return [token for token, id in zip(tokens, ids, strict=True) if id == UNK]

    def _ceiling(self, steps: int | None, bars: int | None, fill: bool) -> int:
        if steps is not None and steps < 1:
            raise ConfigError(f"the steps must be at least 1, not {steps}")
        if fill and (steps is None or bars is not None):
            raise ConfigError(
                "fill needs a number of steps, and no number of bars: it goes on until the steps are there"
            )
        if steps is not None:
            return steps
        if bars is not None:
            return (bars + 1) * self.grammar.feature_sizes[0]  # of the longest bar; the constraint ends the piece
        return _CEILINGS.get(self.encoding.name, _MUSIC_CEILING)

    def _bars(self, bars: int, begin: list[str] | None) -> Bars:
        if self.unit != "music":
            raise ConfigError("bars are for music, and this model writes text; give steps instead")
        begun = 0
        if begin is not None:
            state = self.grammar.start()
            for id in self.vocabulary.to_ids(begin).tolist():
                state = self.grammar.advance(state, id)
            begun = state.clock.time
            unknown = [token for token in begin[:CONTROLS] if token not in self.vocabulary.ids]
            unknown = [token for token in unknown if not token.startswith("key=")]
            if unknown:
                raise ConfigError(
                    f"the model has never seen {' and '.join(unknown)} of the prime, so it cannot count its bars; "
                    "give steps instead"
                )
        return Bars(bars, begun)

    def _controls(self, random: np.random.Generator) -> list[str]:
        """Control tokens drawn as often as they occur in the corpus; none for text."""
        if self.unit != "music":
            return []
        begins = self.statistics.controls
        if not begins:
            return ["key=?", "meter=?", "pickup=0"]
        names = sorted(begins)  # a model file keeps no order, and the same seed must give the same piece after loading
        shares = np.cumsum([begins[name] for name in names])
        return names[int(np.searchsorted(shares, random.random() * shares[-1], side="right"))].split(" ")

    def _finished(self, segments: list[list[str]], prime: Piece | str | None, seed: int, number: int) -> Piece | str:
        sources = [self.encoding.decode(tokens) for tokens in segments]
        if self.unit == "text":
            return (self.statistics.separator or "\n\n").join(sources)
        piece = joined(sources)
        bpm = self.statistics.tempo_bpm
        tempi = (Tempo(0, float(bpm)),) if bpm else ()
        if isinstance(prime, Piece) and prime.tempi:
            tempi = (Tempo(0, prime.tempi[0].bpm),)
        source = f" model {self.digest}" if self.digest else ""
        mark = Text(0, f"seqgen {__version__} seed {seed}{f' number {number + 1}' if number else ''}{source}")
        return replace(piece, tempi=tempi, markers=(mark, *piece.markers))


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a file that `seqgen train` wrote.

    Raises:
        ModelFileError: no such file, not a seqgen model, damaged, or written by a newer seqgen.
    """
    return Model(*modelfile.load(path), modelfile.digest(path), modelfile.load_index(path, TENSORS))


def new_seed() -> int:
    """A seed short enough to be typed again."""
    return secrets.randbelow(1 << 31)
