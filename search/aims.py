"""What a job is after: its objectives, and the limits that its results are to keep. Compares results; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from search.limits import Limit
from search.objective import Mode, Objective

MOST_OBJECTIVES = 4
Costs = tuple[float, ...]
Values = Sequence[float]


def find_front(points: Sequence[Costs]) -> list[int]:
    """Name the places of the points that no other one dominates, equal ones all, in order; lower is better."""
    order = sorted(range(len(points)), key=lambda place: points[place])
    found: list[int] = []
    held = np.empty((len(points), len(points[0]) if points else 0))
    for place in order:  # whoever dominates a point comes before it
        point = np.array(points[place])
        before = held[: len(found)]
        if not ((before <= point).all(axis=1) & (before < point).any(axis=1)).any():
            held[len(found)] = point
            found.append(place)
    return sorted(found)


@dataclass(frozen=True)
class Aims:
    """`metrics` names the values of a report, in order; the first is the first objective. Values are those of a
    trial's best epoch; behind them may stand more, which do not count."""

    metrics: tuple[str, ...]
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...] = ()

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any], maximize: bool) -> Aims:
        """Read them from a resolved spec, as JSON, perhaps of an older version."""
        metrics = tuple(spec.get("metrics") or ["objective"])
        further = [Objective.model_validate(one) for one in spec.get("further_objectives") or ()]
        limits = [Limit.model_validate(one) for one in spec.get("limits") or ()]
        return cls(metrics, (Objective(name=metrics[0], maximize=maximize), *further), tuple(limits))

    @property
    def are_several(self) -> bool:
        """There is more than one objective."""
        return len(self.objectives) > 1

    @property
    def is_plain(self) -> bool:
        """There is one objective and no limit: what searchers and schedulers hear is the objective itself."""
        return not self.are_several and not self.limits

    @property
    def mode(self) -> Mode:
        """The direction of what searchers and schedulers hear."""
        return self.objectives[0].mode if self.is_plain else "min"

    @cached_property
    def _places(self) -> list[int]:
        return [self.metrics.index(objective.name) for objective in self.objectives]

    @cached_property
    def _bounds(self) -> list[tuple[int, Limit]]:
        return [(self.metrics.index(limit.metric), limit) for limit in self.limits]

    def costs(self, values: Values) -> Costs:
        """Give the objectives, the first one first, as numbers of which less is better; infinity for what is none."""
        return tuple(one.rank(values[place]) for one, place in zip(self.objectives, self._places, strict=True))

    def violation(self, values: Values) -> float:
        """Say how far limits are broken together: 0 where all are kept, else up to 1, which is without bound."""
        total = sum(limit.relative_excess(values[place]) for place, limit in self._bounds)
        return total / (1 + total) if math.isfinite(total) else 1.0

    def keeps(self, values: Values) -> bool:
        """Tell whether all limits are kept."""
        return self.violation(values) == 0

    def broken(self, values: Values) -> dict[str, float]:
        """Say by how much each limit is broken that is, in units of its metric."""
        found = {limit.metric: limit.excess(values[place]) for place, limit in self._bounds}
        return {metric: excess for metric, excess in found.items() if excess > 0}

    def best(self, results: Mapping[int, Values], keep: int) -> list[int]:
        """Name the best of trials, the winner first: by the objectives in their order, ties by number.

        With one objective, `keep` of them; with several, all that no other one dominates.
        """
        ranked = sorted(results, key=lambda number: (self.costs(results[number]), number))
        if not self.are_several:
            return ranked[:keep]
        return [ranked[place] for place in find_front([self.costs(results[number]) for number in ranked])]
