"""Algorithms of our own: a function of what has been told and of the seed gives the next point. Told and asked by Tune.

So a replay asks the same questions and gets the same points. Ray is imported when a search is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from search.objective import METRIC
from search.plugins import SearchRequest


@dataclass
class Told:
    """One trial. `reports` are its objective by age, lower is better whatever the mode; `number` counts from 0, those
    from before the job first."""

    number: int
    point: Mapping[str, Any]
    reports: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    has_ended: bool = False

    @property
    def value(self) -> float:
        """Its objective at its greatest age."""
        return self.reports[max(self.reports)]


PARENT = "<parent>"
"""Under this name, which no parameter has, a trial's config holds the number of the trial whose weights it inherits."""


@dataclass(frozen=True)
class Child:
    """A point whose trial begins with the weights of a trial of this job, as far as they fit its network. From one that
    is from before the job it inherits nothing."""

    point: Mapping[str, Any]
    parent: Told


History = list[Told]
Propose = Callable[[History, np.random.Generator], Mapping[str, Any] | Child]


def comparable(history: History, least: int) -> list[tuple[Told, float]]:
    """List trials with values of one age: the greatest at which `least` of them reported, as in BOHB.

    Where there is none, those that have ended, each at its own. Source: Falkner et al. 2018, section 3.2.
    """
    ages = sorted({age for told in history for age in told.reports}, reverse=True)
    for age in ages:
        found = [(told, told.reports[age]) for told in history if age in told.reports]
        if len(found) >= least:
            return found
    return [(told, told.value) for told in history if told.has_ended and told.reports]


def tune_search(request: SearchRequest, propose: Propose) -> Any:
    """Build Ray Tune's search around a function; the points to begin with come first.

    It is given the trials so far, in the order of their numbers, and random numbers of its own for each of them.
    """
    from ray.tune.search import ConcurrencyLimiter, Searcher, SearchGenerator

    sign = 1.0 if request.mode == "min" else -1.0

    class Proposals(Searcher):  # type: ignore[misc]  # Ray Tune has no types
        def __init__(self) -> None:
            super().__init__(metric=METRIC, mode=request.mode)
            self.history: History = [
                Told(number, dict(known.point), {known.epochs: sign * known.objective}, known.seconds, has_ended=True)
                for number, known in enumerate(request.earlier)
            ]
            self.by_id: dict[str, Told] = {}

        def suggest(self, trial_id: str) -> dict[str, Any]:
            trial = len(self.by_id)
            first = request.initial_points
            draws = np.random.default_rng([request.seed, trial])
            made = first[trial] if trial < len(first) else propose(self.history, draws)
            point = dict(made.point if isinstance(made, Child) else made)
            if request.region is not None:  # it learns where a trial really was
                point = request.region.mend(point, draws, is_near=True)
            self.by_id[trial_id] = Told(len(self.history), point)
            self.history.append(self.by_id[trial_id])
            parent = made.parent.number - len(request.earlier) if isinstance(made, Child) else -1
            return {**point, PARENT: parent} if parent >= 0 else point

        def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
            told = self.by_id[trial_id]
            told.reports[int(result["training_iteration"])] = sign * float(result[METRIC])
            told.seconds = float(result.get("time_total_s", 0.0))

        def on_trial_complete(
            self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
        ) -> None:
            if result and METRIC in result:
                self.on_trial_result(trial_id, {"training_iteration": 1, **result})
            self.by_id[trial_id].has_ended = True

        def save(self, checkpoint_path: str) -> None:
            """Nothing on disk: a replay tells it everything again."""

        def restore(self, checkpoint_path: str) -> None:
            """Nothing on disk."""

    return SearchGenerator(ConcurrencyLimiter(Proposals(), max_concurrent=request.parallelism))
