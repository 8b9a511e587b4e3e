"""Standard MIDI Files. Read by symusic; written here, so that the same piece gives the same bytes everywhere.

What a MIDI file cannot say is normalised, so `read_bytes(to_bytes(piece))` is `piece` except that
- time is at the file's ticks per quarter (see `resolution`),
- parts without notes, markers without text, chord symbols and fermatas are gone,
- a key without mode is major, velocity 0 is 1, a tempo is a whole number of microseconds a quarter (0.06 to
  16.8 seconds), tempi, meters and keys that fall on one tick are the last of them.

The title is the name of the first track, which holds no notes. A pickup is written as a first bar of its own, which
ends where the real meter begins (1/4, then 4/4), and is read back from that.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from seqgen.errors import FormatError
from seqgen.piece import NOTE, Key, Meter, Part, Piece, Tempo, Text

TICKS = 480  # ticks a quarter, if that loses nothing
MAX_TICKS = 32767  # 15 bits of the file header
FINEST_TICKS = 30240  # where nothing is exact: 2^5 * 3^3 * 5 * 7, the finest grid of musical fractions below the limit
MAX_MICROSECONDS = 0xFFFFFF  # a quarter note, 24 bits
DRUM_CHANNEL = 9
MELODIC_CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]
NOT_TITLES = {"conductor", "conductor track", "control track", "tempo", "tempo track", "untitled"}

END_OF_TRACK = b"\xff\x2f\x00"
# one note-off for every pitch of every channel, in the place of an end of track, with the delta time of the next event
ALL_OFF = b"\0".join(bytes([0x80 | channel, pitch, 0]) for channel in range(16) for pitch in range(128)) + b"\0"


def read_bytes(data: bytes, name: str) -> Piece:
    """The piece in a MIDI file; `name` is the file's, for messages.

    Notes that are never ended last until the next of their pitch, else to the end of their track, and are counted in
    `losses`, as is everything a Piece does not hold.

    Raises:
        FormatError: no MIDI, damaged, without notes, or of a kind that has no ticks a quarter or no common time.
    """
    _check_header(data, name)
    score, ends_missing = _parse(data, name)
    tracks_missing = int.from_bytes(data[10:12], "big") - sum(kind == b"MTrk" for kind, _ in _chunks(data))
    tracks = [track for track in score.tracks if len(track.notes)]
    if not tracks:
        raise FormatError(f"{name}: the MIDI file has no notes")
    rows = [track.notes.numpy() for track in tracks]
    part = np.repeat(np.arange(len(rows)), [len(row["time"]) for row in rows])
    notes = np.empty(len(part), dtype=NOTE)
    notes["part"] = part
    for field, key in (("onset", "time"), ("duration", "duration"), ("pitch", "pitch"), ("velocity", "velocity")):
        notes[field] = np.concatenate([row[key] for row in rows])
    if notes["onset"].min() < 0:  # symusic counts in 32 bits
        raise FormatError(f"{name} is longer than 2^31 ticks")
    if ends_missing:
        voice, ends = part * 128 + notes["pitch"], notes["onset"] + notes["duration"]
        notes["duration"] = _first_end(voice, notes["onset"], ends) - notes["onset"]
    single = data[8:10] == b"\0\0"  # format 0: the only track's name is the title, and not that of any part
    parts = [Part("" if single else track.name, track.program, track.is_drum) for track in tracks]
    meters, pickup = _split_pickup([(m.time, m.numerator, m.denominator) for m in score.time_signatures], score.tpq)
    losses = {
        "notes without an end": ends_missing,
        "tracks missing at the end of the file": max(tracks_missing, 0),
        "control changes dropped": sum(len(track.controls) for track in score.tracks),
        "pitch bends dropped": sum(len(track.pitch_bends) for track in score.tracks),
        "lyrics dropped": sum(len(track.lyrics) for track in score.tracks),
        "impossible tempi dropped": sum(not t.mspq for t in score.tempos),
        "impossible keys dropped": sum(not _is_key(k.key, k.tonality) for k in score.key_signatures),
        "impossible meters dropped": sum(not _is_meter(m.numerator, m.denominator) for m in score.time_signatures),
    }
    return Piece.build(
        notes,
        score.tpq,
        parts,
        title=tracks[0].name if single else _first_track_name(data),
        tempi=_last_of_tick(Tempo(t.time, shortest_bpm(t.mspq)) for t in score.tempos if t.mspq),
        meters=meters,
        keys=_last_of_tick(
            Key(k.time, k.key, "minor" if k.tonality else "major")
            for k in score.key_signatures
            if _is_key(k.key, k.tonality)
        ),
        pickup_ticks=pickup,
        markers=tuple(Text(marker.time, marker.text) for marker in score.markers),
        losses={reason: count for reason, count in losses.items() if count},
    )


def _check_header(data: bytes, name: str) -> None:
    if not data:
        raise FormatError(f"{name} is empty")
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        raise FormatError(f"{name} is MIDI wrapped in RIFF (.rmi), which is not read: save it as .mid")
    if data[:4] != b"MThd":
        raise FormatError(f"{name} is not a MIDI file: it begins with {data[:4]!r}, not with b'MThd'")
    if len(data) < 14:
        raise FormatError(f"{name} is cut off in the MIDI header: {len(data)} of 14 bytes")
    kind, _, division = struct.unpack(">HHH", data[8:14])
    if kind == 2:
        raise FormatError(f"{name} is MIDI format 2, independent patterns without a common time: save it as format 1")
    if kind > 2:
        raise FormatError(f"{name} is MIDI format {kind}; only 0 and 1 are known")
    if division & 0x8000:
        raise FormatError(
            f"{name} counts time in film frames (SMPTE), not in quarter notes: save it with a PPQ division"
        )
    if division == 0:
        raise FormatError(f"{name} has 0 ticks a quarter note")


def _parse(data: bytes, name: str):
    """symusic's score, and how many notes had no end: symusic drops them, so each round gives every pitch one more."""
    from symusic.core import ScoreTick

    try:
        score = ScoreTick.from_midi(data)
        missing = 0
        while True:
            data = _with_ends(data)
            ended = ScoreTick.from_midi(data)
            more = sum(len(track.notes) for track in ended.tracks) - sum(len(track.notes) for track in score.tracks)
            if more <= 0:
                return score, missing
            score, missing = ended, missing + more
    except (RuntimeError, ValueError, OverflowError, MemoryError) as error:
        reason = str(error).removeprefix("MiniMidi: ").removesuffix(": iostream error")
        raise FormatError(f"{name} is damaged MIDI: {reason}") from error


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of every chunk that is there as a whole."""
    place = 0
    while place + 8 <= len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "big")
        if place + 8 + length > len(data):
            return
        yield data[place : place + 4], data[place + 8 : place + 8 + length]
        place += 8 + length


def _with_ends(data: bytes) -> bytes:
    """The same file with a note-off for every pitch before the end of each track."""
    ended = []
    for kind, body in _chunks(data):
        if kind == b"MTrk":
            body = body.removesuffix(END_OF_TRACK) if body.endswith(END_OF_TRACK) else body + b"\0"
            body += ALL_OFF + END_OF_TRACK
        ended.append(kind + len(body).to_bytes(4, "big") + body)
    return b"".join(ended)


def _first_end(voice: np.ndarray, onset: np.ndarray, end: np.ndarray) -> np.ndarray:
    """For every note the first end in its voice after its onset.

    symusic pairs the first note-on with the first note-off, so after one missing end every later note of that pitch
    would carry the end of the one before. Times are below 2^31.
    """
    ends = np.sort((voice << 32) + end)
    found = ends[np.minimum(np.searchsorted(ends, (voice << 32) + onset, side="right"), len(ends) - 1)]
    return np.where((found >> 32) == voice, found & 0xFFFFFFFF, end)


def _first_track_name(data: bytes) -> str:
    """The name of the first track if that holds no notes, else "". symusic does not keep it."""
    body = next((body for kind, body in _chunks(data) if kind == b"MTrk"), b"")
    title, place, status = "", 0, 0

    def number() -> int:
        nonlocal place
        value = 0
        while place < len(body):
            place += 1
            value = value << 7 | body[place - 1] & 0x7F
            if body[place - 1] < 0x80:
                break
        return value

    while place < len(body):
        number()  # delta time
        if place < len(body) and body[place] >= 0x80:
            status = body[place]
            place += 1
        if status in (0xFF, 0xF0, 0xF7):
            kind = body[place : place + 1] if status == 0xFF else b""
            place += len(kind)
            length = number()
            if kind == b"\x03" and not title:
                title = body[place : place + length].decode("utf-8", "replace")
            place += length
        elif 0x80 <= status < 0xA0:
            return ""
        else:
            place += 1 if 0xC0 <= status < 0xE0 else 2
    return "" if title.strip().casefold() in NOT_TITLES else title


def shortest_bpm(microseconds: int) -> float:
    """The shortest decimal number of quarters a minute that is stored as these microseconds a quarter.

    >>> shortest_bpm(618557)
    97.0
    """
    exact = 60e6 / microseconds
    return next(
        (bpm for bpm in (round(exact, n) for n in range(8)) if bpm and round(60e6 / bpm) == microseconds), exact
    )


def _microseconds(bpm: float) -> int:
    return min(max(round(60e6 / bpm), 1), MAX_MICROSECONDS)


def _is_key(fifths: int, tonality: int) -> bool:
    return -7 <= fifths <= 7 and tonality in (0, 1)


def _is_meter(numerator: int, denominator: int) -> bool:
    return numerator > 0 and 0 < denominator <= 64


def _last_of_tick(events: Iterable) -> tuple:
    """Events in order of time; of several at one tick the last holds."""
    return tuple(by_tick for _, by_tick in sorted({event.tick: event for event in events}.items()))


def _split_pickup(meters: list[tuple[int, int, int]], ticks_per_quarter: int) -> tuple[tuple[Meter, ...], int]:
    """Meters and the pickup in ticks: a first meter that holds for one bar, shorter than those that follow."""
    found = _last_of_tick(Meter(*meter) for meter in meters if _is_meter(*meter[1:]))
    if len(found) > 1 and found[0].tick == 0:
        first, second = (4 * ticks_per_quarter * meter.numerator / meter.denominator for meter in found[:2])
        if found[1].tick == first < second:
            return (found[1]._replace(tick=0), *found[2:]), found[1].tick
    return found, 0


def to_bytes(piece: Piece) -> bytes:
    """A format 1 file: a track for title, tempi, meters, keys and markers, then one for every part.

    Each melodic part has its own channel; of more than 15, those of one program share one. Drums are on channel 10.

    Raises:
        FormatError: more than 15 programs, a meter MIDI cannot say, or a piece longer than its times can count.
    """
    ticks = resolution(piece)

    def scaled(tick: int) -> int:
        return (2 * tick * ticks + piece.ticks_per_quarter) // (2 * piece.ticks_per_quarter)

    tracks = [_conductor(piece, ticks, scaled)]
    channels = _channels(piece.parts)
    for index, (part, channel) in enumerate(zip(piece.parts, channels, strict=True)):
        events = [(0, 0, _meta(0x03, _utf8(part.name)))] if part.name else []
        events.append((0, 1, bytes([0xC0 | channel, part.program])))
        for onset, duration, pitch, velocity, _ in piece.part_notes(index).tolist():
            start = scaled(onset)
            events.append((start, 3, bytes([0x90 | channel, pitch, max(velocity, 1)])))
            # an end comes before a strike at the same tick, so that repeated notes stay apart
            events.append((max(scaled(onset + duration), start + 1), 2, bytes([0x80 | channel, pitch, 0])))
        tracks.append(_track(events))
    return _chunk(b"MThd", struct.pack(">HHH", 1, len(tracks), ticks)) + b"".join(tracks)


def resolution(piece: Piece) -> int:
    """Ticks a quarter a MIDI file of this piece has: the first of these that every time of the piece is a multiple of.

    480; the piece's own; the fewest possible. If none is in reach, times are rounded to the 30240th of a quarter.
    """
    times = [piece.notes["onset"], piece.notes["onset"] + piece.notes["duration"], [piece.pickup_ticks]]
    times += [[event.tick for event in events] for events in (piece.tempi, piece.meters, piece.keys, piece.markers)]
    own = piece.ticks_per_quarter
    step = int(np.gcd.reduce(np.concatenate([np.asarray(time, dtype=np.int64) for time in times]), initial=own))
    fewest = own // step
    choices = (TICKS if TICKS % fewest == 0 else own, own, fewest, FINEST_TICKS)
    return next(choice for choice in choices if choice <= MAX_TICKS)


def _conductor(piece: Piece, ticks: int, scaled) -> bytes:
    events = [(0, 0, _meta(0x03, _utf8(piece.title)))] if piece.title else []
    events += [(scaled(marker.tick), 4, _meta(0x06, _utf8(marker.text))) for marker in piece.markers if marker.text]
    events += [
        (scaled(tempo.tick), 3, _meta(0x51, _microseconds(tempo.bpm).to_bytes(3, "big"))) for tempo in piece.tempi
    ]
    for key in piece.keys:
        fifths = (key.fifths + 5) % 12 - 5 if abs(key.fifths) > 7 else key.fifths
        events.append((scaled(key.tick), 2, _meta(0x59, struct.pack(">bB", fifths, key.mode == "minor"))))
    for tick, numerator, denominator in _with_pickup(piece):
        power = denominator.bit_length() - 1
        if denominator != 1 << power or denominator > 64 or not 0 < numerator < 256:
            raise FormatError(f"MIDI has no meter {numerator}/{denominator}")
        events.append((scaled(tick), 1, _meta(0x58, bytes([numerator, power, max(96 // denominator, 1), 8]))))
    return _track(events)


def _with_pickup(piece: Piece) -> list[Meter]:
    """The meters, the pickup as a bar of its own if a meter can say how long it is."""
    meters = list(piece.meters)
    if not piece.pickup_ticks or not meters or meters[0].tick or any(m.tick <= piece.pickup_ticks for m in meters[1:]):
        return meters
    for denominator in (meters[0].denominator, 4, 8, 16, 32, 64):
        numerator, rest = divmod(piece.pickup_ticks * denominator, 4 * piece.ticks_per_quarter)
        if not rest and 0 < numerator < 256:
            return [Meter(0, numerator, denominator), meters[0]._replace(tick=piece.pickup_ticks), *meters[1:]]
    return meters


def _channels(parts: Iterable[Part]) -> list[int]:
    melodic = [index for index, part in enumerate(parts) if not part.drums]
    owners = melodic
    if len(melodic) > len(MELODIC_CHANNELS):
        owners = sorted({part.program for part in parts if not part.drums})
    if len(owners) > len(MELODIC_CHANNELS):
        raise FormatError(
            f"{len(melodic)} melodic parts with {len(owners)} different programs do not fit into MIDI's 15 channels"
        )
    channel = dict(zip(owners, MELODIC_CHANNELS, strict=False))
    keys = [index if owners is melodic else part.program for index, part in enumerate(parts)]
    return [DRUM_CHANNEL if part.drums else channel[key] for part, key in zip(parts, keys, strict=True)]


def _track(events: list[tuple[int, int, bytes]]) -> bytes:
    """A track of (tick, order within the tick, bytes) events."""
    events.sort(key=lambda event: event[:2])
    ticks = [0, *(tick for tick, _, _ in events)]
    if ticks[-1] > 0x0FFFFFFF:
        raise FormatError(f"the piece is too long for MIDI: {ticks[-1]} ticks")
    deltas = (_length(after - before) for before, after in pairwise(ticks))
    body = b"".join(delta + event for delta, (_, _, event) in zip(deltas, events, strict=True))
    return _chunk(b"MTrk", body + b"\0" + END_OF_TRACK)


def _meta(kind: int, data: bytes) -> bytes:
    return bytes([0xFF, kind]) + _length(len(data)) + data


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "big") + body


def _length(number: int) -> bytes:
    """A variable-length quantity: 7 bits a byte, all but the last with the high bit set."""
    if number < 0x80:
        return bytes([number])
    return bytes([number >> shift & 0x7F | 0x80 for shift in (21, 14, 7) if number >> shift]) + bytes([number & 0x7F])


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
