"""Made pieces and texts, and every encoding with a corpus of them. Nothing here calls the encodings' own helpers."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import floor
from typing import Any

import numpy as np
from hypothesis import strategies as st

from seqgen import encodings
from seqgen.encodings import Encoded, Encoding, Grammar
from seqgen.piece import Key, Meter, Part, Piece
from seqgen.vocabulary import END, UNK, Vocabulary

METERS = [(4, 4), (3, 4), (2, 2), (6, 8), (7, 8), (3, 2), (5, 16), (1, 64), (12, 8)]


def nearest(tick: int, ticks_per_quarter: int, grid: int) -> int:
    """The grid step nearest to a tick; one that lies in the middle goes to the later step."""
    return floor(Fraction(int(tick) * grid, ticks_per_quarter) + Fraction(1, 2))


def spans(piece: Piece, grid: int, part: int | None = None) -> list[tuple[int, int, int, int]]:
    """(first step, end step, pitch, part) of the notes of pitched parts, as every grid encoding quantises them."""
    found = []
    for onset, duration, pitch, _, own in piece.notes.tolist():
        if piece.parts[own].drums or part not in (None, own):
            continue
        first = nearest(onset, piece.ticks_per_quarter, grid)
        last = nearest(onset + duration, piece.ticks_per_quarter, grid)
        found.append((first, max(last, first + 1), pitch, own))
    return found


def rows(piece: Piece) -> list[tuple[int, int, int, int]]:
    """(onset, duration, pitch, part) of all notes, sorted."""
    return sorted((onset, duration, pitch, part) for onset, duration, pitch, _, part in piece.notes.tolist())


def bar_and_pickup(controls: list[str], grid: int) -> tuple[int, int]:
    """Length of a bar and of the pickup in grid steps, by the words of the control tokens."""
    meter, pickup = controls[1].removeprefix("meter="), int(controls[2].removeprefix("pickup="))
    bar = 4 * grid
    if meter != "?":
        numerator, denominator = meter.split("/")
        length = Fraction(4 * grid * int(numerator), int(denominator))
        assert length.denominator == 1, "a meter that does not fit the grid is not spelled"
        bar = int(length)
    return bar, pickup if pickup < bar else 0


# --- pieces -----------------------------------------------------------------------------------------------------------


@st.composite
def signatures(draw: st.DrawFn, ticks_per_quarter: int) -> dict[str, Any]:
    """Key, meter and pickup, or some of them, in any state a file may leave them."""
    fields: dict[str, Any] = {}
    if draw(st.booleans()):
        fields["keys"] = (Key(0, draw(st.integers(-7, 7)), draw(st.sampled_from(["major", "minor", ""]))),)
    if draw(st.booleans()):
        fields["meters"] = (Meter(0, *draw(st.sampled_from(METERS))),)
    if draw(st.booleans()):
        fields["pickup_ticks"] = draw(st.integers(0, 5 * ticks_per_quarter))
    return fields


@st.composite
def voices(draw: st.DrawFn, parts: int, lowest: int = 0, highest: int = 127) -> Piece:
    """`parts` parts of one note at a time, on any ticks."""
    ticks = draw(st.sampled_from([1, 2, 3, 4, 5, 12, 24]))
    notes = []
    for part in range(parts):
        time = 0
        events = draw(
            st.lists(
                st.tuples(st.integers(0, 30), st.integers(1, 40), st.integers(lowest, highest)), min_size=1, max_size=8
            )
        )
        for gap, duration, pitch in events:
            time += gap * draw(st.integers(0, 1))
            notes.append((time, duration, pitch, 64, part))
            time += duration
    return Piece.build(notes, ticks, [Part() for _ in range(parts)], **draw(signatures(ticks)))


@st.composite
def polyphony(draw: st.DrawFn, drums: bool = True, lowest: int = 0, highest: int = 127) -> Piece:
    """Any notes in three parts, the last of drums; at least one note is pitched."""
    ticks = draw(st.sampled_from([1, 3, 4, 5, 12, 24]))
    pitch = st.one_of(st.integers(lowest, min(lowest + 2, highest)), st.integers(lowest, highest))
    note = st.tuples(st.integers(0, 60), st.integers(1, 60), pitch, st.integers(1, 127), st.integers(0, 1 + drums))
    first = (draw(st.integers(0, 60)), draw(st.integers(1, 60)), draw(pitch), 64, 0)
    notes = [first, *draw(st.lists(note, max_size=12))]
    return Piece.build(notes, ticks, [Part(), Part(), Part(drums=True)], **draw(signatures(ticks)))


def made_piece(seed: int, parts: int, grid: int, chords: bool = False, lowest: int = 50, highest: int = 70) -> Piece:
    """A piece of some bars on the grid, with rests, repeated notes, crossings and unisons."""
    random = np.random.default_rng(seed)
    notes = []
    for part in range(parts):
        time = int(random.integers(0, 3))
        for _ in range(12):
            duration = int(random.choice([1, 1, 2, 3, 4, 4, 8]))
            pitches = random.integers(lowest, highest + 1, size=1 + int(chords) * int(random.integers(0, 3)))
            notes += [(time, duration, int(pitch), 80, part) for pitch in pitches]
            time += duration + int(random.choice([0, 0, 0, 1, 5]))
    meter = [(4, 4), (3, 4), (7, 8), (6, 8), None][seed % 5]
    bar = grid * 4 * meter[0] // meter[1] if meter else 4 * grid
    return Piece.build(
        notes,
        grid,
        [Part() for _ in range(parts)],
        keys=(Key(0, seed % 12 - 5, "major" if seed % 2 else "minor"),) if seed % 3 else (),
        meters=(Meter(0, *meter),) if meter else (),
        pickup_ticks=seed % 4 % bar,
    )


# --- texts ------------------------------------------------------------------------------------------------------------

TEXTS = [
    "It was the best of times,  it was the worst of times;\n\tit was (so to say) spring.",
    "«Ça va?» — l'été s’en va… 3.14 %\r\n",
    "春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少？ abc 한국어 문장 カタカナ ー々〆",
    "हिन्दी में, ขอบคุณ שָׁלוֹם مُحَمَّد 👩‍👩‍👧 🇩🇪 e\u0323\u0302 ␣ ▁ \u00a0 \u2003 x\u200bz",
    " leading, trailing  ",
]
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.sampled_from(" \n\t\rab.,'’()«»␣▁\u00a0\u0301\u0323\u200d中文。，カ한́😀é<>joinspacuk_1"), max_size=60),
    st.lists(st.sampled_from([" ", "  ", *" ".join(TEXTS).split()]), max_size=20).map("".join),
    st.sampled_from(TEXTS),
)


# --- every encoding with a corpus -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """An encoding, sources it can take, and what follows from them."""

    encoding: Encoding[Any]
    sources: tuple[Any, ...]
    sequences: tuple[Encoded, ...]
    vocabulary: Vocabulary
    grammar: Grammar

    @property
    def controls(self) -> int:
        return 3 if self.encoding.unit == "music" else 0

    def ids(self, tokens: list[str]) -> list[int]:
        return self.vocabulary.to_ids(tokens).tolist()

    def walked(self, ids: list[int]) -> Any:
        """The state after `ids`."""
        state = self.grammar.start()
        for id in ids:
            state = self.grammar.advance(state, id)
        return state

    def random_walk(self, seed: int, length: int, may_end: bool = True) -> tuple[list[int], list[Any], bool]:
        """Legal ids at random, the state before each and after the last, and whether END was drawn."""
        random = np.random.default_rng(seed)
        # the controls are those of a source, as in generation
        ids = self.ids(self.sequences[seed % len(self.sequences)].tokens[: self.controls])
        states = [self.grammar.start()]
        for id in ids:
            states.append(self.grammar.advance(states[-1], id))
        while len(ids) < length:
            legal = self.grammar.legal(states[-1])
            if may_end and legal[END] and random.random() < 0.03:
                return ids, states, True
            choices = np.flatnonzero(legal)
            ids.append(int(random.choice(choices[choices != END])))
            states.append(self.grammar.advance(states[-1], ids[-1]))
        return ids, states, False


_MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "chars": ("chars", {}),
    "bytes": ("bytes", {}),
    "words": ("words", {}),
    "words-plain": ("words", {"lower": True, "strip_accents": True}),
    "notes": ("notes", {}),
    "notes-sees": ("notes", {"sees": "key bar same 1 2 4 8"}),
    "notes-joint": ("notes", {"joint": True}),
    "notes-joint-sees": ("notes", {"joint": True, "sees": "1 3"}),
    "chorale": ("chorale", {}),
    "chorale-one": ("chorale", {"parts": 1}),
    "chorale-triplets": ("chorale", {"grid": 12, "parts": 2}),
    "chorale-sees": ("chorale", {"parts": 3, "sees": "key bar sounding parallel 1 2"}),
    "frames": ("frames", {}),
    "frames-sees": ("frames", {"sees": "key bar sounding 1 4"}),
    "frames-coarse": ("frames", {"grid": 2}),
}
CASES = list(_MADE)
MUSIC = [name for name in CASES if name.startswith(("notes", "chorale", "frames"))]


@cache
def case(name: str) -> Case:
    encoding = encodings.make(_MADE[name][0], **_MADE[name][1])
    if encoding.unit == "text":
        sources: tuple[Any, ...] = tuple(TEXTS)
    else:
        parts = encoding.options.get("parts", 1 if encoding.name == "notes" else 3)
        chords = encoding.name != "chorale"
        sources = tuple(made_piece(seed, parts, encoding.options["grid"], chords) for seed in range(10))
    sequences = tuple(sequence for source in sources for sequence in encoding.encode(source))
    vocabulary = encoding.vocabulary(sequences)
    assert UNK not in vocabulary.to_ids(token for sequence in sequences for token in sequence.tokens)
    return Case(encoding, sources, sequences, vocabulary, encoding.grammar(vocabulary))
