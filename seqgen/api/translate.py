"""What becomes of sources: what is asked of a translation, checked, and the decoding in batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seqgen.api.request import new_seed
from seqgen.errors import ConfigError
from seqgen.sampling import Sampled, Setting, Strategy, beam, greedy, sample, streams, worth
from seqgen.threads import one_thread
from seqgen.vocabulary import END, SPECIALS

if TYPE_CHECKING:
    from seqgen.api.translator import Translator

# Of Wu et al. (2016) and, for the same formula, Vaswani et al. (2017): between 0, which favours the short, and 1, which
# is about the mean of a token and favours the long.
LENGTH_PENALTY = 0.6
STRETCH = 2  # times the longest target of training: what has not ended by then repeats itself
AT_ONCE = 64  # sources


class Source(NamedTuple):
    """A source as the model reads it."""

    content: Any  # what was given: text, Piece, or an array
    tokens: tuple[str, ...]  # in the order of the source, the end mark last; none of vectors
    read: np.ndarray  # what the stepper encodes: ids in reading order, or vectors `(n, size)`
    unknown: tuple[str, ...] = ()  # those of the tokens that the model has never seen
    cut: int = 0  # how many tokens or vectors were there before it was cut; 0 where it was not


class Translation(NamedTuple):
    """What became of one source."""

    text: str = ""
    score: float | None = None  # natural log-probability of all its tokens, END included; None of vectors
    ids: tuple[int, ...] = ()  # of its tokens, without START and END
    ended: bool = True  # by END, not by the number of steps
    alternatives: tuple["Translation", ...] = ()  # what else the beam found, the best first
    vectors: np.ndarray | None = None  # `(m, size)` float32, of a model that writes vectors


@dataclass(frozen=True)
class Decoding:
    """How to translate: see `Translator.translate`."""

    steps: int | None = None
    beam: int | None = None
    length_penalty: float | None = None
    sample: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    penalty: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"the steps of a translation must be at least 1, not {self.steps}")
        if self.beam is not None and self.beam < 1:
            raise ConfigError(f"the beam must be at least 1 wide, not {self.beam}")
        if self.beam is not None and self.sample:
            raise ConfigError("a beam looks for the most probable, and sampling draws: give one of the two")
        if self.length_penalty is not None and self.beam is None:
            raise ConfigError("the length penalty compares what a beam finds, and there is none: give a beam")
        drawn = [name for name in (*Strategy._fields, "seed") if getattr(self, name) is not None]
        if drawn and not self.sample:
            raise ConfigError(f"{drawn[0].replace('_', '-')} is for sampling: add --sample, in Python sample=True")
        if self.seed is not None and not 0 <= self.seed < 1 << 64:
            raise ConfigError(f"the seed must be 0 to 2^64 - 1, not {self.seed}")
        if self.sample and self.seed is None:
            object.__setattr__(self, "seed", new_seed())
        _ = self.strategy  # its values are in range

    @property
    def strategy(self) -> Strategy:
        """How bold to draw.

        Raises:
            ConfigError: a value out of range.
        """
        given = {name: getattr(self, name) for name in Strategy._fields}
        return Strategy(**{name: value for name, value in given.items() if value is not None}).checked()


def check(translator: "Translator", how: Decoding) -> None:
    """Whether the model can be asked that.

    Raises:
        ConfigError: it writes music or vectors, and that asks for text; or the beam is wider than there are tokens.
    """
    if translator.unit == "music":
        raise ConfigError("this model writes the other voices of a piece: 'seqgen harmonize' uses it")
    if translator.unit == "vectors" and (how.beam is not None or how.sample):
        raise ConfigError("this model writes vectors, of which there is one: leave out beam and sampling")
    if how.beam is not None:
        tokens = len(translator.vocabulary) - (len(SPECIALS) - 1)  # END is written too
        if how.beam > tokens:
            raise ConfigError(
                f"a beam of {how.beam} is wider than the {tokens} tokens this model writes, the end included"
            )


def translations(
    translator: "Translator", sources: Iterable[Source], how: Decoding, *, first: int = 0
) -> Iterator[Translation]:
    """What becomes of each source, in order; AT_ONCE of them are taken at once.

    first: how many came before, since the random stream of a source is that of its number.

    Raises:
        ConfigError: as `check`. SamplingError: the model's weights are damaged.
    """
    check(translator, how)
    waiting, number = iter(sources), first
    while some := list(islice(waiting, AT_ONCE)):
        with one_thread():
            found = _together(translator, some, how, number)
        yield from found
        number += len(some)


def _together(translator: "Translator", sources: Sequence[Source], how: Decoding, number: int) -> list[Translation]:
    """number: of the first source, which the random streams of all depend on."""
    encoded = translator.stepper.encode([source.read for source in sources])
    steps = [_most(translator, source, how) for source in sources]
    if translator.unit == "vectors":
        return _vectors(translator, encoded, steps)
    setting = Setting(translator.stepper, translator.grammar)
    if how.beam is not None:
        alpha = LENGTH_PENALTY if how.length_penalty is None else how.length_penalty
        found = []
        for one, most in zip(encoded, steps, strict=True):
            best, *others = [
                _finished(translator, *row)
                for row in beam(setting, [], most, how.beam, length_penalty=alpha, context=one)
            ]
            found.append(best._replace(alternatives=tuple(others)))
        return found
    prefixes: list[list[int]] = [[] for _ in sources]
    if not how.sample:
        return [_finished(translator, *row) for row in greedy(setting, prefixes, steps, contexts=encoded)]
    assert how.seed is not None  # drawn where none was given
    random = streams(how.seed, len(sources), number)
    drawn = sample(setting, prefixes, steps, strategy=how.strategy, random=random, contexts=encoded)
    values = worth(setting, prefixes, drawn, contexts=encoded)
    return [_finished(translator, *row) for row in zip(drawn, values, strict=True)]


def _most(translator: "Translator", source: Source, how: Decoding) -> int:
    """The most steps that the translation of a source may have."""
    architecture = translator.header.architecture
    longest = translator.statistics.longest_target
    if how.steps is not None:
        most = how.steps
    elif translator.unit == "vectors":
        most = longest or len(source.read)
    else:
        most = STRETCH * (longest or len(source.read) + 50)
    if not architecture.decoder_layers:  # a step of the source for each of the target
        return min(most, max(architecture.length, len(source.read)))
    return most


def _vectors(translator: "Translator", encoded: Sequence[Any], steps: Sequence[int]) -> list[Translation]:
    """Each vector is read to make the next; the one before the first is zeros."""
    stepper = translator.stepper
    made = [np.zeros((most, stepper.n_values), np.float32) for most in steps]
    rows = sorted(range(len(steps)), key=lambda row: -steps[row])  # those with the most vectors first
    state = stepper.start(len(rows), [encoded[row] for row in rows])
    last = np.zeros((len(rows), stepper.n_values), np.float32)
    for step in range(max(steps)):
        going = sum(steps[row] > step for row in rows)
        if going < len(rows):
            rows, last, state = rows[:going], last[:going], stepper.take(state, np.arange(going))
        out, state = stepper.step(last, state)
        last = out.copy()  # valid until the next step only
        for row, vector in zip(rows, last, strict=True):
            made[row][step] = vector
    return [Translation(vectors=vectors) for vectors in made]


def _finished(translator: "Translator", found: Sampled, value: float) -> Translation:
    text = translator.encoding.decode(translator.vocabulary.to_tokens(found.ids))
    return Translation(text, value, tuple(found.ids), found.ended)


def target_ids(translation: Translation) -> list[int]:
    """The ids that the decoder was asked for: those of the translation, END where it came."""
    return [*translation.ids, *[END] * translation.ended]
