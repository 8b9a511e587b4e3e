"""Keep: what is kept comes out as it was, whatever the model wants, and the rest is the model's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import Noise, piece, vocabulary_of

from seqgen import encodings
from seqgen.constraints import Keep, Listener, Material, bind
from seqgen.piece import Piece
from seqgen.sampling import Setting, Strategy, sample, streams
from seqgen.vocabulary import END

KINDS = {
    "notes": ("notes", {}, 1, False),
    "chords": ("notes", {}, 1, True),
    "joint": ("notes", {"joint": True}, 1, True),
    "chorale": ("chorale", {"parts": 2}, 2, False),
    "frames": ("frames", {}, 2, True),
}
Row = tuple[int, int, int, int]  # onset, duration, pitch, part


def made(kind: str):
    name, options, parts, chords = KINDS[kind]
    encoding = encodings.make(name, **options)
    sources = [piece(seed, parts=parts, chords=chords, bars=3) for seed in range(12)]
    return encoding, vocabulary_of(encoding, sources), sources


CASES = {kind: made(kind) for kind in KINDS}


def rows_of(notes: np.ndarray) -> set[Row]:
    return {(onset, duration, pitch, part) for onset, duration, pitch, _, part in notes.tolist()}


def kept(encoding, vocabulary, source: Piece, notes: np.ndarray, room: np.ndarray, *, seed=0, stepper=None, **options):
    """The notes of a piece that begins as `source` does under Keep, and how many grid steps its tokens have."""
    grammar, table = encoding.grammar(vocabulary), encoding.table(vocabulary)
    bound = bind([Keep(notes, room)], Material(grammar, table, vocabulary.tokens, "music"))
    controls = vocabulary.to_ids(encoding.encode(source)[0].tokens[:3]).tolist()
    (row,) = sample(
        Setting(stepper or Noise(len(vocabulary), seed), grammar, bound, Listener(grammar, table)),
        [controls],
        [room.shape[1]],
        strategy=Strategy(),
        random=streams(seed, 1),
        **options,
    )
    assert row.ended
    state = grammar.start()
    for id in [*controls, *row.ids]:
        state = grammar.advance(state, id)
    decoded = encoding.decode(vocabulary.to_tokens([*controls, *row.ids]))
    assert decoded.losses == {}
    return rows_of(decoded.notes), state.clock.time


@st.composite
def choices(draw: st.DrawFn, kind: str):
    """A source as its encoding decodes it, which of its notes are kept, and where there is room for others."""
    encoding, _, sources = CASES[kind]
    source = draw(st.sampled_from(sources))
    notes = encoding.decode(encoding.encode(source)[0].tokens).notes
    length = int((notes["onset"] + notes["duration"]).max())
    parts = encoding.options.get("parts", 1)
    share = draw(st.sampled_from([0.0, 0.3, 0.8, 1.0]))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    units = notes["onset"] * 8 + notes["part"] if encoding.name == "notes" else np.arange(len(notes))
    stays = np.isin(units, [unit for unit in np.unique(units) if random.random() < share])
    room = np.zeros((parts, length), bool)
    for onset, duration, _, _, part in notes[~stays].tolist():
        room[part, onset : onset + duration] = True
    if draw(st.booleans()):
        room |= random.random(room.shape) < 0.3  # also rests, or steps of them
    return source, notes, stays, room


@pytest.mark.parametrize("kind", KINDS)
@given(st.data(), st.integers(0, 10**6), st.sampled_from([1, 3]))
@settings(max_examples=40)
def test_what_is_kept_comes_out_and_nothing_else_where_there_is_no_room(kind, data, seed, particles):
    encoding, vocabulary, _ = CASES[kind]
    source, notes, stays, room = data.draw(choices(kind))
    wish = data.draw(st.sampled_from([-3.0, 0.0, 5.0]))  # to end, to hold
    favour = {END: wish, **{id: wish for token, id in vocabulary.ids.items() if token.startswith(("hold", "_", "="))}}
    stepper = Noise(len(vocabulary), seed, favour=favour)
    found, length = kept(
        encoding, vocabulary, source, notes[stays], room, seed=seed, stepper=stepper, particles=particles
    )
    assert length == room.shape[1]
    wanted = rows_of(notes[stays])
    assert wanted <= found
    for onset, duration, _, part in found - wanted:
        assert room[part, onset : onset + duration].all()


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_free_is_used(kind):
    """Among many seeds, every free step of the middle bar sounds something that was not there."""
    encoding, vocabulary, sources = CASES[kind]
    notes = encoding.decode(encoding.encode(sources[1])[0].tokens).notes
    ends = notes["onset"] + notes["duration"]
    stays = (notes["onset"] < 16) | (ends > 32)
    room = np.zeros((encoding.options.get("parts", 1), int(ends.max())), bool)
    room[:, 16:32] = True
    if encoding.name != "frames":  # one note at a time
        for onset, duration, _, _, part in notes[stays].tolist():
            room[part, onset : onset + duration] = False
    used = np.zeros_like(room)
    found = [kept(encoding, vocabulary, sources[1], notes[stays], room, seed=seed)[0] for seed in range(40)]
    for rows in found:
        for onset, duration, _, part in rows - rows_of(notes[stays]):
            used[part, onset : onset + duration] = True
    assert (used == room).all()
    assert len({frozenset(rows) for rows in found}) > 30
