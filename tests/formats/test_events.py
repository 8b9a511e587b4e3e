"""JSON lines and arrays."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import FormatError
from seqgen.formats import events
from seqgen.piece import SCORE_TICKS, Part, Piece

PIECE = Piece.build([(0, 240, 60, 64, 0), (480, 160, 62, 100, 1)], 480, [Part("A"), Part("B")])


def test_a_line_a_note():
    assert events.jsonl_bytes(PIECE).decode().splitlines() == [
        '{"onset": 0.0, "duration": 0.5, "pitch": 60, "velocity": 64, "part": 0}',
        '{"onset": 1.0, "duration": 0.3333333333333333, "pitch": 62, "velocity": 100, "part": 1}',
    ]
    assert events.jsonl_bytes(PIECE).endswith(b"}\n")


def test_a_line_a_line_of_text():
    assert events.jsonl_bytes('Ä "b"\n\nc').decode() == '{"text": "Ä \\"b\\""}\n{"text": ""}\n{"text": "c"}\n'
    assert events.read_jsonl(events.jsonl_bytes("a\n\nb\n"), "a.jsonl") == "a\n\nb\n"
    assert events.jsonl_bytes("") == b""


def test_arrays():
    def load(source):
        return np.load(io.BytesIO(events.npy_bytes(source)), allow_pickle=False)

    notes = load(PIECE)
    assert (notes.dtype, notes.shape) == (np.float64, (2, 5))
    assert notes[1].tolist() == [1.0, 1 / 3, 62, 100, 1]
    assert load(Piece.build([], 1)).shape == (0, 5)
    assert load("ab曲").tolist() == [97, 98, 0x66F2]
    assert (load([4, 5]).tolist(), load([4, 5]).dtype) == ([4, 5], np.int64)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**6), st.integers(1, 9999), st.integers(0, 127), st.integers(0, 127), st.integers(0, 3)
        ),
        min_size=1,
    )
)
def test_round_trip(rows):
    piece = Piece.build(rows, SCORE_TICKS)
    for again in (
        events.read_jsonl(events.jsonl_bytes(piece), "a.jsonl"),
        events.read_npy(events.npy_bytes(piece), "a.npy"),
    ):
        assert again == piece
        assert again.losses == {}


def test_text_comes_back_from_an_array():
    assert events.read_npy(events.npy_bytes("né\n曲"), "a.npy") == "né\n曲"


def test_what_falls_between_ticks_is_counted():
    line = json.dumps(dict(zip(events.KEYS, (0.00003, 1, 60, 64, 0), strict=True))) + "\n"
    piece = events.read_jsonl(line.encode(), "a.jsonl")
    assert isinstance(piece, Piece)
    assert piece.losses == {"times rounded to 1/10080 of a quarter": 1}


def array(values) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=values.dtype == object)
    return file.getvalue()


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (events.read_jsonl, b""),
        (events.read_jsonl, b"{"),
        (events.read_jsonl, b"\xff"),
        (events.read_jsonl, b"[1, 2]\n"),
        (events.read_jsonl, b"3\n"),
        (events.read_jsonl, b'{"onset": 1}\n'),
        (events.read_jsonl, b'{"onset": "x", "duration": 1, "pitch": 1, "velocity": 1, "part": 1}\n'),
        (events.read_jsonl, b'{"onset": NaN, "duration": 1, "pitch": 1, "velocity": 1, "part": 1}\n'),
        (events.read_jsonl, b'{"onset": 0, "duration": 1, "pitch": 200, "velocity": 1, "part": 1}\n'),
        (events.read_jsonl, b'{"onset": 0, "duration": 1e300, "pitch": 60, "velocity": 1, "part": 1}\n'),
        (events.read_npy, b""),
        (events.read_npy, b"\x93NUMPY"),
        (events.read_npy, array(np.zeros((0, 5)))),
        (events.read_npy, array(np.zeros((2, 4)))),
        (events.read_npy, array(np.full((2, 5), -1.0))),
        (events.read_npy, array(np.array([{"a": 1}], dtype=object))),  # a pickle
        (events.read_npy, array(np.array([0x110000], dtype=np.int32))),
    ],
)
def test_refusals(read, data):
    with pytest.raises(FormatError, match="odd"):
        read(data, "odd")
