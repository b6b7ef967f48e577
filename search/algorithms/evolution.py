"""Evolutionary search: tournament, crossover and mutation of the best points so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from search.plugins import Algorithm, SearchRequest

if TYPE_CHECKING:
    import numpy as np

    from search.cube import Units
    from search.proposals import History

GENERATIONS = 10
"""Where the population has no size: that many of them make the job, as in sklearn-deap."""

MOST_TRIES = 20
"""So often a child that is known already is bred again."""


class Evolution(Algorithm):
    """Breeds new points from the best so far: tournament, crossover, mutation.

    A generation is `population_size` points; the first is random. Parents come from the best `population_size` points
    that have ended, so that nobody waits for the last of a generation. Rates as in sklearn-deap; survival of the best
    as in Beyer and Schwefel 2002, Evolution strategies.
    """

    kind: Literal["evolution"] = "evolution"
    learns: ClassVar[bool] = True

    population_size: int | None = Field(
        default=None, ge=2, le=10_000, description="Points of a generation; null is a tenth of the trials."
    )
    tournament_size: int = Field(default=3, ge=1, le=1000, description="Each parent is the best of so many drawn.")
    gene_crossover_prob: float = Field(
        default=0.5, ge=0, le=1, description="Chance of a parameter to come from the second parent."
    )
    gene_mutation_prob: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Chance of a parameter to mutate, beside the one that always does; half of them to a value nearby.",
    )
    inherit_weights: bool = Field(
        default=False,
        description="Whether a child begins with the weights of its first parent, as far as they fit its network.",
    )

    @property
    def inherits(self) -> bool:
        return self.inherit_weights

    def n_random(self, trials: int) -> int:
        return min(self._size(trials), trials)

    def settled(self, trials: int) -> Evolution:
        return self.model_copy(update={"population_size": self._size(trials)})

    def build(self, request: SearchRequest) -> Any:
        import numpy as np

        from search.cube import Cube
        from search.proposals import Child, comparable, tune_search

        cube = Cube(request.domains)
        size = self._size(request.trials)

        def propose(history: History, draws: np.random.Generator) -> Mapping[str, Any] | Child:
            ranked = sorted(comparable(history, size), key=lambda pair: (pair[1], pair[0].number))
            if len(history) < size or len(ranked) < 2:
                return cube.point(draws.random(len(cube.sides)))
            parents = cube.snap(np.array([cube.units(told.point) for told, _ in ranked[:size]]))
            known = {tuple(told.point.values()) for told in history}
            for _ in range(MOST_TRIES):
                mother, units = self._breed(cube, parents, draws)
                child = cube.point(units)
                if tuple(child.values()) not in known:
                    break
            return Child(child, ranked[mother][0]) if self.inherit_weights else child

        return tune_search(request, propose)

    def _size(self, trials: int) -> int:
        return self.population_size or max(4, math.ceil(trials / GENERATIONS))

    def _breed(self, cube: Any, parents: Units, draws: np.random.Generator) -> tuple[int, Units]:
        """Make a child of two parents, who are rows ordered from best to worst; name the row of the first, too."""
        import numpy as np

        mother, father = (int(draws.integers(len(parents), size=self.tournament_size).min()) for _ in range(2))
        child = np.where(draws.random(len(cube.sides)) < self.gene_crossover_prob, parents[father], parents[mother])
        mutants = draws.random(len(child)) < self.gene_mutation_prob
        mutants[draws.integers(len(child))] = True
        steps = draws.normal(scale=cube.steps(0.1))
        far = (draws.random(len(child)) < 0.5) | np.array([side.is_free for side in cube.sides])
        child = np.where(mutants, np.where(far, draws.random(len(child)), child + steps), child)
        return mother, np.asarray(cube.snap(child[None])[0])
