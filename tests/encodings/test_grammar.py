"""The grammar contract: every encoded sequence is legal, every legal sequence decodes, features and clock are true."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from encoding_cases import CASES, MUSIC, bar_and_pickup, case
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen import encodings
from seqgen.encodings import Encoded
from seqgen.errors import ConfigError, TokenError
from seqgen.piece import Meter, Part, Piece
from seqgen.vocabulary import END, PAD, START, UNK

SEEDS = st.integers(0, 10**6)
every_case = pytest.mark.parametrize("made", [case(name) for name in CASES], ids=CASES)
music_case = pytest.mark.parametrize("made", [case(name) for name in MUSIC], ids=MUSIC)


def check_state(grammar, state, n_values: int) -> None:
    """What must hold in every state that can be reached."""
    legal = grammar.legal(state)
    assert legal.dtype == bool
    assert legal.shape == (n_values,)
    assert legal.any()
    assert not legal[[PAD, START, UNK]].any()
    assert not legal.flags.writeable
    assert grammar.legal(state) is legal
    features = grammar.features(state)
    assert len(features) == len(grammar.feature_sizes)
    assert all(0 <= value < size for value, size in zip(features, grammar.feature_sizes, strict=True))
    assert isinstance(hash(state), int)


@every_case
def test_every_encoded_sequence_is_legal(made):
    for sequence in made.sequences:
        state = made.grammar.start()
        for id in made.ids(sequence.tokens):
            check_state(made.grammar, state, len(made.vocabulary))
            assert made.grammar.legal(state)[id]
            state = made.grammar.advance(state, id)
        assert made.grammar.legal(state)[END]
        # spaces at the end of a text wait for a word that never comes
        assert made.grammar.at_step(state) or sequence.tokens[-1] == "<space>"


@every_case
def test_no_sequence_is_empty(made):
    state = made.grammar.start()
    assert not made.grammar.legal(state)[END]
    for id in made.ids(made.sequences[0].tokens[: made.controls]):
        state = made.grammar.advance(state, id)
        assert not made.grammar.legal(state)[END]


@every_case
@given(seed=SEEDS)
@settings(max_examples=8)
def test_a_random_walk_decodes_at_every_prefix(made, seed):
    ids, states, _ = made.random_walk(seed, 200, may_end=False)
    tokens = made.vocabulary.to_tokens(ids)
    for read, state in enumerate(states):
        check_state(made.grammar, state, len(made.vocabulary))
        decoded = made.encoding.decode(tokens[:read])
        unfinished = getattr(decoded, "losses", {}).get("unfinished steps closed", 0)
        if made.encoding.unit == "music" and read >= made.controls:
            assert unfinished == (not made.grammar.at_step(state))


@every_case
@given(seed=SEEDS)
@settings(max_examples=8)
def test_a_sequence_may_end_after_every_step(made, seed):
    _, states, _ = made.random_walk(seed, 100, may_end=False)
    for read, state in enumerate(states):
        if made.grammar.at_step(state):
            assert made.grammar.legal(state)[END] == (read > made.controls)


def without_silence_at_the_end(tokens: list[str], options: dict) -> list[str]:
    """A Piece ends with its last note, so the steps that only wait behind it are not spelled again."""
    steps: list[list[str]] = []
    size = options.get("parts", 1 if options.get("joint", True) else 2)
    for token in tokens[3:]:
        if "joint" in options or "parts" in options:
            begins = not steps or len(steps[-1]) == size
        else:
            begins = not steps or steps[-1][-1] == "|"
        steps += [[token]] if begins else []
        steps[-1] += [] if begins else [token]
    while steps and all(token.startswith(("rest", "=", "|")) for token in steps[-1]):
        steps.pop()
    return [*tokens[:3], *(token for step in steps for token in step)]


@music_case
@given(seed=SEEDS)
@settings(max_examples=25)
def test_a_complete_walk_has_one_spelling(made, seed):
    ids, states, _ = made.random_walk(seed, 400)
    read = max(read for read, state in enumerate(states) if made.grammar.at_step(state))
    tokens = made.vocabulary.to_tokens(ids[:read])
    heard = without_silence_at_the_end(tokens, made.encoding.options)
    piece = made.encoding.decode(tokens)
    assert piece.losses == {}
    if len(piece.notes):
        (again,) = made.encoding.encode(piece)
        assert again.tokens == heard
        assert piece.end_tick == made.walked(made.ids(heard)).clock.time
    else:
        assert heard == tokens[:3]


@music_case
@given(seed=SEEDS)
@settings(max_examples=25)
def test_the_clock_tells_the_place_in_the_bar(made, seed):
    ids, states, _ = made.random_walk(seed, 300)
    tokens = made.vocabulary.to_tokens(ids)
    bar, pickup = bar_and_pickup(tokens, made.encoding.options["grid"])
    bars = {
        grid_bar for grid_bar, _ in (bar_and_pickup(s.tokens, made.encoding.options["grid"]) for s in made.sequences)
    }
    bars.add(4 * made.encoding.options["grid"])
    line = pickup - bar if pickup else 0  # the last bar line; that of the pickup's bar lies before the piece
    for read, state in enumerate(states[made.controls :], made.controls):
        time = state.clock.time
        while time >= line + bar:
            line += bar
        assert state.clock.position == time - line
        position, length, *more = made.grammar.features(state)
        assert position == time - line
        assert length == sorted(bars).index(bar)
        if made.encoding.name == "chorale" and "sees" not in made.encoding.options:
            assert more == [(read - made.controls) % made.encoding.options["parts"]]
        if made.grammar.at_step(state) and read > made.controls:
            piece = made.encoding.decode(tokens[:read])
            assert piece.end_tick <= time
            assert all((tick - pickup) % bar == 0 for tick in piece.bar_lines() if tick > 0)


def named_features(made, state) -> list[str]:
    """What the features say of a state, without the names of those that are no option."""
    begins = np.cumsum([0, *made.grammar.feature_sizes[:-1]])
    names = [made.grammar.feature_names[place] for place in begins + made.grammar.features(state)]
    return names[2:] if made.encoding.name != "chorale" else [name for name in names[2:] if name[:4] != "body"]


def top(sound: str) -> str:
    """The highest pitch of a token of `notes`."""
    return sound.partition("=")[0].split(".")[-1]


def parallel_to(body: list[str], parts: int) -> str:
    """The pitch that would make parallel fifths or octaves with the first part above that leads to some."""
    sounds: list[list[str]] = []  # after each step, the last one perhaps not whole
    for place, token in enumerate(body):
        if place % parts == 0:
            sounds.append(list(sounds[-1]) if sounds else ["rest"] * parts)
        if token != "hold":
            sounds[-1][place % parts] = token
    part = len(body) % parts
    if not part or len(sounds) < 2:
        return "?"
    before, here = sounds[-2:]
    for above in range(part):
        if "rest" not in (before[part], before[above], here[above]) and before[above] != here[above]:
            there, own, now = int(before[above]), int(before[part]), int(here[above])
            if abs(there - own) % 12 in (0, 7):
                return str(own + now - there)
    return "?"


def seen(made, tokens: list[str]) -> list[str]:
    """What should be seen after a prefix that holds at least the controls, found by reading it from its beginning."""
    options, body = made.encoding.options, tokens[3:]
    words = options["sees"].split()
    lags = [int(word) for word in words if word.isdigit()]
    bar, pickup = bar_and_pickup(tokens, options["grid"])
    waits, found, same = False, [], []
    if made.encoding.name == "chorale":
        parts = options["parts"]
        time = len(body) // parts
        for part in range(parts):
            own = [token for token in body[part::parts] if token != "hold"]
            found += [f"part {part} sounds {own[-1] if own else 'rest'}"]
        known = {name for name in made.grammar.feature_names if name.startswith("parallel")}
        wanted = f"parallel {parallel_to(body, parts)}"
        found += [wanted if wanted in known else "parallel ?"]
        places = [len(body) - lag * bar * parts for lag in lags]
        stood = [body[place] if place >= 0 else "?" for place in places]
    elif made.encoding.name == "notes":
        events, time = {}, 0
        for sound, duration in (
            zip(body, body, strict=True) if options["joint"] else zip(body[::2], body[1::2], strict=False)
        ):
            events[time] = (top(sound), duration)
            time += int(Fraction(duration.partition("=")[2]) * options["grid"])
        waits = bool(body) and "=" not in body[-1]
        before = [time - lag * bar for lag in lags]
        for lag in lags:
            onsets = [onset for onset in events if events[onset] != events.get(onset - lag * bar)]
            since = [onset for onset in events if onset > max(onsets, default=-1)]
            same.append(f"same as {lag} bars before {min(8, len(since))}")
        stood = ["?" if then < 0 else events.get(then, ("held", "held"))[waits] for then in before]
    else:
        frames: list[list[str]] = [[]]
        for token in body:
            frames[-1].append(token)
            frames += [[]] if token == "|" else []
        time = len(frames) - 1
        lowest = int(frames[-1][-1][1:]) if frames[-1] else 128
        stood = []
        for back in [1, *(lag * bar for lag in lags)]:
            there = frames[time - back] if time >= back else ["?"]
            stood.append(next(token for token in there if token in "|?" or int(token[1:]) < lowest))
        found = [f"a step before {stood.pop(0)}"]
    lines = range(pickup or bar, time + 1, bar)  # so far, without one at the beginning
    number = len(lines) + (pickup == 0)
    found += [f"{lag} bars before {token}" for lag, token in zip(lags, stood, strict=True)]
    while number > 32:
        number -= 16
    key = [f"in {tokens[0]}"] if "key" in words else []
    return [*key, *([f"bar number {number}"] if "bar" in words else []), *found, *(same if "same" in words else [])]


@pytest.mark.parametrize("name", [name for name in MUSIC if name.endswith("sees")])
@given(seed=SEEDS)
@settings(max_examples=10)
def test_what_is_seen_is_what_stood_there(name, seed):
    made = case(name)
    ids, states, _ = made.random_walk(seed, 700, may_end=False)
    if name == "notes-sees":  # something that repeats itself
        bar, _ = bar_and_pickup(made.vocabulary.to_tokens(ids), made.encoding.options["grid"])
        (quarter,) = made.ids(["=1"])
        bars = ids[3::2][: 2 * bar // made.encoding.options["grid"]]
        ids = ids[:3] + [id for sound in bars * 12 + bars[1:] * 4 for id in (sound, quarter)]
        states = [made.walked(ids[:read]) for read in range(len(ids) + 1)]
    tokens = made.vocabulary.to_tokens(ids)
    for read in range(made.controls, len(states), 7):
        assert named_features(made, states[read]) == seen(made, tokens[:read])


@pytest.mark.parametrize(
    ("body", "warned"),
    [
        ("67 60 48 69", "62"),  # a fifth above the second part goes up a tone
        ("67 60 48 65", "58"),
        ("67 60 48 69 65", "50"),  # an octave between the second and the third
        ("67 60 48 hold", "?"),
        ("67 60 48 67", "?"),  # struck again
        ("65 60 50 67", "?"),  # fourths may go on
        ("67 rest 48 69", "?"),
        ("60 67 50 62", "69"),  # the parts cross
        ("67 60 48 69 hold", "50"),  # a fifth and an octave: a twelfth
        ("67 60 48 69 62 55 hold", "?"),  # the step before, not this one
    ],
)
def test_the_pitch_that_would_make_parallels(body, warned):
    encoding = encodings.make("chorale", parts=3, sees="parallel")
    vocabulary = encoding.vocabulary([Encoded(["key=?", "meter=?", "pickup=0", *map(str, range(40, 80))], {})])
    grammar = encoding.grammar(vocabulary)
    state = grammar.start()
    for id in vocabulary.to_ids(["key=?", "meter=?", "pickup=0", *body.split()]).tolist():
        state = grammar.advance(state, id)
    first = sum(grammar.feature_sizes[:-1])
    assert grammar.feature_names[first + grammar.features(state)[-1]] == f"parallel {warned}"


@pytest.mark.parametrize("name", ["notes-sees", "chorale-sees", "frames-sees"])
def test_states_are_equal_when_the_same_ids_led_there(name):
    """Also where two go separate ways and neither may see what the other has read."""
    made = case(name)
    ids, states, _ = made.random_walk(3, 200, may_end=False)
    again = made.walked(ids)
    assert again == states[-1]
    assert hash(again) == hash(states[-1])
    known = made.vocabulary.ids
    rest = {"notes": ["rest", "=1"], "chorale": ["rest"] * 3, "frames": ["|"]}[made.encoding.name]
    step = max(place for place, state in enumerate(states[:150]) if made.grammar.at_step(state))
    fork = states[step]
    for id in [known[token] for token in rest] * 2:
        fork = made.grammar.advance(fork, id)
    other = made.walked([*ids[:step], *(known[token] for token in rest * 2)])
    assert (fork, hash(fork)) == (other, hash(other))
    assert fork != states[step]
    for place in range(step, len(ids)):  # the first way is as it was
        assert made.grammar.features(states[place]) == made.grammar.features(made.walked(ids[:place]))


@pytest.mark.parametrize(
    ("sees", "message"),
    [
        ("key chord", "sees takes key, bar, sounding, parallel, same and numbers of bars from 1 to 64, not 'chord'"),
        ("0", "not '0'"),
        ("65", "not '65'"),
        ("-1", "not '-1'"),
        ("bar 2 bar", "sees names something twice: 'bar 2 bar'"),
    ],
)
@pytest.mark.parametrize("name", ["notes", "chorale", "frames"])
def test_what_cannot_be_seen(name, sees, message):
    with pytest.raises(ConfigError, match=message):
        encodings.make(name, sees=sees)


def test_features_that_models_have_keep_their_meaning():
    """A model file states the sizes, and its weights mean what they meant when it was written."""
    for name, own in (("notes", ()), ("frames", ()), ("chorale", ("body 0 0", "body 0 1", "body 0 2", "body 0 3"))):
        grammar = case(name).grammar
        longest, lengths = grammar.feature_sizes[:2]
        positions, bars = grammar.feature_names[:longest], grammar.feature_names[longest : longest + lengths]
        assert positions == tuple(f"position {place}" for place in range(longest))
        assert all(name.startswith("bar ") for name in bars)
        assert grammar.feature_names[longest + lengths :] == own


@every_case
@given(seed=SEEDS)
@settings(max_examples=15)
def test_unknown_tokens_may_stand_anywhere(made, seed):
    random = np.random.default_rng(seed)
    ids = made.ids(made.sequences[seed % len(made.sequences)].tokens)
    state = made.grammar.start()
    for id in ids:
        state = made.grammar.advance(state, UNK if random.random() < 0.2 else id)
        check_state(made.grammar, state, len(made.vocabulary))
    for _ in range(50):
        state = made.grammar.advance(state, UNK)
        check_state(made.grammar, state, len(made.vocabulary))


@music_case
@given(seed=SEEDS)
@settings(max_examples=15)
def test_a_piece_that_the_vocabulary_does_not_hold_is_legal_but_for_its_unknown_tokens(made, seed):
    random = np.random.default_rng(seed)
    grid, parts = made.encoding.options["grid"], made.encoding.options.get("parts", 1)
    notes = [
        (int(onset), int(random.integers(1, 12)), int(random.integers(40, 80)), 80, part)
        for part in range(parts)
        for onset in range(0, 120, 12)
    ]
    if made.encoding.name == "frames":
        notes += [(onset + 3, duration, pitch + 20, 80, 0) for onset, duration, pitch, _, _ in notes]
    pickup = int(random.integers(0, 5 * grid))
    piece = Piece.build(notes, grid, [Part()] * parts, meters=(Meter(0, 5, 4),), pickup_ticks=pickup)
    (sequence,) = made.encoding.encode(piece)
    ids = made.ids(sequence.tokens)
    assert UNK in ids
    state = made.grammar.start()
    for id in [*ids, END]:
        check_state(made.grammar, state, len(made.vocabulary))
        assert id == UNK or made.grammar.legal(state)[id]
        if id == END:
            assert made.grammar.at_step(state)
        else:
            state = made.grammar.advance(state, id)


@pytest.mark.parametrize("name", ["words", "chars"])
def test_a_text_that_the_vocabulary_does_not_hold_is_legal_but_for_its_unknown_tokens(name):
    made = case(name)
    ids = made.ids(made.encoding.encode("Quite another ((text))  with its own words")[0].tokens)
    assert UNK in ids
    state = made.grammar.start()
    for id in ids:
        assert id == UNK or made.grammar.legal(state)[id]
        state = made.grammar.advance(state, id)
    assert made.grammar.legal(state)[END]


@music_case
def test_controls_come_first_in_their_order(made):
    state = made.grammar.start()
    for name in ("key=", "meter=", "pickup="):
        legal = made.grammar.legal(state)
        wanted = {token for token in made.vocabulary.tokens if token.startswith(name)}
        assert {token for token, may in zip(made.vocabulary.tokens, legal, strict=True) if may} == wanted
        for token in ("pickup=0", "key=?", "meter=?"):
            if not token.startswith(name):
                with pytest.raises(TokenError, match=f"the {name[:-1]} token belongs here, not '{token[:3]}"):
                    made.grammar.advance(state, made.vocabulary.ids[token])
        state = made.grammar.advance(state, made.vocabulary.ids[sorted(wanted)[0]])
    for _ in range(100):
        assert not any(
            token.startswith(("key=", "meter=", "pickup="))
            for token, may in zip(made.vocabulary.tokens, made.grammar.legal(state), strict=True)
            if may
        )
        state = made.grammar.advance(state, int(np.flatnonzero(made.grammar.legal(state))[-1]))


@music_case
def test_a_pickup_longer_than_its_bar_is_none(made):
    grid, parts = made.encoding.options["grid"], made.encoding.options.get("parts", 1)
    notes = [(0, 5 * grid, 60, 80, part) for part in range(parts)]
    pieces = [
        Piece.build(notes, grid, [Part()] * parts, meters=(Meter(0, *meter),), pickup_ticks=pickup)
        for meter, pickup in (((6, 4), 5 * grid), ((1, 4), 0))
    ]
    sequences = [made.encoding.encode(piece)[0] for piece in pieces]
    grammar = made.encoding.grammar(vocabulary := made.encoding.vocabulary(sequences))
    mixed = ["key=?", "meter=1/4", f"pickup={5 * grid}", *sequences[0].tokens[3:]]
    state = grammar.start()
    for id in vocabulary.to_ids(mixed[:3]).tolist():
        state = grammar.advance(state, id)
    assert state.clock.position == 0
    assert made.encoding.decode(mixed).pickup_ticks == 0


# --- what is not legal ------------------------------------------------------------------------------------------------


def legal_after(name: str, body: str) -> set[str]:
    made = case(name)
    begin = ["key=?", "meter=?", "pickup=0"]
    state = made.walked(made.ids([*begin, *body.split()]))
    return {token for token, may in zip(made.vocabulary.tokens, made.grammar.legal(state), strict=True) if may}


def test_silence_in_notes_has_one_spelling():
    pitches = {token for token in case("notes").vocabulary.tokens if token[0].isdigit()}
    lengths = {token for token in case("notes").vocabulary.tokens if token[0] == "="}
    assert legal_after("notes", "") == {"rest", *pitches}
    assert legal_after("notes", "60") == legal_after("notes", "rest") == lengths
    assert legal_after("notes", "rest =1") == {"<end>", *pitches}
    assert legal_after("notes", "60 =1") == {"rest", "<end>", *pitches}
    joint = {token for token in case("notes-joint").vocabulary.tokens if token[0].isdigit()}
    rests = {token for token in case("notes-joint").vocabulary.tokens if token.startswith("rest=")}
    assert rests
    assert legal_after("notes-joint", "") == rests | joint
    assert legal_after("notes-joint", "rest=1/4") == {"<end>"} | joint
    assert legal_after("notes-joint", "60=1") == {"<end>"} | rests | joint


def test_only_what_sounds_goes_on_in_a_chorale():
    pitches = {token for token in case("chorale-triplets").vocabulary.tokens if token.isdigit()}
    assert legal_after("chorale-triplets", "") == {"rest", *pitches}
    assert legal_after("chorale-triplets", "60") == {"rest", *pitches}
    assert legal_after("chorale-triplets", "60 rest") == {"rest", "hold", "<end>", *pitches}
    assert legal_after("chorale-triplets", "60 rest hold") == {"rest", *pitches}
    assert legal_after("chorale-triplets", "60 rest rest rest") == {"rest", "<end>", *pitches}
    assert legal_after("chorale-triplets", "60 61 rest hold") == {"rest", "<end>", *pitches}


def test_a_frame_descends_and_holds_what_sounded():
    struck = {f"+{pitch}" for pitch in range(50, 71)}
    assert struck == {token for token in case("frames").vocabulary.tokens if token[0] == "+"}
    assert legal_after("frames", "") == {"|", *struck}
    assert legal_after("frames", "+52") == {"|", "+50", "+51"}
    assert legal_after("frames", "+62 +52 |") == {"|", "_62", "_52", "<end>", *struck}
    assert legal_after("frames", "+62 +52 | _62") == {"|", "_52", *(f"+{pitch}" for pitch in range(50, 62))}
    assert legal_after("frames", "+62 +52 | +57") == {"|", "_52", *(f"+{pitch}" for pitch in range(50, 57))}
    assert legal_after("frames", "+52 | |") == {"|", "<end>", *struck}


# --- steps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "body", "steps"),
    [
        ("notes", "rest =1 60 =1 60 =1", 3),
        ("notes-joint", "60=1 rest=1/4 60=1", 3),
        ("chorale-triplets", "60 rest hold 61 hold hold", 3),
        ("frames", "+60 +52 | _60 | +60 |", 3),
    ],
)
def test_a_step_is_what_the_design_says(name, body, steps):
    made = case(name)
    state = made.walked(made.ids(["key=?", "meter=?", "pickup=0"]))
    assert made.grammar.at_step(state)
    count = 0
    for id in made.ids(body.split()):
        assert id != UNK
        state = made.grammar.advance(state, id)
        count += made.grammar.at_step(state)
    assert count == steps


def test_a_step_of_a_text():
    for name, text, steps in (("chars", "né ", 3), ("words", "It (so  so) 。花落", 8)):
        made = case(name)
        state, count = made.grammar.start(), 0
        for id in made.ids(made.encoding.encode(text)[0].tokens):
            state = made.grammar.advance(state, id)
            count += made.grammar.at_step(state)
        assert count == steps


# --- the mask cache ---------------------------------------------------------------------------------------------------


def test_dropping_cached_masks_changes_no_mask(monkeypatch):
    import seqgen.encodings.frames as frames

    made = case("frames")
    monkeypatch.setattr(frames, "_CACHED_MASKS", 3)
    small: Any = made.encoding.grammar(made.vocabulary)
    _, states, _ = made.random_walk(7, 300, may_end=False)
    for state in states:
        np.testing.assert_array_equal(small.legal(state), made.grammar.legal(state))
    assert len(small._masks) <= 3


# --- bytes ------------------------------------------------------------------------------------------------------------


@given(st.one_of(st.binary(max_size=5), st.characters(exclude_categories=["Cs"]).map(str.encode)))
def test_bytes_are_legal_exactly_when_they_are_utf8(data):
    made = case("bytes")
    state, legal = made.grammar.start(), True
    for id in made.ids([f"{byte:02x}" for byte in data]):
        legal = legal and bool(made.grammar.legal(state)[id])
        state = made.grammar.advance(state, id)
    try:
        data.decode()
        complete = bool(data)
    except UnicodeDecodeError:
        complete = False
    assert (legal and bool(made.grammar.legal(state)[END])) == complete


@given(SEEDS)
@settings(max_examples=15)
def test_between_two_characters_a_byte_walk_is_utf8(seed):
    made = case("bytes")
    ids, states, _ = made.random_walk(seed, 150, may_end=False)
    tokens = made.vocabulary.to_tokens(ids)
    data = bytes(int(token, 16) for token in tokens)
    for read, state in enumerate(states):
        text = made.encoding.decode(tokens[:read])
        assert data[:read].startswith(text.encode())
        assert made.grammar.at_step(state) == (text.encode() == data[:read])


@pytest.mark.parametrize(
    ("name", "body", "time"),
    [
        ("notes", "60 <unk> <unk> =1 <unk> <unk> rest <unk> 60 =1/4", 8),
        ("notes-joint", "60=1 <unk> <unk> rest=1/4 60=1/4", 6),
        ("chorale-triplets", "<unk> 60 hold <unk> 60 60", 3),
        ("frames", "<unk> +60 | <unk> <unk> | +61 |", 3),
    ],
)
def test_the_clock_runs_over_unknown_tokens_as_in_decode(name, body, time):
    made = case(name)
    tokens = ["key=?", "meter=?", "pickup=0", *body.split()]
    state = made.walked(made.ids(tokens))
    assert made.grammar.at_step(state)
    assert state.clock.time == time == made.encoding.decode(tokens).end_tick


def test_a_meter_the_vocabulary_never_saw_counts_as_common_time():
    made = case("chorale")
    state = made.walked(made.ids(["key=?", "meter=11/4", "pickup=3"]))
    assert state.clock.bar == 16
    assert state.clock.position == 13
