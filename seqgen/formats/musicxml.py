"""MusicXML, written without music21. `notation` reads it back to the same notes, names, meters, keys, tempi and marks.

A piece without a meter is barred in 4/4. The marker at tick 0 that says which program made a piece is written as its
software. A note whose length no sign can say is written with its exact duration and no note value.
"""

import re
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from seqgen.errors import FormatError
from seqgen.formats import engraving
from seqgen.formats.engraving import Bar, Fragment, Value
from seqgen.formats.notation import PROVENANCE, VELOCITY
from seqgen.piece import Key, Meter, Part, Piece

HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">
"""
SIGNS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
CLEFS = {"treble": ("G", "2"), "bass": ("F", "4"), "percussion": ("percussion", None)}
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# figure after the root -> MusicXML's kind
CHORD_KINDS = {
    "": "major", "m": "minor", "+": "augmented", "dim": "diminished", "7": "dominant", "maj7": "major-seventh",
    "M7": "major-seventh", "m7": "minor-seventh", "o7": "diminished-seventh", "dim7": "diminished-seventh",
    "7+": "augmented-seventh", "ø7": "half-diminished", "mM7": "major-minor", "6": "major-sixth", "m6": "minor-sixth",
    "9": "dominant-ninth", "M9": "major-ninth", "maj9": "major-ninth", "m9": "minor-ninth", "11": "dominant-11th",
    "M11": "major-11th", "m11": "minor-11th", "13": "dominant-13th", "M13": "major-13th", "m13": "minor-13th",
    "sus2": "suspended-second", "sus": "suspended-fourth", "sus4": "suspended-fourth", "N6": "Neapolitan",
    "It+6": "Italian", "Fr+6": "French", "Gr+6": "German", "pedal": "pedal", "power": "power", "5": "power",
    "tristan": "Tristan",
}  # fmt: skip
SIGN = "(#+|b+|-+|)"
CHORD = re.compile(rf"([A-G]){SIGN}([^ /]*)((?: (?:add|alter|subtract) (?:#+|b+|-+|)\d+)*)(?:/([A-G]){SIGN})?")
DEGREE = re.compile(rf"(add|alter|subtract) {SIGN}(\d+)")


def to_bytes(piece: Piece) -> bytes:
    """A MusicXML 4.0 file, score-partwise, UTF-8; the same piece gives the same bytes.

    Raises:
        FormatError: the piece has no parts.
    """
    if not piece.parts:
        raise FormatError("a piece without parts cannot be written as MusicXML")
    layout = engraving.bars(piece)
    root = Element("score-partwise", version="4.0")
    if piece.title:
        _add(_add(root, "work"), "work-title", piece.title)
    encoding = _add(_add(root, "identification"), "encoding")
    _add(encoding, "software", _provenance(piece) or "seqgen")
    part_list = _add(root, "part-list")
    for index, part in enumerate(piece.parts):
        _add_score_part(part_list, f"P{index + 1}", part, index)
    for index, part in enumerate(piece.parts):
        _add_part(_add(root, "part", id=f"P{index + 1}"), piece, index, part, layout)
    ElementTree.indent(root, " ")
    return (HEADER + ElementTree.tostring(root, encoding="unicode") + "\n").encode()


def _provenance(piece: Piece) -> str | None:
    return next((m.text for m in piece.markers if m.tick == 0 and m.text.startswith(PROVENANCE)), None)


def _add(parent: Element, tag: str, content: str | int | None = None, **attributes: str) -> Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    if content is not None:
        element.text = NOT_XML.sub("", str(content))
    return element


def _add_score_part(part_list: Element, identity: str, part: Part, index: int) -> None:
    score_part = _add(part_list, "score-part", id=identity)
    _add(score_part, "part-name", part.name)
    # readers guess another instrument from the name where the program is that of a piano
    instrument = _add(score_part, "score-instrument", id=f"{identity}-I1")
    _add(instrument, "instrument-name", part.name if part.program else "Piano")
    instrument = _add(score_part, "midi-instrument", id=f"{identity}-I1")
    channels = [channel for channel in range(1, 17) if channel != 10]
    _add(instrument, "midi-channel", 10 if part.drums else channels[index % 15])
    _add(instrument, "midi-program", part.program + 1)


def _add_part(element: Element, piece: Piece, index: int, part: Part, layout: Sequence[Bar]) -> None:
    notes = piece.part_notes(index)
    grid = _grid(piece, layout)
    lines = [engraving.in_bars(voice, layout, piece.ticks_per_quarter) for voice in engraving.voices(notes)]
    meters = {meter.tick: meter for meter in piece.meters or (Meter(0, 4, 4),)}
    key = None
    for number, bar in enumerate(layout):
        measure = _add(element, "measure", number=str(bar.number))
        if number == 0 and piece.pickup_ticks:
            measure.set("implicit", "yes")
        at_start = next((k for k in reversed(piece.keys) if k.tick <= bar.start), None)
        meter = next((m for tick, m in meters.items() if bar.start <= tick < bar.end), None)
        if number == 0 or meter or at_start != key:
            attributes = _add(measure, "attributes")
            if number == 0:
                _add(attributes, "divisions", piece.ticks_per_quarter // grid)
            if at_start and at_start != key:
                _add_key(attributes, at_start)
            if meter:
                time = _add(attributes, "time")
                _add(time, "beats", meter.numerator)
                _add(time, "beat-type", meter.denominator)
            if number == 0:
                _add_clef(attributes, notes, part)
        key = next((k for k in reversed(piece.keys) if k.tick < bar.end), None)
        if index == 0:
            _add_marks(measure, piece, bar, grid)
        for later in [k for k in piece.keys if bar.start < k.tick < bar.end]:
            _at(measure, later.tick - bar.start, grid, _key_change(later))
        here = [line[number] for line in lines]
        if not any(here[:1]):  # the first voice is always there: readers take a bar to be as long as what is in it
            here = [engraving.silence(bar, piece.ticks_per_quarter), *here[1:]]
        _add_voices(measure, here, bar, grid, piece, at_start or Key(0, 0))


def _grid(piece: Piece, layout: Sequence[Bar]) -> int:
    """The ticks every time in the piece is a multiple of."""
    times = [piece.notes["onset"], piece.notes["duration"], [bar.start for bar in layout], [layout[-1].end]]
    times += [[event.tick for event in events] for events in (piece.tempi, piece.keys, piece.chords, piece.markers)]
    together = np.concatenate([np.asarray(time, dtype=np.int64) for time in times])
    return int(np.gcd.reduce(together, initial=piece.ticks_per_quarter))


def _add_key(attributes: Element, key: Key) -> None:
    element = _add(attributes, "key")
    _add(element, "fifths", key.fifths)
    if key.mode:
        _add(element, "mode", key.mode)


def _key_change(key: Key) -> Element:
    attributes = Element("attributes")
    _add_key(attributes, key)
    return attributes


def _add_clef(attributes: Element, notes: np.ndarray, part: Part) -> None:
    low = len(notes) > 0 and np.median(notes["pitch"]) < 57
    sign, line = CLEFS["percussion" if part.drums else "bass" if low else "treble"]
    clef = _add(attributes, "clef")
    _add(clef, "sign", sign)
    if line:
        _add(clef, "line", line)


def _at(measure: Element, ticks: int, grid: int, element: Element) -> None:
    """Put an element into a measure `ticks` after its start."""
    if ticks:
        _add(_add(measure, "forward"), "duration", ticks // grid)
    measure.append(element)
    if ticks:
        _add(_add(measure, "backup"), "duration", ticks // grid)


def _add_marks(measure: Element, piece: Piece, bar: Bar, grid: int) -> None:
    """Tempi, rehearsal marks and chord symbols; they stand in the first part."""
    for tempo in piece.tempi:
        if bar.start <= tempo.tick < bar.end:
            direction = Element("direction", placement="above")
            metronome = _add(_add(direction, "direction-type"), "metronome")
            _add(metronome, "beat-unit", "quarter")
            _add(metronome, "per-minute", f"{tempo.bpm:.10g}")
            _add(direction, "sound", tempo=f"{tempo.bpm:.10g}")
            _at(measure, tempo.tick - bar.start, grid, direction)
    provenance = _provenance(piece)
    for marker in piece.markers:
        if bar.start <= marker.tick < bar.end and not (marker.tick == 0 and marker.text == provenance):
            direction = Element("direction", placement="above")
            _add(_add(direction, "direction-type"), "rehearsal", marker.text)
            _at(measure, marker.tick - bar.start, grid, direction)
    for chord in piece.chords:
        if bar.start <= chord.tick < bar.end:
            _at(measure, chord.tick - bar.start, grid, _harmony(chord.text))


def _harmony(figure: str) -> Element:
    """A chord symbol, as in "F#m7/C#" or "C7 add #11"; any other text is one without a root."""
    harmony = Element("harmony")
    found = CHORD.fullmatch(figure)
    if not found:
        _add(harmony, "function", figure)
        _add(harmony, "kind", "none").set("text", NOT_XML.sub("", figure))
        return harmony
    step, sign, kind, degrees, bass, bass_sign = found.groups()
    _add_tone(harmony, "root", step, sign)
    _add(harmony, "kind", CHORD_KINDS.get(kind, "other")).set("text", NOT_XML.sub("", kind))
    if bass:
        _add_tone(harmony, "bass", bass, bass_sign)
    for change, sign, number in DEGREE.findall(degrees):
        degree = _add(harmony, "degree")
        _add(degree, "degree-value", number)
        _add(degree, "degree-alter", _semitones(sign))
        _add(degree, "degree-type", change)
    return harmony


def _add_tone(harmony: Element, name: str, step: str, sign: str) -> None:
    tone = _add(harmony, name)
    _add(tone, f"{name}-step", step)
    if sign:
        _add(tone, f"{name}-alter", _semitones(sign))


def _semitones(sign: str) -> int:
    return sign.count("#") - sign.count("b") - sign.count("-")


def _add_voices(measure: Element, lines: list[list[Fragment]], bar: Bar, grid: int, piece: Piece, key: Key) -> None:
    """The notes of one bar of one part, voice after voice, each from the start of the bar."""
    # rests of further voices would only clutter the page: they are not written, and so not part of tuplets either
    lines = [*lines[:1], *([f if f.notes else f._replace(value=None) for f in line] for line in lines[1:])]
    signs = _signs(lines, key)
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        if measure.find("note") is not None:
            _add(_add(measure, "backup"), "duration", (bar.end - bar.start) // grid)
        tuplets = engraving.tuplet_ends(line, piece.ticks_per_quarter)
        for place, fragment in enumerate(line):
            if fragment.notes or number == 1:
                held = not fragment.tied and fragment.onset in piece.fermatas
                _add_chord(measure, fragment, bar, number, grid, key, signs, tuplets.get(place, ()), held)
            else:
                _add(_add(measure, "forward"), "duration", (fragment.end - fragment.start) // grid)


def _signs(lines: list[list[Fragment]], key: Key) -> set[tuple[int, int]]:
    """(start, pitch) of the notes that need an accidental."""
    struck = [(f.start, pitch) for line in lines for f in line for pitch, _ in f.notes if f.start == f.onset]
    struck.sort()
    spelled = [engraving.spelling(pitch, key.fifths, key.mode) for _, pitch in struck]
    return {note for note, needed in zip(struck, engraving.accidentals(spelled, key.fifths), strict=True) if needed}


def _add_chord(
    measure: Element,
    fragment: Fragment,
    bar: Bar,
    voice: int,
    grid: int,
    key: Key,
    signs: set[tuple[int, int]],
    tuplet: Iterable[str],
    held: bool,
) -> None:
    """The <note> elements of a fragment, in the order the schema wants."""
    before = fragment.start > fragment.onset
    ties = [kind for kind, there in (("stop", before), ("start", fragment.tied)) if there and fragment.notes]
    for index, (pitch, velocity) in enumerate(fragment.notes or ((None, VELOCITY),)):
        note = _add(measure, "note")
        if velocity != VELOCITY:
            note.set("dynamics", f"{velocity / 0.9:.2f}")  # percent of velocity 90
        if index:
            _add(note, "chord")
        alter = 0
        if pitch is None:
            rest = _add(note, "rest")
            if bar.complete and fragment.start == bar.start and fragment.end == bar.end:
                rest.set("measure", "yes")
        else:
            step, alter, octave = engraving.spelling(pitch, key.fifths, key.mode)
            element = _add(note, "pitch")
            _add(element, "step", step)
            if alter:
                _add(element, "alter", alter)
            _add(element, "octave", octave)
        _add(note, "duration", (fragment.end - fragment.start) // grid)
        for kind in ties:
            _add(note, "tie", type=kind)
        _add(note, "voice", voice)
        _add_value(note, fragment.value, SIGNS[alter] if (fragment.start, pitch) in signs else None)
        marks = [("tied", kind) for kind in ties] + [("tuplet", kind) for kind in sorted(tuplet) if not index]
        if marks or (held and pitch is not None and not index):
            notations = _add(note, "notations")
            for tag, kind in marks:
                _add(notations, tag, type=kind)
            if held and pitch is not None and not index:
                _add(notations, "fermata")


def _add_value(note: Element, value: Value | None, sign: str | None) -> None:
    if value:
        _add(note, "type", engraving.VALUES[value.division])
        for _ in range(value.dots):
            _add(note, "dot")
    if sign:
        _add(note, "accidental", sign)
    if value and value.tuplet:
        modification = _add(note, "time-modification")
        _add(modification, "actual-notes", value.tuplet[0])
        _add(modification, "normal-notes", value.tuplet[1])
