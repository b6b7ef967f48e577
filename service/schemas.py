"""Wire types of what the API answers; requests are `workers.body.JobSpec` and `service/schemas_requests.py`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from models.schema import ColumnSchema
from search.trial import JobState, TrialState

Item = TypeVar("Item")
LABEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"


def _from_seconds(moment: Any) -> Any:
    return datetime.fromtimestamp(moment, UTC) if isinstance(moment, int | float) else moment


Moment = Annotated[datetime, BeforeValidator(_from_seconds), Field(description="ISO 8601, UTC.")]
LabelKey = Annotated[str, StringConstraints(pattern=LABEL_PATTERN)]
LabelValue = Annotated[str, StringConstraints(max_length=200)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class View(BaseModel):
    """Base of answers: read from rows by name."""

    model_config = ConfigDict(from_attributes=True)


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None


class DatasetView(View):
    """An upload or a bundled set."""

    id: str
    name: str
    format: str = Field(description="csv, parquet or bundled.")
    bundled: bool
    rows: int
    n_columns: int
    n_bytes: int | None
    sha256: str | None
    target: str | None = Field(description="The usual target; only bundled sets know theirs.")
    created_at: Moment | None


class DatasetDetail(DatasetView):
    """A dataset with its columns."""

    columns: list[ColumnSchema]


class Progress(BaseModel):
    """How far a job is."""

    trials: int = Field(description="Planned.")
    done: int = Field(description="Ended.")
    epochs: int = Field(description="Trained so far, over all trials.")
    seconds: float


class Best(BaseModel):
    """The leading trial; `model` is null until its network is stored."""

    trial: int
    objective: float | None
    model: str | None


class EditView(View):
    """Another space for the trials that had not begun."""

    number: int
    round: int | None = Field(description="The round after which it took effect; null while it has not.")
    created_at: Moment
    space: dict[str, Any] = Field(description="What it changed, as it was sent.")
    constraints: list[Any] | None = Field(description="All constraints anew; null left them.")


class JobView(View):
    """A tuning job."""

    id: str
    name: str
    state: JobState
    reason: str
    detail: str
    labels: dict[str, str]
    dataset: str | None = Field(description="As in the spec; null where trials are trained outside.")
    parent: str | None = Field(description="The job that this one was made from; it may be gone.")
    spec: dict[str, Any] = Field(description="As it was sent, and extended or edited since.")
    resolved_spec: dict[str, Any] = Field(
        description="With every default filled in; its space is the one before edits."
    )
    plan: dict[str, Any] = Field(description="What the budget buys, as `preview` says it.")
    rungs: list[int] = Field(description="Ages at which the scheduler decides.")
    takes_edits: bool = Field(
        description="Whether its settings allow edits of its space, as long as it has trials to begin."
    )
    edits: list[EditView] = Field(description="Changes of the space while it ran, in order; `spec` has them all.")
    progress: Progress
    best: Best | None
    numeric_class: str | None = Field(description="The kind of device that it was trained on.")
    created_at: Moment
    updated_at: Moment
    started_at: Moment | None
    ended_at: Moment | None


class PlanView(BaseModel):
    """A dry run: the spec with every default filled in, and what the budget buys."""

    model_config = ConfigDict(extra="allow")

    resolved_spec: dict[str, Any]


class TrialView(View):
    """One point of the space. `objective`, `spread`, `best_epoch` and `metrics` are those of its best epoch."""

    number: int
    state: TrialState
    reason: str
    parameters: dict[str, Any]
    rung: int | None
    attempts: int = Field(description="1, and one more for each failure after which it was handed out again.")
    objective: float | None
    spread: float | None = Field(
        description="Standard deviation of the objective over folds and repeats, divided by their number; null for one."
    )
    feasible: bool | None = Field(description="It keeps the job's limits; null without limits or a result.")
    broken: dict[str, float | None] = Field(description="By how much it breaks a limit; null where it has no value.")
    front: bool | None = Field(description="No other trial dominates it; null where the job has one objective.")
    best_epoch: int | None
    metrics: dict[str, float | None]
    epochs: int = Field(description="Age of its weights.")
    n_reports: int
    parent: int | None = Field(description="The trial that its newest weights were copied from.")
    error: dict[str, Any] | None
    created_at: Moment
    updated_at: Moment


class SegmentView(View):
    """A stretch of a trial's life."""

    number: int
    sequence: int = Field(description="Reports that its trial had made before.")
    source_trial: int | None
    source_sequence: int
    source_epoch: int
    parameters: dict[str, Any]


class PartView(BaseModel):
    """What one of a trial's lanes scored on its own validation rows at the trial's best epoch."""

    fold: int = Field(description="Counted from 0, over all repeats of the split.")
    repeat: int = Field(description="Which of the seeds of `repeats`, from 0.")
    metrics: dict[str, float | None]


class TrialDetail(TrialView):
    """A trial with the stretches of its life, and what its metrics are the means of."""

    segments: list[SegmentView]
    folds: list[PartView] = Field(description="One for each fold and each repeat; empty where there is one lane.")
    spreads: dict[str, float | None] = Field(description="Standard deviation of each metric over them.")


class ReportView(BaseModel):
    """The metrics of one epoch; what is not finite is null."""

    sequence: int
    epoch: int
    segment: int
    round: int
    train_loss: float | None
    objective: float | None
    is_finite: bool
    metrics: dict[str, float | None]
    outcome: str | None
    error: dict[str, Any] | None


class ConfidenceView(BaseModel):
    """How sure a winner's score is. Null where rows or contenders are too few to tell."""

    metric: str
    level: float = Field(description="Of both intervals.")
    score: float = Field(description="The winner's, on validation rows.")
    interval: tuple[float, float] | None = Field(description="Of the score, as if no other trial had competed.")
    corrected: float | None = Field(description="The score to expect of a network that was chosen like this one.")
    corrected_interval: tuple[float, float] | None = Field(description="Null where folds tell.")
    bias: float | None = Field(description="corrected - score: what having been chosen has added.")
    rivals: int = Field(description="Contenders compared, or all trials where folds tell; the winner included.")
    rows: int = Field(description="Validation rows.")
    resamples: int | None = Field(description="Of the validation rows of a hold-out; null where folds tell.")
    folds: int | None = Field(default=None, description="Of all repeats; null where resamples tell.")
    kin: int | None = Field(
        default=None, description="Groups, or stretches of time, that resamples draw whole; null where they draw rows."
    )


class MemberView(BaseModel):
    """A network of an ensemble."""

    trial: int
    epoch: int
    share: float = Field(description="Its weight in the average.")


class ModelView(View):
    """A trained network with its preprocessing, or the average of several."""

    id: str
    job: str
    trial: int = Field(description="Of an ensemble: that of its heaviest member.")
    origin: str = Field(description="trial, refit (trained once more on all rows but the test rows) or ensemble.")
    epoch: int
    objective: float | None
    metrics: dict[str, float | None] = Field(description="On validation rows.")
    test_metrics: dict[str, float | None] | None = Field(description="On test rows, if the split has any.")
    confidence: ConfidenceView | None = Field(description="Of the winner's networks before a refit, at its job's end.")
    members: list[MemberView] | None = Field(description="Of an ensemble, the heaviest first.")
    formats: list[str]
    n_bytes: int
    sha256: str
    created_at: Moment


class ModelDetail(ModelView):
    """A model with its card: architecture, preprocessing, lineage, an example row."""

    card: dict[str, Any]


class BestView(BaseModel):
    """The winner: best epoch of the best trial, ties by trial number."""

    trial: TrialView
    model: ModelView | None = Field(description="null where trials are trained outside: their model is not here.")
    ensemble: ModelView | None = Field(description="Better than the winner on validation rows, which chose it.")


class RangeTestView(BaseModel):
    """What came of a job's learning rate range test; what is not finite is null."""

    rates: list[float] = Field(description="Learning rate of every step.")
    losses: list[float | None] = Field(description="Mean training loss before each step; empty if the test failed.")
    smoothed: list[float | None] = Field(description="The losses, averaged over the steps before.")
    turn: float | None = Field(description="The rate at which the smoothed loss turns up.")
    suggested: float | None = Field(description="A tenth of the turn; null where `reason` says why.")
    interval: list[float] | None = Field(description="Where to search: lowest and highest rate.")
    reason: str | None = Field(description="Why nothing is suggested.")
    adopted: bool = Field(description="Whether the job searches learning_rate within the interval.")


class EventView(View):
    """One event of a job's stream."""

    id: int
    type: str
    data: dict[str, Any]


class Readiness(BaseModel):
    """Whether the service can do its work, and what it waits for."""

    ready: bool
    missing: list[str]
    checks: dict[str, bool]


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class ProblemView(BaseModel):
    """An error as RFC 9457 has it; `type` is an address that explains it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, str]] = Field(default=[], description="Each with `path` and `message`.")
