"""Population-based training, by Ray Tune's PopulationBasedTraining."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from search.domains import tune_domain
from search.objective import METRIC
from search.plugins import Scheduler, ScheduleRequest
from search.problems import FieldProblem
from search.shortcuts import SortedPopulation
from search.space import Categories, Domain, Interval

PERTURBATION_FACTORS = (1.2, 0.8)


class Pbt(Scheduler):
    """Lets the worst trials copy the weights and hyperparameters of the best, and varies what they copied.

    Source: Jaderberg et al. 2017, Population Based Training of Neural Networks.
    """

    kind: Literal["pbt"] = "pbt"
    changes_parameters: ClassVar[bool] = True
    needs_all_trials: ClassVar[bool] = True

    perturbation_interval: int = Field(default=5, ge=1, description="Epochs between two looks at a trial.")
    quantile_fraction: float = Field(
        default=0.25, gt=0, le=0.5, description="Share of the population that copies, and that is copied."
    )
    resample_probability: float = Field(
        default=0.25, ge=0, le=1, description="Chance to draw a value afresh instead of scaling it by 0.8 or 1.2."
    )

    def problems(self, mutable: Mapping[str, Domain], trials: int, epochs: int, parallelism: int) -> list[FieldProblem]:
        found = super().problems(mutable, trials, epochs, parallelism)
        if not mutable:
            found.append(FieldProblem("space", "pbt needs a parameter that may change while a trial trains"))
        if trials < 2:
            found.append(FieldProblem("budget.trials", f"pbt compares trials: give at least 2, not {trials}"))
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

    def build(self, request: ScheduleRequest) -> Any:
        from ray.tune.schedulers import PopulationBasedTraining

        sorted_training = type("SortedTraining", (SortedPopulation, PopulationBasedTraining), {})
        return sorted_training(
            time_attr="training_iteration",
            metric=METRIC,
            mode=request.mode,
            perturbation_interval=self.perturbation_interval,
            hyperparam_mutations={name: _mutation(domain) for name, domain in request.mutable.items()},
            quantile_fraction=self.quantile_fraction,
            resample_probability=self.resample_probability,
            perturbation_factors=PERTURBATION_FACTORS,
            custom_explore_fn=_clipper(request.mutable),
            log_config=False,
        )

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        state = scheduler._trial_state.get(trial)
        last = 0 if state is None else int(state.last_perturbation_time)
        return max(last + self.perturbation_interval, epoch + 1)


def _mutation(domain: Domain) -> Any:
    # Tune multiplies the index of a choice domain; from a list it steps to a neighbour.
    return list(range(domain.n)) if isinstance(domain, Categories) else tune_domain(domain)


def _clipper(mutable: Mapping[str, Domain]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    intervals = {name: domain for name, domain in mutable.items() if isinstance(domain, Interval)}

    def clip(config: dict[str, Any]) -> dict[str, Any]:
        return {name: intervals[name].clip(v) if name in intervals else v for name, v in config.items()}

    return clip
