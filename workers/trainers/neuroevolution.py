"""The `neuroevolution` trainer: a population of multilayer perceptrons by mutation and selection, without gradients.

How it breeds is `models/population.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from models.hyper import LaneHyperparameters
from models.hyper_evolution import NeuroevolutionHyperparameters, elite_problem
from search.problems import FieldProblem
from search.space import Space
from workers.trainers.mlp import MlpTrainer


class NeuroevolutionTrainer(MlpTrainer):
    """Breeds a population of multilayer perceptrons by mutation and selection, without gradients."""

    kind: ClassVar[str] = "neuroevolution"
    hyperparameters = NeuroevolutionHyperparameters
    horizon: ClassVar[str | None] = None
    default_preset: ClassVar[str] = "neuroevolution"
    inherits: ClassVar[bool] = False

    def joint_problems(self, space: Space, fixed: Mapping[str, Any]) -> list[FieldProblem]:
        """Refuse elites that may fill the smallest population there can be."""
        sizes = [size for _, size in self.given_values("population_size", space, fixed)]
        found = [
            FieldProblem(path, f"{problem}; allowed: fewer than population_size")
            for path, elites in self.given_values("elites", space, fixed)
            if (problem := elite_problem(elites, min(sizes)))
        ]
        return super().joint_problems(space, fixed) + found[:1]

    def notes(self, hyper: LaneHyperparameters) -> list[tuple[str, str]]:
        """Say nothing of weights that start alike: mutation tells them apart."""
        return []

    def networks(self, space: Space, fixed: Mapping[str, Any]) -> int:
        """Count the networks of the largest population."""
        return space.most("population_size", fixed)
