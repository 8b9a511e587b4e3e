"""Files for the tests of the corpus, and readers that misbehave. The readers run in other processes: by their name."""

import os
import signal
import time
from pathlib import Path

from seqgen.corpus import Document
from seqgen.corpus.packed import digest
from seqgen.errors import FormatError, MissingExtra
from seqgen.longtext import LongText, Scratch
from seqgen.piece import Part, Piece

FOLK = [62, 67, 67, 69, 71, 67, 71, 69, 67, 69, 71, 72, 74, 67, 71, 69, 64, 66, 67, 62]  # 20 notes, many turns
OTHER = [60, 64, 62, 65, 59, 67, 60, 69, 65, 62, 71, 64, 60, 72, 67, 65, 57, 62, 59, 60]


def midi(pitches: list[int]) -> bytes:
    """A type-0 file at 96 ticks a quarter: each pitch a quarter note long."""
    track = b"\x00\xff\x58\x04\x04\x02\x18\x08"  # meter 4/4
    for pitch in pitches:
        track += bytes([0, 0x90, pitch, 80, 96, 0x80, pitch, 0])  # note on, a quarter later off
    track += b"\x00\xff\x2f\x00"  # end of track
    return b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x60MTrk" + len(track).to_bytes(4, "big") + track


def tune(pitches: list[int], *, drums: bool = False, name: str = "") -> Document:
    """A document of quarter notes in one part."""
    rows = [(index, 1, pitch, 80, 0) for index, pitch in enumerate(pitches)]
    piece = Piece.build(rows, 1, [Part("", 0, drums)])
    return Document(name or "tune", piece, digest(piece))


def text(content: str, name: str = "text") -> Document:
    return Document(name, content, digest(content))


def long(document: Document, folder: Path, characters: int) -> Document:
    """The same document of text as one that is not held in memory, in pieces of so many characters."""
    whole = document.content
    assert isinstance(whole, str)
    pieces = [whole[begin : begin + characters] for begin in range(0, len(whole), characters)]
    return Document(document.name, LongText.write(pieces, Scratch(folder)), document.digest)


def misbehaving(path: Path) -> list[Piece]:
    """Does what the first word in the file says; `note 60` is a piece."""
    word, *rest = path.read_text().split()
    if word == "hang":
        time.sleep(60)
    elif word == "exit":
        os._exit(7)
    elif word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "greedy":
        bytearray(3 << 30)
    elif word == "odd":
        raise ZeroDivisionError("what a parser trips over")
    elif word == "broken":
        raise FormatError(f"{path} is not what its name says")
    elif word == "extra":
        raise MissingExtra("Reading scores", "notation")
    elif word == "silent":
        return [Piece.build([], 1)]
    elif word == "libraries":
        import sys

        found = [name for name in ("tensorflow", "keras", "seqgen_test_main") if name in sys.modules]
        raise FormatError("loaded: " + " ".join(found))
    return [Piece.build([(0, 1, int(pitch), 80, 0)], 1, title=path.name) for pitch in rest]


def counting(path: Path) -> list[Piece]:
    """Leaves a mark for every call: the cache must make the second one unnecessary."""
    with open(path.parent / ".calls", "ab") as file:
        file.write(b"x")
    return misbehaving(path)
