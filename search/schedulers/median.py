"""The median stopping rule, by Ray Tune's MedianStoppingRule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from search.objective import METRIC
from search.plugins import Scheduler, ScheduleRequest
from search.problems import FieldProblem
from search.shortcuts import SortedMeans
from search.space import Domain


class Median(Scheduler):
    """Stops a trial whose best value so far is worse than the median of the others' running averages at its age.

    It decides at every epoch: there are no rungs. Source: Golovin et al. 2017, Google Vizier: A Service for Black-Box
    Optimization, section 3.2.1.
    """

    kind: Literal["median"] = "median"

    grace_period: int = Field(
        default=1, ge=1, description="Epochs that every trial trains; averages are taken from this one on."
    )
    min_samples_required: int = Field(
        default=3, ge=1, description="Other trials that must have come to an age before one is stopped there."
    )

    def problems(self, mutable: Mapping[str, Domain], trials: int, epochs: int, parallelism: int) -> list[FieldProblem]:
        if self.grace_period > epochs:
            message = f"grace_period is {self.grace_period}: it must not exceed budget.epochs_per_trial, {epochs}"
            return [FieldProblem("scheduler.grace_period", message)]
        return super().problems(mutable, trials, epochs, parallelism)

    def build(self, request: ScheduleRequest) -> Any:
        from ray.tune.schedulers import MedianStoppingRule

        sorted_rule = type("SortedRule", (SortedMeans, MedianStoppingRule), {})
        return sorted_rule(
            time_attr="training_iteration",
            metric=METRIC,
            mode=request.mode,
            grace_period=self.grace_period,
            min_samples_required=self.min_samples_required,
            min_time_slice=math.inf,  # no trial yields to those that wait: as in Vizier, the first ones train on
        )
