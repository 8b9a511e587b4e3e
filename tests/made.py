"""What several folders of tests share: made pieces, texts and models, and toy steppers. All of it small."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from seqgen import Model, __version__, encodings, modelfile
from seqgen.corpus import Corpus, Document
from seqgen.corpus.dataset import prepare
from seqgen.corpus.packed import digest
from seqgen.modelfile import Architecture, Header, Seq2Seq, Side, Sides, Training, tensor_shapes
from seqgen.piece import Key, Meter, Part, Piece, Tempo
from seqgen.runtime import RecurrentStepper
from seqgen.vocabulary import Vocabulary

FOLK = [62, 67, 67, 69, 71, 67, 71, 69, 67, 69, 71, 72, 74, 67, 71, 69]  # sixteen quarter notes, four bars


def midi(notes: Sequence[tuple[int, int]], meter: tuple[int, int] = (4, 2)) -> bytes:
    """A type-0 file at 4 ticks a quarter: (pitch, ticks) one after the other; meter (4, 2) is 4/4, (3, 2) is 3/4."""
    track = b"\x00\xff\x58\x04" + bytes([*meter, 24, 8])
    track += b"\x00\xff\x51\x03\x07\xa1\x20"  # 120 quarters a minute
    for pitch, ticks in notes:
        track += bytes([0, 0x90, pitch, 80, ticks, 0x80, pitch, 0])  # on, `ticks` later off
    track += b"\x00\xff\x2f\x00"  # end of track
    return b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x04MTrk" + len(track).to_bytes(4, "big") + track


def tune(seed: int, bars: int = 4) -> list[tuple[int, int]]:
    """Notes of bars of 4/4 for `midi`: a walk over a scale in quarters and eighths, another for every seed."""
    random = np.random.default_rng(seed)
    scale, place, notes = [60, 62, 64, 65, 67, 69, 71, 72, 74], int(random.integers(9)), []
    for _ in range(4 * bars):
        for ticks in ((4,), (2, 2))[int(random.integers(2))]:
            place = int(np.clip(place + random.choice([-2, -1, 1, 2]), 0, 8))
            notes.append((scale[place], ticks))
    return notes


def piece(
    seed: int,
    *,
    parts: int = 1,
    meter: tuple[int, int] = (4, 4),
    pickup: int = 0,
    bars: int = 3,
    chords: bool = False,
    durations: Sequence[int] = (1, 2, 3, 4),
    key: int = 0,
) -> Piece:
    """A piece at 4 ticks a quarter whose last note ends on the bar; pickup and durations in ticks, some rests."""
    random = np.random.default_rng(seed)
    length = pickup + bars * 16 * meter[0] // meter[1]
    rows = []
    for part in range(parts):
        time, rested = 0, False
        while time < length:
            duration = min(int(random.choice(durations)), length - time)
            rested = not rested and 0 < time < length - duration and random.random() < 0.15
            pitches = set(random.integers(55, 72, size=1 + chords * int(random.integers(3))).tolist())
            rows += [(time, duration, pitch, 80, part) for pitch in pitches if not rested]
            time += duration
    return Piece.build(
        rows,
        4,
        [Part() for _ in range(parts)],
        meters=(Meter(0, *meter),),
        keys=(Key(0, key, "major"),),
        tempi=(Tempo(0, 100.0),),
        pickup_ticks=pickup,
    )


def document(content: Piece | str, name: str) -> Document:
    return Document(name, content, digest(content))


def vocabulary_of(encoding: encodings.Encoding, sources: Sequence[Piece | str]) -> Vocabulary:
    return encoding.vocabulary([sequence for source in sources for sequence in encoding.encode(source)])


def random_weights(architecture: Architecture | Seq2Seq, seed: int = 0, scale: float = 0.5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    shapes = tensor_shapes(architecture)
    return {name: random.normal(size=shape, scale=scale).astype(np.float32) for name, shape in shapes.items()}


def random_stepper(
    encoding: encodings.Encoding, vocabulary: Vocabulary, seed: int = 0, cell="lstm", scale: float = 0.5
) -> RecurrentStepper:
    """A model of the right shape that has learned nothing."""
    sizes = tuple(encoding.grammar(vocabulary).feature_sizes)
    architecture = Architecture(cell=cell, n_a=7, layers=1, n_values=len(vocabulary), feature_sizes=sizes)
    return RecurrentStepper(architecture, random_weights(architecture, seed, scale))


class Toy:
    """A strict stepper: logits are valid until the next call, a state may be used once, `take` copies.

    The state is (row number at the start, steps so far); `logits(row, time)` says what to answer.
    """

    def __init__(self, n_values: int) -> None:
        self.n_values = n_values
        self.calls: list[list[int]] = []  # the ids of every step
        self.given: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)  # for each row its ids with features

    def logits(self, row: int, time: int) -> np.ndarray:
        raise NotImplementedError

    def start(self, batch: int, context: None = None) -> tuple[np.ndarray, ...]:
        self._logits = np.zeros((batch, self.n_values), np.float32)
        return np.arange(batch), np.zeros(batch, int)

    def step(self, ids, state, features=None):
        rows, times = state
        assert len(ids) == len(rows)
        assert (rows >= 0).all(), "this state has been used before"
        if len(self._logits) != len(rows):
            self._logits = np.zeros((len(rows), self.n_values), np.float32)
        self._logits[:] = [self.logits(row, time) for row, time in zip(rows.tolist(), times.tolist(), strict=True)]
        self.calls.append(list(map(int, ids)))
        for index, row in enumerate(rows.tolist()):
            self.given[row].append((int(ids[index]), [] if features is None else features[index].tolist()))
        after = rows.copy(), times + 1
        rows[:] = -1
        return self._logits, after

    def take(self, state, rows):
        assert (state[0] >= 0).all(), "this state has been used before"
        return tuple(array[rows] for array in state)


class Spelling(Toy):
    """Every row spells its own word, then END, whatever it is given: the id after START is the first of the word."""

    def __init__(self, vocabulary: Vocabulary, words: Sequence[Sequence[str]]) -> None:
        super().__init__(len(vocabulary))
        self.words = [vocabulary.to_ids([*word, "<end>"]).tolist() for word in words]

    def logits(self, row: int, time: int) -> np.ndarray:
        word = self.words[row]
        return np.where(np.arange(self.n_values) == word[min(time, len(word) - 1)], 50.0, 0.0)


class Noise(Toy):
    """Random logits, other ones in every row and at every step."""

    def __init__(self, n_values: int, seed: int = 0, favour: dict[int, float] | None = None) -> None:
        super().__init__(n_values)
        self.seed, self.favour = seed, favour or {}

    def logits(self, row: int, time: int) -> np.ndarray:
        values = np.random.default_rng([self.seed, row, time]).normal(size=self.n_values, scale=2)
        for id, bonus in self.favour.items():
            values[id] += bonus
        return values


class Uniform(Toy):
    """Knows nothing."""

    def logits(self, row: int, time: int) -> np.ndarray:
        return np.zeros(self.n_values)


class Climbing:
    """After a pitch it wants the next higher one, by so many nats, and knows nothing else."""

    def __init__(self, table: encodings.Table, wish: float) -> None:
        self.n_values, self.wish = len(table.kind), wish
        self.pitch = np.where(table.strikes, table.pitches.argmax(axis=1), 0)

    def start(self, batch, context=None):
        return (np.zeros(batch, int),)

    def step(self, ids, state, features=None):
        last = np.where(self.pitch[ids] > 0, self.pitch[ids], state[0])
        return np.where(self.pitch == last[:, None] + 1, np.float32(self.wish), np.float32(0)), (last,)

    def take(self, state, rows):
        return tuple(array[rows] for array in state)


def untrained(encoding: str, sources: Sequence[Piece | str], seed: int = 0, **options) -> Model:
    """A model that has learned nothing but the vocabulary and the beginnings of `sources`."""
    unit = "text" if isinstance(sources[0], str) else "music"
    documents = tuple(document(source, f"document {number}") for number, source in enumerate(sources))
    dataset = prepare(Corpus("made", unit, documents), encoding=encoding, options=options, fraction=0)
    sizes = tuple(dataset.encoding.grammar(dataset.vocabulary).feature_sizes)
    architecture = Architecture(cell="lstm", n_a=7, layers=1, n_values=len(dataset.vocabulary), feature_sizes=sizes)
    side = Side(encoding=encoding, options=dataset.encoding.options, vocabulary=list(dataset.vocabulary.tokens))
    header = Header(
        kind="generator",
        architecture=architecture,
        sides=Sides(target=side),
        training=Training(seed=0, steps=0, epochs=0.0, seconds=0.0),
        corpus=modelfile.Corpus(digest="made", names=[], statistics=dataset.statistics),
        version=__version__,
    )
    return Model(header, random_weights(architecture, seed))
