"""How well the voices under a soprano are predicted by counting: a hidden Markov model, on pieces it never saw.

The split is that of training, by whole families, and what is measured is what an evaluation of pairs of soprano and all
voices says: nats a grid step of alto, tenor and bass, given the soprano. See `voicings` for the model.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np
from voicing_steps import SILENT, Chorale
from voicings import Smoothing, VoicingModel

from seqgen.corpus import families, load_corpus, split
from seqgen.corpus.dataset import Dataset, IdSequence, prepare
from seqgen.vocabulary import UNK

_MARGIN = 2  # semitones that a part may go beyond what is known of it
_INNER = 0.12  # of the training side, to choose the smoothing on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="bach-chorales")
    parser.add_argument("--tune", action="store_true", help="try other smoothings, on a part of the training side")
    arguments = parser.parse_args()
    corpus = load_corpus(arguments.source)
    dataset = prepare(corpus, fraction=0.1, seed=0)
    learned, test = ([transposed(dataset, row) for row in side] for side in (dataset.train, dataset.held_out))
    lowest, sizes = ranges(learned)
    learned, test = ([chorale(row, lowest, sizes) for row in side] for side in (learned, test))
    if arguments.tune:
        names = {row.name for row in dataset.train}
        documents = [document for document in corpus.documents if document.name in names]
        _, chosen = split(documents, families(documents), _INNER, seed=1)
        inner = {documents[index].name for index in chosen}
        tune([row for row in learned if row.name not in inner], [row for row in learned if row.name in inner], sizes)
        return
    begun = time.perf_counter()
    nats, steps = score(VoicingModel(learned, sizes, Smoothing()), test)
    print(f"{corpus.title}: {len(learned)} pieces to count, {len(test)} held out with {steps:,} grid steps")
    print(f"  hidden Markov model   {nats:.4f} nats a step of the voices under the soprano", end="")
    print(f"   ({time.perf_counter() - begun:.0f} s)")


def transposed(dataset: Dataset, sequence: IdSequence) -> Chorale:
    """A piece on the grid, at the nearest place without accidentals; its pitches are those of MIDI, and 0 is a rest."""
    ids = sequence.ids[1:-1]
    if (ids == UNK).any():
        raise SystemExit(f"{sequence.name} has a token that training does not")
    tokens = dataset.vocabulary.to_tokens(ids.tolist())
    piece = dataset.encoding.decode(tokens)
    semitones = -((piece.keys[0].fifths * 7 + 5) % 12 - 5) if piece.keys else 0
    body = np.array(tokens[3:]).reshape(-1, 4)
    grammar = dataset.encoding.grammar(dataset.vocabulary)
    state = grammar.start()
    for id in ids[:3].tolist():
        state = grammar.advance(state, id)
    positions = (np.arange(len(body)) + state.clock.offset) % state.clock.bar
    pitches, moves = (
        np.transpose(rows) for rows in zip(*(heard(row, semitones) for row in body.T.tolist()), strict=True)
    )
    return Chorale(sequence.name, pitches, moves, positions % dataset.encoding.options["grid"])


def heard(tokens: Sequence[str], semitones: int) -> tuple[list[int], list[bool]]:
    """What a part sounds at each grid step, so much higher and 0 for a rest, and whether it moves there."""
    pitches, moves, now = [], [], 0
    for token in tokens:
        then = now if token == "hold" else 0 if token == "rest" else int(token) + semitones
        moves.append(token not in ("hold", "rest") or then != now)
        pitches.append(now := then)
    return pitches, moves


def ranges(chorales: Sequence[Chorale]) -> tuple[np.ndarray, list[int]]:
    """The pitch of value 1 in every part, and how many values there are, from MIDI pitches."""
    pitches = np.concatenate([row.pitches for row in chorales])
    lowest = np.where(pitches > 0, pitches, 128).min(axis=0) - _MARGIN
    return lowest, (pitches.max(axis=0) + _MARGIN - lowest + 2).tolist()


def chorale(row: Chorale, lowest: np.ndarray, sizes: Sequence[int]) -> Chorale:
    """With values for pitches."""
    values = np.where(row.pitches > 0, row.pitches - lowest + 1, SILENT)
    if (values < 0).any() or (values >= sizes).any():
        raise SystemExit(f"{row.name} goes more than {_MARGIN} semitones beyond what is known of a part")
    return row._replace(pitches=values)


def score(model: VoicingModel, chorales: Sequence[Chorale]) -> tuple[float, int]:
    """Nats a grid step, and how many steps these are."""
    nats = sum(model.log_soprano(row) - model.log_joint(row) for row in chorales)
    steps = sum(len(row.places) for row in chorales)
    return nats / steps, steps


def tune(learned: Sequence[Chorale], inner: Sequence[Chorale], sizes: Sequence[int]) -> None:
    """One constant at a time, twice and half."""
    chosen = Smoothing()
    tried = [chosen] + [
        chosen._replace(**{name: value * factor}) for name, value in chosen._asdict().items() for factor in (0.5, 2)
    ]
    for smoothing in tried:
        nats, _ = score(VoicingModel(learned, sizes, smoothing), inner)
        print(f"{nats:.4f}  {smoothing}", flush=True)


if __name__ == "__main__":
    main()
