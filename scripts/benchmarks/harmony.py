"""How well the voices under a soprano are predicted, and how well they are written, on pieces never seen.

The split is that of training, by whole families. What is measured is nats a grid step of alto, tenor and bass, given
the soprano: of a hidden Markov model, see `voicings`, and with --model of one that seqgen has trained on the same
corpus. That one also harmonises the held-out sopranos, and parallels, ranges and crossings stand beside those of the
pieces.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from voicing_steps import SILENT, Steps
from voicings import Smoothing, VoicingModel

from seqgen.api.harmonize import harmonize
from seqgen.api.translator import load
from seqgen.corpus import Document, families, split
from seqgen.corpus.packed import digest
from seqgen.corpus.pair_dataset import held_out_pairs, prepare_pairs
from seqgen.corpus.pairs import PairCorpus, load_pairs
from seqgen.encodings.chorale import Chorale
from seqgen.encodings.grid import CONTROLS
from seqgen.evaluate import part_writing, score_pairs
from seqgen.piece import Meter
from seqgen.threads import one_thread

_FROM, _TO = ("soprano",), ("alto", "tenor", "bass")
_FRACTION, _SEED = 0.1, 0  # of training, where nothing else is asked for
_MARGIN = 2  # semitones that a part may go beyond what is known of it
_INNER = 0.12  # of the training side, to choose the smoothing on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="bach-chorales")
    parser.add_argument("--model", help="of seqgen train bach-chorales --from-part soprano --to-part alto,tenor,bass")
    parser.add_argument("--temperature", type=float, default=1.0, help="of its harmonisations")
    parser.add_argument("--best-of", type=int, default=1, help="of how many the one with the fewest parallels is kept")
    parser.add_argument("--seed", type=int, default=0, help="of its harmonisations")
    parser.add_argument("--tune", action="store_true", help="try other smoothings, on a part of the training side")
    arguments = parser.parse_args()
    corpus = load_pairs(arguments.source, from_parts=_FROM, to_parts=_TO)
    dataset = prepare_pairs(corpus, fraction=_FRACTION, seed=_SEED)
    assert isinstance(dataset.encoding, Chorale)  # as music is
    pieces: dict[str, Any] = {pair.name: pair.target for pair in corpus.pairs}
    learned, test = (
        [transposed(dataset.encoding, row.name, pieces[row.name]) for row in side]
        for side in (dataset.train, dataset.held_out)
    )
    lowest, sizes = ranges(learned)
    learned, test = ([in_values(row, lowest, sizes) for row in side] for side in (learned, test))
    if arguments.tune:
        documents = [Document(row.name, pieces[row.name], digest(pieces[row.name])) for row in learned]
        rest, inner = split(documents, families(documents), _INNER, seed=1)
        tune([learned[index] for index in rest], [learned[index] for index in inner], sizes)
        return
    begun = time.perf_counter()
    with one_thread():  # its products are small: threads would wait for each other
        nats, steps = score(VoicingModel(learned, sizes, Smoothing()), test)
    print(f"{corpus.title}: {len(learned)} pieces to learn from, {len(test)} held out with {steps:,} grid steps")
    print(f"  hidden Markov model   {nats:.4f} nats a step of the voices under the soprano", end="")
    print(f"   ({time.perf_counter() - begun:.0f} s)")
    if arguments.model:
        how = {"temperature": arguments.temperature, "best_of": arguments.best_of}
        report(arguments.model, corpus, how, arguments.seed)


def report(name: str, corpus: PairCorpus, how: dict[str, Any], seed: int) -> None:
    """What a model reaches on the same pieces, and how what it makes of their sopranos is written."""
    translator = load(name)
    known = translator.statistics
    if (known.held_out_fraction, known.split_seed, known.from_parts, known.to_parts) != (_FRACTION, _SEED, _FROM, _TO):
        raise SystemExit(f"{name} has not learned the same voices, or has not held out the same pieces")
    held_out, _ = held_out_pairs(translator.source_spelling, translator.spelling, corpus, _FRACTION, _SEED)
    result = score_pairs(translator.stepper, translator.spelling, held_out)
    print(f"  {name}   {result.nats_per_step:.4f} nats a step, of {result.steps:,}")
    pieces: dict[str, Any] = {pair.name: pair for pair in corpus.pairs}
    pairs = [pieces[row.name] for row in held_out]
    own = [translator.encoding.decode(translator.encoding.encode(pair.target)[0].tokens) for pair in pairs]
    begun = time.perf_counter()
    made = [harmonize(translator, pair.source, seed=seed + number, **how)[0] for number, pair in enumerate(pairs)]
    print(f"  its harmonies, {how}, made in {time.perf_counter() - begun:.0f} s:")
    for row in part_writing(own, made):
        ratio = "" if row.ratio is None else f"   {row.ratio:.2f} times"
        print(f"    {row.name:20} {row.made or 0:7.2%}   of the pieces {row.own or 0:7.2%}{ratio}")


def transposed(encoding: Chorale, name: str, piece: Any) -> Steps:
    """A piece on the grid, at the nearest place without accidentals; its pitches are those of MIDI, and 0 is a rest."""
    tokens = encoding.encode(piece)[0].tokens
    spelled = encoding.decode(tokens)  # a tick is a grid step
    semitones = -((spelled.keys[0].fifths * 7 + 5) % 12 - 5) if spelled.keys else 0
    body = np.array(tokens[CONTROLS:]).reshape(-1, encoding.parts)
    meter = spelled.meters[0] if spelled.meters else Meter(0, 4, 4)
    places = (np.arange(len(body)) - spelled.pickup_ticks) % meter.bar_ticks(encoding.grid) % encoding.grid
    pitches, moves = (
        np.transpose(rows) for rows in zip(*(heard(row, semitones) for row in body.T.tolist()), strict=True)
    )
    return Steps(name, pitches, moves, places)


def heard(tokens: Sequence[str], semitones: int) -> tuple[list[int], list[bool]]:
    """What a part sounds at each grid step, so much higher and 0 for a rest, and whether it moves there."""
    pitches, moves, now = [], [], 0
    for token in tokens:
        then = now if token == "hold" else 0 if token == "rest" else int(token) + semitones
        moves.append(token not in ("hold", "rest") or then != now)
        pitches.append(now := then)
    return pitches, moves


def ranges(chorales: Sequence[Steps]) -> tuple[np.ndarray, list[int]]:
    """The pitch of value 1 in every part, and how many values there are, from MIDI pitches."""
    pitches = np.concatenate([row.pitches for row in chorales])
    lowest = np.where(pitches > 0, pitches, 128).min(axis=0) - _MARGIN
    return lowest, (pitches.max(axis=0) + _MARGIN - lowest + 2).tolist()


def in_values(row: Steps, lowest: np.ndarray, sizes: Sequence[int]) -> Steps:
    """With values for pitches."""
    values = np.where(row.pitches > 0, row.pitches - lowest + 1, SILENT)
    if (values < 0).any() or (values >= sizes).any():
        raise SystemExit(f"{row.name} goes more than {_MARGIN} semitones beyond what is known of a part")
    return row._replace(pitches=values)


def score(model: VoicingModel, chorales: Sequence[Steps]) -> tuple[float, int]:
    """Nats a grid step, and how many steps these are."""
    nats = sum(model.log_soprano(row) - model.log_joint(row) for row in chorales)
    steps = sum(len(row.places) for row in chorales)
    return nats / steps, steps


def tune(learned: Sequence[Steps], inner: Sequence[Steps], sizes: Sequence[int]) -> None:
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
