"""Keep: what is kept comes out as it was, whatever the model wants, and the rest is the model's."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import Climbing, Noise, piece, vocabulary_of

from seqgen import encodings
from seqgen.constraints import Keep, Listener, Material, bind
from seqgen.piece import Part, Piece
from seqgen.sampling import Setting, Strategy, Walk, sample, streams
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


# --- with particles, what the model believes given what is kept -------------------------------------------------------


def enumerated(walk: Walk, ids: tuple[int, ...] = (), share: float = 1.0) -> dict[tuple[int, ...], float]:
    """Every way to go on that is legal, with the probability that the stepper gives to it."""
    grammatical, legal = walk.grammatical()[0], walk.legal()[0]
    weights = np.where(grammatical, np.exp(walk.logits[0].astype(float)), 0)
    found: dict[tuple[int, ...], float] = {}
    for id in np.flatnonzero(legal).tolist():
        more = share * weights[id] / weights.sum()
        if id == END:
            found[ids] = more
            continue
        following = walk.take([0])
        following.advance([id])
        following.feed([id])
        found |= enumerated(following, (*ids, id), more)
    return found


def test_a_gap_is_filled_as_the_model_believes():
    """A gap of four grid steps takes one to four notes, so that particles come to its end after two to eight ids.

    Those that come early must not be dropped for what is asked of them there: many short notes would be all that is
    left, however many particles there are.
    """
    line = [(0, 1, 60), (1, 2, 61), (3, 1, 62), (4, 4, 63), (8, 4, 60)]
    source = Piece.build([(*note, 80, 0) for note in line], 4, [Part()])
    encoding = encodings.make("notes")
    vocabulary = vocabulary_of(encoding, [source])
    grammar, table = encoding.grammar(vocabulary), encoding.table(vocabulary)
    keep = Keep(source.notes[3:], np.arange(12)[None] < 4)
    setting = Setting(
        Climbing(table, wish=4),
        grammar,
        bind([keep], Material(grammar, table, vocabulary.tokens, "music")),
        Listener(grammar, table),
    )
    controls = vocabulary.to_ids(encoding.encode(source)[0].tokens[:3]).tolist()
    ways = enumerated(Walk.begin(setting, [controls]))
    kept_ids = 4

    def heard(ids) -> tuple[int, int]:
        """How many notes and rests, and what is last before the kept note."""
        return len(ids) - kept_ids, ids[-kept_ids - 2]

    exact: Counter[tuple[int, int]] = Counter()
    for ids, share in ways.items():
        exact[heard(ids)] += share / sum(ways.values())
    errors = []
    for particles in (1, 4, 16):
        rows = sample(
            setting, [controls] * 400, [12] * 400, strategy=Strategy(), random=streams(0, 400), particles=particles
        )
        seen = Counter(heard(row.ids) for row in rows)
        errors.append(sum(abs(seen[what] / 400 - exact[what]) for what in seen | exact) / 2)
    assert errors[0] > 0.4
    assert errors[1] < 0.75 * errors[0]
    assert errors[2] < 0.6 * errors[1]
