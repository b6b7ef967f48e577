"""Parts of the body of `POST /v1/jobs`: objects that its fields hold."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from search.budget import MOST_EPOCHS, MOST_TRIALS


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Columns(Strict):
    """Which columns are features, and how they are read."""

    include: list[str] | None = Field(
        default=None, description="The features; null takes all columns but targets and split.", examples=[None]
    )
    exclude: list[str] = Field(default_factory=list, description="Columns that are no features.", examples=[["split"]])
    kinds: dict[str, Literal["numeric", "categorical", "date"]] = Field(
        default_factory=dict, description="Kinds that differ from what was detected.", examples=[{"zip": "categorical"}]
    )


class EarlyStopping(Strict):
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


class RangeTest(Strict):
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


class Ensemble(Strict):
    """Which of the contenders to average: greedy selection on validation rows (Caruana et al. 2004)."""

    size: int = Field(
        default=10, ge=2, le=100, strict=True, description="Draws with replacement: the most members.", examples=[10]
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


class Stretch(Strict):
    """Some epochs of training with the same hyperparameters."""

    epochs: int = Field(ge=1, le=MOST_EPOCHS, strict=True, description="Epochs that it lasts.", examples=[5])
    parameters: dict[str, JsonValue] = Field(
        description="Hyperparameters by name; the same until one inherits.", examples=[{"learning_rate": 0.01}]
    )
    trial: int = Field(
        default=0,
        ge=0,
        le=MOST_TRIALS,
        strict=True,
        description="Number of the trial whose random numbers (first weights, dropout) are drawn again.",
        examples=[3],
    )
    inherits: bool = Field(
        default=False, strict=True, description="Whether it begins anew with what its network can take of its weights."
    )


class WarmStart(Strict):
    """Earlier jobs whose trials a new job begins with, as they stand when it is submitted."""

    jobs: list[str] = Field(
        min_length=1, max_length=20, description="The jobs, by their ids.", examples=[["j_2f7c6xq4mbn3vtla"]]
    )
    results: bool = Field(
        default=True,
        strict=True,
        description="Whether an algorithm that learns is told their results; the jobs must then have this job's"
        " dataset, target and objective.",
        examples=[True],
    )
    best: int = Field(
        default=3,
        ge=0,
        le=1000,
        strict=True,
        description="How many of their best points are tried first.",
        examples=[3],
    )


class GivenPoint(Strict):
    """A point that the user knows of."""

    parameters: dict[str, JsonValue] = Field(
        description="Values by name; what is left out has its default.", examples=[{"learning_rate": 0.01}]
    )
    objective: float | None = Field(
        default=None,
        description="Its value, if it is known: an algorithm that learns is told so, and the point is not tried.",
        examples=[None],
    )
