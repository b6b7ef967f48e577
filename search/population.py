"""What schedulers share that let the worst trials of a population copy the best: settings, rungs, Ray Tune's PBT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from search.domains import tune_domain
from search.feasible import ExploresWithin
from search.objective import METRIC
from search.plugins import Scheduler, ScheduleRequest
from search.problems import FieldProblem
from search.shortcuts import SortedPopulation
from search.space import Categories, Domain, Interval

PERTURBATION_FACTORS = (1.2, 0.8)


class Population(Scheduler):
    """Looks at all trials every so many epochs; the worst go on from the best (truncation)."""

    changes_parameters: ClassVar[bool] = True
    needs_all_trials: ClassVar[bool] = True

    perturbation_interval: int = Field(default=5, ge=1, description="Epochs between two looks at a trial.")
    quantile_fraction: float = Field(
        default=0.25, gt=0, le=0.5, description="Share of the population that copies, and that is copied."
    )

    def problems(self, mutable: Mapping[str, Domain], trials: int, epochs: int, parallelism: int) -> list[FieldProblem]:
        found = super().problems(mutable, trials, epochs, parallelism)
        name = self.name()
        if not mutable:
            found.append(FieldProblem("space", f"{name} needs a parameter that may change while a trial trains"))
        if trials < 2:
            found.append(FieldProblem("budget.trials", f"{name} compares trials: give at least 2, not {trials}"))
        if self.perturbation_interval >= epochs:
            message = f"it must be below budget.epochs_per_trial, {epochs}; got {self.perturbation_interval}"
            found.append(FieldProblem("scheduler.perturbation_interval", message))
        return found

    def rungs(self, epochs: int) -> list[int]:
        return list(range(self.perturbation_interval, epochs, self.perturbation_interval))

    def rung_of(self, scheduler: Any, trial: Any) -> int | None:
        state = scheduler._trial_state.get(trial)
        return None if state is None else int(state.last_perturbation_time) // self.perturbation_interval

    def least_parallelism(self, trials: int, epochs: int) -> int:
        return trials

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        state = scheduler._trial_state.get(trial)
        last = 0 if state is None else int(state.last_perturbation_time)
        return max(last + self.perturbation_interval, epoch + 1)

    def tune_scheduler(self, request: ScheduleRequest, *parts: type, **settings: Any) -> Any:
        """Build Ray Tune's scheduler with these classes before it; it explores as PBT does where they do not."""
        from ray.tune.schedulers import PopulationBasedTraining

        bases = (ExploresWithin, *parts, SortedPopulation, PopulationBasedTraining)
        sorted_training = type("SortedTraining", bases, {"region": request.region})
        return sorted_training(
            time_attr="training_iteration",
            metric=METRIC,
            mode=request.mode,
            perturbation_interval=self.perturbation_interval,
            hyperparam_mutations={name: _mutation(domain) for name, domain in request.mutable.items()},
            quantile_fraction=self.quantile_fraction,
            perturbation_factors=PERTURBATION_FACTORS,
            custom_explore_fn=lambda config: _clip(config, request.mutable),
            log_config=False,
            **settings,
        )


def _mutation(domain: Domain) -> Any:
    # Tune multiplies the index of a choice domain; from a list it steps to a neighbour.
    return list(range(domain.n)) if isinstance(domain, Categories) else tune_domain(domain)


def _clip(config: Mapping[str, Any], mutable: Mapping[str, Domain]) -> dict[str, Any]:
    intervals = {name: domain for name, domain in mutable.items() if isinstance(domain, Interval)}
    return {name: intervals[name].clip(v) if name in intervals else v for name, v in config.items()}
