"""The hyperparameters of training by gradients: optimizer, regularisation, course of the learning rate, batches."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from models.hyper_facts import facts

OptimizerName = Literal["sgd", "adagrad", "rmsprop", "adam", "adamw", "nadam"]
ScheduleName = Literal["constant", "cosine", "step", "exponential", "one_cycle"]
ADAMS = ["adam", "adamw", "nadam"]


class TrainingHyperparameters(BaseModel):
    """How a network is trained by gradients."""

    optimizer: OptimizerName = Field(
        default="adam", description="How a gradient becomes a step.", json_schema_extra=facts(mutable=False)
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, le=100, description="Size of a step.", json_schema_extra=facts(mutable=True)
    )
    momentum: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Share of the last step that sgd adds to the next.",
        json_schema_extra=facts(mutable=True, needs={"optimizer": {"in": ["sgd"]}}),
    )
    nesterov: bool = Field(
        default=False,
        description="Whether sgd looks one step of momentum ahead.",
        json_schema_extra=facts(mutable=False, needs={"optimizer": {"in": ["sgd"]}}),
    )
    beta1: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Memory of the mean gradient of adam, adamw and nadam.",
        json_schema_extra=facts(mutable=True, needs={"optimizer": {"in": ADAMS}}),
    )
    beta2: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="Memory of the mean squared gradient of adam, adamw, nadam and rmsprop.",
        json_schema_extra=facts(mutable=True, needs={"optimizer": {"in": [*ADAMS, "rmsprop"]}}),
    )
    epsilon: float = Field(
        default=1e-8,
        gt=0,
        le=1,
        description="Keeps the division by the root of the mean squared gradient from one by zero.",
        json_schema_extra=facts(mutable=False, needs={"optimizer": {"in": [*ADAMS, "rmsprop", "adagrad"]}}),
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="L2 penalty as in torch.optim; decoupled for adamw.",
        json_schema_extra=facts(mutable=True),
    )
    l1: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="L1 penalty on all parameters: the sign of each, times this, joins its gradient.",
        json_schema_extra=facts(mutable=True),
    )
    gradient_clip: float = Field(
        default=0.0,
        ge=0,
        description="Longest gradient of a step, over all parameters; a longer one is scaled down to it. 0 never does.",
        json_schema_extra=facts(mutable=True),
    )
    schedule: ScheduleName = Field(
        default="constant",
        description="How the learning rate goes on: down half a cosine wave to 0, down in steps, exponentially, or up"
        " and down once while momentum goes down and up (one_cycle, with learning_rate at its peak).",
        json_schema_extra=facts(mutable=False),
    )
    schedule_epochs: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="Epochs over which cosine and one_cycle run. Where nobody says, the job's epochs_per_trial.",
        json_schema_extra=facts(mutable=False, needs={"schedule": {"in": ["cosine", "one_cycle"]}}),
    )
    decay_factor: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="What step and exponential multiply the learning rate by in decay_epochs.",
        json_schema_extra=facts(mutable=False, needs={"schedule": {"in": ["step", "exponential"]}}),
    )
    decay_epochs: int = Field(
        default=10,
        ge=1,
        le=1_000_000,
        description="Epochs in which step and exponential multiply the learning rate by decay_factor.",
        json_schema_extra=facts(mutable=False, needs={"schedule": {"in": ["step", "exponential"]}}),
    )
    warmup_epochs: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000,
        description="Epochs in which the learning rate rises linearly from almost nothing.",
        json_schema_extra=facts(
            mutable=False, needs={"schedule": {"in": ["constant", "cosine", "step", "exponential"]}}
        ),
    )
    batch_size: int = Field(
        default=32, ge=1, le=65_536, description="Rows per step.", json_schema_extra=facts(mutable=False)
    )
    rate_batch_size: int = Field(
        default=0,
        ge=0,
        le=65_536,
        description="Batch size that learning_rate is meant for; the rate grows in proportion to the batch. 0 takes"
        " learning_rate as it is.",
        json_schema_extra=facts(mutable=False),
    )
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of hidden units silenced at each training step.",
        json_schema_extra=facts(mutable=True),
    )

    def rate(self, batch_size: int) -> float:
        """Learning rate for steps of so many rows: linear scaling. Source: Goyal et al. 2017, 2.1."""
        return self.learning_rate * batch_size / self.rate_batch_size if self.rate_batch_size else self.learning_rate
