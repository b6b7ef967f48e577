"""The body of `POST /v1/jobs`: shapes and ranges of single fields. What fits together is `workers/spec.py`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from models.schema import Split
from search.budget import MOST_TRIALS, Budget
from search.constraints import MOST, AnyConstraint
from search.discovery import AnyAlgorithm, AnyScheduler
from search.limits import Limit
from search.space import Space
from workers.body_parts import Columns, EarlyStopping, Ensemble, GivenPoint, RangeTest, Stretch, Strict, WarmStart

MOST_LANES_PER_TRIAL = 1000
TrainerKind = Literal["mlp", "neuroevolution", "external", "table"]
_EXAMPLE_SPACE = {"learning_rate": {"type": "float", "low": 3e-4, "high": 3e-2, "log": True}}


class JobSpec(Strict):
    """One tuning job as a user asks for it. A dataset and a target are a whole job."""

    name: str | None = Field(default=None, max_length=200, description="A name to find it by.", examples=["housing"])
    labels: dict[str, str] = Field(
        default_factory=dict, max_length=50, description="Labels to filter lists by.", examples=[{"team": "a"}]
    )
    parent: str | None = Field(
        default=None,
        max_length=32,
        description="The job that this one is made from, for whoever looks; what it says changes nothing.",
        examples=[None],
    )
    dataset: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Id of an upload, or name of a bundled set; every trainer but external needs one.",
        examples=["iris"],
    )
    target: str | list[str] | None = Field(
        default=None,
        description="Column to predict, or a list of them; bundled sets know theirs.",
        examples=["species"],
    )
    columns: Columns = Field(default=Columns(), description="Which columns are features.", examples=[{"exclude": []}])
    task: Literal["auto", "regression", "binary", "multiclass", "multilabel"] = Field(
        default="auto", description="What is predicted; auto decides by the target.", examples=["auto"]
    )
    split: Split = Field(default=Split(), description="Which rows test, validate and train.", examples=[{"test": None}])
    trainer: TrainerKind = Field(
        default="mlp", description="What a trial runs; external: a program of yours, by ask and tell.", examples=["mlp"]
    )
    fixed: dict[str, JsonValue] = Field(
        default_factory=dict, description="Hyperparameters that do not vary.", examples=[{"optimizer": "adam"}]
    )
    space: Space | None = Field(
        default=None, description="Hyperparameters that vary, by name.", examples=[_EXAMPLE_SPACE]
    )
    constraints: list[AnyConstraint] = Field(
        default_factory=list,
        max_length=MOST,
        description="What every point of the space satisfies: expressions over names, and weighted sums within bounds.",
        examples=[["units * hidden_layers <= 400", {"sum": {"units": 1, "batch_size": 1}, "le": 300}]],
    )
    preset: str | None = Field(
        default=None,
        description="A ready space; default when neither preset nor space is given. fixed and space win over it.",
        examples=["default"],
    )
    schedule: list[Stretch] | None = Field(
        default=None,
        min_length=1,
        max_length=10_000,
        description="Nothing is searched: one trial follows these stretches, as a trial's `/schedule` exports them.",
        examples=[None],
    )
    objective: str | list[str | dict[str, JsonValue]] | dict[str, JsonValue] | None = Field(
        default=None,
        description="The metric to optimise on validation rows; null is mean_squared_error, log_loss, or accuracy where"
        " a loss gives no probabilities. Of the trainer external: {name, maximize} of a value that is told."
        " A list of up to 4: the trials that none dominates are kept, and the first decides who is best of them.",
        examples=["mean_squared_error"],
    )
    limits: list[Limit] = Field(
        default_factory=list,
        max_length=20,
        description="What a trial's results have to keep to win: bounds on metrics, or on n_parameters, multiply_adds.",
        examples=[[{"metric": "n_parameters", "at_most": 50000}]],
    )
    metrics: list[str] | None = Field(
        default=None,
        max_length=100,
        description="Metrics to compute besides the objective and the few that every job of its task computes.",
        examples=[None],
    )
    algorithm: AnyAlgorithm | None = Field(
        default=None,
        description="What proposes points; null is hyperopt under a scheduler with rungs (asha), gp under others,"
        " random where they do not fit.",
        examples=[{"kind": "gp"}],
    )
    scheduler: AnyScheduler | None = Field(
        default=None, description="What decides who goes on; null is asha.", examples=[{"kind": "asha"}]
    )
    range_test: RangeTest | None = Field(
        default=None,
        description="Sweep the learning rate before the search and suggest where to look for it; null does not.",
        examples=[{"adopt": True}],
    )
    budget: Budget = Field(
        default=Budget(), description="What the job may spend.", examples=[{"trials": 64, "epochs_per_trial": 30}]
    )
    early_stopping: EarlyStopping | None = Field(
        default=EarlyStopping(), description="When a trial ends by itself; null never.", examples=[{"patience": 10}]
    )
    start_from_default: bool = Field(
        default=True, description="Trial 0 is the default point of the space.", examples=[True]
    )
    warm_start: WarmStart | None = Field(
        default=None, description="Earlier jobs to begin with; null begins anew.", examples=[None]
    )
    points: list[GivenPoint] = Field(
        default_factory=list, max_length=1000, description="Points to try first, in order.", examples=[[]]
    )
    parallelism: int | None = Field(
        default=None,
        ge=1,
        le=MOST_TRIALS,
        strict=True,
        description="Live trials at once; null chooses by algorithm and scheduler.",
        examples=[None],
    )
    repeats: int = Field(
        default=1,
        ge=1,
        le=MOST_LANES_PER_TRIAL,
        strict=True,
        description="Seeds with which every trial is trained on every fold; its values are their means.",
        examples=[1],
    )
    refit: bool | None = Field(
        default=None,
        description="Train the winners again, on all rows but the test rows; null does so where there are folds.",
        examples=[None],
    )
    keep_models: int = Field(
        default=3, ge=1, le=100, strict=True, description="Models to store, best first.", examples=[3]
    )
    contenders: int = Field(
        default=25,
        ge=1,
        le=200,
        strict=True,
        description="Trials, best first, that are compared at the end for the ensemble and the winner's confidence.",
        examples=[25],
    )
    ensemble: Ensemble | None = Field(
        default=Ensemble(),
        description="How to average contenders into one more model; null does without.",
        examples=[{"size": 10}],
    )
    dedupe: bool | None = Field(
        default=None,
        description="Whether a point that comes again takes over the reports of its first trial and is not trained"
        " again; null does, but not under a scheduler that changes parameters.",
        examples=[None],
    )
    max_failed_trials: int | None = Field(
        default=None,
        ge=0,
        le=MOST_TRIALS,
        strict=True,
        description="The job fails when more trials than this have failed; null is half of them, at least 10.",
        examples=[None],
    )
    retries: int = Field(
        default=0, ge=0, le=5, strict=True, description="Failures of an external trial to try again.", examples=[0]
    )
    seed: int = Field(default=0, ge=0, lt=2**32, strict=True, description="Seed of search and training.", examples=[42])
