"""Model: a trained generator, loaded without TensorFlow; it joins the stepper and the samplers."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any

import msgspec
import numpy as np

from seqgen import encodings, modelfile, runtime
from seqgen.api import shipped
from seqgen.api.generate import PARTICLES, generate, setting
from seqgen.api.request import Control, Request
from seqgen.api.stream import Stream
from seqgen.api.vary import vary
from seqgen.constraints import Constraint
from seqgen.corpus import Corpus, load_corpus
from seqgen.corpus.dataset import encode_with
from seqgen.corpus.loudness import ACCENTS, LEVELS
from seqgen.encodings.grid import CONTROLS, check_control
from seqgen.errors import ConfigError, ModelFileError, TokenError
from seqgen.evaluate import Score, Typical, score
from seqgen.modelfile import Header
from seqgen.originality import TENSORS, CopyIndex, Unseen
from seqgen.piece import Piece
from seqgen.sampling import Setting
from seqgen.vocabulary import UNK, Vocabulary

# what may come of values that nothing but a damaged file holds
UNUSABLE = (
    ConfigError, TokenError, msgspec.ValidationError, ValueError, LookupError, ArithmeticError, RecursionError,
)  # fmt: skip


class Statistics(msgspec.Struct, frozen=True):
    """What generation and evaluation need to know of the corpus a model learned from; `dataset.prepare` collects it."""

    controls: dict[str, Annotated[int, msgspec.Meta(ge=1)]] = {}  # how pieces begin, and how many of them
    tempo_bpm: Annotated[float, msgspec.Meta(gt=0)] | None = None
    # velocity at each of `loudness.LEVELS`; none in the files of versions that did not measure it
    velocities: tuple[Annotated[float, msgspec.Meta(ge=1, le=127)], ...] = ACCENTS
    typical: Typical = Typical()
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
        index: Mapping[str, np.ndarray] | None = None,
        *,
        digest: str = "",
        name: str = "",
    ) -> None:
        """index: what tells copies, as tensors; digest, name: of the file, where there is one.

        Raises:
            ModelFileError: it is an encoder-decoder, or cannot be used.
        """
        if header.kind != "generator":
            raise ModelFileError(
                f"{name or 'this model'} turns a source into a target: 'seqgen translate' uses it, of music 'seqgen"
                " harmonize'"
            )
        self.header, self.weights, self.digest, self.name = header, weights, digest, name
        self._index = dict(index or {})
        side = header.sides.target
        try:
            self.encoding = encodings.make(side.encoding, **side.options)
            self.vocabulary = Vocabulary(side.vocabulary)
            self.grammar: Any = self.encoding.grammar(self.vocabulary)  # a MusicGrammar, or that of text
            self.table = self.encoding.table(self.vocabulary)
            self.statistics = msgspec.convert(header.corpus.statistics, Statistics)
            for begin in self.statistics.controls:
                for place, token in zip(range(CONTROLS), begin.split(" "), strict=True):
                    check_control(token, place)
        except UNUSABLE as error:
            reason = str(error)[:300]
            raise ModelFileError(f"the model's encoding, vocabulary or statistics cannot be used: {reason}") from error
        if len(self.statistics.velocities) != len(LEVELS):
            raise ModelFileError(f"its corpus has {len(self.statistics.velocities)} velocities, not {len(LEVELS)}")
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
        self.digest, self.name = modelfile.digest(path), os.fspath(path)

    def generate(
        self,
        steps: int | None = None,
        *,
        bars: int | None = None,
        temperature: Control = 1.0,
        top_k: Control = 0,
        top_p: Control = 1.0,
        min_p: Control = 0.0,
        penalty: Control = 1.0,
        prime: Piece | str | None = None,
        continue_only: bool = False,
        seed: int | None = None,
        count: int | None = None,
        fill: bool = False,
        constraints: Sequence[Constraint] = (),
        particles: int | None = None,
        tempo: float | None = None,
        instrument: int | None = None,
        best_of: int | None = None,
    ) -> Any:
        """One new Piece, or one new text; with `count` a list of so many variations.

        steps: at most so many steps of the encoding (characters, words, note events, grid steps, frames), those of
        the prime not counted; without it one whole piece. bars: end exactly after so many full bars, counted from the
        first bar line after the prime or the pickup.

        temperature: 0 is greedy. top_k, top_p, min_p: choose among the k most probable; the most probable that hold
        the share p; those at least min_p times as probable as the most probable. penalty: above 1, notes or tokens
        that came lately become less probable. Each may be a curve over the piece: "0.6:1.2", or a list of points.

        prime: how it begins; it is part of what is returned, or with `continue_only` left out. Its tempo and programs
        are taken over; `tempo` (quarter notes a minute) and `instrument` (General MIDI program, 0 to 127) override.
        constraints: from `seqgen.constraints`; what comes out obeys them all. particles: so many weighted
        continuations of each piece, so that it is what the model believes given the constraints.

        seed: the same seed gives the same result; None draws one. count: the variations are made in one batch, each
        with its own random stream. best_of: generate so many of each, and keep the one most typical of the corpus (see
        `seqgen.evaluate.typical`). fill: where a piece ends early, begin another, until there are `steps`.

        Raises:
            ConfigError: a value out of range. TokenError: a prime the encoding cannot hold.
            SamplingError: the constraints leave nothing to choose.
        """
        request = Request(
            steps=steps,
            bars=bars,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            penalty=penalty,
            prime=prime,
            continue_only=continue_only,
            seed=seed,
            count=count,
            fill=fill,
            constraints=constraints,
            particles=particles,
            tempo=tempo,
            instrument=instrument,
            best_of=best_of,
        )
        finished = generate(self, request)
        return finished[0] if count is None else finished

    def stream(
        self,
        steps: int | None = None,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        penalty: float = 1.0,
        prime: Piece | str | None = None,
        seed: int | None = None,
        endless: bool = True,
        constraints: Sequence[Constraint] = (),
        state: str | os.PathLike[str] | None = None,
    ) -> Stream:
        """What the model makes, as it makes it: pieces of text, or an `Event` for each note. See `Stream`.

        steps: stop after so many; without them it goes on until nobody asks any more. endless: when a piece ends,
        begin another; else stop there. prime: how it begins, which is not handed out: time 0 is its end. The other
        arguments are those of `generate`, and what comes is what it makes with the same seed and one particle.

        state: a file that `Stream.save` wrote, to continue exactly there; beside it only the same `constraints` may be
        given, since a file cannot hold them.

        Raises:
            ConfigError: a value out of range, or the state of another model. FormatError: a damaged state.
            TokenError: a prime the encoding cannot hold. SamplingError: the constraints leave nothing to choose.
        """
        if state is not None:
            new = steps is not None or prime is not None or seed is not None or not endless
            if new or (temperature, top_k, top_p, min_p, penalty) != (1.0, 0, 1.0, 0.0, 1.0):
                raise ConfigError("a stream continues as it was saved: beside state only constraints may be given")
            return Stream.continued(self, state, constraints)
        request = Request(
            steps=steps,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            penalty=penalty,
            prime=prime,
            seed=seed,
            constraints=constraints,
        )
        return Stream(self, request, endless=endless)

    def vary(
        self,
        piece: Piece,
        *,
        keep_bars: str | Iterable[int] = (),
        amount: float = 1.0,
        temperature: Control = 1.0,
        top_k: Control = 0,
        top_p: Control = 1.0,
        min_p: Control = 0.0,
        penalty: Control = 1.0,
        particles: int = PARTICLES,
        seed: int | None = None,
        count: int | None = None,
    ) -> Any:
        """The same piece with some of its notes made anew; with `count` a list of so many variations. Music only.

        keep_bars: these come out untouched, as do notes that sound into them: "1-4,8", or numbers; a pickup is bar 0.
        amount: the share of the notes and rests elsewhere, chosen by the seed, that are made anew, 0 to 1. What stays
        keeps its times, velocities and parts, and the piece its length; parts the encoding does not hold stay as well.
        particles: so many fills are followed at once, and those preferred that make likely what comes after them.
        Everything else is as in `generate`.

        Raises:
            ConfigError: a bar that the piece does not have, nothing left to vary, a value out of range.
            TokenError: the encoding cannot hold the piece. SamplingError: the model cannot spell what is to be kept.
        """
        request = Request(
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            penalty=penalty,
            particles=particles,
            seed=seed,
            count=count,
        )
        varied = vary(self, piece, keep_bars, amount, request)
        return varied[0] if count is None else varied

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

    def setting(self, constraints: Sequence[Constraint] = ()) -> Setting:
        """What the samplers take: the model, and the constraints bound to its ids."""
        return setting(self, constraints)


def load(path: str | os.PathLike[str]) -> Model:
    """The generator in a file that `seqgen train` wrote, or one of those that come with seqgen, by its name.

    Raises:
        ModelFileError: no such file, an encoder-decoder, not a seqgen model, damaged, or written by a newer seqgen.
    """
    file = shipped.located(path)
    index = modelfile.load_index(file, TENSORS)
    return Model(*modelfile.load(file), index, digest=modelfile.digest(file), name=os.fspath(path))
