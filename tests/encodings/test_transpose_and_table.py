"""Transposing ids is transposing the piece; the table says of every id what decoding it does."""

from dataclasses import replace

import numpy as np
import pytest
from encoding_cases import CASES, MUSIC, case, made_piece, polyphony, voices
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen import encodings
from seqgen.encodings import Kind
from seqgen.piece import Key, Part, Piece
from seqgen.vocabulary import END, PAD, START, UNK

SEMITONES = st.integers(-6, 6)
music_case = pytest.mark.parametrize("made", [case(name) for name in MUSIC], ids=MUSIC)


def pitches_of(token: str) -> list[int]:
    """The pitches in the spelling of any music encoding."""
    sounds = token.partition("=")[0].lstrip("+_")
    return [int(pitch) for pitch in sounds.split(".")] if sounds[:1].isdigit() else []


# --- transposition ----------------------------------------------------------------------------------------------------


@given(
    st.one_of(
        st.tuples(st.just("chorale"), voices(2, 6, 121)),
        st.tuples(st.sampled_from(["notes", "frames"]), polyphony(lowest=6, highest=121)),
    ),
    SEMITONES,
)
def test_encoding_a_transposed_piece_is_transposing_its_ids(pair, semitones):
    name, piece = pair
    encoding = encodings.make(name, **{"chorale": {"parts": 2}, "notes": {"part": "1"}, "frames": {}}[name])
    (here,), (there,) = encoding.encode(piece), encoding.encode(piece.transposed(semitones))
    vocabulary = encoding.vocabulary([here, there])
    moved = encoding.transpose_ids(vocabulary, semitones)
    assert moved is not None
    assert vocabulary.to_tokens(moved[vocabulary.to_ids(here.tokens)]) == there.tokens


@music_case
@given(seed=st.integers(0, 10**6), semitones=SEMITONES)
@settings(max_examples=10)
def test_features_of_transposed_ids_are_the_transposed_features(made, seed, semitones):
    moved = made.encoding.transpose_ids(made.vocabulary, semitones)
    of_features = made.grammar.transpose_features(semitones)
    assert of_features.shape == (len(made.grammar.feature_sizes), max(made.grammar.feature_sizes))
    here, states, _ = made.random_walk(seed, 400, may_end=False)
    ids, state = moved[here], made.grammar.start()
    left = np.flatnonzero(ids == UNK)
    ids = ids[: left[0]] if len(left) else ids
    columns = np.arange(len(of_features))
    for place, id in enumerate(ids.tolist()):
        wanted = of_features[columns, list(made.grammar.features(states[place]))]
        assert made.grammar.features(state) == tuple(wanted)
        state = made.grammar.advance(state, id)


@music_case
@given(semitones=st.integers(-14, 14))
def test_transposing_back_is_the_identity_where_nothing_left(made, semitones):
    there = made.encoding.transpose_ids(made.vocabulary, semitones)
    back = made.encoding.transpose_ids(made.vocabulary, -semitones)
    assert there is not None
    assert back is not None
    stayed = there != UNK
    ids = np.arange(len(made.vocabulary))
    np.testing.assert_array_equal(back[there[stayed]], ids[stayed])
    assert there.min() >= 0
    assert there.max() < len(made.vocabulary)
    np.testing.assert_array_equal(there[[PAD, START, END, UNK]], [PAD, START, END, UNK])


@music_case
@given(semitones=st.integers(-6, 5))
def test_what_occurs_leaves_the_vocabulary_only_with_its_range(made, semitones):
    used = {token for sequence in made.sequences for token in sequence.tokens}
    present = [pitch for token in used for pitch in pitches_of(token)]
    moved = made.encoding.transpose_ids(made.vocabulary, semitones)
    assert moved is not None
    for token in used:
        id = made.vocabulary.ids[token]
        wanted = [pitch + semitones for pitch in pitches_of(token)]
        inside = all(min(present) <= pitch <= max(present) for pitch in wanted)
        assert (moved[id] != UNK) == inside
        if inside:
            assert pitches_of(made.vocabulary.tokens[moved[id]]) == wanted


@music_case
def test_twelve_times_a_semitone_is_every_key_once(made):
    moved = made.encoding.transpose_ids(made.vocabulary, 1)
    assert moved is not None
    for mode in ("major", "minor"):
        seen = [made.vocabulary.ids[f"key=C-{mode}"]]
        for _ in range(12):
            seen.append(int(moved[seen[-1]]))
        assert seen[0] == seen[12]
        names = {made.vocabulary.tokens[id] for id in seen}
        assert len(names) == 12
        assert all(name.endswith(mode) for name in names)
    for stays in ("key=?", "meter=?", "meter=3/4", "pickup=0"):
        assert moved[made.vocabulary.ids[stays]] == made.vocabulary.ids[stays]


@music_case
def test_the_vocabulary_spells_only_what_midi_can_play(made):
    grid = made.encoding.options["grid"]
    parts = made.encoding.options.get("parts", 1)
    for low, high in ((0, 12), (115, 127)):
        pieces = [made_piece(seed, parts, grid, made.encoding.name != "chorale", low, high) for seed in range(4)]
        vocabulary = made.encoding.vocabulary([made.encoding.encode(piece)[0] for piece in pieces])
        table = made.encoding.table(vocabulary)
        for id, token in enumerate(vocabulary.tokens):
            assert "-" not in token.partition("=")[0]
            if table.kind[id] in (Kind.NOTE, Kind.HOLD) and token != "hold":
                assert all(low <= pitch <= high for pitch in pitches_of(token))


@given(voices(2, 6, 121), SEMITONES)
def test_drums_neither_move_nor_give_the_key(piece, semitones):
    drummed = replace(piece, parts=(Part(), Part(drums=True)), keys=(Key(0, 0),))
    frames = encodings.make("frames")
    (here,), (there,) = frames.encode(drummed), frames.encode(drummed.transposed(semitones))
    alone = Piece.build(drummed.part_notes(0), piece.ticks_per_quarter, keys=drummed.keys)
    assert here.tokens[0] == frames.encode(alone)[0].tokens[0]
    vocabulary = frames.vocabulary([here, there])
    moved = frames.transpose_ids(vocabulary, semitones)
    assert moved is not None
    assert vocabulary.to_tokens(moved[vocabulary.to_ids(here.tokens)]) == there.tokens


# --- table ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_every_id_has_its_kind(name):
    made = case(name)
    table = made.encoding.table(made.vocabulary)
    n_values = len(made.vocabulary)
    assert table.pitches.shape == (n_values, 128)
    assert table.kind.shape == table.strikes.shape == table.advance.shape == (n_values,)
    assert (table.kind[:4] == Kind.SPECIAL).all()
    assert (table.kind[4:] != Kind.SPECIAL).all()
    if made.encoding.unit == "text":
        assert (table.kind[4:] == Kind.TEXT).all()
        assert not table.pitches.any()
        assert not table.strikes.any()
        assert not table.advance.any()
        assert made.encoding.transpose_ids(made.vocabulary, 2) is None
        return
    for token, id in made.vocabulary.ids.items():
        assert np.flatnonzero(table.pitches[id]).tolist() == ([] if id < 4 else pitches_of(token))
        assert (table.kind[id] == Kind.CONTROL) == token.startswith(("key=", "meter=", "pickup="))
        assert (table.kind[id] == Kind.HOLD) == (token == "hold" or token[0] == "_")
        assert (table.kind[id] == Kind.REST) == token.startswith("rest")
        assert (table.kind[id] == Kind.DURATION) == (token[0] == "=")
        assert (table.kind[id] == Kind.FRAME_END) == (token == "|")
        assert (table.kind[id] == Kind.NOTE) == table.strikes[id]


@music_case
@given(seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_the_table_adds_up_to_the_decoded_piece(made, seed):
    table = made.encoding.table(made.vocabulary)
    ids, states, _ = made.random_walk(seed, 300)
    while ids and not made.grammar.at_step(states[len(ids)]):
        ids = ids[:-1]
    piece = made.encoding.decode(made.vocabulary.to_tokens(ids))
    struck = table.pitches[ids].sum(axis=1) * table.strikes[ids]
    assert struck.sum() == len(piece.notes)
    np.testing.assert_array_equal(
        np.bincount(piece.notes["pitch"], minlength=128), (table.pitches[ids] & table.strikes[ids, None]).sum(axis=0)
    )
    if made.encoding.name != "chorale":  # there the last part moves the clock, not an id
        assert table.advance[ids].sum() == states[len(ids)].clock.time
