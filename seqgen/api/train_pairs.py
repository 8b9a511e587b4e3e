"""Training an encoder-decoder in one call: pairs in, a Translator out."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from seqgen import modelfile
from seqgen.api.train import NAMES_KEPT, require_tensorflow
from seqgen.api.translator import Translator
from seqgen.architecture import Seq2Seq
from seqgen.corpus.pair_dataset import PairDataset, prepare_pairs
from seqgen.corpus.pairs import PairCorpus, load_pairs
from seqgen.errors import CorpusError
from seqgen.modelfile import Header, Sides, Training
from seqgen.version import __version__

if TYPE_CHECKING:
    from seqgen.training import PairSettings, Report, Result
    from seqgen.training.loop import History


@dataclass(frozen=True)
class TrainedPairs:
    """A training run that has ended."""

    model: Translator
    result: "Result"
    dataset: PairDataset


def train_pairs(
    *sources: str | os.PathLike[str] | PairCorpus,
    source_as: str | None = None,
    target_as: str | None = None,
    source_options: dict[str, Any] | None = None,
    target_options: dict[str, Any] | None = None,
    from_parts: Sequence[str] | None = None,
    to_parts: Sequence[str] | None = None,
    max_length: int | None = None,
    valid: str | os.PathLike[str] | PairCorpus | None = None,
    valid_fraction: float = 0.1,
    checkpoint_path: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    **settings: Any,
) -> Translator:
    """Learn to turn sources into targets, as `seqgen train pairs.tsv` does.

    sources: a .tsv file of pairs, two files whose lines belong together, a `PairCorpus`; or scores, with `from_parts`
    and `to_parts` (names such as "soprano"). source_as, target_as, source_options, target_options: the encodings, as in
    `encodings.make`; by the preset where they are not given. max_length: longer lines are left out. settings: those of
    `training.PairSettings`, for example `preset="bahdanau-gru"`, `minutes=2`. The rest is as in `seqgen.train`.

    Raises:
        CorpusError, ConfigError: nothing to learn from, a setting out of range, parts that do not go together.
        MissingExtra: no TensorFlow. TrainingError: the loss is not finite; a checkpoint cannot be used or written.
    """
    require_tensorflow()
    from seqgen.training import PairSettings, make_settings

    chosen = with_preset(make_settings(PairSettings, **settings), from_parts)
    corpus = as_pairs(sources, from_parts, to_parts, max_length)
    held_out = valid if isinstance(valid, PairCorpus) or valid is None else as_pairs([valid], from_parts, to_parts)
    dataset = prepare(
        corpus,
        chosen,
        source_as=source_as,
        target_as=target_as,
        source_options=source_options,
        target_options=target_options,
        held_out=held_out,
        fraction=valid_fraction,
    )
    checkpoint = {"checkpoint_path": checkpoint_path, "checkpoint_every": checkpoint_every, "resume": resume}
    return train_pairs_on(corpus, dataset, chosen, **checkpoint).model


def with_preset(settings: "PairSettings", from_parts: Sequence[str] | None) -> "PairSettings":
    """The settings with a preset, where none was asked for: that of music for parts of scores."""
    from seqgen.training.presets import DEFAULT, MUSIC

    return replace(settings, preset=settings.preset or (MUSIC if from_parts else DEFAULT))


def as_pairs(
    sources: Sequence[str | os.PathLike[str] | PairCorpus],
    from_parts: Sequence[str] | None = None,
    to_parts: Sequence[str] | None = None,
    max_length: int | None = None,
    **reading: Any,
) -> PairCorpus:
    """One corpus of pairs from paths and names, or the one that is given.

    Raises:
        CorpusError: nothing to read, or a PairCorpus together with something else.
    """
    first = sources[0] if len(sources) == 1 else None
    if isinstance(first, PairCorpus):
        return first
    paths = [os.fspath(source) for source in sources if not isinstance(source, PairCorpus)]
    if len(paths) < len(sources):
        raise CorpusError("give one PairCorpus, or any number of paths and names, not both")
    return load_pairs(*paths, from_parts=from_parts, to_parts=to_parts, max_length=max_length, **reading)


def prepare(
    corpus: PairCorpus,
    settings: "PairSettings",
    *,
    source_as: str | None = None,
    target_as: str | None = None,
    source_options: dict[str, Any] | None = None,
    target_options: dict[str, Any] | None = None,
    held_out: PairCorpus | None = None,
    fraction: float = 0.1,
) -> PairDataset:
    """Encode and split pairs; what is not given of text is as the settings' preset has it."""
    from seqgen.training.presets import preset

    chosen: dict[str, Any] = {"source_as": source_as, "target_as": target_as}
    options: dict[str, Any] = {"source_options": source_options, "target_options": target_options}
    parts = preset(settings.preset)
    for side, unit, (name, more) in (
        ("source", corpus.source_unit, parts.source_as),
        ("target", corpus.target_unit, parts.target_as),
    ):
        if unit == "text" and chosen[f"{side}_as"] in (None, name):
            chosen[f"{side}_as"] = name
            options[f"{side}_options"] = {**more, **(options[f"{side}_options"] or {})}
    return prepare_pairs(corpus, **chosen, **options, held_out=held_out, fraction=fraction, seed=settings.seed)


def train_pairs_on(
    corpus: PairCorpus,
    dataset: PairDataset,
    settings: "PairSettings",
    *,
    on_step: "Callable[[Report], None] | None" = None,
    on_validation: "Callable[[Report, Translator], None] | None" = None,
    curves_beside: str | os.PathLike[str] | None = None,
    **checkpoint: Any,
) -> TrainedPairs:
    """Train on prepared pairs; everything as in `api.train.train_on`."""
    require_tensorflow()
    from seqgen.training import curves, fit

    def validated(report: "Report", history: "History", architecture: Seq2Seq, weights: dict) -> None:
        if curves_beside is not None:
            with suppress(OSError):  # no reason to lose the training; a full disk is said when the model is saved
                curves.write(curves_beside, history)
        if on_validation is not None:
            on_validation(report, Translator(_header(corpus, dataset, architecture, settings, report), weights))

    result = fit(dataset, settings, on_step=on_step, on_validation=validated, **checkpoint)
    header = _header(corpus, dataset, result.architecture, result.settings, result.report)
    return TrainedPairs(Translator(header, result.weights), result, dataset)


def _header(corpus: PairCorpus, dataset: PairDataset, architecture: Any, settings: Any, report: "Report") -> Header:
    held_out = {pair.name for pair in dataset.held_out}
    kept = list(dict.fromkeys(pair.name for pair in corpus.pairs[:NAMES_KEPT]))
    return Header(
        kind="seq2seq",
        architecture=architecture,
        sides=Sides(source=dataset.source_spelling.side(), target=dataset.spelling.side()),
        training=Training(
            seed=settings.seed,
            steps=report.steps,
            epochs=round(report.epochs, 3),
            # a run whose length is in steps writes the same file again
            seconds=round(report.seconds, 1) if settings.max_steps is None and settings.epochs is None else 0.0,
            valid_nats=report.best_nats,
            settings=settings.as_dict(),
        ),
        corpus=modelfile.Corpus(
            digest=corpus.digest,
            names=kept,
            held_out=[name for name in kept if name in held_out],
            statistics=dataset.statistics,
        ),
        version=__version__,
    )
