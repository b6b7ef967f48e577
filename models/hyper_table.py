"""The hyperparameters of what a network is shown of its table; all of them encode but those of weights."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from models.hyper_facts import facts

ScalingName = Literal["standard", "robust", "robust_smooth", "quantile"]
EmbeddingName = Literal["none", "piecewise_linear", "periodic"]


class TableHyperparameters(BaseModel):
    """How the columns of a table become inputs."""

    numeric_scaling: ScalingName = Field(
        default="standard",
        description="Numbers by mean and standard deviation, by median and quartiles (robust; robust_smooth also bends"
        " them to between -3 and 3), or by rank to a normal distribution (quantile).",
        json_schema_extra=facts(mutable=False, encodes=True),
    )
    numeric_clip: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="Farthest from 0 that a scaled number may be; one beyond is moved there. 0 never does.",
        json_schema_extra=facts(mutable=False, encodes=True),
    )
    missing: Literal["median", "mean"] = Field(
        default="median",
        description="What of the training rows stands in for a missing number or date.",
        json_schema_extra=facts(mutable=False, encodes=True),
    )
    missing_indicator: bool = Field(
        default=True,
        description="Whether a column in which training rows lack values gets one more input that marks them.",
        json_schema_extra=facts(mutable=False, encodes=True),
    )
    numeric_embedding: EmbeddingName = Field(
        default="none",
        description="Whether a scaled number becomes several inputs: how much of each bin lies below it"
        " (piecewise_linear), or sines and cosines of it by learned frequencies (periodic).",
        json_schema_extra=facts(mutable=False, encodes=True),
    )
    embedding_bins: int = Field(
        default=16,
        ge=2,
        le=256,
        description="Bins of piecewise_linear, with equally many training rows; equal edges are one.",
        json_schema_extra=facts(mutable=False, needs={"numeric_embedding": {"in": ["piecewise_linear"]}}, encodes=True),
    )
    embedding_frequencies: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Learned frequencies of periodic for each column, each with a sine and a cosine.",
        json_schema_extra=facts(mutable=False, needs={"numeric_embedding": {"in": ["periodic"]}}, encodes=True),
    )
    frequency_scale: float = Field(
        default=0.2,
        gt=0,
        le=100,
        description="Standard deviation of the first frequencies of periodic, in turns per unit of the scaled number.",
        json_schema_extra=facts(mutable=False, needs={"numeric_embedding": {"in": ["periodic"]}}),
    )
    categorical_encoding: Literal["one_hot", "embedding"] = Field(
        default="one_hot",
        description="Whether the first layer sees an input for each category, or a few learned numbers (embedding).",
        json_schema_extra=facts(mutable=False, encodes=True),
    )
    embedding_size: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Learned numbers for each category; a column with as few categories takes one fewer than those.",
        json_schema_extra=facts(mutable=False, needs={"categorical_encoding": {"in": ["embedding"]}}, encodes=True),
    )
    max_categories: int = Field(
        default=255,
        ge=1,
        le=100_000,
        description="Categories of a column that get an input each, the most frequent; the others count as unseen.",
        json_schema_extra=facts(mutable=False, encodes=True),
    )
