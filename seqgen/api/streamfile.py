"""Where a stream is, as a file: JSON, checked strictly when it is read. Nothing in it is ever executed."""

import os
from array import array
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct
from msgspec.structs import astuple

from seqgen import durable
from seqgen.api.streamed import Music, Pin, Texts
from seqgen.constraints import Note
from seqgen.errors import ConfigError, FormatError, TokenError
from seqgen.formats.events import Event
from seqgen.sampling import Strategy, Walk
from seqgen.stepper import State
from seqgen.version import __version__
from seqgen.vocabulary import END, UNK

if TYPE_CHECKING:
    from seqgen.api.model import Model
    from seqgen.api.stream import Stream

_MOST_BYTES = 100_000_000

Whole = Annotated[int, Meta(ge=0)]
Number = Annotated[float, Meta(ge=-3e38, le=3e38)]  # JSON has no NaN and no infinity, and it is a float32
Midi = Annotated[int, Meta(ge=0, le=127)]


class Random(Struct, frozen=True, forbid_unknown_fields=True):
    """A Philox generator: its key and counter, the numbers made in advance and which of them is next."""

    key: tuple[Whole, Whole]
    counter: tuple[Whole, Whole, Whole, Whole]
    buffer: tuple[Whole, Whole, Whole, Whole]
    place: Annotated[int, Meta(ge=0, le=4)]


class Heard(Struct, frozen=True, forbid_unknown_fields=True):
    """A heard note that sounds, its onset in grid steps of its piece."""

    part: Whole
    pitch: Midi
    onset: Whole


class Waiting(Struct, frozen=True, forbid_unknown_fields=True):
    """A heard note that is still to be spelled to its end; see `streamed.Pin`."""

    key: Whole
    pitch: Midi
    left: Whole
    begun: bool


class Born(Struct, frozen=True, forbid_unknown_fields=True):
    """An event, see `formats.events.Event`."""

    onset: Number
    duration: Number
    pitch: Midi
    velocity: Midi
    part: Whole


class Primed(Struct, frozen=True, forbid_unknown_fields=True):
    """How loud a note of the prime is that sounds on; its onset in grid steps."""

    pitch: Midi
    onset: Whole
    velocity: Midi


class Tail(Struct, frozen=True, forbid_unknown_fields=True, tag_field="unit", tag="text"):
    """What `streamed.Texts` keeps."""

    tokens: list[str]


class Place(Struct, frozen=True, forbid_unknown_fields=True, tag_field="unit", tag="music"):
    """What `streamed.Music` keeps."""

    offset: int
    begun: Whole
    waiting: list[Waiting]
    heard: list[Heard]
    primed: list[Primed]


class Saved(Struct, frozen=True, forbid_unknown_fields=True, tag_field="seqgen_stream", tag=1):
    """All that a stream is, beside its model and its constraints."""

    model: str  # digest
    version: str
    seed: Annotated[int, Meta(ge=0)]
    random: Random
    strategy: dict[str, Number]
    endless: bool
    over: bool
    left: Whole | None  # steps
    constraints: list[str]  # their names
    most: Whole | None  # steps the present piece might have when it began
    given: list[Whole]  # ids of the present piece: controls and prime
    ids: list[Whole]  # and those after them
    state: list[list[Number]]  # of the stepper
    logits: list[Number]
    ready: list[str | Born]
    out: Tail | Place


def write(path: str | os.PathLike[str], stream: "Stream") -> None:
    """Write where a stream is; the file is old or new at every moment. Raises as `Stream.save`."""
    if not stream._model.digest:
        raise ConfigError("the state of a stream names the file of its model: save the model first")
    philox = stream._random.bit_generator.state
    saved = Saved(
        model=stream._model.digest,
        version=__version__,
        seed=stream.seed,
        random=Random(
            key=philox["state"]["key"].tolist(),
            counter=philox["state"]["counter"].tolist(),
            buffer=philox["buffer"].tolist(),
            place=philox["buffer_pos"],
        ),
        strategy=stream._strategy._asdict(),
        endless=stream._endless,
        over=stream._over,
        left=stream._left,
        constraints=_names(stream),
        most=stream._moment.most,
        given=stream._given,
        ids=stream._ids.tolist(),
        state=[part[0].tolist() for part in stream._walk.state],
        logits=stream._walk.logits[0].tolist(),
        ready=[Born(*one) if isinstance(one, Event) else one for one in stream._ready],
        out=_out(stream._out),
    )
    durable.write_bytes(path, msgspec.json.encode(saved))


def read(path: str | os.PathLike[str], model: "Model") -> Saved:
    """What `write` wrote of a stream of this model.

    Raises:
        FormatError: it is no such file, or damaged. ConfigError: another model. OSError: it cannot be read.
    """
    file = Path(path)
    if file.stat().st_size > _MOST_BYTES:
        raise FormatError(f"{path} is no state of a stream: it has more than {_MOST_BYTES:,} bytes")
    try:
        saved = msgspec.json.decode(file.read_bytes(), type=Saved)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no state of a stream, or damaged: {error}") from error
    if saved.model != model.digest:
        raise ConfigError(f"{path} is of the model {saved.model}, not of {model.digest or 'one never saved'}")
    return saved


def restore(stream: "Stream", saved: Saved, path: str | os.PathLike[str]) -> None:
    """Bring a stream that has not begun to where the saved one was; path: for messages.

    Raises:
        FormatError: damaged. ConfigError: other constraints.
    """
    names = _names(stream)
    if names != saved.constraints:
        wanted, came = (", ".join(of) or "no constraints" for of in (saved.constraints, names))
        raise ConfigError(f"{path} was saved with {wanted}; it cannot continue with {came}")
    try:
        for name in Strategy._fields:
            setattr(stream, name, saved.strategy[name])
        stream._random.bit_generator.state = {
            "bit_generator": "Philox",
            "state": {name: np.array(getattr(saved.random, name), np.uint64) for name in ("counter", "key")},
            "buffer": np.array(saved.random.buffer, np.uint64),
            "buffer_pos": saved.random.place,
            "has_uint32": 0,
            "uinteger": 0,
        }
        stream._over, stream._left = saved.over or saved.left == 0, saved.left
        stream._walk = _walk(stream, saved)
        stream._given, stream._ids = saved.given, array("i", saved.ids)
        stream._ready = deque([one if isinstance(one, str) else Event(*astuple(one)) for one in saved.ready])
        _restore_out(stream, saved)
    except (TokenError, ConfigError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise FormatError(f"{path} is damaged: {error}") from error


def _names(stream: "Stream") -> list[str]:
    return [bound.name for bound in stream._setting.bound]


def _out(out: Texts | Music) -> Tail | Place:
    if isinstance(out, Texts):
        return Tail(out.tail)
    waiting = [Waiting(key, *pin) for key, pins in out.pins.items() for pin in pins]
    heard = [Heard(part, *note) for part, note in sorted(out.heard)]
    return Place(out.offset, out.begun, waiting, heard, [Primed(*note, loud) for note, loud in out.velocities.items()])


def _restore_out(stream: "Stream", saved: Saved) -> None:
    out = stream._out
    text = isinstance(out, Texts)
    if isinstance(saved.out, Tail) != text or any(isinstance(one, str) != text for one in saved.ready):
        raise ValueError("it mixes music and text")
    if isinstance(out, Texts) and isinstance(saved.out, Tail):
        out.follow(saved.out.tokens)
    elif isinstance(out, Music) and isinstance(saved.out, Place):
        out.begin(stream._model.vocabulary.to_tokens(saved.given), None, stream._moment)
        out.offset, out.begun = saved.out.offset, saved.out.begun
        out.heard = frozenset((one.part, Note(one.pitch, one.onset)) for one in saved.out.heard)
        out.velocities = {Note(one.pitch, one.onset): one.velocity for one in saved.out.primed}
        for one in saved.out.waiting:
            out.wait(one.key, Pin(one.pitch, one.left, one.begun))


def _walk(stream: "Stream", saved: Saved) -> Walk:
    """The walk of the saved stream: its ids lead through the grammar and the constraints again, not through the model.

    Raises TokenError or ValueError where they make no sense.
    """
    setting, n_values = stream._setting, stream._setting.stepper.n_values
    if any(id >= n_values or id <= END for id in (*saved.given, *saved.ids)):
        raise TokenError(f"an id is outside the vocabulary of {n_values} tokens")
    if setting.listener is not None:
        state = setting.grammar.start()
        for id in (*saved.given, *saved.ids):
            if id != UNK and not setting.grammar.legal(state)[id]:
                raise TokenError("its ids are no music")
            state = setting.grammar.advance(state, id)
    walk = Walk.begin(setting._replace(stepper=_Silent(n_values)), [saved.given], [saved.most])
    for id in saved.ids:
        walk.advance([id])
    parts = tuple(np.array([part], np.float32) for part in saved.state)
    logits = np.array([saved.logits], np.float32)
    shapes = [*(part.shape for part in setting.stepper.start(1)), (1, n_values)]
    if [part.shape for part in (*parts, logits)] != shapes:
        raise ValueError("the model's state has another shape")
    return Walk(setting, walk.rows, parts, logits)


class _Silent:
    """A stepper that says nothing."""

    def __init__(self, n_values: int) -> None:
        self.n_values = n_values

    def start(self, batch: int, context: Any = None) -> State:
        return ()

    def step(self, ids: np.ndarray, state: State, features: np.ndarray | None = None) -> tuple[np.ndarray, State]:
        return np.zeros((len(ids), self.n_values), np.float32), state

    def take(self, state: State, rows: np.ndarray) -> State:
        return state
