"""The body of `POST /v1/jobs`: shapes and ranges of single fields. What fits together is `workers/spec.py`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from models.schema import Split
from search.budget import MOST_TRIALS, Budget
from search.discovery import AnyAlgorithm, AnyScheduler
from search.space import Space

MOST_LANES_PER_TRIAL = 1000
_EXAMPLE_SPACE = {"learning_rate": {"type": "float", "low": 3e-4, "high": 3e-2, "log": True}}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Columns(_Strict):
    """Which columns are features, and how they are read."""

    include: list[str] | None = Field(
        default=None, description="The features; null takes all columns but targets and split.", examples=[None]
    )
    exclude: list[str] = Field(default_factory=list, description="Columns that are no features.", examples=[["split"]])
    kinds: dict[str, Literal["numeric", "categorical", "date"]] = Field(
        default_factory=dict, description="Kinds that differ from what was detected.", examples=[{"zip": "categorical"}]
    )


class EarlyStopping(_Strict):
    """When a trial ends by itself, and which of its epochs is the best: that of the watched metric."""

    patience: int = Field(
        default=10, ge=1, le=100_000, description="Epochs without an improvement.", examples=[10], strict=True
    )
    min_delta: float = Field(
        default=0.0, ge=0, description="What is better by no more than this is no improvement.", examples=[1e-4]
    )
    metric: str | None = Field(
        default=None,
        description="The metric to watch, on the stopping rows if the split has any; null is the objective.",
        examples=["accuracy"],
    )


class RangeTest(_Strict):
    """A learning rate range test before the search, at the default point of the space."""

    low: float = Field(default=1e-5, gt=0, le=100, description="Learning rate of the first step.", examples=[1e-5])
    high: float = Field(default=10.0, gt=0, le=100, description="Learning rate of the last step.", examples=[10.0])
    steps: int = Field(
        default=500, ge=20, le=10_000, strict=True, description="Steps from low to high.", examples=[500]
    )
    lanes: int = Field(
        default=3, ge=1, le=64, strict=True, description="Networks whose losses are averaged.", examples=[3]
    )
    adopt: bool = Field(
        default=False,
        strict=True,
        description="Whether learning_rate is searched within the suggested interval; it must be a float of the space.",
        examples=[True],
    )


class Ensemble(_Strict):
    """Which of the contenders to average: greedy selection on validation rows (Caruana et al. 2004)."""

    size: int = Field(
        default=10,
        ge=2,
        le=100,
        strict=True,
        description="Draws with replacement, and so the most members.",
        examples=[10],
    )
    start: int = Field(
        default=1, ge=1, le=100, strict=True, description="Best contenders that are drawn first.", examples=[1]
    )
    bags: int = Field(
        default=1,
        ge=1,
        le=100,
        strict=True,
        description="Selections from random halves of the contenders, averaged; 1 selects once, from all.",
        examples=[1],
    )


class JobSpec(_Strict):
    """One tuning job as a user asks for it. A dataset and a target are a whole job."""

    name: str | None = Field(default=None, max_length=200, description="A name to find it by.", examples=["housing"])
    labels: dict[str, str] = Field(
        default_factory=dict, max_length=50, description="Labels to filter lists by.", examples=[{"team": "a"}]
    )
    dataset: str = Field(
        min_length=1, max_length=200, description="Id of an upload, or name of a bundled set.", examples=["iris"]
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
    trainer: Literal["mlp", "neuroevolution", "external", "table"] = Field(
        default="mlp", description="What a trial runs.", examples=["mlp"]
    )
    fixed: dict[str, JsonValue] = Field(
        default_factory=dict, description="Hyperparameters that do not vary.", examples=[{"optimizer": "adam"}]
    )
    space: Space | None = Field(
        default=None, description="Hyperparameters that vary, by name.", examples=[_EXAMPLE_SPACE]
    )
    preset: str | None = Field(
        default=None,
        description="A ready space; default when neither preset nor space is given. fixed and space win over it.",
        examples=["default"],
    )
    objective: str | list[str] | None = Field(
        default=None,
        description="The metric to optimise on validation rows; null is mean_squared_error, log_loss, or accuracy where"
        " a loss gives no probabilities.",
        examples=["mean_squared_error"],
    )
    metrics: list[str] | None = Field(
        default=None,
        max_length=100,
        description="Metrics to compute besides the objective and the few that every job of its task computes.",
        examples=[None],
    )
    algorithm: AnyAlgorithm | None = Field(
        default=None,
        description="What proposes points; null is hyperopt, or random where hyperopt does not fit the scheduler.",
        examples=[{"kind": "hyperopt"}],
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
        description="How to average contenders into one more model; null, folds, repeats and refit do without.",
        examples=[{"size": 10}],
    )
    seed: int = Field(default=0, ge=0, lt=2**32, strict=True, description="Seed of search and training.", examples=[42])
