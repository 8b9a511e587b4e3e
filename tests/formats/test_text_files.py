"""Text: encodings, line ends, composition, and refusals that say where."""

import io
import unicodedata

import pytest
from hypothesis import given, settings
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


# --- in pieces --------------------------------------------------------------------------------------------------------

# what must not be torn apart: line ends, marks that compose, reorder or stand alone, jamo, long UTF-8, marks of order
TRICKY = st.text(
    st.sampled_from("ae \n\r\r\u0301\u0323\u0344\u09c7\u09be\u1100\u1161\u11a8가각éñ曲。𝄞\u2126\ufeff"), max_size=24
)


def read_whole(data: bytes, name: str, encoding: str | None) -> str:
    """What reading in pieces must give: all at once."""
    if not data:
        raise FormatError(f"{name} is empty")
    used = encoding or next((found for mark, found in text.MARKS if data.startswith(mark)), "utf-8")
    found = data.decode(used).removeprefix("\ufeff")
    if "\0" in found:
        raise FormatError(f"{name} is binary, not text: a NUL at character {found.index(chr(0))}")
    found = unicodedata.normalize("NFC", found.replace("\r\n", "\n").replace("\r", "\n"))
    if not found:
        raise FormatError(f"{name} is empty but for its byte order mark")
    return found


def outcome(read) -> str:
    try:
        return read()
    except (FormatError, UnicodeDecodeError) as error:
        return "not decodable" if "offset" in str(error) or "decode" in str(error) else str(error)


def in_pieces(data: bytes, encoding: str | None, block: int) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_BLOCK_BYTES", block)
        return list(text.pieces(io.BytesIO(data), "a.txt", encoding))


@given(
    TRICKY,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-7", "gb18030"]),
    st.booleans(),
    st.integers(4, 9),
)
@settings(max_examples=400)
def test_pieces_make_the_whole(source, encoding, named, block):
    data = source.encode(encoding)
    used = encoding if named or encoding in ("utf-16-be", "utf-7", "gb18030") else None
    whole = outcome(lambda: read_whole(data, "a.txt", used))
    assert outcome(lambda: "".join(in_pieces(data, used, block))) == whole


@given(st.binary(max_size=40), st.sampled_from([None, "utf-8", "latin-1", "utf-16", "shift_jis"]), st.integers(4, 9))
@settings(max_examples=400)
def test_pieces_of_any_bytes_are_the_whole_or_the_same_refusal(data, encoding, block):
    """Said of the same place, even if what was wrong began in the block before."""

    def said(read) -> str:
        try:
            return read()
        except FormatError as error:
            return f"refused: {error}"

    found = said(lambda: "".join(in_pieces(data, encoding, block)))
    assert found == said(lambda: text.read_bytes(data, "a.txt", encoding))  # in one piece
    if not found.startswith("refused"):
        assert found == read_whole(data, "a.txt", encoding)


def test_long_texts_do_come_in_pieces():
    for line in ("plain words\n", "weiß, naïve, façade\n", "曲水流觴以爲列坐其次", "café noir "):
        found = in_pieces((line * 200).encode(), None, 64)
        assert len(found) > 20
        assert max(map(len, found)) <= 2 * 64
        assert "".join(found) == line * 200


def test_utf_16_without_a_mark_is_in_the_order_of_the_machine():
    data = "né曲".encode("utf-16")[2:]
    assert text.read_bytes(data, "a.txt", "utf-16") == data.decode("utf-16")
