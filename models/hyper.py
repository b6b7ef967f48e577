"""The hyperparameters of one MLP: field, type, range, default, and what may vary where. No search, no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.normalisation import NormalisationName
from models.shapes import SHAPES, ShapeName, shape_problem

ActivationName = Literal[
    "relu", "tanh", "logistic", "identity", "gelu", "silu", "elu", "leaky_relu", "selu", "softplus", "mish"
]
InitialisationName = Literal["auto", "he", "glorot", "lecun", "uniform", "normal", "zeros"]
OptimizerName = Literal["sgd", "adagrad", "rmsprop", "adam", "adamw", "nadam"]
ScheduleName = Literal["constant", "cosine", "step", "exponential", "one_cycle"]
ScalingName = Literal["standard", "robust", "robust_smooth", "quantile"]
EmbeddingName = Literal["none", "piecewise_linear", "periodic"]
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
    shape: ShapeName = Field(
        default="constant",
        description="How one width becomes the widths of all hidden layers: constant, down in equal steps (funnel), up"
        " in equal steps (triangle), or constant in the first half and then down (long_funnel).",
        json_schema_extra=_facts(mutable=False, needs={"hidden_layers": {"ge": 2}}),
    )
    activation: ActivationName = Field(
        default="relu", description="What hidden units do with their sum.", json_schema_extra=_facts(mutable=False)
    )
    initialisation: InitialisationName = Field(
        default="auto",
        description="First weights. he, glorot and lecun scale with the layer, auto takes the one that suits the"
        " activation; uniform and normal have spread 0.05; zeros leaves all units of a layer alike for ever.",
        json_schema_extra=_facts(mutable=False),
    )
    normalisation: NormalisationName = Field(
        default="none",
        description="What happens to the sums of hidden units before their activation: batch brings each unit to mean"
        " 0 and variance 1 over the rows of a step, layer each row over its units; then a trained scale and shift.",
        json_schema_extra=_facts(mutable=False, needs={"hidden_layers": {"ge": 1}}),
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
    rate_batch_size: int = Field(
        default=0,
        ge=0,
        le=65_536,
        description="Batch size that learning_rate is meant for; the rate grows in proportion to the batch. 0 takes"
        " learning_rate as it is.",
        json_schema_extra=_facts(mutable=False),
    )
    numeric_scaling: ScalingName = Field(
        default="standard",
        description="Numbers by mean and standard deviation, by median and quartiles (robust; robust_smooth also bends"
        " them to between -3 and 3), or by rank to a normal distribution (quantile).",
        json_schema_extra=_facts(mutable=False, encodes=True),
    )
    numeric_clip: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="Farthest from 0 that a scaled number may be; one beyond is moved there. 0 never does.",
        json_schema_extra=_facts(mutable=False, encodes=True),
    )
    missing: Literal["median", "mean"] = Field(
        default="median",
        description="What of the training rows stands in for a missing number or date.",
        json_schema_extra=_facts(mutable=False, encodes=True),
    )
    missing_indicator: bool = Field(
        default=True,
        description="Whether a column in which training rows lack values gets one more input that marks them.",
        json_schema_extra=_facts(mutable=False, encodes=True),
    )
    numeric_embedding: EmbeddingName = Field(
        default="none",
        description="Whether a scaled number becomes several inputs: how much of each bin lies below it"
        " (piecewise_linear), or sines and cosines of it (periodic).",
        json_schema_extra=_facts(mutable=False, encodes=True),
    )
    embedding_bins: int = Field(
        default=16,
        ge=2,
        le=256,
        description="Bins of piecewise_linear, with equally many training rows; equal edges are one.",
        json_schema_extra=_facts(
            mutable=False, needs={"numeric_embedding": {"in": ["piecewise_linear"]}}, encodes=True
        ),
    )
    embedding_frequencies: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Frequencies of periodic, each with a sine and a cosine.",
        json_schema_extra=_facts(mutable=False, needs={"numeric_embedding": {"in": ["periodic"]}}, encodes=True),
    )
    frequency_scale: float = Field(
        default=0.2,
        gt=0,
        le=100,
        description="Standard deviation of the frequencies of periodic, in turns per unit of the scaled number.",
        json_schema_extra=_facts(mutable=False, needs={"numeric_embedding": {"in": ["periodic"]}}, encodes=True),
    )
    categorical_encoding: Literal["one_hot", "embedding"] = Field(
        default="one_hot",
        description="Whether the first layer sees an input for each category, or a few learned numbers (embedding).",
        json_schema_extra=_facts(mutable=False, encodes=True),
    )
    embedding_size: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Learned numbers for each category; a column with as few categories takes one fewer than those.",
        json_schema_extra=_facts(mutable=False, needs={"categorical_encoding": {"in": ["embedding"]}}, encodes=True),
    )
    max_categories: int = Field(
        default=255,
        ge=1,
        le=100_000,
        description="Categories of a column that get an input each, the most frequent; the others count as unseen.",
        json_schema_extra=_facts(mutable=False, encodes=True),
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Hyperparameters:
        if problem := shape_problem(self.shape, self.units):
            raise ValueError(problem)
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of every hidden layer, hidden_layers of them."""
        if isinstance(self.units, int):
            return SHAPES[self.shape](self.units, self.hidden_layers)
        return self.units[: self.hidden_layers]

    def rate(self, batch_size: int) -> float:
        """Learning rate for steps of so many rows: linear scaling. Source: Goyal et al. 2017, 2.1."""
        return self.learning_rate * batch_size / self.rate_batch_size if self.rate_batch_size else self.learning_rate

    @property
    def encoding(self) -> tuple[Any, ...]:
        """Values of the hyperparameters that decide what numbers a network is shown."""
        return tuple(getattr(self, name) for name in _ENCODING)


def _encodes(extra: Any) -> bool:
    return isinstance(extra, dict) and bool(extra["encodes"])


_ENCODING = [name for name, field in Hyperparameters.model_fields.items() if _encodes(field.json_schema_extra)]
