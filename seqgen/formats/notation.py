"""Scores read through music21: MusicXML (also compressed), ABC and kern. Writing is in `musicxml`.

A score's Piece has 10080 ticks a quarter, at sounding pitch, tied notes joined, repeats as written (not expanded).
"""

import contextlib
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

from seqgen.errors import FormatError, MissingExtra
from seqgen.piece import SCORE_TICKS, Key, Meter, Part, Piece, Tempo, Text

MAX_TEXT_BYTES = 20_000_000  # of a score as it lies on disk
MAX_UNPACKED_BYTES = 50_000_000  # of a score inside an .mxl
VELOCITY = 64  # where the score does not say
PROVENANCE = "seqgen "  # how the marker begins that says what made a piece: in MusicXML its software

# ending -> (music21's name of the format, ours)
KINDS = {
    ".musicxml": ("musicxml", "MusicXML"),
    ".xml": ("musicxml", "MusicXML"),
    ".mxl": ("musicxml", "MusicXML"),
    ".abc": ("abc", "ABC"),
    ".krn": ("humdrum", "kern"),
}

# staff position (as in treble clef) -> General MIDI percussion, where a score names no drum
DRUM_OF_POSITION = {
    "D4": 44, "E4": 35, "F4": 36, "G4": 43, "A4": 41, "B4": 45,
    "C5": 38, "D5": 47, "E5": 48, "F5": 51, "G5": 42, "A5": 49,
}  # fmt: skip
SNARE = 38


def read_bytes(data: bytes, name: str) -> list[Piece]:
    """The pieces in a score; `name` is the file's, its ending says the format. Only an ABC file holds several.

    Raises:
        FormatError: too large, damaged, without notes, or not what the ending says.
        MissingExtra: music21 is not installed.
    """
    ending = name[name.rfind(".") :].lower()
    kind, label = KINDS[ending]
    if not data:
        raise FormatError(f"{name} is empty")
    if ending == ".mxl" or data.startswith(b"PK\x03\x04"):
        data = _unpacked(data, name)
    elif len(data) > MAX_TEXT_BYTES:
        raise FormatError(f"{name} has {len(data):,} bytes; scores are read up to {MAX_TEXT_BYTES:,}")
    text = _decoded(data)
    if kind == "musicxml":
        _check_xml(text, name)
        text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)  # its encoding is no longer true
        # music21 takes such a rest for a bar of the full meter, in a pickup too, and shifts the rest of the part
        text = re.sub(r"""(<rest\b[^>]*?)\smeasure\s*=\s*["']yes["']""", r"\1", text)
    tunes = _tunes(text) if kind == "abc" else [text]
    places = [name] if len(tunes) == 1 else [f"tune {number} of {name}" for number in range(1, len(tunes) + 1)]
    return [_piece(tune, kind, label, place) for tune, place in zip(tunes, places, strict=True)]


def _unpacked(data: bytes, name: str) -> bytes:
    """The score inside an .mxl: the one its container names, else the first."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            wanted = None
            if "META-INF/container.xml" in names:
                with archive.open("META-INF/container.xml") as file:
                    found = re.search(rb'full-path\s*=\s*["\']([^"\']+)["\']', file.read(100_000))
                wanted = found and found.group(1).decode("utf-8", "replace")
            if wanted not in names:
                scores = [n for n in names if n.endswith((".xml", ".musicxml")) and not n.startswith("META-INF/")]
                if not scores:
                    raise FormatError(f"{name} holds no score: {', '.join(names[:5]) or 'the archive is empty'}")
                wanted = scores[0]
            with archive.open(wanted) as file:
                content = file.read(MAX_UNPACKED_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, OSError) as error:
        raise FormatError(f"{name} is not a compressed MusicXML file: {error}") from error
    if len(content) > MAX_UNPACKED_BYTES:
        raise FormatError(f"{name} unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
    return content


def _decoded(data: bytes) -> str:
    """By byte order mark, then XML declaration, then UTF-8, then Latin-1 (older ABC and kern files)."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    declared = re.match(rb'\s*<\?xml[^>]*encoding\s*=\s*["\']([A-Za-z0-9._-]+)', data[:200])
    for encoding in (declared.group(1).decode("ascii") if declared else "utf-8-sig", "utf-8-sig"):
        with contextlib.suppress(LookupError, UnicodeDecodeError):
            return data.decode(encoding).removeprefix("\ufeff")
    return data.decode("latin-1")


def _check_xml(text: str, name: str) -> None:
    if "<!ENTITY" in text:
        raise FormatError(f"{name} declares XML entities, which scores do not need and attacks do: not read")
    root = re.search(r"<([A-Za-z_][\w.:-]*)", text)
    tag = root.group(1) if root else None
    if tag == "score-timewise":
        raise FormatError(f"{name} is MusicXML sorted by time (score-timewise): save it as score-partwise")
    if tag != "score-partwise":
        raise FormatError(f"{name} is not MusicXML: " + (f"its root is <{tag}>" if tag else "there is no XML in it"))


def _tunes(text: str) -> list[str]:
    """The tunes of an ABC tune book, each with the header of the file."""
    places = [found.start() for found in re.finditer(r"^X:", text, re.MULTILINE)]
    header = text[: places[0]] if places else ""
    tunes = [header + text[a:b] for a, b in zip(places, [*places[1:], None], strict=True)] or [text]
    # the standard's unit length where a tune states neither that nor a meter; music21 refuses such a tune
    return [t if re.search(r"^[ML]:", t, re.MULTILINE) else t.replace("\nK:", "\nL:1/8\nK:", 1) for t in tunes]


def _piece(text: str, kind: str, label: str, name: str) -> Piece:
    try:
        from music21 import converter
    except ModuleNotFoundError as error:
        raise MissingExtra(f"Reading {label}", "notation") from error
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            piece = _from_score(converter.parseData(text, format=kind), _programs(text) if kind == "musicxml" else {})
    except Exception as error:  # music21 lets every kind of exception out
        reason = (str(error).strip().splitlines() or [""])[0][:200] or type(error).__name__
        raise FormatError(f"{name} cannot be read as {label}: {reason}") from error
    if not len(piece.notes):
        raise FormatError(f"{name} has no notes")
    return piece


def _programs(text: str) -> dict[str, int]:
    """MIDI program of every MusicXML part by its id. music21 keeps that only where it has a class for it."""
    found = {}
    for part in re.finditer(r"""<score-part\s[^>]*?id\s*=\s*["']([^"']*)["'](.*?)</score-part>""", text, re.DOTALL):
        program = re.search(r"<midi-program>\s*(\d+)\s*<", part.group(2))
        if program and 1 <= int(program.group(1)) <= 128:
            found[part.group(1)] = int(program.group(1)) - 1
    return found


def _from_score(score: Any, programs: Mapping[str, int]) -> Piece:
    """A Piece of a music21 Score; `programs` by the id of a part are better than music21's."""
    losses: dict[str, int] = {}
    parts = list(getattr(score, "parts", ())) or [score]
    starts = _aligned(parts, losses)
    found = [_Part(part, index == 0, starts, programs, losses) for index, part in enumerate(parts)]
    # meters and keys stand in every part; the first that has any speaks for all
    meters = next((part.meters for part in found if part.meters), {})
    keys = next((part.keys for part in sorted(found, key=lambda part: part.drums) if part.keys), {})
    tempi = {tick: bpm for part in reversed(found) for tick, bpm in part.tempi.items()}
    chords = {tick: figure for part in reversed(found) for tick, figure in part.chords.items()}
    metadata = score.metadata
    software = [Text(0, line) for line in (metadata.software if metadata else ()) if line.startswith(PROVENANCE)]
    marks = dict.fromkeys(Text(*mark) for part in found for mark in part.markers)
    return Piece.build(
        [
            (onset, duration, pitch, velocity, index)
            for index, part in enumerate(found)
            for onset, duration, pitch, velocity in part.rows
        ],
        SCORE_TICKS,
        [Part(part.name or "", part.program, part.drums) for part in found],
        title=_one_line((metadata.title or metadata.movementName) if metadata else None),
        tempi=tuple(Tempo(*item) for item in sorted(tempi.items())),
        meters=tuple(Meter(tick, *value) for tick, value in _changes(meters)),
        keys=tuple(Key(tick, *value) for tick, value in _changes(keys)),
        pickup_ticks=_pickup(found[0].bars, meters),
        fermatas=tuple(sorted({tick for part in found for tick in part.fermatas})),
        chords=tuple(Text(*item) for item in sorted(chords.items())),
        markers=(*software, *sorted(marks, key=lambda mark: mark.tick)),
        losses=losses,
    )


def _aligned(parts: list[Any], losses: dict[str, int]) -> list[Fraction] | None:
    """Where bars begin, in quarters, if the parts disagree; None if they agree or do not have the same bars.

    Bars with too much or too little in one part are common; without this all that follows in that part would be
    shifted against the others. A bar is as long as its meter if it is that in any part, else as in most parts.
    """
    measures = [list(part.getElementsByClass("Measure")) for part in parts]
    own = [
        [round(part.elementOffset(bar) * SCORE_TICKS) for bar in bars]
        for part, bars in zip(parts, measures, strict=True)
    ]
    if all(ticks == own[0] for ticks in own) or len({len(ticks) for ticks in own}) > 1:
        return None
    starts, repaired = [own[0][0]], 0
    for index, bar in enumerate(measures[0][:-1]):
        lengths = [ticks[index + 1] - ticks[index] for ticks in own]
        length = lengths[0]
        if len(set(lengths)) > 1:
            repaired += 1
            full = round(bar.barDuration.quarterLength * SCORE_TICKS)
            length = full if full in lengths else max(lengths, key=lengths.count)
        starts.append(starts[-1] + length)
    losses["bars of unequal length aligned"] = repaired
    return [Fraction(tick, SCORE_TICKS) for tick in starts]


def _changes(by_tick: dict[int, Any]) -> list[tuple[int, Any]]:
    """In order of time, without those that only repeat what holds, as some programs write at every line."""
    events = sorted(by_tick.items())
    return [event for before, event in pairwise([(-1, None), *events]) if before[1] != event[1]]


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _pickup(bars: list[int], meters: dict[int, tuple[int, int]]) -> int:
    """Length of the first bar if it is shorter than its meter, else 0."""
    numerator, denominator = meters.get(0, (4, 4))
    return bars[1] if len(bars) > 1 and bars[1] * denominator < 4 * numerator * SCORE_TICKS else 0


class _Part:
    """What one part of a score says; filled in one walk over its elements in order of time."""

    def __init__(
        self,
        part: Any,
        first: bool,
        starts: list[Fraction] | None,
        programs: Mapping[str, int],
        losses: dict[str, int],
    ) -> None:
        self.first = first
        self.starts = starts
        self.programs = programs
        self.losses = losses
        self.rows: list[list[int]] = []  # onset, duration, pitch, velocity
        self.tied: dict[tuple[int, int], int] = {}  # (pitch, end) of a note whose tie is open -> its row
        self.name: str | None = None
        self.program, self.drums, self.drum = 0, False, None
        # music21 gives an instrument its usual transposition; it counts only where the score states one
        self.written = getattr(part, "atSoundingPitch", None) is False
        self.shift = 0  # semitones from written to sounding pitch
        self.bars: list[int] = []
        self.meters: dict[int, tuple[int, int]] = {}
        self.keys: dict[int, tuple[int, str]] = {}
        self.tempi: dict[int, float] = {}
        self.chords: dict[int, str] = {}
        self.markers: dict[tuple[int, str], None] = {}
        self.fermatas: list[int] = []
        self._walk(part, 0)
        if self.name is None:  # no instrument; else music21 would answer with the instrument's name where there is none
            self.name = _one_line(getattr(part, "partName", None))

    def _count(self, reason: str, number: int = 1) -> None:
        self.losses[reason] = self.losses.get(reason, 0) + number

    def _tick(self, quarters: Any) -> int:
        exact = quarters * SCORE_TICKS
        if abs(exact - round(exact)) > 1e-3:  # fractions of music21 are floats where its sums are
            self._count("times rounded to 1/10080 of a quarter")
        return round(exact)

    def _walk(self, stream: Any, start: Any) -> None:
        from music21 import bar, chord, expressions, harmony, instrument, key, meter, note, tempo
        from music21.stream import Measure, Stream

        for element in stream:
            offset = start + stream.elementOffset(element)
            if isinstance(element, Stream):
                if isinstance(element, Measure):
                    offset = self.starts[len(self.bars)] if self.starts else offset
                    self.bars.append(self._tick(offset))
                self._walk(element, offset)
            elif isinstance(element, harmony.Harmony):
                self.chords[self._tick(offset)] = element.figure
            elif isinstance(element, note.NotRest):
                self._add_notes(element, offset, chord.ChordBase, note.Unpitched)
            elif isinstance(element, instrument.Instrument):
                self._take_instrument(element)
            elif isinstance(element, meter.TimeSignature):
                self.meters[self._tick(offset)] = (element.numerator, element.denominator)
            elif isinstance(element, key.KeySignature):
                if element.sharps is not None:
                    mode = getattr(element, "mode", None)
                    fifths = (element.sharps + 7 * self.shift + 5) % 12 - 5 if self.shift else element.sharps
                    self.keys[self._tick(offset)] = (fifths, mode if mode in ("major", "minor") else "")
            elif isinstance(element, tempo.MetronomeMark):
                bpm = element.getQuarterBPM()
                if bpm:
                    self.tempi[self._tick(offset)] = round(float(bpm), 6)
            elif isinstance(element, expressions.RehearsalMark):
                self.markers[self._tick(offset), str(element.content)] = None
            elif isinstance(element, bar.Repeat) and self.first:
                self._count("repeat marks not expanded")

    def _take_instrument(self, instrument: Any) -> None:
        if not self.rows:
            self.name = self.name or _one_line(instrument.partName)
            self.program = self.programs.get(instrument.partId, instrument.midiProgram or 0)
            self.drums = instrument.midiChannel == 9
            self.drum = getattr(instrument, "percMapPitch", None)
        if self.written and instrument.transposition:
            self.shift = instrument.transposition.chromatic.semitones

    def _add_notes(self, element: Any, offset: Any, chord: type, unpitched: type) -> None:
        members = element.notes if isinstance(element, chord) else (element,)
        if element.duration.isGrace:
            self._count("grace notes dropped", len(members))
            return
        onset, end = self._tick(offset), self._tick(offset + element.duration.quarterLength)
        held = bool(element.expressions) and any("Fermata" in mark.classes for mark in element.expressions)
        for member in members:
            if isinstance(member, unpitched):
                self.drums = True
                pitch = self._drum(member)
            else:
                pitch = round(member.pitch.ps) + self.shift
                if member.pitch.ps != int(member.pitch.ps):
                    self._count("microtones rounded")
                if not 0 <= pitch <= 127:
                    self._count("notes out of MIDI's range dropped")
                    continue
            tie = member.tie.type if member.tie is not None else ""
            row = self.tied.pop((pitch, onset), None) if tie in ("stop", "continue") else None
            if row is None:
                velocity = member.volume.velocity if member.hasVolumeInformation() else None
                row = len(self.rows)
                self.rows.append([onset, end - onset, pitch, VELOCITY if velocity is None else velocity])
            else:
                self.rows[row][1] = end - self.rows[row][0]
            if tie in ("start", "continue"):
                self.tied[pitch, end] = row
            if held:
                self.fermatas.append(self.rows[row][0])

    def _drum(self, note: Any) -> int:
        own = getattr(note.storedInstrument, "percMapPitch", None)
        if own is not None:
            return own
        return DRUM_OF_POSITION.get(note.displayName, SNARE if self.drum is None else self.drum)
