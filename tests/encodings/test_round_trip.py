"""decode(encode(piece)) is the piece as the encoding quantises it; the quantisation is stated again here, plainly."""

import pytest
from encoding_cases import METERS, bar_and_pickup, made_piece, nearest, polyphony, rows, spans, voices
from hypothesis import given
from hypothesis import strategies as st

from seqgen import encodings
from seqgen.errors import TokenError
from seqgen.piece import Key, Meter, Part, Piece

GRIDS = st.sampled_from([1, 3, 4, 12])


# --- what lies on the grid is exact -----------------------------------------------------------------------------------


@st.composite
def on_grid(draw, name: str, parts: list[Part]) -> tuple[encodings.Encoding, Piece]:
    """An encoding, and a piece that it holds without loss, in the parts and velocity that decode gives."""
    grid = draw(GRIDS)
    encoding = encodings.make(name, grid=grid, **({"parts": len(parts)} if name == "chorale" else {}))
    whole = [meter for meter in METERS if 4 * grid * meter[0] % meter[1] == 0]
    meter = draw(st.sampled_from([None, *whole]))
    bar = 4 * grid * meter[0] // meter[1] if meter else 4 * grid
    key = draw(
        st.sampled_from([None, *((fifths, "major") for fifths in range(-5, 7)), *((f, "minor") for f in range(-6, 6))])
    )
    notes = []
    for part in range(len(parts)):
        time = 0
        for gap, length, pitches in draw(
            st.lists(
                st.tuples(st.sampled_from([0, 0, 1, 9]), st.integers(1, 20), st.sets(st.integers(0, 127), min_size=1)),
                min_size=1,
                max_size=10,
            )
        ):
            time += gap
            chord = pitches if name in ("notes", "frames") else {min(pitches)}
            notes += [(time, length, pitch, 80, part) for pitch in chord]
            time += length
    piece = Piece.build(
        notes,
        grid,
        parts,
        keys=(Key(0, *key),) if key else (),
        meters=(Meter(0, *meter),) if meter else (),
        pickup_ticks=draw(st.integers(0, bar - 1)),
    )
    return encoding, piece


@given(
    st.one_of(
        on_grid("notes", [Part("Melody", 0)]),
        on_grid("frames", [Part("Piano", 0)]),
        on_grid("chorale", [Part(name, 52) for name in ("Soprano", "Alto", "Tenor", "Bass")]),
        on_grid("chorale", [Part(f"Part {number}", 52) for number in range(1, 7)]),
    )
)
def test_a_piece_on_the_grid_comes_back_equal(pair):
    encoding, piece = pair
    (sequence,) = encoding.encode(piece)
    assert encoding.decode(sequence.tokens) == piece
    assert sequence.losses == {}


@given(st.booleans(), st.sampled_from(range(10)))
def test_joint_and_two_token_notes_say_the_same(chords, seed):
    piece = made_piece(seed, 1, 4, chords)
    two, joint = encodings.make("notes"), encodings.make("notes", joint=True)
    (pairs,), (events,) = two.encode(piece), joint.encode(piece)
    body = pairs.tokens[3:]
    assert events.tokens[3:] == [what + length for what, length in zip(body[::2], body[1::2], strict=True)]
    assert two.decode(pairs.tokens) == joint.decode(events.tokens)


# --- what does not is quantised as stated -----------------------------------------------------------------------------


@given(voices(4), GRIDS)
def test_chorale_keeps_the_last_note_that_begins_on_a_step(piece, grid):
    encoding = encodings.make("chorale", grid=grid)
    (sequence,) = encoding.encode(piece)
    wanted, lost = [], 0
    for part in range(4):
        line = spans(piece, grid, part)
        starts = [first for first, _, _, _ in line]
        for (first, end, pitch, _), following in zip(line, [*starts[1:], 10**9], strict=True):
            if first == following:
                lost += 1
            else:
                wanted.append((first, min(end, following) - first, pitch, part))
    assert rows(encoding.decode(sequence.tokens)) == sorted(wanted)
    assert sequence.losses.get("notes shorter than a grid step lost", 0) == lost


@given(polyphony(), GRIDS)
def test_frames_merge_the_parts_and_count_it(piece, grid):
    encoding = encodings.make("frames", grid=grid)
    (sequence,) = encoding.encode(piece)
    notes = spans(piece, grid)
    struck = {(first, pitch) for first, _, pitch, _ in notes}
    sounding = {(step, pitch) for first, end, pitch, _ in notes for step in range(first, end)}
    wanted = []
    for first, pitch in struck:
        end = first + 1
        while (end, pitch) in sounding and (end, pitch) not in struck:
            end += 1
        wanted.append((first, end - first, pitch, 0))
    assert rows(encoding.decode(sequence.tokens)) == sorted(wanted)
    joined = sum(
        any(other[2] == pitch and other[0] <= first < other[1] for other in notes[:index])
        for index, (first, _, pitch, _) in enumerate(notes)
    )
    assert sequence.losses.get("notes joined with one of the same pitch", 0) == joined
    drums = sum(piece.parts[part].drums for part in piece.notes["part"])
    assert sequence.losses.get("drum notes not kept", 0) == drums


@given(polyphony(drums=False), GRIDS, st.booleans())
def test_notes_are_chords_one_after_the_other(piece, grid, joint):
    encoding = encodings.make("notes", grid=grid, joint=joint, part="1")
    (sequence,) = encoding.encode(piece)
    notes = spans(piece, grid, 0)
    starts = sorted({first for first, _, _, _ in notes})
    wanted = []
    for index, start in enumerate(starts):
        chord = [note for note in notes if note[0] == start]
        end = max(end for _, end, _, _ in chord)
        if index + 1 < len(starts):
            end = min(end, starts[index + 1])
        wanted += [(start, end - start, pitch, 0) for pitch in {pitch for _, _, pitch, _ in chord}]
    assert rows(encoding.decode(sequence.tokens)) == sorted(wanted)


@given(st.one_of(voices(2), polyphony()), GRIDS)
def test_every_note_off_the_grid_is_counted(piece, grid):
    encoding = encodings.make("frames", grid=grid)
    off = sum(
        (onset * grid) % piece.ticks_per_quarter > 0 or (onset + duration) * grid % piece.ticks_per_quarter > 0
        for onset, duration, _, _, part in piece.notes.tolist()
        if not piece.parts[part].drums
    )
    assert encoding.encode(piece)[0].losses.get("notes moved to the grid", 0) == off


@given(voices(2), GRIDS, st.sampled_from(["notes", "chorale", "frames"]))
def test_key_meter_and_pickup_come_back_as_far_as_the_grid_holds_them(piece, grid, name):
    encoding = encodings.make(name, grid=grid, **({"parts": 2} if name == "chorale" else {}))
    (sequence,) = encoding.encode(piece)
    decoded = encoding.decode(sequence.tokens)
    lost = sequence.losses
    # the meter, where a bar is a whole number of steps
    fits = [meter for meter in piece.meters if 4 * grid * meter.numerator % meter.denominator == 0]
    assert decoded.meters == tuple(fits)
    assert lost.get("meters that do not fit the grid not kept", 0) == len(piece.meters) - len(fits)
    # the pickup to the nearest step, where it is shorter than a bar
    bar, _ = bar_and_pickup(sequence.tokens, grid)
    pickup = nearest(piece.pickup_ticks, piece.ticks_per_quarter, grid)
    assert decoded.pickup_ticks == (pickup if pickup < bar else 0)
    assert lost.get("pickups longer than a bar not kept", 0) == (pickup >= bar)
    assert lost.get("pickups moved to the grid", 0) == (piece.pickup_ticks * grid % piece.ticks_per_quarter > 0)
    # the key with its mode, spelled with at most six accidentals
    assert len(decoded.keys) == len(piece.keys)
    for key, own in zip(decoded.keys, piece.keys, strict=True):
        assert (key.fifths - own.fifths) % 12 == 0
        assert abs(key.fifths) <= 6
        assert key.mode == own.mode or (own.mode == "" and key.mode in ("major", "minor"))


# --- edges ------------------------------------------------------------------------------------------------------------


def one(*notes, parts=1, **fields) -> Piece:
    return Piece.build(notes, 4, [Part() for _ in range(parts)], **fields)


@pytest.mark.parametrize("name", ["notes", "chorale", "frames"])
def test_nothing_to_encode_is_said(name):
    encoding = encodings.make(name)
    for piece in (one(parts=4), one(parts=0), Piece.build([(0, 4, 36, 90, 0)], 4, [Part(drums=True)])):
        with pytest.raises(TokenError, match="pitched"):
            encoding.encode(piece)


@pytest.mark.parametrize("name", ["notes", "chorale", "frames"])
def test_a_damaged_length_is_refused_before_it_fills_the_memory(name):
    encoding = encodings.make(name, **({"parts": 2} if name == "chorale" else {}))
    for onset, duration in ((0, 1 << 40), (1 << 40, 1)):
        piece = one((0, 4, 60, 80, 0), (onset, duration, 62, 80, 1), parts=2)
        with pytest.raises(TokenError, match="grid steps long"):
            encodings.make("notes", part="2").encode(piece) if name == "notes" else encoding.encode(piece)


@pytest.mark.parametrize("name", ["notes", "frames"])
def test_one_note_at_either_end_of_the_range(name):
    for pitch in (0, 127):
        piece = one((0, 1, pitch, 80, 0))
        encoding = encodings.make(name)
        (sequence,) = encoding.encode(piece)
        assert rows(encoding.decode(sequence.tokens)) == rows(piece)
        assert set(sequence.tokens) <= set(encoding.vocabulary([sequence]).tokens)


def test_chorale_keeps_unisons_crossings_rests_and_repeated_notes():
    piece = one(
        *((0, 2, 60, 80, 0), (2, 2, 60, 80, 0), (6, 2, 64, 80, 0)),  # repeated, a rest
        *((0, 2, 60, 80, 1), (2, 6, 67, 80, 1)),  # unison, then above the first part
        parts=2,
    )
    encoding = encodings.make("chorale", parts=2)
    (sequence,) = encoding.encode(piece)
    assert " ".join(sequence.tokens[3:]) == ("60 60 hold hold 60 67 hold hold rest hold rest hold 64 hold hold hold")
    assert rows(encoding.decode(sequence.tokens)) == rows(piece)


def test_frames_tell_struck_from_held():
    piece = one((0, 2, 60, 80, 0), (2, 1, 60, 80, 0), (1, 2, 67, 80, 0), (4, 1, 60, 80, 0))
    (sequence,) = encodings.make("frames").encode(piece)
    assert " ".join(sequence.tokens[3:]) == "+60 | +67 _60 | _67 +60 | | +60 |"


def test_chorale_counts_the_parts_that_sound():
    chorale = encodings.make("chorale", parts=2)
    two = [(0, 4, 60, 80, 1), (0, 4, 62, 80, 3)]
    assert rows(chorale.decode(chorale.encode(one(*two, parts=5))[0].tokens)) == [(0, 4, 60, 0), (0, 4, 62, 1)]
    with pytest.raises(TokenError, match=r"2 pitched parts with notes, the piece has 7"):
        chorale.encode(one(*((0, 4, 60, 80, part) for part in range(7)), parts=7))
    with pytest.raises(TokenError, match=r"two at quarter note 0\.5"):
        chorale.encode(one(*two, (2, 4, 64, 80, 3), parts=5))
    # a silent part counts where the piece has just as many parts
    silent = chorale.encode(one((0, 2, 60, 80, 1), parts=2))[0]
    assert silent.tokens[3:] == ["rest", "60", "rest", "hold"]
    with_drums = Piece.build([*two, (0, 4, 36, 80, 4), (9, 9, 36, 80, 4)], 4, [Part()] * 4 + [Part(drums=True)])
    (sequence,) = chorale.encode(with_drums)
    assert sequence.losses == {"drum notes not kept": 2}
    assert chorale.decode(sequence.tokens).end_tick == 4


def test_an_unfinished_event_is_closed_and_said():
    begun = ["key=?", "meter=?", "pickup=0"]
    for name, tokens, wanted in (
        ("notes", ["60", "=1", "62"], [(0, 4, 60, 0), (4, 4, 62, 0)]),
        ("chorale", ["60", "rest", "62", "64", "hold"], [(0, 2, 60, 0), (0, 1, 62, 2), (0, 1, 64, 3)]),
        ("frames", ["+60", "|", "_60", "+40"], [(0, 2, 60, 0), (1, 1, 40, 0)]),
    ):
        piece = encodings.make(name).decode(begun + tokens)
        assert rows(piece) == sorted(wanted)
        assert piece.losses == {"unfinished steps closed": 1}
    for name in ("notes", "chorale", "frames"):
        for read in range(4):
            assert not len(encodings.make(name).decode(begun[:read]).notes)


@pytest.mark.parametrize("name", ["notes", "chorale", "frames"])
def test_controls_stand_at_the_beginning(name):
    encoding = encodings.make(name)
    for tokens, wanted in ((["60"], "key"), (["key=?", "pickup=0"], "meter"), (["key=?", "meter=3/4", "="], "pickup")):
        with pytest.raises(TokenError, match=f"the {wanted} token belongs here, not"):
            encoding.decode(tokens)


def test_an_unknown_token_in_a_decoded_sequence_keeps_the_rest_in_its_place():
    chorale = encodings.make("chorale", parts=2)
    tokens = ["<unk>", "<unk>", "pickup=3", "60", "<unk>", "hold", "62", "64", "hold"]
    assert chorale.decode(tokens).pickup_ticks == 3
    assert rows(chorale.decode(tokens)) == [(0, 2, 60, 0), (1, 2, 62, 1), (2, 1, 64, 0)]
    two, joint = encodings.make("notes"), encodings.make("notes", joint=True)
    begin = ["key=?", "<unk>", "pickup=0"]
    assert rows(two.decode([*begin, "<unk>", "=2", "60", "<unk>", "62", "=1"])) == [(8, 1, 60, 0), (9, 4, 62, 0)]
    assert rows(joint.decode([*begin, "<unk>", "<unk>", "60=1", "<unk>"])) == [(0, 4, 60, 0)]


# --- key --------------------------------------------------------------------------------------------------------------


def test_every_key_has_one_spelling():
    encoding = encodings.make("frames")
    spelled = set()
    for mode, flattest in (("major", -5), ("minor", -6)):
        for fifths in range(flattest, flattest + 12):
            piece = one((0, 4, 60, 80, 0), keys=(Key(0, fifths, mode),))
            (sequence,) = encoding.encode(piece)
            assert encoding.decode(sequence.tokens).keys == piece.keys
            spelled.add(sequence.tokens[0])
    assert len(spelled) == 24
    for fifths, token in ((0, "key=A-minor"), (6, "key=Eb-minor"), (-6, "key=Eb-minor"), (1, "key=E-minor")):
        assert encoding.encode(one((0, 4, 60, 80, 0), keys=(Key(0, fifths, "minor"),)))[0].tokens[0] == token
    for fifths, token in ((0, "C"), (1, "G"), (-1, "F"), (6, "F#"), (-6, "F#"), (7, "Db"), (-3, "Eb")):
        piece = one((0, 4, 60, 80, 0), keys=(Key(0, fifths, "major"),))
        assert encoding.encode(piece)[0].tokens[0] == f"key={token}-major"


@given(st.integers(-7, 7), st.integers(0, 127), st.sampled_from(["notes", "frames"]))
def test_an_open_mode_is_read_off_the_last_bass_note(fifths, bass, name):
    piece = Piece.build(
        [(0, 4, 60, 80, 0), (4, 4, bass, 80, 0), (4, 4, 127, 80, 0), (6, 2, 36, 99, 1)],
        4,
        [Part("Melody"), Part(drums=True)],
        keys=(Key(0, fifths),),
    )
    names = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
    pitch_classes = {**{name: index for index, name in enumerate(names)}, "C#": 1, "G#": 8}
    tonic, _, mode = encodings.make(name).encode(piece)[0].tokens[0].removeprefix("key=").partition("-")
    relative_minor = (7 * fifths + 9) % 12
    assert mode == ("minor" if bass % 12 == relative_minor else "major")
    assert pitch_classes[tonic] == (relative_minor if mode == "minor" else 7 * fifths % 12)


# --- which voice ------------------------------------------------------------------------------------------------------


def test_notes_takes_the_part_it_was_asked_for():
    parts = [Part("Bass"), Part("Flute"), Part("Kit", drums=True), Part(), Part("²")]
    piece = Piece.build([(0, 4, pitch, 80, part) for part, pitch in enumerate((40, 70, 36, 50, 45))], 4, parts)

    def taken(part: str) -> list[str]:
        return [sequence.tokens[3] for sequence in encodings.make("notes", part=part).encode(piece)]

    assert taken("auto") == ["70"]  # the highest
    assert taken("all") == ["40", "70", "50", "45"]
    assert taken("bASS") == taken("1") == ["40"]
    assert taken("4") == ["50"]
    assert taken("²") == ["45"]
    for missing in ("3", "9", "0", "Oboe", "³"):
        with pytest.raises(TokenError, match="there are: Bass, Flute, 4, ²"):
            taken(missing)
    melody = Piece.build([(0, 4, 40, 80, 0), (0, 4, 70, 80, 1)], 4, [Part("Lead"), Part()])
    assert encodings.make("notes").encode(melody)[0].tokens[3] == "40"
