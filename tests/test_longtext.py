"""LongText does what a str does, whatever its pieces are."""

import gc
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import CorpusError
from seqgen.longtext import LongText, Scratch

PIECES = st.lists(st.text(st.sampled_from("ab\nñ曲𝄞\ud83d"), min_size=1, max_size=6), max_size=6)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return Scratch(tmp_path_factory.mktemp("scratch"))


@given(pieces=PIECES, first=st.integers(-3, 40), last=st.integers(-3, 40))
def test_it_has_the_length_and_the_slices_of_the_str(scratch, pieces, first, last):
    whole, text = "".join(pieces), LongText.write(pieces, scratch)
    assert (len(text), text.whole(), list(text.pieces())) == (len(whole), whole, pieces)
    part = text[first:last]
    assert (len(part), part.whole()) == (len(whole[first:last]), whole[first:last])
    assert part[1:].whole() + text[:last].whole() == whole[first:last][1:] + whole[:last]
    assert b"".join(part.blocks()) == whole[first:last].encode("utf-8", "surrogatepass")
    assert all(part.pieces())


@given(pieces=PIECES, start=st.integers(0, 40), end=st.integers(0, 40))
def test_it_finds_the_last_of_a_character(scratch, pieces, start, end):
    text = LongText.write(pieces, scratch)
    assert text.rfind("\n", start, end) == "".join(pieces).rfind("\n", start, end)


def test_what_is_mapped_outlives_its_file_which_has_no_name(tmp_path):
    scratch = Scratch(tmp_path / "made")
    scratch.append(b"\1\0\2\0")
    scratch.append(b"\3\0")
    mapped = scratch.mapped("<u2")
    assert os.listdir(tmp_path / "made") == []
    del scratch
    gc.collect()  # an open file that is forgotten would warn here, and warnings are errors
    assert mapped.tolist() == [1, 2, 3]
    assert not mapped.flags.writeable


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path):
    (tmp_path / "file").write_text("")
    scratch = Scratch(tmp_path / "file" / "below")
    assert scratch.read(*scratch.append(b"abc")) == b"abc"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is always full")
def test_a_full_disk_is_said(tmp_path, monkeypatch):
    with open("/dev/full", "r+b", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: full)
        with pytest.raises(
            CorpusError, match=rf"needs room .* in {tmp_path}: No space left .*; make room there, or .* SEQGEN_HOME"
        ):
            Scratch(tmp_path).append(b"abc")
