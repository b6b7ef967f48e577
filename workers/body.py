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
    kinds: dict[str, Literal["numeric", "categorical"]] = Field(
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
        description="The metric to optimise on validation rows; null is mean_squared_error or log_loss.",
        examples=["mean_squared_error"],
    )
    algorithm: AnyAlgorithm | None = Field(
        default=None,
        description="What proposes points; null is hyperopt, or random where hyperopt does not fit the scheduler.",
        examples=[{"kind": "hyperopt"}],
    )
    scheduler: AnyScheduler | None = Field(
        default=None, description="What decides who goes on; null is asha.", examples=[{"kind": "asha"}]
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
    seed: int = Field(default=0, ge=0, lt=2**32, strict=True, description="Seed of search and training.", examples=[42])
