"""Stream: what `generate` makes, as it is made; and what may happen to it meanwhile."""

import io
import json
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from api_cases import MODELS, SCORES, TRIOS, TUNES
from made import Noise, piece, untrained

import seqgen
from seqgen import Event
from seqgen.api import stream as api_stream
from seqgen.cli import streaming
from seqgen.constraints import Bars, Bound, Constraint, End
from seqgen.encodings import Kind
from seqgen.errors import ConfigError, FormatError, SamplingError, SeqgenError, TokenError
from seqgen.formats.events import jsonl_bytes, rows
from seqgen.piece import Piece
from seqgen.vocabulary import END

PRIMES = {"notes": TUNES[1], "joint": TUNES[1], "chorale": TRIOS[1], "frames": SCORES[1]}
MUSIC = list(PRIMES)
TEXT = ["chars", "bytes", "words"]
every = pytest.mark.parametrize("name", MODELS)
music = pytest.mark.parametrize("name", MUSIC)
HEARD = Event(0, 0.5, 60)


def endless(name: str, seed: int = 0, kind: Kind | None = None) -> seqgen.Model:
    """A model with noise for a stepper, which never wants to end; but ids of `kind` whenever it can."""
    model = MODELS[name]()
    liked = np.flatnonzero(model.table.kind == kind).tolist()
    model.stepper = Noise(len(model.vocabulary), seed, favour={**dict.fromkeys(liked, 50.0), END: -1e9})
    return model


def in_order(events) -> list[Event]:
    return sorted(events, key=lambda event: (event.onset, event.part, event.pitch))


def taken(stream, count: int) -> list:
    return [next(stream) for _ in range(count)]


# --- the same as generate ---------------------------------------------------------------------------------------------


@music
@pytest.mark.parametrize("seed", range(8))
def test_the_notes_are_those_of_generate(name, seed):
    model = MODELS[name]()
    options = {"seed": seed, "temperature": 0.8, "top_k": 20, "top_p": 0.95, "min_p": 0.001, "penalty": 1.2}
    assert in_order(model.stream(30, endless=False, **options)) == rows(model.generate(30, **options))


@music
@pytest.mark.parametrize("seed", range(8))
def test_a_prime_is_not_handed_out(name, seed):
    model = MODELS[name]()
    options = {"seed": seed, "prime": PRIMES[name]}
    events = list(model.stream(30, endless=False, **options))
    assert in_order(events) == rows(model.generate(30, continue_only=True, **options))
    assert all(event.duration > 0 for event in events)


@pytest.mark.parametrize("meter", [(6, 8), (3, 4)])
@pytest.mark.parametrize("seed", range(4))
def test_accents_follow_the_meter(meter, seed):
    model = untrained("notes", [piece(number, meter=meter, pickup=2, bars=4) for number in range(4)])
    events = list(model.stream(60, seed=seed, endless=False))
    assert events == rows(model.generate(60, seed=seed))


@music
def test_constraints_hold(name):
    model = MODELS[name]()
    constraints = [Bars(2)]
    events = model.stream(seed=3, endless=False, constraints=constraints)
    assert in_order(events) == rows(model.generate(bars=2, seed=3, particles=1))


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("prime", [None, "the rose"])
@pytest.mark.parametrize("seed", range(5))
def test_the_text_is_that_of_generate(name, prime, seed):
    model = MODELS[name]()
    pieces = list(model.stream(80, seed=seed, prime=prime))
    assert "".join(pieces) == model.generate(80, seed=seed, prime=prime, fill=True, continue_only=prime is not None)
    assert all(pieces)


@music
def test_pieces_follow_each_other_on_bar_lines(name):
    """As `generate` joins them, but silence at the end of a piece counts: the time goes on."""
    model = MODELS[name]()
    stream = model.stream(300, seed=2)
    events, joined = in_order(stream), model.generate(300, seed=2, fill=True)
    assert len({marker.tick for marker in joined.markers}) == 1
    assert len(events) > 20
    assert [event[1:] for event in events] == [row[1:] for row in rows(joined)]
    later = [event.onset - row.onset for event, row in zip(events, rows(joined), strict=True)]
    assert later == sorted(later)
    assert set(np.array(later) % 4) == {0}  # 4/4


# --- an event at a time -----------------------------------------------------------------------------------------------


@every
def test_a_call_takes_one_step(name):
    model = endless(name)
    stream = model.stream(40, seed=1)
    ids, calls, events = len(model.stepper.calls), 0, []
    state = model.grammar.start()
    for call in model.stepper.calls[1:]:
        state = model.grammar.advance(state, call[0])
    while not stream.ended:
        before = len(model.stepper.calls)
        event = stream.next_event()
        calls += 1
        events += [event] if event is not None else []
        steps = 0
        for call in model.stepper.calls[before:]:
            state = model.grammar.advance(state, call[0])
            steps += model.grammar.at_step(state)
        assert steps <= 1
    assert calls >= 40
    assert len(model.stepper.calls) > ids
    assert stream.next_event() is None
    with pytest.raises(StopIteration):
        next(stream)
    assert events == list(endless(name).stream(40, seed=1))


@music
def test_a_note_is_handed_out_when_its_end_is_known(name):
    stream = endless(name).stream(seed=4)
    for _ in range(60):
        event = next(stream)
        assert 0 <= event.onset < event.onset + event.duration <= stream.time
        assert (type(event.velocity), type(event.pitch), event.pitch < 128) == (int, int, True)


@music
def test_events_are_born_in_order(name):
    """Those that end together come by onset, and ends never go back."""
    events = taken(endless(name).stream(seed=4), 80)
    ends = [(event.onset + event.duration, event.onset, event.part, event.pitch) for event in events]
    assert ends == sorted(ends)


@every
def test_temperature_may_change_while_it_runs(name):
    model = endless(name)
    stream = model.stream(seed=1)
    taken(stream, 5)
    one, two = stream.fork(seed=5), stream.fork(seed=6)
    assert taken(one.fork(seed=8), 40) != taken(two.fork(seed=9), 40)
    for fork in (one, two):
        assert fork.temperature == 1
        fork.temperature = 0
    # greedy, whatever the random stream
    assert taken(one, 10) == taken(two, 10)
    assert stream.temperature == 1


@pytest.mark.parametrize(
    ("control", "value"),
    [("temperature", -1), ("top_k", 1.5), ("top_p", 0), ("min_p", 2), ("penalty", 0.5), ("temperature", "0.6:1.2"),
     ("temperature", None), ("top_p", float("nan")), ("penalty", True)],
)  # fmt: skip
def test_a_value_out_of_range_changes_nothing(control, value):
    stream = MODELS["chars"]().stream(seed=1)
    before = getattr(stream, control)
    with pytest.raises(ConfigError, match=control.replace("_", ".")):
        setattr(stream, control, value)
    assert getattr(stream, control) == before


def test_curves_are_for_pieces_with_an_end():
    with pytest.raises(ConfigError, match=r"set stream\.temperature while it runs"):
        MODELS["chars"]().stream(temperature="0.6:1.2")  # type: ignore[arg-type]


def test_a_model_that_never_plays(monkeypatch):
    monkeypatch.setattr(api_stream, "_MOST_SILENCE", 500)
    model = MODELS["chorale"]()
    model.stepper = Noise(len(model.vocabulary), favour={model.vocabulary.ids["rest"]: 1e6})
    with pytest.raises(SamplingError, match="silent"):
        next(model.stream(seed=1))


# --- hearing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["notes", "joint"])
def test_a_heard_note_is_as_a_longer_prime(name):
    model = MODELS[name]()
    tune = TUNES[1]
    longer = Piece.build(
        [*tune.notes.tolist(), (tune.end_tick, 2, 60, 80, 0)], 4, tune.parts, meters=tune.meters, keys=tune.keys
    )
    stream = model.stream(30, seed=1, prime=tune)
    stream.hear(HEARD)
    assert stream.time == 0.5
    assert [event._replace(onset=event.onset - 0.5) for event in stream] == list(model.stream(30, seed=1, prime=longer))


@pytest.mark.parametrize("name", TEXT)
def test_heard_text_is_as_a_longer_prime(name):
    model = MODELS[name]()
    stream = model.stream(50, seed=1, prime="so ")
    stream.hear("are you and")
    assert "".join(stream) == "".join(model.stream(50, seed=1, prime="so are you and"))


@pytest.mark.parametrize("name", ["chorale", "frames"])
@pytest.mark.parametrize("seed", range(5))
def test_what_was_spelled_is_what_was_heard_and_what_was_handed_out(name, seed):
    """The ids that the model was fed decode to both together, so nothing is lost, doubled or prolonged."""
    model = endless(name, seed)
    stream = model.stream(60, seed=seed)
    part = 1 if name == "chorale" else 0
    events = taken(stream, 3)
    now = stream.time
    stream.hear(Event(0, 2, 60, part=part))
    stream.hear(Event(0, 0.25, 62 if name == "chorale" else 60, part=part))  # then, at once
    if name == "frames":
        stream.hear(Event(0, 1, 64))
    events += list(stream)
    # (accents are given to what is handed out, not by decoding)
    heard = {(now, 2, 60), (now + 2, 0.25, 62 if name == "chorale" else 60)}
    heard |= {(now, 1, 64)} if name == "frames" else set()
    fed = [call[0] for call in model.stepper.calls[1:]]
    spelled = rows(model.encoding.decode(model.vocabulary.to_tokens(fed)))
    ours = [event for event in spelled if event[:3] not in heard]
    assert len(spelled) - len(ours) == len(heard)
    assert [event._replace(velocity=80) for event in in_order(events)] == ours
    assert any(now <= event.onset < now + 2 for event in ours)  # the model played on
    assert not stream._out.heard  # or a note of another piece might be taken for one of these


@pytest.mark.parametrize("name", ["chorale", "frames"])
def test_what_was_heard_is_not_held_on(name):
    model = endless(name, kind=Kind.HOLD)
    stream = model.stream(60, seed=1)
    stream.hear(Event(0, 1.5, 60))
    list(stream)
    spelled = rows(model.encoding.decode(model.vocabulary.to_tokens([call[0] for call in model.stepper.calls[1:]])))
    assert Event(0, 1.5, 60) in spelled
    assert max(event.duration for event in spelled) > 3


@pytest.mark.parametrize(("name", "part"), [("chorale", 0), ("chorale", 2), ("frames", 0)])
def test_no_piece_ends_before_a_heard_note(name, part):
    model = MODELS[name]()
    model.stepper = Noise(len(model.vocabulary), favour={END: 50.0})
    stream = model.stream(seed=1, endless=False)
    stream.hear(Event(0, 4, 60, part=part))
    list(stream)
    assert stream.time == 4


def test_a_heard_voice_waits_for_no_one_else():
    stream = endless("chorale").stream(seed=1)
    stream.hear(Event(0, 4, 60, part=2))
    events = taken(stream, 60)
    assert {event.part for event in events if event.onset < 4} == {0, 1}
    assert {event.part for event in events if event.onset >= 4} == {0, 1, 2}


@every
def test_what_the_model_does_not_know_changes_nothing(name):
    model = MODELS[name]()
    stream, same = model.stream(30, seed=1), model.stream(30, seed=1)
    assert taken(stream, 3) == taken(same, 3)
    unknown = "曲 zebra" if name in TEXT else Event(0, 1, 20)
    if name == "bytes":
        unknown = "\ud800"
    with pytest.raises(TokenError, match=r"has never seen|does not know the pitch 20|UTF-8"):
        stream.hear(unknown)
    assert list(stream) == list(same)


def test_what_nobody_can_hear():
    stream = MODELS["notes"]().stream(seed=1)
    for note, error, says in (
        ("la la", ConfigError, "an Event, not a text"),
        (Event(0, 40, 60), TokenError, r"40 quarter notes on 60; it knows 0.25, 0.5, 0.75, 1"),
        (Event(0, 0, 60), ConfigError, "lasts"),
        (Event(0, float("inf"), 60), ConfigError, "lasts"),
        (Event(0, 1, 60, 80, 1), ConfigError, "parts 0 to 0"),
    ):
        with pytest.raises(error, match=says):
            stream.hear(note)
    with pytest.raises(ConfigError, match="a text, not a note"):
        MODELS["chars"]().stream(seed=1).hear(HEARD)
    over = MODELS["notes"]().stream(1, seed=1)
    list(over)
    with pytest.raises(ConfigError, match="ended"):
        over.hear(HEARD)


# --- forks and files --------------------------------------------------------------------------------------------------


@every
def test_streams_of_one_model_do_not_meet(name):
    model = MODELS[name]()
    alone = taken(model.stream(seed=1), 30)
    stream = model.stream(seed=1)
    together = []
    fork = None
    for number in range(30):
        together.append(next(stream))
        fork = stream.fork(seed=3) if number == 10 else fork
        if fork is not None:
            next(fork)
        model.generate(3, seed=number)
    assert together == alone


@every
def test_a_fork_begins_where_it_was_made(name):
    model = endless(name)
    stream = model.stream(seed=1)
    taken(stream, 10)
    stream.temperature = stream.temperature = 0
    one, two = stream.fork(), stream.fork()
    assert one.seed != two.seed
    assert taken(one, 10) == taken(two, 10) == taken(stream, 10)


@every
def test_a_saved_stream_continues(name, tmp_path):
    model = MODELS[name]()
    model.save(tmp_path / "model.safetensors")
    stream = model.stream(200, seed=1, temperature=1.1, top_k=30, penalty=1.1)
    for _ in range(17):
        stream.next_event()
    for duration in (3, 1) if name in ("chorale", "frames") else (1,):
        stream.hear("so you" if name in TEXT else Event(0, duration, 60))
        stream.fork().next_event()
        stream.next_event()
    stream.save(tmp_path / "stream.json")
    again = seqgen.load(tmp_path / "model.safetensors").stream(state=tmp_path / "stream.json")
    assert (again.seed, again.top_k, again.temperature) == (1, 30, 1.1)
    assert list(again) == list(stream)
    stream.save(tmp_path / "stream.json")
    assert model.stream(state=tmp_path / "stream.json").ended


def test_a_saved_stream_continues_in_another_process(tmp_path):
    model = MODELS["chorale"]()
    model.save(tmp_path / "model.safetensors")
    stream = model.stream(100, seed=1)
    taken(stream, 10)
    stream.save(tmp_path / "stream.json")
    code = "import seqgen; print(list(seqgen.load('model.safetensors').stream(state='stream.json')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{list(stream)}\n"


def test_a_saved_stream_keeps_the_key_it_began_with(tmp_path):
    """Few pieces of the corpus begin with a key, and without one there is no tonic to end on."""
    begins = [Piece.build(tune.notes.tolist(), tune.ticks_per_quarter, tune.parts) for tune in TUNES]
    model = untrained("notes", [TUNES[0], *begins])
    model.save(tmp_path / "model.safetensors")
    for seed in range(8):
        stream = model.stream(seed=seed, prime=TUNES[0], endless=False, constraints=[End("tonic")])
        taken(stream, 2)
        stream.save(tmp_path / "stream.json")
        again = model.stream(state=tmp_path / "stream.json", constraints=[End("tonic")])
        assert list(again) == list(stream)


def test_a_state_belongs_to_its_model_and_its_constraints(tmp_path):
    model, path = MODELS["notes"](), tmp_path / "stream.json"
    with pytest.raises(ConfigError, match="save the model first"):
        model.stream(seed=1).save(path)
    model.save(tmp_path / "model.safetensors")
    stream = model.stream(seed=1, constraints=[Bars(9)])
    taken(stream, 5)
    stream.save(path)
    assert taken(model.stream(state=path, constraints=[Bars(9)]), 30) == taken(stream, 30)
    with pytest.raises(ConfigError, match="saved with 9 bars; it cannot continue with no constraints"):
        model.stream(state=path)
    for option in ({"steps": 5}, {"temperature": 0.5}, {"seed": 1}, {"endless": False}, {"prime": TUNES[0]}):
        with pytest.raises(ConfigError, match="beside state only constraints may be given"):
            model.stream(state=path, constraints=[Bars(9)], **option)
    other = untrained("notes", TUNES, seed=9)
    other.save(tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="of the model"):
        other.stream(state=path, constraints=[Bars(9)])
    with pytest.raises(FormatError, match="no state of a stream"):
        model.stream(state=tmp_path / "model.safetensors")


def changes(value, path=()):
    """Every place of a JSON value, with what else might stand there."""
    yield from ((path, other) for other in (None, -1, 1 << 70, 1e300, "x", [], {}, [[]], True))
    if isinstance(value, dict):
        for key, one in value.items():
            yield from changes(one, (*path, key))
        yield path, {**value, "more": 1}
        yield path, dict(list(value.items())[1:])
    if isinstance(value, list) and value:
        yield from changes(value[0], (*path, 0))
        yield path, value[1:]
        yield path, [*value, value[-1]]


@pytest.mark.parametrize("name", ["words", "chorale", "frames"])
def test_a_damaged_state_is_refused_or_continues(name, tmp_path):
    model = MODELS[name]()
    model.save(tmp_path / "model.safetensors")
    stream = model.stream(100, seed=1)
    taken(stream, 5)
    if name != "words":
        stream.hear(Event(0, 3, 60))
        stream.next_event()
        stream.hear(Event(0, 3, 60))
    path = tmp_path / "stream.json"
    stream.save(path)
    data = path.read_bytes()
    good = json.loads(data)
    refused = 0
    for place, other in changes(good):
        bad = json.loads(data)
        target = bad
        for key in place[:-1]:
            target = target[key]
        if place:
            target[place[-1]] = other
        else:
            bad = other
        path.write_text(json.dumps(bad))
        try:
            continued = model.stream(state=path)
        except (FormatError, ConfigError):
            refused += 1
            continue
        try:
            for _ in range(5):
                continued.next_event()
        except SeqgenError:
            pass
    assert refused > 200
    for cut in range(0, len(data) - 1, 97):
        path.write_bytes(data[:cut])
        with pytest.raises(FormatError):
            model.stream(state=path)


# --- constraints ------------------------------------------------------------------------------------------------------


class Trap(Constraint):
    """No duration fits a pitch below 62, and from grid step `end` on nothing fits."""

    def __init__(self, end: int = 1 << 30) -> None:
        self.end = end

    def bind(self, material, others):
        trap, table = self, material.table
        lengths = table.kind == Kind.DURATION

        class BoundTrap(Bound):
            name = "trap"

            def start(self, given, moment):
                return False

            def advance(self, own, id, moment):
                return bool(table.strikes[id]) and int(np.flatnonzero(table.pitches[id])[0]) < 62

            def legal(self, own, moment):
                if moment.time >= trap.end:
                    return np.zeros(len(lengths), bool)
                return ~lengths if own else None

        return BoundTrap()


@pytest.mark.parametrize("temperature", [1, 0])
def test_it_goes_back_within_a_step(temperature):
    events = taken(endless("notes").stream(seed=1, temperature=temperature, constraints=[Trap()]), 50)
    assert all(event.pitch >= 62 for event in events)
    assert any(event.pitch < 62 for event in taken(endless("notes").stream(seed=1), 50))


def test_where_nothing_is_left_it_says_so_and_stays_where_it_was():
    stream = endless("notes").stream(seed=1, constraints=[Trap(end=40)])
    events = []
    with pytest.raises(SamplingError, match="trap"):
        events.extend(iter(stream.__next__, None))
    time = stream.time
    assert time >= 10
    for _ in range(2):
        with pytest.raises(SamplingError, match=r"nothing may follow at bar .*: trap"):
            next(stream)
    assert stream.time == time


def test_a_search_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(api_stream, "_MOST_IDS", 1)
    stream = endless("notes").stream(seed=1, constraints=[Trap()])
    for _ in range(2):
        with pytest.raises(SamplingError, match="without finishing a step"):
            next(stream)
    monkeypatch.undo()
    assert stream.time == 0
    assert all(event.pitch >= 62 for event in taken(stream, 20))


# --- the command's part -----------------------------------------------------------------------------------------------


@music
def test_json_lines_are_those_of_the_file(name):
    model, out = MODELS[name](), io.BytesIO()
    streaming.run(model, out, steps=30, seed=1, endless=False)
    lines = [msgspec.json.decode(line) for line in out.getvalue().splitlines()]
    whole = [msgspec.json.decode(line) for line in jsonl_bytes(model.generate(30, seed=1)).splitlines()]
    assert sorted(lines, key=lambda line: (line["onset"], line["part"], line["pitch"])) == whole
    assert out.getvalue().splitlines(keepends=True)[0] in jsonl_bytes(model.generate(30, seed=1))


def test_text_ends_with_a_line_end():
    model, out = MODELS["words"](), io.BytesIO()
    streaming.run(model, out, steps=30, seed=1)
    assert out.getvalue().decode() == model.generate(30, seed=1, fill=True).removesuffix("\n") + "\n"


class Watched(io.RawIOBase):
    """What has been written and not yet flushed when more is made."""

    def __init__(self) -> None:
        self.waiting = 0

    def write(self, data) -> int:
        self.waiting += 1
        assert self.waiting == 1, "the line before was not flushed"
        return len(data)

    def flush(self) -> None:
        self.waiting = 0


def test_every_line_is_flushed():
    streaming.run(MODELS["chorale"](), Watched(), steps=50, seed=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["chars", "chorale"])
def test_a_closed_pipe_is_a_quiet_end(name, tmp_path):
    """It would go on for ever."""
    MODELS[name]().save(tmp_path / "model.safetensors")
    code = (
        "import sys, seqgen; from seqgen.cli import streaming\n"
        "streaming.run(seqgen.load('model.safetensors'), sys.stdout.buffer, seed=1)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(2000)) == 2000
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""


def test_long_text_is_not_remembered():
    stream = endless("bytes").stream(seed=1)
    for _ in range(2000):
        next(stream)
    assert len(stream._ids) < 1100
