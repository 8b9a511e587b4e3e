"""Training in one call: a corpus in, a Model out. TensorFlow is loaded here, when it is needed and not before."""

import importlib.util
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from msgspec import json, structs

from seqgen import encodings, modelfile, runtime
from seqgen.api.model import Model, load
from seqgen.corpus import Corpus, load_corpus
from seqgen.corpus.dataset import Dataset, at_most, prepare
from seqgen.errors import ConfigError, CorpusError, MissingExtra
from seqgen.evaluate import NgramStepper, Score, score, surprises, typical
from seqgen.modelfile import Architecture, Header, Side, Sides, Training
from seqgen.originality import of_dataset
from seqgen.version import __version__

if TYPE_CHECKING:
    from seqgen.training import Report, Result, Settings
    from seqgen.training.loop import History
    from seqgen.training.settings import RunSettings

NAMES_KEPT = 2000
FINAL_TOKENS = 1_000_000  # held out, at most this many are scored at the end, which takes about ten seconds
USUAL_PIECES = 200  # at most this many say what is usual
BASELINE_TOKENS = 5_000_000  # to train on, at most this many are counted for the baseline


@dataclass(frozen=True)
class Trained:
    """A training run that has ended."""

    model: Model
    result: "Result"
    dataset: Dataset


def train(
    *sources: str | os.PathLike[str] | Corpus,
    encoding: str | None = None,
    options: dict[str, Any] | None = None,
    valid: str | os.PathLike[str] | Corpus | None = None,
    valid_fraction: float = 0.1,
    from_model: Model | str | os.PathLike[str] | None = None,
    checkpoint_path: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    **settings: Any,
) -> Model:
    """Learn from files, folders or named corpora, as `seqgen train` does.

    encoding, options: as in `encodings.make`; chosen from the sources where they are not given. valid: what to hold
    out, else `valid_fraction` of the sources, by whole families. from_model: begin with what this model, or the one in
    this file, has learned; encoding, cell, n_a and layers are then its own. checkpoint_path: where the run is saved,
    every `checkpoint_every` steps or else whenever it is scored, so that the same call with `resume=True` goes on; the
    file stays. settings: those of `training.Settings`, for example `minutes=2`, `n_a=256`, `seed=1`. Without a length
    training ends when the held-out loss stalls, at most after ten minutes.

    Raises:
        CorpusError, ConfigError: nothing to learn from, or a setting out of range, or not that of `from_model`.
        ModelFileError: `from_model` cannot be loaded. MissingExtra: no TensorFlow.
        TrainingError: the loss is not finite; there is nothing to resume; a checkpoint cannot be written.
        ClusterError: TF_CONFIG names several workers, and another one has stopped.
    """
    require_tensorflow()
    from seqgen.training import make_settings

    chosen = make_settings(**settings)
    if from_model is not None:
        from_model = from_model if isinstance(from_model, Model) else load(from_model)
        encoding, options, chosen = like(from_model, encoding, options, chosen)
    corpus = as_corpus(sources)
    held_out = valid if isinstance(valid, Corpus) or valid is None else load_corpus(valid)
    dataset = prepare(
        corpus,
        encoding=encoding,
        options=options,
        held_out=held_out,
        fraction=valid_fraction,
        seed=chosen.seed,
        features=chosen.features,
    )
    checkpoint = {"checkpoint_path": checkpoint_path, "checkpoint_every": checkpoint_every, "resume": resume}
    return train_on(corpus, dataset, chosen, from_model=from_model, **checkpoint).model


def like(
    model: Model, encoding: str | None, options: dict[str, Any] | None, settings: "Settings"
) -> tuple[str, dict[str, Any], "Settings"]:
    """Encoding, options and settings for going on from `model`: its own, where they are not given.

    Raises:
        ConfigError: one is given, and not as the model has it.
    """
    from seqgen.training.settings import UNITS

    settings.check()
    side, shape = model.header.sides.target, model.header.architecture
    own = {"cell": shape.cell, "n_a": shape.n_a, "layers": shape.layers}
    given = {"cell": settings.cell, "n_a": settings.n_a or UNITS.get(settings.size or ""), "layers": settings.layers}
    wanted = {"encoding": encoding, **{name: value for name, value in given.items() if value}}
    # what the model's file does not state it has at the encoding's default, not at that of training
    stated = {**dict.fromkeys(encodings.training_options(side.encoding), ""), **side.options}
    # an option that the encoding does not have is refused where the encoding is made
    wanted |= {name: value for name, value in (options or {}).items() if name in stated}
    has = {"encoding": side.encoding, **own, **stated}
    for name, value in wanted.items():
        if value is not None and value != has[name]:
            raise ConfigError(
                f"the model to begin from has {name} {has[name]!r}, not {value!r}:"
                f" leave {name} out, or begin without that model"
            )
    return side.encoding, {**stated, **(options or {})}, replace(settings, **own)


def train_on(
    corpus: Corpus,
    dataset: Dataset,
    settings: "Settings",
    *,
    on_step: "Callable[[Report], None] | None" = None,
    on_validation: "Callable[[Report, Model], None] | None" = None,
    curves_beside: str | os.PathLike[str] | None = None,
    from_model: Model | None = None,
    **checkpoint: Any,
) -> Trained:
    """Train on a prepared dataset; the hooks are told how it goes. Ctrl-C ends it early with the best so far.

    from_model: begin with its weights; dataset and settings are `like` it. curves_beside: a model file, beside which
    the learning curves are written at every validation, where they can be. checkpoint: `checkpoint_path`,
    `checkpoint_every` and `resume` of `training.fit`.
    """
    require_tensorflow()
    from seqgen.training import curves, fit
    from seqgen.training.start import Start

    start = None
    if from_model is not None:
        rows = (*from_model.vocabulary.tokens, *from_model.grammar.feature_names)
        start = Start(from_model.weights, rows)

    def validated(report: "Report", history: "History", architecture: Architecture, weights: dict) -> None:
        if curves_beside is not None:
            with suppress(OSError):  # no reason to lose the training; a full disk is said when the model is saved
                curves.write(curves_beside, history)
        if on_validation is not None:
            header = _header(corpus, dataset, architecture, settings, report, from_model)
            on_validation(report, Model(header, weights))

    result = fit(dataset, settings, on_step=on_step, on_validation=validated, start=start, **checkpoint)
    index, unseen = of_dataset(dataset)
    if unseen is not None:
        dataset = replace(dataset, statistics={**dataset.statistics, "unseen_copied": unseen.as_dict()})
    header = _header(corpus, dataset, result.architecture, result.settings, result.report, from_model)
    header = structs.replace(header, corpus=_with_usual(header, dataset, result.weights))
    return Trained(Model(header, result.weights, index.tensors() if index else None), result, dataset)


def held_out_scores(model: Model, dataset: Dataset, order: int) -> tuple[Score, Score] | None:
    """The model's score on the held-out side, and that of an n-gram baseline trained on the same; None without one.

    Of long texts the first FINAL_TOKENS held out are scored, and the baseline knows the first BASELINE_TOKENS.
    """
    if not dataset.held_out:
        return None
    held_out = at_most(dataset.held_out, FINAL_TOKENS)
    baseline = NgramStepper(order, len(dataset.vocabulary), at_most(dataset.train, BASELINE_TOKENS))
    ours = score(model.stepper, dataset.encoding, dataset.vocabulary, held_out)
    return ours, score(baseline, dataset.encoding, dataset.vocabulary, held_out)


def as_corpus(sources: Sequence[str | os.PathLike[str] | Corpus]) -> Corpus:
    """One corpus of paths and names, or the one that is given.

    Raises:
        CorpusError: nothing given, or a Corpus together with something else.
    """
    given = [source for source in sources if isinstance(source, Corpus)]
    if not sources:
        raise CorpusError("name something to learn from: a folder, files, or a corpus such as bach-chorales")
    if given and len(sources) > 1:
        raise CorpusError("give one Corpus, or any number of paths and names, not both")
    return (
        given[0] if given else load_corpus(*(os.fspath(source) for source in sources if not isinstance(source, Corpus)))
    )


def require_tensorflow() -> None:
    """Whether training can run here, found out without loading TensorFlow.

    Raises:
        MissingExtra: it is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None or importlib.util.find_spec("keras") is None:
        raise MissingExtra("Training", "train")


def _with_usual(header: Header, dataset: Dataset, weights: dict) -> modelfile.Corpus:
    """The header's corpus with what is usual in it, so that generated pieces can be held against it."""
    held_out = at_most(dataset.held_out, FINAL_TOKENS)[:USUAL_PIECES]
    pieces = at_most([*held_out, *dataset.train], FINAL_TOKENS)[:USUAL_PIECES]
    contents = [dataset.encoding.decode(dataset.vocabulary.to_tokens(row.ids[1:-1])) for row in pieces]
    nats = []
    if held_out:
        nats = surprises(runtime.stepper(header, weights), dataset.encoding, dataset.vocabulary, held_out)
    statistics = {**header.corpus.statistics, "typical": json.decode(json.encode(typical(contents, nats)))}
    return structs.replace(header.corpus, statistics=statistics)


def _header(
    corpus: Corpus,
    dataset: Dataset,
    architecture: Any,
    settings: "RunSettings",
    report: "Report",
    from_model: Model | None,
) -> Header:
    names = [document.name for document in corpus.documents]
    chosen = settings.as_dict()
    if from_model is not None:  # it has learned from those too
        before = from_model.header.corpus
        learned = set(before.names) - set(before.held_out)
        names = list(dict.fromkeys([*names, *sorted(learned)]))
        chosen["from_model"] = from_model.digest
    side = Side(
        encoding=dataset.encoding.name, options=dataset.encoding.options, vocabulary=list(dataset.vocabulary.tokens)
    )
    return Header(
        kind="generator",
        architecture=architecture,
        sides=Sides(target=side),
        training=Training(
            seed=settings.seed,
            steps=report.steps,
            epochs=round(report.epochs, 3),
            # a run whose length is in steps writes the same file again
            seconds=round(report.seconds, 1) if settings.max_steps is None and settings.epochs is None else 0.0,
            valid_nats=report.best_nats,
            settings=chosen,
        ),
        corpus=modelfile.Corpus(
            digest=corpus.digest,
            names=names[:NAMES_KEPT],
            held_out=[sequence.name for sequence in dataset.held_out][:NAMES_KEPT],
            statistics=dataset.statistics,
        ),
        version=__version__,
    )
