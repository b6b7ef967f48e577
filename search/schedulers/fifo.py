"""No scheduling: every trial trains its whole budget."""

from __future__ import annotations

from typing import Any, Literal

from search.plugins import NEVER, Scheduler, ScheduleRequest


class Fifo(Scheduler):
    """Lets every trial train to its end."""

    kind: Literal["fifo"] = "fifo"

    def build(self, request: ScheduleRequest) -> Any:
        from ray.tune.schedulers import FIFOScheduler

        return FIFOScheduler()

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        return NEVER
