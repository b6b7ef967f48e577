"""Programs that train outside: jobs of the trainer `external` run in process, told by functions."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from models.lanes import LaneError
from models.schema import TableSchema
from search.discovery import ALGORITHMS, SCHEDULERS
from search.plugins import admit
from tests.workers.memory_sink import MemorySink
from tests.workers.races import LEARNS_EARLY, Nobody
from workers.resolved import ResolvedJob
from workers.run import JobEnd
from workers.sink import Record
from workers.spec import read_spec, resolve
from workers.told import Tell
from workers.told_run import ToldRun, run_told_job

FREE = {
    "learning rate": {"type": "float", "low": 1e-3, "high": 1.0, "log": True},
    "a/b": {"type": "int", "low": 0, "high": 3},
    "grid_search": {"type": "choice", "values": ["x", "y"]},
    "x.1": {"type": "float", "low": 0.0, "high": 1.0, "when": {"grid_search": "x"}},
}
"""Names that no library of ours would choose."""
FREE_GRID = {
    "learning rate": {"type": "choice", "values": [0.01, 0.1]},
    "a/b": {"type": "int", "low": 0, "high": 1},
    "grid_search": {"type": "choice", "values": ["x", "y"]},
    "x.1": {"type": "choice", "values": [0.2, 0.9], "when": {"grid_search": "x"}},
}
TOLD_PAIRS = [
    (a, s)
    for a in ALGORITHMS
    for s in SCHEDULERS
    if admit(ALGORITHMS[a], SCHEDULERS[s]) is None and not SCHEDULERS[s].changes_parameters
]


def told_job(**body: Any) -> ResolvedJob:
    """Resolve a small job of the trainer external."""
    given = {
        "trainer": "external",
        "space": FREE,
        "objective": {"name": "loss", "maximize": False},
        "budget": {"trials": 12, "epochs_per_trial": 9},
        "seed": 3,
        **body,
    }
    return resolve(read_spec(given), TableSchema(rows=0, columns=[]))


def pair_job(algorithm: str, scheduler: str, **body: Any) -> ResolvedJob:
    """Resolve a small job of this pair, whose algorithm learns within its trials."""
    settings = {"kind": algorithm, **LEARNS_EARLY.get(algorithm, {})}
    space = FREE_GRID if algorithm == "grid" else FREE
    return told_job(**{"algorithm": settings, "scheduler": {"kind": scheduler}, "space": space, **body})


def loss_of(parameters: dict[str, Any], step: int) -> float:
    """A curve that falls with the step, to a level that the parameters decide."""
    level = abs(parameters["learning rate"] - 0.1) + 0.1 * parameters["a/b"] + parameters.get("x.1", 0.5)
    return level + 1.0 / step


@dataclass
class Programs:
    """Trains whatever trial the dice choose, step by step, and tells: a function of what has been told before.

    `ends` says how a step of a trial ends it: `final` or `failed`. At call `stop_at` somebody asks for something else.
    """

    sink: MemorySink
    seed: int = 0
    steps_at_once: int = 1
    ends: dict[int, tuple[int, str]] = field(default_factory=dict)
    value: Callable[[dict[str, Any], int], float] = loss_of
    also: Callable[[dict[str, Any]], dict[str, float]] = lambda parameters: {}
    stop_at: int | None = None
    log: list[tuple[int, int]] = field(default_factory=list)
    epochs: int = 9
    n_calls: int = 0

    def next(self, trials: Collection[int], until: float | None) -> Tell | None:
        self.n_calls += 1
        if self.n_calls == self.stop_at:
            return None
        reports = self.sink._open.reports.values()
        trial = random.Random(1000 * self.seed + len(reports)).choice(sorted(trials))
        told = [report.epoch for report in reports if report.lane == trial]
        step = min(max(told, default=0) + self.steps_at_once, self.epochs)
        when, how = self.ends.get(trial, (self.epochs + 1, ""))
        self.log.append((trial, step))
        error = LaneError("Told", "it fell over") if how == "failed" and step >= when else None
        parameters = dict(self.sink._open.segments[trial, 0].parameters)
        return Tell(
            trial,
            step,
            {"loss": self.value(parameters, step)} | self.also(parameters),
            how == "final" and step >= when,
            error,
        )


def run_told(job: ResolvedJob, sink: MemorySink, programs: Any, **options: Any) -> JobEnd:
    """Run a job to its end, or until something else is asked."""
    given = {"record": Record(), "control": Nobody(), **options}
    return run_told_job(ToldRun(job, programs, sink, **given))
