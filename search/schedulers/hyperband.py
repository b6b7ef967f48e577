"""HyperBand, by Ray Tune's synchronous HyperBandScheduler."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from pydantic import Field

from search.objective import METRIC
from search.plugins import NEVER, Scheduler, ScheduleRequest
from search.shortcuts import OpenBands


class HyperBand(Scheduler):
    """Halves brackets of trials that wait for each other: few long trials in one, many short ones in another.

    Source: Li et al. 2018, Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization.
    """

    kind: Literal["hyperband"] = "hyperband"
    needs_all_trials: ClassVar[bool] = True

    reduction_factor: float = Field(default=3, ge=2, le=1000, description="Each rung keeps one in this many.")

    def rungs(self, epochs: int) -> list[int]:
        return sorted({age for _, ages in self.brackets(epochs) for age in ages})

    def brackets(self, epochs: int) -> list[tuple[int, list[int]]]:
        """List (trials, rungs) of one band's brackets, by Ray Tune's arithmetic: it rounds down at every rung."""
        eta = self.reduction_factor
        n_brackets = round(math.log(epochs) / math.log(eta)) + 1
        found = []
        for s in range(n_brackets):
            ages = [int(epochs * eta**-s)]
            for _ in range(s):
                ages.append(int(min(ages[-1] * eta, epochs)))
            if ages[0] > 0:
                found.append((math.ceil(n_brackets / (s + 1) * eta**s), ages))
        return found

    def least_parallelism(self, trials: int, epochs: int) -> int:
        band = [size for size, _ in self.brackets(epochs)]
        if trials >= sum(band):
            return max(band)
        return max(size for size, _ in self._filled(trials, epochs))

    def epochs_bought(self, trials: int, epochs: int) -> int:
        band = self.brackets(epochs)
        n_bands, rest = divmod(trials, sum(size for size, _ in band))
        whole = sum(self._work(size, size, ages) for size, ages in band)
        filled = self._filled(rest, epochs)
        return n_bands * whole + sum(self._work(n, *bracket) for (n, _), bracket in zip(filled, band, strict=False))

    def rung_of(self, scheduler: Any, trial: Any) -> int | None:
        bracket, band = scheduler._trial_info.get(trial, (None, 0))
        return None if bracket is None else scheduler._hyperbands[band].index(bracket) - bracket._halves

    def _filled(self, trials: int, epochs: int) -> list[tuple[int, list[int]]]:
        """Brackets of one band with the trials they get: Ray Tune fills the smallest first."""
        found = []
        for size, ages in self.brackets(epochs):
            if trials > 0:
                found.append((min(size, trials), ages))
            trials -= size
        return found

    def _work(self, alive: int, size: int, ages: list[int]) -> int:
        total = before = 0
        for age in ages:
            total += alive * (age - before)
            size = math.ceil(size / self.reduction_factor)
            alive, before = min(alive, size), age
        return total

    def build(self, request: ScheduleRequest) -> Any:
        from ray.tune.schedulers import HyperBandScheduler

        open_scheduler = type("OpenHyperBand", (OpenBands, HyperBandScheduler), {})
        return open_scheduler(
            time_attr="training_iteration",
            metric=METRIC,
            mode=request.mode,
            max_t=request.epochs,
            reduction_factor=self.reduction_factor,
        )

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        bracket, _ = scheduler._trial_info.get(trial, (None, 0))
        return int(bracket._cumul_r) if bracket is not None and bracket._cumul_r > epoch else NEVER
