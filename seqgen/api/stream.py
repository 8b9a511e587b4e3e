"""Stream: a model that goes on step by step, for as long as somebody asks for more."""

import os
from array import array
from collections import deque
from collections.abc import Sequence
from copy import copy
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import astuple

from seqgen.api import streamfile
from seqgen.api.generate import Request, curve, drawn_controls, given_tokens
from seqgen.api.streamed import Music, Pin, Texts
from seqgen.constraints import Constraint, Listener, Moment, Note
from seqgen.errors import ConfigError, FormatError, SamplingError, TokenError
from seqgen.formats.events import Event
from seqgen.sampling import Row, Setting, Strategy, Walk, draw, probabilities, streams
from seqgen.sampling.strategies import PENALTY_WINDOW
from seqgen.threads import one_thread
from seqgen.version import __version__
from seqgen.vocabulary import END, UNK

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
        self._strategy = Strategy()
        for name in Strategy._fields:
            setattr(self, name, curve(getattr(request, name), name))
        self._model, self._constraints, self._endless = model, list(request.constraints), endless
        self._setting = _listening(model, self._constraints)
        self.seed = request.seed_used
        self._random = streams(self.seed, 1)[0]
        self._left = request.steps
        self._over = False
        self._ready: deque[Any] = deque()
        self._out: Texts | Music = Texts(model) if model.unit == "text" else Music(model)
        with one_thread():
            self._begin(given_tokens(model, request, self._constraints), None)

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
            SamplingError: the constraints leave nothing to choose in this step. The stream is as it was before it.
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
        other.seed = Request(seed=seed).seed_used
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
        if not self._model.digest:
            raise ConfigError("the state of a stream names the file of its model: save the model first")
        philox = self._random.bit_generator.state
        out, place, tail = self._out, None, []
        if isinstance(out, Music):
            waiting = [streamfile.Waiting(key, *pin) for key, pins in out.pins.items() for pin in pins]
            heard = [streamfile.Heard(part, *note) for part, note in sorted(out.heard)]
            place = streamfile.Place(out.offset, out.begun, waiting, heard)
        else:
            tail = out.tail
        saved = streamfile.Saved(
            model=self._model.digest,
            version=__version__,
            seed=self.seed,
            random=streamfile.Random(
                key=philox["state"]["key"].tolist(),
                counter=philox["state"]["counter"].tolist(),
                buffer=philox["buffer"].tolist(),
                place=philox["buffer_pos"],
            ),
            strategy=self._strategy._asdict(),
            endless=self._endless,
            over=self._over,
            left=self._left,
            constraints=[bound.name for bound in self._setting.bound],
            given=self._given,
            ids=self._ids.tolist(),
            state=[part[0].tolist() for part in self._walk.state],
            logits=self._walk.logits[0].tolist(),
            ready=[streamfile.Born(*one) if isinstance(one, Event) else one for one in self._ready],
            tail=tail,
            place=place,
        )
        streamfile.write(path, saved)

    @classmethod
    def continued(
        cls, model: "Model", path: str | os.PathLike[str], constraints: Sequence[Constraint] = ()
    ) -> "Stream":
        """The stream that `save` wrote, under the same constraints. See `Model.stream`.

        Raises:
            ConfigError: another model, or other constraints. FormatError: no state of a stream, or damaged.
        """
        saved = streamfile.read(path)
        if saved.model != model.digest:
            raise ConfigError(f"{path} is of the model {saved.model}, not of {model.digest or 'one never saved'}")
        stream = cls(model, Request(seed=saved.seed, constraints=constraints), endless=saved.endless)
        names = [bound.name for bound in stream._setting.bound]
        if names != saved.constraints:
            wanted, came = (", ".join(of) or "no constraints" for of in (saved.constraints, names))
            raise ConfigError(f"{path} was saved with {wanted}; it cannot continue with {came}")
        try:
            stream._restore(saved)
        except (TokenError, ConfigError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise FormatError(f"{path} is damaged: {error}") from error
        return stream

    def _restore(self, saved: streamfile.Saved) -> None:
        """Take over what was saved; raises many things where it makes no sense."""
        model, out = self._model, self._out
        self._strategy = Strategy()
        for name in Strategy._fields:
            setattr(self, name, saved.strategy[name])
        self._random.bit_generator.state = {
            "bit_generator": "Philox",
            "state": {name: np.array(getattr(saved.random, name), np.uint64) for name in ("counter", "key")},
            "buffer": np.array(saved.random.buffer, np.uint64),
            "buffer_pos": saved.random.place,
            "has_uint32": 0,
            "uinteger": 0,
        }
        self._over, self._left = saved.over or saved.left == 0, saved.left
        self._given, self._ids = saved.given, array("i", saved.ids)
        row = _replayed(self._setting, saved.given, saved.ids)
        state = tuple(np.array([part], np.float32) for part in saved.state)
        logits = np.array([saved.logits], np.float32)
        shapes = [part.shape for part in self._walk.state], self._walk.logits.shape
        if ([part.shape for part in state], logits.shape) != shapes:
            raise ValueError("the model's state has another shape")
        self._walk = Walk(self._setting, [row], state, logits)
        if isinstance(out, Texts) != (saved.place is None):
            raise ValueError("it mixes music and text")
        self._ready = deque([one if isinstance(one, str) else Event(*astuple(one)) for one in saved.ready])
        if any(isinstance(one, str) != isinstance(out, Texts) for one in self._ready):
            raise ValueError("it mixes music and text")
        if isinstance(out, Music) and saved.place is not None:
            out.offset, out.begun = saved.place.offset, saved.place.begun
            out.heard = frozenset((one.part, Note(one.pitch, one.onset)) for one in saved.place.heard)
            out.pins = {}
            for one in saved.place.waiting:
                out.check(one.key, one.pitch)
                out.pins[one.key] = (*out.pins.get(one.key, ()), Pin(one.pitch, one.left, one.begun))
        elif isinstance(out, Texts):
            model.encoding.decode(saved.tail)
            out.tail = saved.tail

    # steps

    @property
    def _moment(self) -> Moment:
        return self._walk.rows[0].moment

    def _begin(self, tokens: list[str], before: Moment | None) -> None:
        given = tokens or drawn_controls(self._model, self._constraints, self._random)
        self._given = self._model.vocabulary.to_ids(given).tolist()
        self._ids = array("i")  # of the present piece, after those
        self._walk = Walk.begin(self._setting, [self._given])
        self._remember(())
        self._ready.extend(self._out.begin(given, before, self._moment))

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


class _Silent:
    """A stepper that says nothing: where the ids lead to is the grammar's and the constraints' affair."""

    def __init__(self, n_values: int) -> None:
        self.n_values = n_values

    def start(self, batch: int, context: Any = None) -> tuple[np.ndarray, ...]:
        return ()

    def step(self, ids: np.ndarray, state: Any, features: np.ndarray | None = None) -> tuple[np.ndarray, Any]:
        return np.zeros((len(ids), self.n_values), np.float32), state

    def take(self, state: Any, rows: np.ndarray) -> Any:
        return state


def _replayed(setting: Setting, given: Sequence[int], ids: Sequence[int]) -> Row:
    """Where a row is after these ids, without the model. Raises TokenError where they make no sense."""
    n_values = setting.stepper.n_values
    if any(id >= n_values or id <= END for id in (*given, *ids)):
        raise TokenError(f"an id is outside the vocabulary of {n_values} tokens")
    grammar = setting.grammar
    if setting.listener is not None:
        state = grammar.start()
        for id in (*given, *ids):
            if id != UNK and not grammar.legal(state)[id]:
                raise TokenError("its ids are no music")
            state = grammar.advance(state, id)
    walk = Walk.begin(setting._replace(stepper=_Silent(n_values)), [given])
    for id in ids:
        walk.advance([id])
    return walk.rows[0]
