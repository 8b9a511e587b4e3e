"""The training loop: windows in, updates of the weights, now and then a held-out score; the best weights are kept."""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from seqgen.architecture import Architecture, Seq2Seq
from seqgen.corpus.dataset import Dataset
from seqgen.corpus.pair_dataset import PairDataset
from seqgen.errors import ClusterError, ConfigError, SamplingError, TrainingError
from seqgen.training import checkpoint
from seqgen.training.cluster import Cluster, join, task_of_environment
from seqgen.training.generator import GeneratorLearner
from seqgen.training.interrupt import interrupted_between_steps
from seqgen.training.learner import Learner
from seqgen.training.pair_settings import PairSettings
from seqgen.training.pairs import PairLearner
from seqgen.training.settings import RunSettings, Settings
from seqgen.training.start import Start
from seqgen.training.update import Weights
from seqgen.training.watch import collapsed

_SHORTEST_PAUSE, _FIRST_VALIDATION, _VALIDATION_SECONDS = 1.0, 4.0, 20.0
_TRAINING_PER_VALIDATION = 4.0  # at least so much more time
_VALIDATIONS = 20  # in a run whose length is in steps
_PATIENCE = 6  # validations without a better score, and
_PATIENT_SHARE = 0.15  # share of the run, after which the loss has stalled
_WARM_UP = 0.03  # share of the run
_LAST_LR = 0.02  # share of the peak

History = list[dict[str, Any]]  # an entry for each validation


@dataclass
class Report:
    """Where training is."""

    steps: int = 0
    epochs: float = 0.0
    loss: float = math.nan  # nats a token on the training side, a running mean
    valid_nats: float | None = None  # the last held-out score, nats per token; of vectors the mean squared error
    best_nats: float | None = None
    tokens_per_second: float = 0.0
    validations: int = 0
    looping: bool = False  # at the last validation the model, left to itself, went round in circles
    seconds: float = 0.0
    progress: float = 0.0  # 0 to 1


@dataclass
class Result:
    """What training gives: the best weights, and how it went."""

    architecture: Architecture | Seq2Seq
    weights: Weights
    report: Report
    settings: RunSettings  # with every choice made
    stopped: str  # "length", "stalled", "interrupted" or "diverged": the loss was no number any more
    unsaved: str | None = None  # why the checkpoint of an interrupted run could not be written
    history: History = field(default_factory=list)


class DivergedError(TrainingError):
    """The loss or the weights are no numbers any more."""


def fit(
    dataset: Dataset | PairDataset,
    settings: RunSettings,
    *,
    on_step: Callable[[Report], None] | None = None,
    on_validation: Callable[[Report, History, Any, Weights], None] | None = None,
    checkpoint_path: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    start: Start | None = None,
) -> Result:
    """Train a model on `dataset.train`, selected on `dataset.held_out` if there is one: of pairs an encoder-decoder.

    settings: `Settings` for a generator, `PairSettings` for pairs. on_validation gets report, history, architecture and
    the weights that were scored.

    Ctrl-C (KeyboardInterrupt) ends it early, between two steps; the result then holds the best weights so far.

    checkpoint_path: where the run is saved, every `checkpoint_every` steps or else at every validation, and when it is
    interrupted; it stays, for the caller to remove when the result is safe. resume: go on from there. With a length in
    epochs or steps, and the same number of shards on the same machine, the weights become bit for bit those of a run
    that was never stopped; with one in minutes it goes on with the time that is left.

    start: begin from these weights, which have the cell, units and layers of `settings` and the encoding of `dataset`.

    Where TF_CONFIG names several workers, all of them call this with the same arguments: each learns from its lanes of
    every batch, and all end with the same weights. The chief alone saves checkpoints.

    Raises:
        ClusterError: another worker did not come, or has stopped; the chief has saved what was learned until then.
        TrainingError: the loss is not finite before the first held-out score (after it the best weights are returned);
            there is nothing to resume, or it is another run's; a checkpoint cannot be written.
        CorpusError, ConfigError: the corpus is shorter than a window, or a setting is out of range.
    """
    if checkpoint_every is not None and checkpoint_every < 1:
        raise ConfigError(f"a checkpoint is saved every 1 or more steps, not {checkpoint_every}")
    if checkpoint_path is None and (resume or checkpoint_every is not None):
        raise ConfigError("a checkpoint needs a path")
    task = task_of_environment(settings)
    cluster = None if task is None else join(task)
    if cluster is not None:
        settings = cluster.with_shards(settings)
    run = Run(learner_of(dataset, settings, start, cluster), until_stalled=settings.until_stalled)
    if cluster is not None:
        cluster.check_same(run.identity())
    if resume and checkpoint_path is not None:
        saved = checkpoint.read(checkpoint_path) if task is None or task.is_chief else b""
        saved = saved if cluster is None else cluster.from_chief(saved)
        run.restore(*checkpoint.parsed(saved, checkpoint_path))
    if task is not None and not task.is_chief:
        checkpoint_path = None  # the chief saves the run of all
    stopped, unsaved = "length", None
    whole = True  # nothing of the last step is missing, so that the run can go on from here

    def validated() -> None:
        weights = run.validate()
        if on_validation is not None:
            on_validation(run.report, run.history, run.architecture, weights)

    try:
        with interrupted_between_steps() as between_steps:
            if start is not None and not run.report.steps:
                validated()  # what it begins with may stay the best
            for batch in run.batches():
                whole = False
                try:
                    run.step(batch)
                    if on_step is not None:
                        on_step(run.report)
                    due = run.validation_is_due()
                    if due:
                        validated()
                except DivergedError:
                    if not run.history:
                        raise
                    stopped = "diverged"
                    break
                if run.stalled():
                    stopped = "stalled"
                    break
                if checkpoint_every:
                    due = run.report.steps % checkpoint_every == 0
                if due and checkpoint_path is not None:
                    checkpoint.save(checkpoint_path, *run.snapshot())
                whole = True
                between_steps()
            if run.steps_since_validation and stopped != "diverged":
                validated()
    except (KeyboardInterrupt, ClusterError) as error:
        if not run.report.steps:
            raise  # nothing is learned yet, so there is nothing to keep
        if checkpoint_path is not None and (whole or isinstance(error, ClusterError)):
            try:
                checkpoint.save(checkpoint_path, *run.snapshot())
            except TrainingError as failure:
                unsaved = str(failure)
        if isinstance(error, ClusterError):
            if unsaved is not None:
                raise ClusterError(f"{error}; and {unsaved}") from error
            raise
        stopped = "interrupted"
    return Result(run.architecture, run.best_weights(), run.report, run.settings, stopped, unsaved, run.history)


class Run:
    """The moving parts of one training run."""

    def __init__(self, learner: Learner, *, until_stalled: bool = False) -> None:
        """until_stalled: the run ends early when the held-out loss stalls."""
        self._until_stalled = until_stalled
        self.learner, self.settings, self.architecture = learner, learner.settings, learner.architecture
        self.updater = learner.updater
        self.report = Report()
        self.history: History = []
        self.steps_since_validation = 0
        self._best: Weights | None = None
        self._worse = 0
        self._best_progress = 0.0
        self._begun: float | None = None  # when the first step, which compiles, had ended
        self._last_validation = 0.0
        self._validation_cost = math.inf  # seconds

    def batches(self) -> Iterator[Any]:
        """Batches until the length of the run is reached."""
        epoch, done = divmod(self.report.steps, self.learner.batches_per_epoch)
        while True:
            for batch in self.learner.batches(epoch, done):
                if self._progress() >= 1:
                    return
                yield batch
            epoch, done = epoch + 1, 0

    def step(self, batch: Any) -> None:
        report, settings, progress = self.report, self.settings, self._progress()
        value = self.learner.update(batch, report.steps, settings.lr * _schedule(progress), progress)
        now = time.perf_counter()
        if not math.isfinite(value):
            raise DivergedError(
                f"the loss is {value} at step {report.steps + 1}: lower the learning rate (now {settings.lr:g})"
            )
        report.steps += 1
        report.epochs = report.steps / self.learner.batches_per_epoch
        if self._begun is None:
            self._begun, self._last_validation = now - report.seconds, now  # seconds: of the run that is resumed
        else:
            report.seconds = now - self._begun
            tokens = (report.steps - 1) * self.learner.tokens_per_batch
            report.tokens_per_second = tokens / max(report.seconds, 1e-9)
        keep = 0.98 if report.steps > 50 else 0.9
        report.loss = value if math.isnan(report.loss) else keep * report.loss + (1 - keep) * value
        report.progress = self._progress()
        self.steps_since_validation += 1

    def validation_is_due(self) -> bool:
        total = self._total_steps()
        if total is not None:  # by steps, so that the same run selects the same weights again
            return self.report.steps % math.ceil(total / _VALIDATIONS) == 0
        pause = _VALIDATION_SECONDS if self.history else _FIRST_VALIDATION
        # a small held-out side costs next to nothing, and a small corpus is soon known by heart: look more often
        pause = min(pause, max(_SHORTEST_PAUSE, 20 * self._validation_cost))
        if self.history:  # and a large one shall not take more time than the training
            pause = max(pause, _TRAINING_PER_VALIDATION * self._validation_cost)
        return time.perf_counter() - self._last_validation >= pause

    def validate(self) -> Weights:
        """Score the held-out side with the stepper, the same number `evaluate` gives; the weights it has scored."""
        begun = time.perf_counter()
        weights = self.updater.weights()
        try:
            self.report.valid_nats, signs = self.learner.look(weights)
        except SamplingError as error:
            raise DivergedError(
                f"the weights are no numbers any more after step {self.report.steps}: lower the learning rate"
                f" (now {self.settings.lr:g})"
            ) from error
        report = self.report
        entry = {"step": report.steps, "epoch": round(report.epochs, 6), "loss": report.loss}
        entry |= {"valid_nats": report.valid_nats, "seconds": round(report.seconds, 1)}
        entry |= {"tokens_per_second": round(report.tokens_per_second)}
        report.looping = signs is not None and collapsed(*signs)
        if signs is not None:
            for name, sign in zip(("sample", "corpus"), signs, strict=True):
                entry |= {f"{name}_repeat_rate": round(sign.repeat_rate, 4), f"{name}_entropy": round(sign.entropy, 4)}
        self.history.append(entry)
        report.validations = len(self.history)
        value = self.report.valid_nats
        if value is None or self.report.best_nats is None or value < self.report.best_nats:
            self.report.best_nats, self._best, self._worse = value, weights, 0
            self._best_progress = self.report.progress
        else:
            self._worse += 1
        self.steps_since_validation = 0
        self._last_validation = time.perf_counter()
        self._validation_cost = self._last_validation - begun
        if self._begun is not None:
            self._begun += self._last_validation - begun  # the clock of training stands still meanwhile
        return weights

    def stalled(self) -> bool:
        """Whether a run without a length of its own has come to its end."""
        since = self.report.progress - self._best_progress
        return self._until_stalled and self._worse >= _PATIENCE and since >= _PATIENT_SHARE

    def best_weights(self) -> Weights:
        return self.updater.weights() if self._best is None else self._best

    def snapshot(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything the rest of the run depends on, as arrays and JSON values."""
        arrays = self.updater.snapshot()
        if self._best is not None:
            arrays |= {f"best/{name}": array for name, array in self._best.items()}
        report = {**asdict(self.report), "loss": float(self.report.loss).hex()}  # NaN is no JSON
        counters = {"worse": self._worse, "best_progress": self._best_progress}
        counters["steps_since_validation"] = self.steps_since_validation
        return arrays, {"run": self.identity(), "report": report, "history": self.history, **counters}

    def restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        """Go on from a `snapshot`; raises TrainingError where it is one of another run."""
        checkpoint.check_same(facts["run"], self.identity())
        self.updater.restore(arrays)
        best = {name.removeprefix("best/"): array for name, array in arrays.items() if name.startswith("best/")}
        self._best = best or None
        self.report = Report(**{**facts["report"], "loss": float.fromhex(facts["report"]["loss"])})
        self.history = facts["history"]
        self._worse, self._best_progress = facts["worse"], facts["best_progress"]
        self.steps_since_validation = facts["steps_since_validation"]

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to be the same run."""
        return {**self.learner.identity(), "until_stalled": self._until_stalled, **self.settings.as_dict()}

    def _total_steps(self) -> int | None:
        """The length of the run in steps, where it is not one in minutes."""
        if self.settings.max_steps is not None:
            return self.settings.max_steps
        if self.settings.epochs is not None:
            return math.ceil(self.settings.epochs * self.learner.batches_per_epoch)
        return None

    def _progress(self) -> float:
        """How much of the run's length is done, 0 to 1."""
        settings, report = self.settings, self.report
        total = self._total_steps()
        if total is not None:
            return report.steps / total
        if self._begun is None or settings.minutes is None:
            return 0.0
        return max((time.perf_counter() - self._begun) / (60 * settings.minutes), report.epochs / settings.most_epochs)


def _schedule(progress: float) -> float:
    """The share of the peak learning rate: a linear warm-up, then a linear fall to the end of the run."""
    if progress < _WARM_UP:
        return max(progress / _WARM_UP, 0.02)
    return 1 - (1 - _LAST_LR) * min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP))


def learner_of(
    dataset: Dataset | PairDataset, settings: RunSettings, start: Start | None = None, cluster: Cluster | None = None
) -> Learner:
    """What trains the model of such a dataset; see `fit`."""
    if isinstance(dataset, PairDataset) and isinstance(settings, PairSettings):
        return PairLearner(dataset, settings, start, cluster)
    if isinstance(dataset, Dataset) and isinstance(settings, Settings):
        return GeneratorLearner(dataset, settings, start, cluster)
    raise ConfigError(f"a {type(dataset).__name__} is not trained with {type(settings).__name__}")
