"""Asynchronous successive halving, by Ray Tune's ASHAScheduler."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from search.objective import METRIC
from search.plugins import NEVER, Scheduler, ScheduleRequest
from search.problems import FieldProblem
from search.shortcuts import sort_rungs
from search.space import Domain


class Asha(Scheduler):
    """Stops a trial at a rung when it is not among the best 1 / reduction_factor that came there before it.

    Source: Li et al. 2018, A System for Massively Parallel Hyperparameter Tuning.
    """

    kind: Literal["asha"] = "asha"

    grace_period: int = Field(default=1, ge=1, description="Epochs that every trial trains; the first rung.")
    # Below 2, rungs lie closer than an epoch and a decision depends on how often one looks.
    reduction_factor: float = Field(default=3, ge=2, le=1000, description="Each rung keeps one in this many.")
    brackets: int = Field(default=1, ge=1, le=100, description="Bracket s skips the first s rungs; drawn by chance.")

    def problems(self, mutable: Mapping[str, Domain], trials: int, epochs: int, parallelism: int) -> list[FieldProblem]:
        if self.grace_period > epochs:
            message = f"grace_period is {self.grace_period}: it must not exceed budget.epochs_per_trial, {epochs}"
            return [FieldProblem("scheduler.grace_period", message)]
        n_rungs = len(self.rungs(epochs))
        if self.brackets > n_rungs:
            message = f"{self.brackets} brackets, but {epochs} epochs have {n_rungs} rungs: at most {n_rungs}"
            return [FieldProblem("scheduler.brackets", message)]
        return super().problems(mutable, trials, epochs, parallelism)

    def rungs(self, epochs: int) -> list[int]:
        n_rungs = int(math.log(epochs / self.grace_period) / math.log(self.reduction_factor) + 1)
        return [math.ceil(self.grace_period * self.reduction_factor**k) for k in range(n_rungs)]

    def rung_of(self, scheduler: Any, trial: Any) -> int | None:
        bracket = scheduler._trial_info.get(trial.trial_id)
        if bracket is None:
            return None
        return sum(trial.trial_id in recorded for _, recorded in bracket._rungs)

    def build(self, request: ScheduleRequest) -> Any:
        from ray.tune.schedulers import ASHAScheduler

        scheduler = ASHAScheduler(
            time_attr="training_iteration",
            metric=METRIC,
            mode=request.mode,
            max_t=request.epochs,
            grace_period=self.grace_period,
            reduction_factor=self.reduction_factor,
            brackets=self.brackets,
        )
        sort_rungs(scheduler._brackets)
        return scheduler

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        bracket = scheduler._trial_info.get(trial.trial_id)
        ages = [age for age, _ in bracket._rungs if age > epoch] if bracket else []
        return math.ceil(min(ages, default=NEVER))
