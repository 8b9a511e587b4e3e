"""Translator: a trained encoder-decoder, loaded without TensorFlow; sources in, targets out."""

import os
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from seqgen import modelfile, runtime
from seqgen.api import shipped
from seqgen.api.evaluate_pairs import PairFigures, evaluate
from seqgen.api.model import UNUSABLE, Statistics
from seqgen.api.translate import AT_ONCE, Decoding, Source, Translation, check, target_ids, translations
from seqgen.corpus.pair_dataset import encode_pairs
from seqgen.corpus.pair_values import checked
from seqgen.corpus.pairs import PairCorpus, load_pairs
from seqgen.corpus.spelling import Spelling, read_order
from seqgen.errors import ConfigError, CorpusError, ModelFileError, TokenError
from seqgen.formats.attention import Attention
from seqgen.modelfile import VECTORS, Header
from seqgen.piece import Piece
from seqgen.threads import one_thread
from seqgen.vocabulary import END, SPECIALS, START, UNK

FAR = 4  # times the longest source of training: what is longer is nothing that the model has learned to read


class PairStatistics(Statistics, frozen=True):
    """What translation and evaluation need to know of the pairs a model learned from."""

    longest_source: Annotated[int, msgspec.Meta(ge=0)] = 0  # tokens, the end mark included, or vectors; 0: not known
    longest_target: Annotated[int, msgspec.Meta(ge=0)] = 0
    from_parts: tuple[str, ...] = ()  # music: which were given, and which were to be written
    to_parts: tuple[str, ...] = ()


class Translator:
    """A trained encoder-decoder. Make one with `seqgen.load` or `seqgen.train_pairs`.

    source_spelling, spelling: of the source and of the target; source_encoding, source_vocabulary, encoding, vocabulary
    are those of them, and grammar and table the target's; None of a side that is vectors.
    """

    def __init__(self, header: Header, weights: dict[str, np.ndarray], *, digest: str = "", name: str = "") -> None:
        """digest, name: of the file, where there is one.

        Raises:
            ModelFileError: it is a generator, or cannot be used.
        """
        if header.kind != "seq2seq" or header.sides.source is None:
            raise ModelFileError(
                f"{name or 'this model'} continues what it is given and reads no source: 'seqgen generate' uses it"
            )
        self.header, self.weights, self.digest, self.name = header, weights, digest, name
        self.grammar: Any = None
        self.table: Any = None
        try:
            self.source_spelling, self.spelling = Spelling.of(header.sides.source), Spelling.of(header.sides.target)
            _, self.source_encoding, self.source_vocabulary = self.source_spelling
            self.encoding: Any
            self.vocabulary: Any
            _, self.encoding, self.vocabulary = self.spelling
            if self.encoding is not None:
                self.grammar = self.encoding.grammar(self.vocabulary)
                self.table = self.encoding.table(self.vocabulary)
            self.statistics = msgspec.convert(header.corpus.statistics, PairStatistics)
        except UNUSABLE as error:
            reason = str(error)[:300]
            raise ModelFileError(f"the model's encodings, vocabulary or statistics cannot be used: {reason}") from error
        features = () if self.grammar is None else tuple(self.grammar.feature_sizes)
        if header.architecture.feedback and features != header.architecture.feature_sizes:
            raise ModelFileError("the model's features are not those of its encoding; train it again")
        self.stepper: Any = runtime.stepper(header, weights)

    @property
    def source_unit(self) -> str:
        """ "text", "music" or "vectors"."""
        return self.source_spelling.unit

    @property
    def unit(self) -> str:
        """The same of the target."""
        return self.spelling.unit

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file; an existing one is replaced at once, never half."""
        modelfile.save(path, self.header, self.weights)
        self.digest, self.name = modelfile.digest(path), os.fspath(path)

    def encode_sources(
        self, sources: Iterable[Any], *, max_length: int | None = None, names: Sequence[str] = ()
    ) -> list[Source]:
        """Texts, Pieces or arrays `(n, size)` as the model reads them.

        max_length: cut longer ones to so many tokens or vectors, which `Source.cut` says. Without it a source far
        longer than any that the model has learned from is an error. names: what they are called in messages.

        Raises:
            ConfigError: a source is of another kind, empty, or far too long. TokenError: the encoding cannot hold it.
        """
        if max_length is not None and max_length < 1:
            raise ConfigError(f"the maximum length of a source must be at least 1, not {max_length}")
        if isinstance(sources, (str, Piece)):
            raise ConfigError(f"sources are a list, also where there is only one, and not a {type(sources).__name__}")
        given = list(sources)
        called = names or [f"source {number}" for number in range(1, len(given) + 1)]
        return [self._source(source, name, max_length) for source, name in zip(given, called, strict=True)]

    def translate(
        self,
        sources: Iterable[Any],
        *,
        steps: int | None = None,
        beam: int | None = None,
        length_penalty: float | None = None,
        sample: bool = False,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        penalty: float | None = None,
        seed: int | None = None,
        max_length: int | None = None,
    ) -> list[Translation]:
        """What becomes of each source: the most probable token after token, or with `beam` or `sample` otherwise.

        steps: at most so many (characters, words; of vectors exactly so many); twice the longest target of training
        where it is not said. beam: follow so many beginnings at once, and give the best of what they come to, the
        others as `alternatives`. length_penalty: alpha of Wu et al. (2016), with which long and short ones are
        compared, 0.6 where it is not said; 0 favours the short. sample: draw, with `temperature`, `top_k`, `top_p`,
        `min_p` and `penalty` as in `Model.generate`; the same seed gives the same result, and each source has its own
        random stream. max_length: see `encode_sources`.

        Raises:
            ConfigError: a value out of range, or one without what it is for; a beam wider than there are tokens; a
                source that is of the wrong kind, empty, or far too long; a model of music, which is for `harmonize`.
            TokenError: the encoding cannot hold a source. SamplingError: the model's weights are damaged.
        """
        how = Decoding(
            steps=steps,
            beam=beam,
            length_penalty=length_penalty,
            sample=sample,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            penalty=penalty,
            seed=seed,
        )
        check(self, how)
        return list(translations(self, self.encode_sources(sources, max_length=max_length), how))

    def attention(self, source: Any, translation: Translation) -> Attention:
        """What the decoder looked at in the source for each token of a translation.

        Raises:
            ConfigError: the model has no attention, or the source does not fit it.
        """
        self.check_attention()
        row = source if isinstance(source, Source) else self._source(source, "the source", max_length=10**9)
        ids = [START, *target_ids(translation)]
        with one_thread():
            (encoded,) = self.stepper.encode([row.read])
            weights = self.stepper.attention(encoded, np.array(ids[:-1]))
        places = self._reading(np.arange(len(row.read)))  # where each token of the source stands in what was read
        tokens = self.vocabulary.to_tokens(ids[1:])
        labels = row.tokens or tuple(str(number) for number in range(1, len(row.read) + 1))
        return Attention(labels, tuple(tokens), np.ascontiguousarray(weights[:, places]))

    def check_attention(self) -> None:
        """Raises ConfigError where there is no attention, or none to tokens."""
        if self.header.architecture.attention == "none" or self.unit == VECTORS:
            raise ConfigError("this model has no attention to show; 'seqgen train --preset attention' makes one")

    def embed(self, sources: Iterable[Any], *, max_length: int | None = None, names: Sequence[str] = ()) -> np.ndarray:
        """The fixed-length vector of each source, `(n, k)` float32: what the encoder makes of all it has read.

        Raises: as `encode_sources`.
        """
        rows = self.encode_sources(sources, max_length=max_length, names=names)
        vectors: list[np.ndarray] = []
        with one_thread():
            for begin in range(0, len(rows), AT_ONCE):
                encoded = self.stepper.encode([row.read for row in rows[begin : begin + AT_ONCE]])
                vectors += [one.vector for one in encoded]
        return np.stack(vectors) if vectors else np.zeros((0, self.header.architecture.memory_size), np.float32)

    def evaluate(
        self,
        *sources: str | os.PathLike[str] | PairCorpus,
        beam: int | None = None,
        length_penalty: float | None = None,
    ) -> PairFigures:
        """How well the model does on pairs: a `PairCorpus`, or what `load_pairs` reads; see `evaluate_pairs.evaluate`.

        beam, length_penalty: how sources are translated, as in `translate`.

        Raises:
            CorpusError: no pairs, or none that fit the model. ConfigError: as `translate`.
        """
        corpora = [one if isinstance(one, PairCorpus) else self._load(one) for one in sources]
        both = self.source_spelling, self.spelling
        pairs = [pair for corpus in corpora for pair in encode_pairs(*both, corpus)[0]]
        return evaluate(self, pairs, Decoding(beam=beam, length_penalty=length_penalty))

    def _load(self, path: str | os.PathLike[str]) -> PairCorpus:
        parts = self.statistics.from_parts or None, self.statistics.to_parts or None
        return load_pairs(path, from_parts=parts[0], to_parts=parts[1])

    def _source(self, content: Any, called: str, max_length: int | None) -> Source:
        """One source; `called` is its name in messages."""
        if self.source_encoding is None or self.source_vocabulary is None:
            return self._vectors(content, called, max_length)
        if isinstance(content, str) != (self.source_unit == "text") or not isinstance(content, (str, Piece)):
            raise ConfigError(f"the model reads {self.source_unit}, and {called} is {_kind(content)}")
        try:
            tokens = self.source_encoding.encode(content)[0].tokens
        except TokenError as error:
            raise TokenError(f"{called} does not fit the model: {error}") from error
        if not tokens:
            raise ConfigError(f"{called} is empty")
        kept = self._cut(tokens, called, max_length)
        ids = self.source_vocabulary.to_ids(kept)
        unknown = tuple(token for token, id in zip(kept, ids.tolist(), strict=True) if id == UNK)
        cut = len(tokens) if len(kept) < len(tokens) else 0
        return Source(content, (*kept, SPECIALS[END]), self._reading(np.append(ids, END)), unknown, cut)

    def _vectors(self, content: Any, called: str, max_length: int | None) -> Source:
        wanted = self.header.architecture.source_values
        if isinstance(content, (str, Piece)):
            raise ConfigError(f"the model reads series of {wanted} numbers, and {called} is {_kind(content)}")
        try:
            array: Any = checked([content], called)[1][0]
        except CorpusError as error:
            raise ConfigError(f"{error}; the model reads series of {wanted} numbers") from error
        if array.shape[1] != wanted:
            raise ConfigError(f"the model reads series of {wanted} numbers, and {called} has {array.shape[1]}")
        kept = self._cut(array, called, max_length)
        return Source(content, (), self._reading(kept), (), len(array) if len(kept) < len(array) else 0)

    def _reading(self, source: np.ndarray) -> np.ndarray:
        """What stands in the order of the source, in that in which the model reads it; and the other way round."""
        return read_order(source, self.header.architecture.reversed)

    def _cut(self, given: Any, called: str, max_length: int | None) -> Any:
        if max_length is not None:
            return given[:max_length]
        longest = self.statistics.longest_source
        if longest and len(given) > FAR * longest:
            what = "vectors" if self.source_encoding is None else "tokens"
            raise ConfigError(
                f"{called} has {len(given):,} {what}, and the longest that the model has learned from {longest:,};"
                " --max-length, in Python max_length, cuts it"
            )
        return given


def load(path: str | os.PathLike[str]) -> Translator:
    """The encoder-decoder in a file that `seqgen train` wrote, or one that comes with seqgen, by its name.

    Raises:
        ModelFileError: no such file, a generator, not a seqgen model, damaged, or written by a newer seqgen.
    """
    file = shipped.located(path)
    return Translator(*modelfile.load(file), digest=modelfile.digest(file), name=os.fspath(path))


def _kind(content: Any) -> str:
    return "text" if isinstance(content, str) else "music" if isinstance(content, Piece) else "an array of numbers"
