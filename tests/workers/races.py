"""Small jobs run in process, on real packs and real schedulers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from models.prepare import Prepared, prepare
from models.table import Table
from search.discovery import ALGORITHMS, SCHEDULERS
from search.plugins import admit
from tests.workers.memory_sink import MemorySink
from workers.fleet import Fleet
from workers.local_seat import LocalSeat
from workers.pack_host import Lease
from workers.resolved import ResolvedJob
from workers.run import JobRun, run_job
from workers.seat import Seat
from workers.sink import Record, Sink
from workers.spec import read_spec, resolve
from workers.stops import JobEnd

PAIRS = [(a, s) for a in ALGORITHMS for s in SCHEDULERS if admit(ALGORITHMS[a], SCHEDULERS[s]) is None]


def _is_quick(algorithm: str, scheduler: str) -> bool:
    """Every algorithm under two schedulers, every scheduler under two algorithms: the other pairs are slow tests."""
    return scheduler in ("fifo", "asha") or algorithm in ("random", "hyperopt")


every_pair = pytest.mark.parametrize(
    ("algorithm", "scheduler"),
    [pytest.param(*pair, id="-".join(pair), marks=[] if _is_quick(*pair) else pytest.mark.slow) for pair in PAIRS],
)
SMALL = {
    "learning_rate": {"type": "float", "low": 1e-3, "high": 0.3, "log": True},
    "hidden_layers": {"type": "int", "low": 0, "high": 1},
    "dropout": {"type": "float", "low": 0.0, "high": 0.4},
    "momentum": {"type": "float", "low": 0.0, "high": 0.9},
}
GRID = {
    "learning_rate": {"type": "choice", "values": [0.001, 0.01, 0.1]},
    "hidden_layers": {"type": "int", "low": 0, "high": 1},
    "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
}
RATE = {"learning_rate": {"type": "float", "low": 0.001, "high": 0.1}}
LINEAR = {"optimizer": "sgd", "hidden_layers": 0, "batch_size": 8}
TOO_LARGE = {"optimizer": "sgd", "hidden_layers": 16, "units": 65536, "batch_size": 8}  # 2 TB: it fits no machine
LEARNS_EARLY = {
    "hyperopt": {"n_initial_points": 3},
    "optuna": {"n_startup_trials": 3},
    "gp": {"n_initial_points": 3},
    "evolution": {"population_size": 3},
    "bohb": {"random_fraction": 0.0, "min_points_in_model": 2},
}
"""Settings by which algorithms learn within the few trials of a test."""
FIXED = {"units": 4, "batch_size": 8, "optimizer": "sgd"}


@cache
def small_table() -> Table:
    """Thirty rows of a noisy line."""
    draws = np.random.default_rng(7)
    x = draws.normal(size=(30, 2))
    y = x @ np.array([1.0, -2.0]) + np.tanh(2 * x[:, 0]) + 0.1 * draws.normal(size=30)
    return Table({"a": x[:, 0], "b": x[:, 1], "y": y})


@dataclass(frozen=True)
class Race:
    """A job that can be run again and again."""

    job: ResolvedJob
    prepared: Prepared

    def run(self, sink: Sink, seats: Sequence[Seat] | int = 1, **options: Any) -> JobEnd:
        """Run it; `options` are further fields of JobRun."""
        if isinstance(seats, int):
            seats = [LocalSeat(f"seat-{index}") for index in range(seats)]
        given: dict[str, Any] = {"record": Record(), "control": Nobody(), "snapshot_seconds": 1e9, **options}
        return run_job(JobRun(Lease("job-1"), self.job, self.prepared, Fleet(seats), sink, **given))


def race(**body: Any) -> Race:
    """Resolve a job over the small table; what is not said gets a cheap value."""
    given = {
        "dataset": "d_1",
        "target": "y",
        "space": SMALL,
        "fixed": {name: value for name, value in FIXED.items() if name not in (body.get("space", SMALL) or {})},
        "split": {"test": {"kind": "fraction", "fraction": 0.2}},
        **body,
    }
    table = small_table()
    job = resolve(read_spec(given), table.schema)
    return Race(job, prepare(table, job.prepare_request()))


def pair_race(algorithm: str, scheduler: str, **body: Any) -> Race:
    """Give a job of this pair that is small, and yet stops, pauses, exploits and diverges."""
    settings: dict[str, Any] = {
        "algorithm": {"kind": algorithm},
        "scheduler": {"kind": scheduler},
        "budget": {"trials": 12, "epochs_per_trial": 9},
        "early_stopping": {"patience": 4},
        "seed": 3,
    }
    settings["algorithm"] |= LEARNS_EARLY.get(algorithm, {})
    if algorithm == "grid":
        settings["space"] = GRID
    if SCHEDULERS[scheduler].changes_parameters:
        settings["scheduler"]["perturbation_interval"] = 2
    return race(**{**settings, **body})


def finished(started: Race, **options: Any) -> tuple[JobEnd, MemorySink]:
    """Run a job to its end and commit everything."""
    sink = MemorySink(started.job.keep_models, aims=started.job.aims)
    end = started.run(sink, **options)
    sink.close()
    return end, sink


class Nobody:
    """A control through which nobody asks for anything."""

    def poll(self) -> str | None:
        return None

    def edits(self) -> list[dict[str, Any]]:
        return []


@dataclass
class Wish(Nobody):
    """A control through which a user asks for something at one of its polls."""

    kind: str
    at_poll: int
    n_polls: int = 0

    def poll(self) -> str | None:
        self.n_polls += 1
        return self.kind if self.n_polls == self.at_poll else None


class CountingSeat(LocalSeat):
    """Counts the epochs that lanes really train."""

    n_epochs = 0

    def call(self, verb: str, *arguments: Any) -> Any:
        answer = super().call(verb, *arguments)
        if verb == "train":
            self.n_epochs += len(answer.result().reports)
        return answer


class FrailSeat(LocalSeat):
    """A seat whose process dies before its calls number `deaths`, counted over all verbs."""

    def __init__(self, name: str, deaths: set[int], dies: Callable[[str], bool] = lambda verb: True) -> None:
        super().__init__(name)
        self._deaths, self._dies, self.n_calls = deaths, dies, 0

    def call(self, verb: str, *arguments: Any) -> Any:
        self.n_calls += 1
        if self.n_calls in self._deaths and self._dies(verb):
            self.kill()
        return super().call(verb, *arguments)
