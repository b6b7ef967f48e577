"""The hyperparameters of one MLP: field, type, range, default, and what may vary where. No search, no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.hyper_facts import facts
from models.hyper_table import TableHyperparameters
from models.hyper_training import TrainingHyperparameters
from models.normalisation import NormalisationName
from models.shapes import SHAPES, ShapeName, shape_problem

ActivationName = Literal[
    "relu", "tanh", "logistic", "identity", "gelu", "silu", "elu", "leaky_relu", "selu", "softplus", "mish"
]
InitialisationName = Literal["auto", "he", "glorot", "lecun", "uniform", "normal", "zeros"]
LossName = Literal[
    "auto",
    "squared_error",
    "absolute_error",
    "huber",
    "log_cosh",
    "quantile",
    "cross_entropy",
    "focal",
    "hinge",
    "perceptron",
]
OutputActivationName = Literal["none", "relu", "softplus", "logistic", "tanh"]
ClassWeightName = Literal["none", "balanced"]
Units = Annotated[int, Field(ge=1, le=65_536)]


class NetworkHyperparameters(BaseModel):
    """What a network is made of, and what it learns by."""

    hidden_layers: int = Field(
        default=2,
        ge=0,
        le=16,
        description="Number of hidden layers; 0 is a linear model.",
        json_schema_extra=facts(mutable=False),
    )
    units: Units | tuple[Units, ...] = Field(
        default=64,
        description="One width for all hidden layers, or one per layer.",
        json_schema_extra=facts(mutable=False, needs={"hidden_layers": {"ge": 1}}),
    )
    shape: ShapeName = Field(
        default="constant",
        description="How one width becomes the widths of all hidden layers: constant, down in equal steps (funnel), up"
        " in equal steps (triangle), or constant in the first half and then down (long_funnel).",
        json_schema_extra=facts(mutable=False, needs={"hidden_layers": {"ge": 2}}),
    )
    activation: ActivationName = Field(
        default="relu", description="What hidden units do with their sum.", json_schema_extra=facts(mutable=False)
    )
    output_activation: OutputActivationName = Field(
        default="none",
        description="What the outputs of a regression do with their sum; targets are scaled to its range.",
        json_schema_extra=facts(mutable=False, encodes=True),
    )
    loss: LossName = Field(
        default="auto",
        description="What training makes small; auto is squared_error for regression, cross_entropy for classes.",
        json_schema_extra=facts(mutable=False),
    )
    huber_delta: float = Field(
        default=1.0,
        gt=0,
        le=1_000,
        description="Error from which huber is linear, in units of the scaled target: standard deviations.",
        json_schema_extra=facts(mutable=True, needs={"loss": {"in": ["huber"]}}),
    )
    quantile: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="Share of the target's distribution below what the loss quantile predicts; 0.5 is the median.",
        json_schema_extra=facts(mutable=True, needs={"loss": {"in": ["quantile"]}}),
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the truth that cross_entropy spreads evenly over all classes.",
        json_schema_extra=facts(mutable=True, needs={"loss": {"in": ["auto", "cross_entropy"]}}),
    )
    focal_gamma: float = Field(
        default=2.0,
        ge=0,
        le=20,
        description="How much less focal counts rows that are predicted well already; 0 is cross_entropy.",
        json_schema_extra=facts(mutable=True, needs={"loss": {"in": ["focal"]}}),
    )
    class_weight: ClassWeightName = Field(
        default="none",
        description="balanced lets each class weigh the same in the loss, however rare it is.",
        json_schema_extra=facts(mutable=False, encodes=True),
    )
    initialisation: InitialisationName = Field(
        default="auto",
        description="First weights. he, glorot and lecun scale with the layer, auto takes the one that suits the"
        " activation; uniform and normal have spread 0.05; zeros leaves all units of a layer alike for ever.",
        json_schema_extra=facts(mutable=False),
    )
    normalisation: NormalisationName = Field(
        default="none",
        description="What happens to the sums of hidden units before their activation: batch brings each unit to mean"
        " 0 and variance 1 over the rows of a step, layer each row over its units; then a trained scale and shift.",
        json_schema_extra=facts(mutable=False, needs={"hidden_layers": {"ge": 1}}),
    )


class LaneHyperparameters(TableHyperparameters, NetworkHyperparameters):
    """What all lanes have, however they are trained: a network, and what it is shown of its table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if problem := shape_problem(self.shape, self.units):
            raise ValueError(problem)
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of every hidden layer, hidden_layers of them."""
        if isinstance(self.units, int):
            return SHAPES[self.shape](self.units, self.hidden_layers)
        return self.units[: self.hidden_layers]

    @property
    def encoding(self) -> tuple[Any, ...]:
        """Values of the hyperparameters that decide what numbers a network is shown."""
        return tuple(getattr(self, name) for name in _ENCODING)


class Hyperparameters(TrainingHyperparameters, LaneHyperparameters):
    """One network and how it is trained by gradients. All fields may differ between the lanes of a pack."""


def _encodes(extra: Any) -> bool:
    return isinstance(extra, dict) and bool(extra["encodes"])


_ENCODING = [name for name, field in LaneHyperparameters.model_fields.items() if _encodes(field.json_schema_extra)]
