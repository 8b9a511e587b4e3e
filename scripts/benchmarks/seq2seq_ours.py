"""Ours, for `seq2seq.py`: training by the loop of `seqgen train`, decoding by numpy stepper and by Translator."""

from collections.abc import Callable

import numpy as np
from seq2seq_tasks import Decode, Pairs, Task, Weights, random_pairs

from seqgen.api.translator import Translator
from seqgen.corpus.pair_batches import PairBatch
from seqgen.corpus.pair_dataset import PairDataset, prepare_pairs
from seqgen.corpus.pairs import PairCorpus
from seqgen.encodings import make
from seqgen.modelfile import Corpus, Header, Side, Sides, Training
from seqgen.models.pairs import logits_of
from seqgen.runtime.seq2seq import Seq2SeqStepper
from seqgen.sampling import Setting, beam, greedy
from seqgen.training import PairSettings
from seqgen.training.loop import Run, learner_of
from seqgen.training.presets import preset
from seqgen.vocabulary import SPECIALS, Vocabulary

EPOCH = 20  # batches


def logits(task: Task, weights: Weights, pairs: Pairs) -> np.ndarray:
    """`(Ty, batch, n_values)`, which those of the peers must equal."""
    real, counts = (np.ones(array.shape, np.float32) for array in (pairs.source, pairs.ids))
    features = np.zeros((*pairs.ids.shape, 0), np.int32)
    source, ids, targets = (array.astype(np.int32) for array in pairs)
    batch = PairBatch(source, real, ids, features, targets, counts)
    return logits_of(task.architecture, weights, batch).numpy()


def training(task: Task, shards: int) -> Callable[[], None]:
    """A step of training."""
    settings = PairSettings(
        preset=task.name,
        n_a=task.architecture.n_a,
        batch_size=task.batch,
        dropout=0.0,
        optimizer="adam",
        max_steps=10**9,
        shards=shards,
    )
    run = Run(learner_of(_dataset(task), settings))
    batches = run.batches()
    first = next(batches)
    shapes = first.source.shape, first.targets.shape, int(first.weights.sum())
    wanted = (task.source_length, task.batch), (task.target_length, task.batch), task.target_length * task.batch
    if run.architecture != task.architecture or shapes != wanted:
        raise SystemExit(f"{run.architecture} with batches of {shapes} is not {task}")
    return lambda: run.step(next(batches))


def decoding(task: Task, weights: Weights, source: np.ndarray, width: int) -> Decode:
    """From the ids of sources `(Tx, batch)`; greedy for a width of 1, else a beam search."""
    stepper = Seq2SeqStepper(task.architecture, weights)
    setting = Setting(stepper, make("chars").grammar(_vocabulary(task.architecture.n_values)))
    sources = list(np.ascontiguousarray(source.T))
    prefixes: list[list[int]] = [[] for _ in sources]

    def run() -> tuple[np.ndarray, np.ndarray | None]:
        encoded = stepper.encode(sources)
        if width == 1:
            found = greedy(setting, prefixes, [task.steps] * len(sources), contexts=encoded)
        else:
            found = [beam(setting, [], task.steps, width, context=one)[0] for one in encoded]
        return np.array([one.ids for one, _ in found]), np.array([value for _, value in found])

    return run


def translating(task: Task, weights: Weights, source: np.ndarray, width: int) -> Decode:
    """The same by Translator, from text to text."""
    model = task.architecture
    sides = []
    for values, (encoding, options) in (
        (model.source_values, preset(task.name).source_as),
        (model.n_values, preset(task.name).target_as),
    ):
        sides.append(Side(encoding=encoding, options=options, vocabulary=list(_vocabulary(values).tokens)))
    header = Header(
        kind="seq2seq",
        architecture=model,
        sides=Sides(source=sides[0], target=sides[1]),
        training=Training(seed=0, steps=0, epochs=0, seconds=0),
        corpus=Corpus(digest="", names=[]),
        version="",
    )
    translator, texts = Translator(header, weights), _texts(source[:-1])
    search = {} if width == 1 else {"beam": width, "length_penalty": 0.0}

    def run() -> tuple[np.ndarray, np.ndarray | None]:
        found = translator.translate(texts, steps=task.steps, **search)
        return np.array([one.ids for one in found]), np.array([one.score for one in found])

    return run


def _dataset(task: Task) -> PairDataset:
    """Pairs of equal lengths, in which every token of both vocabularies occurs."""
    pairs, parts = random_pairs(task, task.batch * EPOCH), preset(task.name)
    return prepare_pairs(
        PairCorpus.of(_texts(pairs.source[:-1]), _texts(pairs.targets[:-1])),
        source_as=parts.source_as[0],
        source_options=parts.source_as[1],
        target_as=parts.target_as[0],
        target_options=parts.target_as[1],
        fraction=0.0,
    )


def _vocabulary(n_values: int) -> Vocabulary:
    return Vocabulary.of(_character(id) for id in range(len(SPECIALS), n_values))


def _texts(ids: np.ndarray) -> list[str]:
    """Of ids `(length, count)`, without specials."""
    return ["".join(map(_character, column)) for column in ids.T.tolist()]


def _character(id: int) -> str:
    """Chinese characters, each of which is a word as well."""
    return chr(0x4E00 + id)
