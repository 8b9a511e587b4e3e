"""Stream: a model that goes on step by step, for as long as somebody asks for more."""

import os
from array import array
from collections import deque
from collections.abc import Sequence
from copy import copy
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from seqgen.api import streamfile
from seqgen.api.begin import drawn_controls, given_tokens
from seqgen.api.request import Request, curve
from seqgen.api.streamed import Music, Texts
from seqgen.constraints import Constraint, Listener, Moment
from seqgen.errors import ConfigError, SamplingError
from seqgen.formats.events import Event
from seqgen.sampling import Setting, Strategy, Walk, draw, probabilities, streams
from seqgen.sampling.strategies import PENALTY_WINDOW
from seqgen.threads import one_thread
from seqgen.vocabulary import END

if TYPE_CHECKING:
    from seqgen.api.model import Model

_MOST_IDS = 1000  # drawn in one step, those that led to nothing included
_MOST_SILENCE = 10_000  # steps without a note or a character
_KEPT_TEXT = 1000  # ids


class _Control:
    """A value of the strategy that may be set at any time."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, stream: Any, owner: type | None = None) -> float:
        return self if stream is None else getattr(stream._strategy, self._name)  # type: ignore[return-value]

    def __set__(self, stream: Any, value: float) -> None:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ConfigError(
                f"{self._name} of a stream is a number, not {value!r}; a stream has no end that a curve could lead to, "
                f"so set stream.{self._name} while it runs"
            )
        strategy = stream._strategy._replace(**{self._name: float(value)}).checked()
        stream._strategy = strategy._replace(top_k=int(strategy.top_k))


class Stream:
    """What a model makes, as it makes it: an iterator of `str` for text, of `Event` for music. No threads.

    Made by `Model.stream`. A note is handed out as soon as its end is known; those that end together come in order of
    onset. Times are quarter notes from where the stream began. When a piece ends the next one begins, its first full
    bar on a bar line; texts are parted as in the corpus.

    temperature, top_k, top_p, min_p, penalty: set them at any time; they hold from the next id on.

    Streams of one model may run in turns, in one thread.
    """

    temperature = _Control()
    top_k = _Control()
    top_p = _Control()
    min_p = _Control()
    penalty = _Control()

    def __init__(self, model: "Model", request: Request, *, endless: bool = True) -> None:
        """Of `request` the prime, the seed, the steps, the strategy and the constraints are used.

        Raises:
            ConfigError, TokenError, SamplingError: as `Model.generate`, before the first step.
        """
        self._prepare(model, request, endless)
        with one_thread():
            self._begin(given_tokens(model, request, self._constraints), None, request.prime)

    def _prepare(self, model: "Model", request: Request, endless: bool) -> None:
        """Everything but where it is."""
        self._strategy = Strategy()
        for name in Strategy._fields:
            setattr(self, name, curve(getattr(request, name), name))
        self._model, self._constraints, self._endless = model, list(request.constraints), endless
        self._setting = _listening(model, self._constraints)
        self.seed = request.drawn_with
        self._random = streams(self.seed, 1)[0]
        self._left = request.steps
        self._over = False
        self._ready: deque[Any] = deque()
        self._out: Texts | Music = Texts(model) if model.unit == "text" else Music(model)

    # events

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Any:
        """The next event or piece of text.

        Raises:
            SamplingError: as `next_event`; or the model has been silent for thousands of steps.
        """
        for _ in range(_MOST_SILENCE):
            event = self.next_event()
            if event is not None:
                return event
            if self.ended:
                raise StopIteration
        raise SamplingError(f"the model has been silent for {_MOST_SILENCE:,} steps; raise the temperature")

    def next_event(self) -> Any:
        """The next event or piece of text, or None: one step of the encoding gave none, or the stream has `ended`.

        A call takes one step at most, so it may be made in every frame of a sketch.

        Raises:
            SamplingError: the constraints leave nothing to choose in this step, and the stream is as it was before it.
                Or its steps are over before the end that a constraint asks for.
        """
        if not self._ready and not self._over:
            with one_thread():
                self._step()
        return self._ready.popleft() if self._ready else None

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more: there are as many steps as were asked for, or it is not endless."""
        return self._over and not self._ready

    @property
    def time(self) -> float:
        """Music: how far it has got, in quarter notes. No note begins before, but one that sounds may end later."""
        if not isinstance(self._out, Music):
            raise ConfigError("a stream of text has no time")
        return (self._out.offset + self._moment.state.clock.time) / self._setting.grammar.grid

    # what may be done while it runs

    def hear(self, note: Event | str) -> None:
        """Take in what somebody else plays or writes; it is not handed out, but what follows goes on from it.

        Text: the words come next, as if the model had written them. Of a note the pitch, the duration (to the nearest
        grid step) and, where the model has several, the part are heard, its onset is not: it comes next. With
        `notes` it follows at once, and the time goes on. With `chorale` its part plays it from the next step on, or
        after what that part has heard before, while the model plays the others; with `frames` it sounds from the next
        step on, and the model plays on around it. What is heard need not obey the constraints.

        Raises:
            TokenError: the model does not know the pitch, the duration or a character. Nothing was heard then, and
                the stream goes on as if it had not been asked.
            ConfigError: a note for a model of text or the reverse, no such part, or the stream has ended.
        """
        if self._over:
            raise ConfigError("the stream has ended, so it hears nothing any more")
        if isinstance(note, str) != isinstance(self._out, Texts):
            wanted, came = ("a text", "a note") if isinstance(self._out, Texts) else ("an Event", "a text")
            raise ConfigError(f"the model writes {self._model.unit}, so it hears {wanted}, not {came}")
        ids = self._out.hear(note)  # type: ignore[arg-type]
        with one_thread():
            for id in ids:
                self._walk.advance([id])
                self._walk.feed([id])
            self._remember(ids)

    def fork(self, seed: int | None = None) -> "Stream":
        """An independent stream that continues from here, with a random stream of its own; None draws its seed."""
        other = copy(self)
        other.seed = Request(seed=seed).drawn_with
        other._random = streams(other.seed, 1)[0]
        other._walk, other._out = self._walk.take([0]), self._out.copy()
        other._ids, other._ready = self._ids[:], self._ready.copy()
        return other

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write where the stream is to a small file; `model.stream(state=path)` continues exactly from there.

        Raises:
            ConfigError: the model has never been saved, so nobody could tell which one the state belongs to.
            OSError: the file cannot be written.
        """
        streamfile.write(path, self)

    @classmethod
    def continued(
        cls, model: "Model", path: str | os.PathLike[str], constraints: Sequence[Constraint] = ()
    ) -> "Stream":
        """The stream that `save` wrote, under the same constraints. See `Model.stream`.

        Raises:
            ConfigError: another model, or other constraints. FormatError: no state of a stream, or damaged.
        """
        saved = streamfile.read(path, model)
        stream = cls.__new__(cls)
        stream._prepare(model, Request(seed=saved.seed, constraints=constraints), saved.endless)
        streamfile.restore(stream, saved, path)
        return stream

    # steps

    @property
    def _moment(self) -> Moment:
        return self._walk.rows[0].moment

    def _begin(self, tokens: list[str], before: Moment | None, prime: Any = None) -> None:
        given = tokens or drawn_controls(self._model, self._constraints, self._random)
        self._given = self._model.vocabulary.to_ids(given).tolist()
        self._ids = array("i")  # of the present piece, after those
        self._walk = Walk.begin(self._setting, [self._given], [self._left])
        self._remember(())
        self._ready.extend(self._out.begin(given, before, self._moment, prime))

    def _step(self) -> None:
        """One step of the encoding, or the end of a piece and the beginning of the next."""
        moments, ids, at_end = self._drawn()
        self._remember(ids)
        if ids:
            self._ready.extend(self._out.step(moments, ids))
        if at_end:
            self._ready.extend(self._out.end(self._moment))
            self._over = not self._endless
            if self._endless:
                self._begin([], self._moment)
        elif self._left is not None:
            self._left -= 1
            if not self._left:
                self._ready.extend(self._out.end(self._moment))
                self._over = True
                self._check_end()

    def _check_end(self) -> None:
        """Raises SamplingError where a piece that had to come to its end is cut: what was handed out stays."""
        bound = self._setting.bound
        if any(one.must_end for one in bound) and not self._walk.legal()[0, END]:
            names = " and ".join(one.name for one in bound if one.must_end)
            raise SamplingError(f"{names} did not come to an end within the steps of the stream; allow more of them")

    def _drawn(self) -> tuple[list[Moment], list[int], bool]:
        """The ids of a step with the moments around them, and whether the piece ended instead.

        Where the constraints leave nothing, it goes back within the step: what was handed out stays.
        """
        grammar = self._setting.grammar
        moments, ids = [self._moment], []
        past: list[tuple[Walk, set[int]]] = []  # before each id, and what had led to nothing there
        barred: set[int] = set()
        why = ""
        for _ in range(_MOST_IDS):
            id = self._chosen(ids, barred)
            if id is None:
                why = why or self._walk.why(0)
                if not past:
                    break
                self._walk, before = past.pop()
                barred = {*before, ids.pop()}
                moments.pop()
                continue
            if id == END:
                return moments, ids, True
            if self._setting.bound:
                past.append((self._walk.take([0]), barred))
            barred = set()
            self._walk.advance([id])
            self._walk.feed([id])
            ids.append(id)
            moments.append(self._moment)
            if grammar.at_step(self._moment.state):
                return moments, ids, False
        if past:
            self._walk = past[0][0]
        raise SamplingError(why or f"the model spelled {_MOST_IDS} tokens without finishing a step; train it longer")

    def _chosen(self, ids: Sequence[int], barred: set[int]) -> int | None:
        """The next id of a step; None where nothing is legal."""
        walk = self._walk
        legal = (walk.legal() if self._setting.bound else walk.grammatical())[0]
        self._out.restrict(legal, self._moment)
        legal[list(barred)] = False
        if not legal.any():
            return None
        recent = None
        if self._strategy.penalty != 1:
            recent = np.zeros(len(legal), bool)
            recent[[*self._ids[-PENALTY_WINDOW:], *ids][-PENALTY_WINDOW:]] = True
            recent = (recent & self._setting.penalised)[None]
        probability = probabilities(walk.logits, legal[None], self._strategy, recent)
        return int(draw(probability, np.array([self._random.random()]))[0])

    def _remember(self, ids: Sequence[int]) -> None:
        self._ids.extend(ids)
        # text without constraints may go on for ever, and only the penalty looks back
        if len(self._ids) > _KEPT_TEXT and isinstance(self._out, Texts) and not self._setting.bound:
            self._ids = array("i", [*self._ids[-PENALTY_WINDOW:]])
        # the stepper's own array, which another stream of the model would write into
        self._walk.logits = self._walk.logits.copy()


def _listening(model: "Model", constraints: Sequence[Constraint]) -> Setting:
    """The model's setting, that follows in music what sounds."""
    setting = model.setting(constraints)
    if setting.listener is None and model.unit == "music":
        return setting._replace(listener=Listener(model.grammar, model.table))
    return setting
