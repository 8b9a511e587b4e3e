"""Text: encodings, line ends, composition, and refusals that say where."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import ConfigError, FormatError
from seqgen.formats import text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marks_say_the_encoding(encoding):
    assert text.read_bytes("Añb 曲\n".encode(encoding), "a.txt") == "Añb 曲\n"


@pytest.mark.parametrize("order", ["le", "be"])
def test_both_byte_orders(order):
    mark = "\ufeff".encode(f"utf-16-{order}")
    assert text.read_bytes(mark + "né".encode(f"utf-16-{order}"), "a.txt") == "né"


def test_a_named_encoding():
    assert text.read_bytes("señor".encode("latin-1"), "a.txt", "latin-1") == "señor"
    assert text.read_bytes("né".encode("utf-16-le"), "a.txt", "utf-16-le") == "né"


def test_line_ends_and_composition():
    assert text.read_bytes(b"a\r\nb\rc\nd\r\r\n", "a.txt") == "a\nb\nc\nd\n\n"
    assert text.read_bytes("e\u0301".encode(), "a.txt") == "é"


@pytest.mark.parametrize(
    ("data", "encoding", "says"),
    [
        (b"", None, "is empty"),
        (b"\xef\xbb\xbf", None, "is empty"),
        (b"one\ntwo\nse\xf1or\n", None, "not UTF-8: byte 0xf1 at offset 10 (line 3); name its encoding with --text-"),
        (b"abc\xe9", "ascii", "not ASCII: byte 0xe9 at offset 3 (line 1)"),
        (b"\xff\xfea\x00b", None, "not UTF-16"),
        (b"GIF89a\x00\x00", None, "binary"),
        (b"\x89PNG\x00\xff", None, "binary"),
    ],
)  # fmt: skip
def test_says_what_is_wrong(data, encoding, says):
    with pytest.raises(FormatError, match=r"b\.txt") as caught:
        text.read_bytes(data, "b.txt", encoding)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["klingon", "", "hex", "a\0b"])
def test_unknown_encodings(name):
    if not name:
        assert text.read_bytes(b"a", "a.txt", None) == "a"
        return
    with pytest.raises(ConfigError, match="no text encoding"):
        text.read_bytes(b"abc", "a.txt", name)


def test_a_lone_surrogate_cannot_be_written():
    with pytest.raises(FormatError, match=r"U\+D800, at character 2"):
        text.to_bytes("ab\ud800")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff"), min_size=1))
def test_round_trip(source):
    assert text.read_bytes(text.to_bytes(source), "a.txt") == unicodedata.normalize("NFC", source)


@given(st.binary())
def test_any_bytes_are_text_or_a_format_error(data):
    try:
        found = text.read_bytes(data, "a.txt")
    except FormatError:
        return
    assert found
    assert "\r" not in found
    assert unicodedata.is_normalized("NFC", found)
