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

    def build(self, request: SearchRequest) -> Any:
        import numpy as np

        from search.cube import Cube
        from search.proposals import comparable, tune_search

        cube = Cube(request.domains)
        size = self.population_size or max(4, math.ceil(request.trials / GENERATIONS))

        def propose(history: History, draws: np.random.Generator) -> Mapping[str, Any]:
            ranked = sorted(comparable(history, size), key=lambda pair: (pair[1], pair[0].number))
            if len(history) < size or len(ranked) < 2:
                return cube.point(draws.random(len(cube.sides)))
            parents = cube.snap(np.array([cube.units(told.point) for told, _ in ranked[:size]]))
            known = {tuple(told.point.values()) for told in history}
            children = (cube.point(self._breed(cube, parents, draws)) for _ in range(MOST_TRIES))
            child = next(children)
            while tuple(child.values()) in known and (another := next(children, None)):
                child = another
            return child

        return tune_search(request, propose)

    def _breed(self, cube: Any, parents: Units, draws: np.random.Generator) -> Units:
        """Make a child of two parents, who are rows ordered from best to worst."""
        import numpy as np

        mother, father = (parents[draws.integers(len(parents), size=self.tournament_size).min()] for _ in range(2))
        child = np.where(draws.random(len(mother)) < self.gene_crossover_prob, father, mother)
        mutants = draws.random(len(child)) < self.gene_mutation_prob
        mutants[draws.integers(len(child))] = True
        steps = draws.normal(scale=cube.steps(0.1))
        far = (draws.random(len(child)) < 0.5) | np.array([side.is_free for side in cube.sides])
        child = np.where(mutants, np.where(far, draws.random(len(child)), child + steps), child)
        return np.asarray(cube.snap(child[None])[0])
