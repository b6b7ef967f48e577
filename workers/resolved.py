"""A job with every choice made: all that a driver needs, as one JSON value. `workers/spec.py` makes the choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from models.hyper import LaneHyperparameters
from models.lanes import PackSettings, Task, Watch
from models.prepare import PrepareRequest
from models.schema import Split
from models.scores import FACTS, Score, find_score
from search.aims import Aims
from search.budget import Budget
from search.constraints import AnyConstraint
from search.discovery import AnyAlgorithm, AnyScheduler
from search.earlier import fit_point
from search.limits import Limit
from search.objective import Objective
from search.plugins import Earlier, Scheduler, ScheduleRequest, SearchRequest
from search.replay import STRETCH, Replay
from search.space import Space
from workers.body import TrainerKind
from workers.body_parts import EarlyStopping, Ensemble, RangeTest, Stretch
from workers.trainers import TRAINERS

_Value = TypeVar("_Value")


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


class EarlierTrial(_Frozen):
    """A result from before the job, at its point in the job's space: of a trial of another job, or from the user."""

    parameters: dict[str, JsonValue]
    objective: float
    epochs: int = 1
    job: str | None = None
    trial: int | None = None


class ResolvedJob(_Frozen):
    """One job, defaults filled in. `fixed` holds every hyperparameter outside the space; `space` is expanded, its
    conditions speak of parameters only, each has its default. `metrics[0]` is the objective, facts of the network come
    last. `folds` counts those of
    all repeats of the split, `repeats` the seeds with which each is trained. `points` are tried before all others;
    `earlier`, which may be long, is kept in the journal (`workers/warm_start.py`); `notes` are told when the job
    begins. The trainer external has no dataset and no task."""

    name: str | None
    labels: dict[str, str]
    dataset: str | None
    targets: list[str]
    features: list[FeatureColumn]
    task: Task | None
    task_reason: str
    classes: list[JsonValue] | dict[str, list[JsonValue]] | None
    split: Split
    rows: Part
    trainer: TrainerKind
    fixed: dict[str, JsonValue]
    space: Space
    constraints: list[AnyConstraint] = []
    mutable: list[str]
    schedule: list[Stretch] | None = None
    objective: Objective
    further_objectives: list[Objective] = []
    limits: list[Limit] = []
    metrics: list[str]
    algorithm: AnyAlgorithm
    scheduler: AnyScheduler
    range_test: RangeTest | None = None
    budget: Budget
    trials: int
    parallelism: int
    early_stopping: EarlyStopping | None
    start_from_default: bool
    points: list[dict[str, JsonValue]] = []
    earlier: list[EarlierTrial] = Field(default=[], exclude=True)
    notes: list[str] = []
    keep_models: int
    contenders: int = 1
    ensemble: Ensemble | None = None
    seed: int
    folds: int = 1
    repeats: int = 1
    refit: bool = False
    max_failed_trials: int | None = None
    retries: int = 0
    dedupe: bool = False

    @property
    def lanes_per_trial(self) -> int:
        """One for each fold and each repeat."""
        return self.folds * self.repeats

    @property
    def epochs(self) -> int:
        """Most epochs of one trial."""
        return self.budget.epochs_per_trial

    @property
    def aims(self) -> Aims:
        """What the job is after."""
        return Aims(tuple(self.metrics), (self.objective, *self.further_objectives), tuple(self.limits))

    @property
    def scores(self) -> list[str]:
        """The metrics that are computed from predictions."""
        return [name for name in self.metrics if name not in FACTS]

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
        if self.trainer == "external":
            return Watch(0, self.objective.maximize)
        min_delta = self.early_stopping.min_delta if self.early_stopping else 0.0
        score = self.watched_metric
        place = len(self.metrics) if self.split.stopping else self.metrics.index(score.name)
        return Watch(place, score.maximize, min_delta)

    @property
    def decider(self) -> Scheduler:
        """Who decides about trials: the scheduler, or where there is a schedule of hyperparameters, that."""
        if self.schedule is None:
            return self.scheduler
        return Replay(ends=tuple(accumulate(stretch.epochs for stretch in self.schedule[:-1])))

    def stream(self, trial: int, segment: int) -> int:
        """Name the trial whose random numbers a trial draws in one of its segments: its own, unless it replays."""
        return trial if self.schedule is None else self.schedule[segment].trial

    def inherits(self, segment: int) -> bool:
        """Say whether a trial that replays begins anew in one of its segments, with the weights that it has."""
        return self.schedule is not None and self.schedule[segment].inherits

    def pack_settings(self) -> PackSettings:
        """Say what all lanes of the job share."""
        return PackSettings(
            seed=self.seed,
            metrics=tuple(self.scores),
            facts=tuple(name for name in self.metrics if name in FACTS),
            maximize=self.objective.maximize,
            patience=self.patience,
            watch=self.watch,
            stopping_metric=self.watched_metric.name if self.split.stopping else None,
        )

    @property
    def feasible_space(self) -> Space:
        """The space under its constraints."""
        return self.space.under(self.constraints, self.fixed)

    def search_request(
        self, epoch_seconds: Callable[[LaneHyperparameters], float] = lambda hyper: 1.0
    ) -> SearchRequest:
        """Say what the algorithm's `search` needs; `epoch_seconds` estimates what results from before the job took."""
        space = self.feasible_space
        default = [space.default_point()] if self.start_from_default else []
        start = self.points + [point for point in default if point not in self.points]
        points = self.algorithm.initial_points(space, start[: self.trials])
        return SearchRequest(
            domains=self._renamed(self.space.domains()),
            initial_points=[self._renamed(self.space.encode(point)) for point in points],
            mode=self.aims.mode,
            seed=self.seed,
            trials=self.trials,
            parallelism=self.parallelism,
            earlier=[
                Earlier(
                    point=self._renamed(self.space.encode(known.parameters)),
                    objective=known.objective,
                    epochs=known.epochs,
                    seconds=known.epochs * epoch_seconds(self._hyper(known.parameters)),
                )
                for known in self.earlier
                if not fit_point(self.space, known.parameters, self.fixed)[1]  # a range test may have moved its bounds
            ],
            region=space.region,
        )

    def _hyper(self, parameters: dict[str, Any]) -> Any:
        """Give the hyperparameters that a point means; of the trainer external, that is its program's to say."""
        return parameters if self.trainer == "external" else TRAINERS[self.trainer].build(parameters, self.fixed)

    def schedule_request(self) -> ScheduleRequest:
        """Say what the scheduler's `build` needs."""
        domains = self.space.domains()
        mutable = {name: domains[name] for name in self.mutable}
        return ScheduleRequest(
            mode=self.aims.mode,
            epochs=self.epochs,
            mutable=mutable,
            seed=self.seed,
            region=self.feasible_space.region,
        )

    def prepare_request(self) -> PrepareRequest:
        """Say what `models.prepare.prepare` needs. Not of the trainer external, which has no table."""
        if self.task is None:
            raise AssertionError("a job without a task has no table to prepare")
        return PrepareRequest(
            features={feature.name: feature.kind for feature in self.features},
            targets=self.targets,
            task=self.task,
            test=self.split.test,
            validation=self.split.validation,
            split_seed=self.split.seed,
            stopping=self.split.stopping,
            refit=self.refit,
            hyper=TRAINERS[self.trainer].build(self.feasible_space.default_point(), self.fixed),
        )

    def decode(self, encoded: Any) -> dict[str, Any]:
        """Turn an encoded point into the active parameters of a trial."""
        if self.schedule is not None:
            return dict(self.schedule[encoded.get(STRETCH, 0)].parameters)
        known = {name: encoded[told] for name, told in self._aliases().items() if told in encoded}
        return self.space.decode(known, self.fixed)

    def _aliases(self) -> dict[str, str]:
        """Give the names that Tune hears. Those that users choose may mean something else to it: a/b, grid_search."""
        names = self.space.parameters
        return {name: f"p{place}" if self.trainer == "external" else name for place, name in enumerate(names)}

    def _renamed(self, encoded: Mapping[str, _Value]) -> dict[str, _Value]:
        aliases = self._aliases()
        return {aliases[name]: value for name, value in encoded.items()}
