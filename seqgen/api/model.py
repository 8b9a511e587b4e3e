"""Model: a trained generator, loaded without TensorFlow; it joins the stepper and the samplers."""

import os
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from seqgen import encodings, modelfile, runtime
from seqgen.api.generate import Control, Request, generate, setting
from seqgen.constraints import Constraint
from seqgen.corpus import Corpus, load_corpus
from seqgen.corpus.dataset import encode_with
from seqgen.encodings.grid import CONTROLS, check_control
from seqgen.errors import ConfigError, ModelFileError, TokenError
from seqgen.evaluate import Score, score
from seqgen.modelfile import Header
from seqgen.piece import Piece
from seqgen.sampling import Setting
from seqgen.vocabulary import UNK, Vocabulary

# what may come of values that nothing but a damaged file holds
_UNUSABLE = (
    ConfigError, TokenError, msgspec.ValidationError, ValueError, LookupError, ArithmeticError, RecursionError,
)  # fmt: skip


class Statistics(msgspec.Struct, frozen=True):
    """What generation and evaluation need to know of the corpus a model learned from; `dataset.prepare` collects it."""

    controls: dict[str, Annotated[int, msgspec.Meta(ge=1)]] = {}  # how pieces begin, and how many of them
    tempo_bpm: Annotated[float, msgspec.Meta(gt=0)] | None = None
    separator: str = ""  # between two texts of one file
    held_out_fraction: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    split_seed: int = 0


class Model:
    """A trained model. Make one with `seqgen.load` or `seqgen.train`."""

    def __init__(self, header: Header, weights: dict[str, np.ndarray], digest: str = "") -> None:
        self.header, self.weights, self.digest = header, weights, digest
        side = header.sides.target
        try:
            self.encoding = encodings.make(side.encoding, **side.options)
            self.vocabulary = Vocabulary(side.vocabulary)
            self.grammar = self.encoding.grammar(self.vocabulary)
            self.table = self.encoding.table(self.vocabulary)
            self.statistics = msgspec.convert(header.corpus.statistics, Statistics)
            for begin in self.statistics.controls:
                for place, token in zip(range(CONTROLS), begin.split(" "), strict=True):
                    check_control(token, place)
        except _UNUSABLE as error:
            reason = str(error)[:300]
            raise ModelFileError(f"the model's encoding, vocabulary or statistics cannot be used: {reason}") from error
        if tuple(self.grammar.feature_sizes) != header.architecture.feature_sizes:
            raise ModelFileError("the model's features are not those of its encoding; train it again")
        self.stepper = runtime.stepper(header, weights)

    @property
    def unit(self) -> str:
        """ "music" or "text"."""
        return self.encoding.unit

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file; an existing one is replaced at once, never half."""
        modelfile.save(path, self.header, self.weights)
        self.digest = modelfile.digest(path)

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
        with its own random stream. fill: where a piece ends early, begin another, until there are `steps`.

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
        )
        finished = generate(self, request)
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

    def setting(self, constraints: Sequence[Constraint] = ()) -> Setting:
        """What the samplers take: the model, and the constraints bound to its ids."""
        return setting(self, constraints)


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a file that `seqgen train` wrote.

    Raises:
        ModelFileError: no such file, not a seqgen model, damaged, or written by a newer seqgen.
    """
    return Model(*modelfile.load(path), modelfile.digest(path))
