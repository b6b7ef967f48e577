"""Grid search: the distinct points of a space without continuous parameters, fed to BasicVariantGenerator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from search.budget import MOST_TRIALS
from search.plugins import Algorithm, SearchRequest
from search.problems import FieldProblem, join_path
from search.space import Point, Space


class Grid(Algorithm):
    """Tries every combination of the space once; conditions and steps decide how many there are."""

    kind: Literal["grid"] = "grid"
    finite: ClassVar[bool] = True

    def problems(self, space: Space, trials: int | None) -> list[FieldProblem]:
        continuous = [name for name, parameter in space.parameters.items() if parameter.lattice() is None]
        if continuous:
            message = "a grid needs a step or a choice of values here; this parameter is continuous"
            return [FieldProblem(join_path("space", name, "step"), message) for name in continuous]
        if space.region and len(Space(space.root).grid(limit=MOST_TRIALS + 1)) > MOST_TRIALS:
            message = f"the grid has more than {MOST_TRIALS} points before its constraints: give fewer values"
            return [FieldProblem("space", message)]
        most = trials or MOST_TRIALS
        if len(space.grid(limit=most + 1)) <= most:
            return []
        message = (
            f"the grid has more than {most} points: give trials for all of them (at most {MOST_TRIALS}) or fewer values"
        )
        return [FieldProblem("budget.trials" if trials else "space", message)]

    def n_trials(self, space: Space, trials: int | None) -> int:
        return len(space.grid(limit=MOST_TRIALS))

    def initial_points(self, space: Space, start: Sequence[Point]) -> list[Point]:
        grid = space.grid(limit=MOST_TRIALS)
        first = [point for point in start if point in grid]
        return first + [point for point in grid if point not in first]

    def build(self, request: SearchRequest) -> Any:
        from ray.tune.search import BasicVariantGenerator

        points = [dict(point) for point in request.initial_points]
        return BasicVariantGenerator(points_to_evaluate=points, max_concurrent=0, random_state=request.seed)
