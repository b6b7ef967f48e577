"""The hyperparameters of neuroevolution: how a population of networks breeds. No networks, no torch."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from models.hyper import LaneHyperparameters
from models.hyper_facts import facts


class EvolutionHyperparameters(BaseModel):
    """How a population goes from one generation to the next. Source: Such et al. 2017, Deep Neuroevolution."""

    population_size: int = Field(
        default=100,
        ge=2,
        le=10_000,
        description="Networks of a generation.",
        json_schema_extra=facts(mutable=False),
    )
    truncation: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Share of a generation, its best networks, that become parents of the next; at least one does.",
        json_schema_extra=facts(mutable=False),
    )
    elites: int = Field(
        default=1,
        ge=0,
        le=9_999,
        description="Best networks that live on unchanged; fewer than population_size.",
        json_schema_extra=facts(mutable=False),
    )
    mutation_strength: float = Field(
        default=0.05,
        gt=0,
        le=100,
        description="Standard deviation of the normal numbers that a child adds to the weights of its parent.",
        json_schema_extra=facts(mutable=True),
    )
    mutation_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="What mutation_strength is multiplied by from generation to generation.",
        json_schema_extra=facts(mutable=True),
    )
    batch_size: int = Field(
        default=0,
        ge=0,
        le=100_000_000,
        description="Training rows that a generation is scored on, others for each; 0 takes all of them.",
        json_schema_extra=facts(mutable=False),
    )


class NeuroevolutionHyperparameters(EvolutionHyperparameters, LaneHyperparameters):
    """One population and its networks, which all have one shape."""

    normalisation: Literal["none", "layer"] = Field(
        default="none",
        description="What happens to the sums of hidden units before their activation: layer brings each row to mean 0"
        " and variance 1 over its units; then an evolved scale and shift.",
        json_schema_extra=facts(mutable=False, needs={"hidden_layers": {"ge": 1}}),
    )

    @model_validator(mode="after")
    def _leaves_children(self) -> Self:
        if problem := elite_problem(self.elites, self.population_size):
            raise ValueError(problem)
        return self

    @property
    def n_parents(self) -> int:
        """The best networks of a generation that breed."""
        return math.ceil(self.truncation * self.population_size)

    def strength(self, generation: int) -> float:
        """Standard deviation of the mutations that make a generation, the first one after the fresh one being 1."""
        return self.mutation_strength * self.mutation_decay ** (generation - 1)

    def n_scored(self, n_train: int) -> int:
        """Training rows that a generation is scored on."""
        return min(self.batch_size, n_train) if self.batch_size else n_train


def elite_problem(elites: int, population_size: int) -> str | None:
    """Say why a generation would be nothing but elites; None where it has children."""
    if elites < population_size:
        return None
    return f"{elites} elites leave no room for children in a population of {population_size}"
