"""A job with every choice made: all that a driver needs, as one JSON value. `workers/spec.py` makes the choices."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from models.lanes import PackSettings, Task, Watch
from models.prepare import PrepareRequest
from models.schema import Split
from models.scores import Score, find_score
from search.budget import Budget
from search.discovery import AnyAlgorithm, AnyScheduler
from search.objective import Objective
from search.plugins import ScheduleRequest, SearchRequest
from search.space import Space
from workers.body import EarlyStopping, Ensemble, RangeTest
from workers.trainers import TRAINERS


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FeatureColumn(_Frozen):
    """A column that a network sees."""

    name: str
    kind: Literal["numeric", "categorical", "boolean", "date"]


class Part(_Frozen):
    """How many rows train, validate and test, as far as the table's schema tells; null where it does not. Of folds,
    those of the one that trains on the fewest; `stopping` is the part that decides the best epoch."""

    train: int | None
    validation: int | None
    test: int | None
    stopping: int | None = 0


class ResolvedJob(_Frozen):
    """One job, defaults filled in. `fixed` holds every hyperparameter outside the space; `space` is expanded, its
    conditions speak of parameters only, each has its default. `metrics[0]` is the objective. `folds` counts those of
    all repeats of the split, `repeats` the seeds with which each is trained."""

    name: str | None
    labels: dict[str, str]
    dataset: str
    targets: list[str]
    features: list[FeatureColumn]
    task: Task
    task_reason: str
    classes: list[JsonValue] | dict[str, list[JsonValue]] | None
    split: Split
    rows: Part
    trainer: Literal["mlp"]
    fixed: dict[str, JsonValue]
    space: Space
    mutable: list[str]
    objective: Objective
    metrics: list[str]
    algorithm: AnyAlgorithm
    scheduler: AnyScheduler
    range_test: RangeTest | None = None
    budget: Budget
    trials: int
    parallelism: int
    early_stopping: EarlyStopping | None
    start_from_default: bool
    keep_models: int
    contenders: int = 1
    ensemble: Ensemble | None = None
    seed: int
    folds: int = 1
    repeats: int = 1
    refit: bool = False

    @property
    def lanes_per_trial(self) -> int:
        """One for each fold and each repeat."""
        return self.folds * self.repeats

    @property
    def epochs(self) -> int:
        """Most epochs of one trial."""
        return self.budget.epochs_per_trial

    @property
    def patience(self) -> int | None:
        """Epochs without an improvement after which a trial ends; None never."""
        return self.early_stopping.patience if self.early_stopping else None

    @property
    def watched_metric(self) -> Score:
        """The metric that decides the best epoch, on the stopping rows if there are any."""
        wanted = self.early_stopping.metric if self.early_stopping else None
        score = find_score(wanted or self.objective.name)
        if score is None:
            raise AssertionError("a metric is watched that is none")
        return score

    @property
    def watch(self) -> Watch:
        """Where the watched metric stands in a report's values, and when it improves."""
        min_delta = self.early_stopping.min_delta if self.early_stopping else 0.0
        score = self.watched_metric
        place = len(self.metrics) if self.split.stopping else self.metrics.index(score.name)
        return Watch(place, score.maximize, min_delta)

    def pack_settings(self) -> PackSettings:
        """Say what all lanes of the job share."""
        return PackSettings(
            seed=self.seed,
            metrics=tuple(self.metrics),
            maximize=self.objective.maximize,
            patience=self.patience,
            watch=self.watch,
            stopping_metric=self.watched_metric.name if self.split.stopping else None,
        )

    def search_request(self) -> SearchRequest:
        """Say what the algorithm's `build` needs."""
        start = [self.space.default_point()] if self.start_from_default else []
        points = self.algorithm.initial_points(self.space, start)
        return SearchRequest(
            domains=self.space.domains(),
            initial_points=[self.space.encode(point) for point in points],
            mode=self.objective.mode,
            seed=self.seed,
            trials=self.trials,
            parallelism=self.parallelism,
        )

    def schedule_request(self) -> ScheduleRequest:
        """Say what the scheduler's `build` needs."""
        domains = self.space.domains()
        mutable = {name: domains[name] for name in self.mutable}
        return ScheduleRequest(mode=self.objective.mode, epochs=self.epochs, mutable=mutable, seed=self.seed)

    def prepare_request(self) -> PrepareRequest:
        """Say what `models.prepare.prepare` needs."""
        return PrepareRequest(
            features={feature.name: feature.kind for feature in self.features},
            targets=self.targets,
            task=self.task,
            test=self.split.test,
            validation=self.split.validation,
            split_seed=self.split.seed,
            stopping=self.split.stopping,
            refit=self.refit,
            hyper=TRAINERS[self.trainer].build(self.space.default_point(), self.fixed),
        )

    def decode(self, encoded: Any) -> dict[str, Any]:
        """Turn an encoded point into the active parameters of a trial."""
        return self.space.decode(encoded, self.fixed)
