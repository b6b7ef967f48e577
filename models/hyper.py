"""The hyperparameters of one MLP: field, type, range, default, and what may vary where. No search, no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ActivationName = Literal[
    "relu", "tanh", "logistic", "identity", "gelu", "silu", "elu", "leaky_relu", "selu", "softplus", "mish"
]
InitialisationName = Literal["auto", "he", "glorot", "lecun", "uniform", "normal", "zeros"]
OptimizerName = Literal["sgd", "adagrad", "rmsprop", "adam", "adamw", "nadam"]
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
ScheduleName = Literal["constant", "cosine", "step", "exponential", "one_cycle"]
ADAMS = ["adam", "adamw", "nadam"]
Units = Annotated[int, Field(ge=1, le=65_536)]


def _facts(*, mutable: bool, needs: dict[str, Any] | None = None, encodes: bool = False) -> dict[str, Any]:
    """`mutable`: PBT may change it while a lane trains. `needs`: it means something only under this condition.
    `encodes`: it decides what numbers a network is shown, so lanes that differ in it do not share their rows."""
    return {"mutable": mutable, "needs": needs or {}, "encodes": encodes}


class Hyperparameters(BaseModel):
    """One network and how it is trained. All fields may differ between the lanes of a pack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden_layers: int = Field(
        default=2,
        ge=0,
        le=16,
        description="Number of hidden layers; 0 is a linear model.",
        json_schema_extra=_facts(mutable=False),
    )
    units: Units | tuple[Units, ...] = Field(
        default=64,
        description="One width for all hidden layers, or one per layer.",
        json_schema_extra=_facts(mutable=False, needs={"hidden_layers": {"ge": 1}}),
    )
    activation: ActivationName = Field(
        default="relu", description="What hidden units do with their sum.", json_schema_extra=_facts(mutable=False)
    )
    output_activation: OutputActivationName = Field(
        default="none",
        description="What the outputs of a regression do with their sum; targets are scaled to its range.",
        json_schema_extra=_facts(mutable=False, encodes=True),
    )
    loss: LossName = Field(
        default="auto",
        description="What training makes small; auto is squared_error for regression, cross_entropy for classes.",
        json_schema_extra=_facts(mutable=False),
    )
    huber_delta: float = Field(
        default=1.0,
        gt=0,
        le=1_000,
        description="Error from which huber is linear, in units of the scaled target: standard deviations.",
        json_schema_extra=_facts(mutable=True, needs={"loss": {"in": ["huber"]}}),
    )
    quantile: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="Share of the target's distribution below what the loss quantile predicts; 0.5 is the median.",
        json_schema_extra=_facts(mutable=True, needs={"loss": {"in": ["quantile"]}}),
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the truth that cross_entropy spreads evenly over all classes.",
        json_schema_extra=_facts(mutable=True, needs={"loss": {"in": ["auto", "cross_entropy"]}}),
    )
    focal_gamma: float = Field(
        default=2.0,
        ge=0,
        le=20,
        description="How much less focal counts rows that are predicted well already; 0 is cross_entropy.",
        json_schema_extra=_facts(mutable=True, needs={"loss": {"in": ["focal"]}}),
    )
    class_weight: ClassWeightName = Field(
        default="none",
        description="balanced lets each class weigh the same in the loss, however rare it is.",
        json_schema_extra=_facts(mutable=False, encodes=True),
    )
    initialisation: InitialisationName = Field(
        default="auto",
        description="First weights. he, glorot and lecun scale with the layer, auto takes the one that suits the"
        " activation; uniform and normal have spread 0.05; zeros leaves all units of a layer alike for ever.",
        json_schema_extra=_facts(mutable=False),
    )
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of hidden units silenced at each training step.",
        json_schema_extra=_facts(mutable=True),
    )
    optimizer: OptimizerName = Field(
        default="adam", description="How a gradient becomes a step.", json_schema_extra=_facts(mutable=False)
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, le=100, description="Size of a step.", json_schema_extra=_facts(mutable=True)
    )
    momentum: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Share of the last step that sgd adds to the next.",
        json_schema_extra=_facts(mutable=True, needs={"optimizer": {"in": ["sgd"]}}),
    )
    nesterov: bool = Field(
        default=False,
        description="Whether sgd looks one step of momentum ahead.",
        json_schema_extra=_facts(mutable=False, needs={"optimizer": {"in": ["sgd"]}}),
    )
    beta1: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Memory of the mean gradient of adam, adamw and nadam.",
        json_schema_extra=_facts(mutable=True, needs={"optimizer": {"in": ADAMS}}),
    )
    beta2: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="Memory of the mean squared gradient of adam, adamw, nadam and rmsprop.",
        json_schema_extra=_facts(mutable=True, needs={"optimizer": {"in": [*ADAMS, "rmsprop"]}}),
    )
    epsilon: float = Field(
        default=1e-8,
        gt=0,
        le=1,
        description="Keeps the division by the root of the mean squared gradient from one by zero.",
        json_schema_extra=_facts(mutable=False, needs={"optimizer": {"in": [*ADAMS, "rmsprop", "adagrad"]}}),
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="L2 penalty as in torch.optim; decoupled for adamw.",
        json_schema_extra=_facts(mutable=True),
    )
    l1: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="L1 penalty on all parameters: the sign of each, times this, joins its gradient.",
        json_schema_extra=_facts(mutable=True),
    )
    gradient_clip: float = Field(
        default=0.0,
        ge=0,
        description="Longest gradient of a step, over all parameters; a longer one is scaled down to it. 0 never does.",
        json_schema_extra=_facts(mutable=True),
    )
    schedule: ScheduleName = Field(
        default="constant",
        description="How the learning rate goes on: down half a cosine wave to 0, down in steps, exponentially, or up"
        " and down once while momentum goes down and up (one_cycle, with learning_rate at its peak).",
        json_schema_extra=_facts(mutable=False),
    )
    schedule_epochs: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="Epochs over which cosine and one_cycle run. Where nobody says, the job's epochs_per_trial.",
        json_schema_extra=_facts(mutable=False, needs={"schedule": {"in": ["cosine", "one_cycle"]}}),
    )
    decay_factor: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="What step and exponential multiply the learning rate by in decay_epochs.",
        json_schema_extra=_facts(mutable=False, needs={"schedule": {"in": ["step", "exponential"]}}),
    )
    decay_epochs: int = Field(
        default=10,
        ge=1,
        le=1_000_000,
        description="Epochs in which step and exponential multiply the learning rate by decay_factor.",
        json_schema_extra=_facts(mutable=False, needs={"schedule": {"in": ["step", "exponential"]}}),
    )
    warmup_epochs: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000,
        description="Epochs in which the learning rate rises linearly from almost nothing.",
        json_schema_extra=_facts(
            mutable=False, needs={"schedule": {"in": ["constant", "cosine", "step", "exponential"]}}
        ),
    )
    batch_size: int = Field(
        default=32, ge=1, le=65_536, description="Rows per step.", json_schema_extra=_facts(mutable=False)
    )

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of every hidden layer, hidden_layers of them."""
        if isinstance(self.units, int):
            return (self.units,) * self.hidden_layers
        return self.units[: self.hidden_layers]

    @property
    def encoding(self) -> tuple[Any, ...]:
        """Values of the hyperparameters that decide what numbers a network is shown."""
        return tuple(getattr(self, name) for name in _ENCODING)


def _encodes(extra: Any) -> bool:
    return isinstance(extra, dict) and bool(extra["encodes"])


_ENCODING = [name for name, field in Hyperparameters.model_fields.items() if _encodes(field.json_schema_extra)]
