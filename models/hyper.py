"""The hyperparameters of one MLP: field, type, range, default, and what may vary where. No search, no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ActivationName = Literal[
    "relu", "tanh", "logistic", "identity", "gelu", "silu", "elu", "leaky_relu", "selu", "softplus", "mish"
]
InitialisationName = Literal["auto", "he", "glorot", "lecun", "uniform", "normal", "zeros"]
OptimizerName = Literal["sgd", "adam", "adamw"]
Units = Annotated[int, Field(ge=1, le=65_536)]


def _facts(*, mutable: bool, needs: dict[str, Any] | None = None) -> dict[str, Any]:
    """`mutable`: PBT may change it while a lane trains. `needs`: it means something only under this condition."""
    return {"mutable": mutable, "needs": needs or {}}


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
    beta1: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Memory of adam's mean gradient.",
        json_schema_extra=_facts(mutable=True, needs={"optimizer": {"in": ["adam", "adamw"]}}),
    )
    beta2: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="Memory of adam's mean squared gradient.",
        json_schema_extra=_facts(mutable=True, needs={"optimizer": {"in": ["adam", "adamw"]}}),
    )
    epsilon: float = Field(
        default=1e-8,
        gt=0,
        le=1,
        description="Keeps adam from dividing by zero.",
        json_schema_extra=_facts(mutable=False, needs={"optimizer": {"in": ["adam", "adamw"]}}),
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="L2 penalty of sgd and adam as in torch.optim; decoupled for adamw.",
        json_schema_extra=_facts(mutable=True),
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
