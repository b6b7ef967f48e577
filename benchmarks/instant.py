"""Whole jobs in no time: real spec, search, scheduler, joint, ledger and fleet, over seats that make curves up.

What is left is what a trial costs beside its training.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.bundled import bundled_table
from models.hyper import Hyperparameters
from models.lanes import LaneReport, LaneStart, LaneState, Layers, PackSettings, Views, ViewShape
from models.numeric import numeric_class
from models.prepare import prepare
from workers.costs import WITH_KERNELS, LaneLoad
from workers.fleet import Fleet
from workers.pack_host import SOURCE_HASH, Lease, Trained
from workers.resolved import ResolvedJob
from workers.sink import Record, Sink

SPACE = {
    "learning_rate": {"type": "float", "low": 3e-4, "high": 3e-2, "log": True},
    "hidden_layers": {"type": "int", "low": 1, "high": 3},
    "units": {"type": "choice", "values": [32, 64, 128]},
    "batch_size": {"type": "choice", "values": [32, 64, 128]},
}


def digits_body(pair: tuple[str, str], n_trials: int, epochs: int) -> dict[str, Any]:
    """Write the body of the digits search for an algorithm and a scheduler."""
    return {
        "dataset": "digits",
        "space": SPACE,
        "algorithm": {"kind": pair[0]},
        "scheduler": {"kind": pair[1]},
        "budget": {"trials": n_trials, "epochs_per_trial": epochs},
        "early_stopping": None,
    }


class CountingSink:
    """Counts reports and stores nothing."""

    def __init__(self) -> None:
        self.n_reports = 0

    def reports(self, round_number: int, segments: Mapping[int, int], reports: Sequence[LaneReport]) -> None:
        self.n_reports += len(reports)

    def _ignore(self, *_: Any, **__: Any) -> None: ...

    trial = segment = snapshot = model = journal = note = numeric_class = round_ended = _ignore


@dataclass(frozen=True)
class Done:
    """An answer that is there."""

    value: Any

    def result(self) -> Any:
        return self.value


class InstantSeat:
    """A seat whose lanes train in no time, on curves made up from their learning rates.

    It claims to have trained for `scale` times the seconds that `workers.costs` estimates.
    """

    def __init__(self, name: str, scale: float = 0.0) -> None:
        self.name = name
        self._scale = scale
        self._shape: ViewShape
        self._lanes: dict[int, LaneStart] = {}
        self._ages: dict[int, tuple[int, int]] = {}
        self._prices: dict[int, float] = {}

    def call(self, verb: str, lease: Lease, *arguments: Any) -> Done:
        return Done(getattr(self, f"_{verb}")(*arguments))

    def share(self, value: Any) -> Any:
        return value

    def revive(self, wait_seconds: float) -> bool:
        return True

    def _open(self, data: Views, settings: PackSettings) -> str:
        self._shape = data.shape(Hyperparameters(), 0)
        return f"{numeric_class('cpu')}@{SOURCE_HASH}"

    def _start(self, starts: Sequence[LaneStart]) -> list[LaneReport]:
        for item in starts:
            self._lanes[item.lane] = item
            self._ages[item.lane] = item.sequence, item.state.epoch if item.state else 0
            self._prices[item.lane] = self._scale * LaneLoad.of(item.hyper, self._shape, WITH_KERNELS).seconds
        return []

    def _train(self, epochs: Mapping[int, int]) -> Trained:
        reports = []
        for lane, n_epochs in sorted(epochs.items()):
            sequence, epoch = self._ages[lane]
            for step in range(1, n_epochs + 1):
                value = 1 / (epoch + step) + self._lanes[lane].hyper.learning_rate
                reports.append(LaneReport(lane, sequence + step, epoch + step, value, (value, value, value)))
            self._ages[lane] = sequence + n_epochs, epoch + n_epochs
        return Trained(reports, sum(self._prices[lane] * n_epochs for lane, n_epochs in epochs.items()))

    def _save(self, lanes: Iterable[int]) -> dict[int, LaneState]:
        return {lane: LaneState(self._ages[lane][1], 0, {}) for lane in lanes}

    def _leave(self, lanes: Sequence[int]) -> list[LaneStart]:
        leaving = [replace(self._lanes[n], state=self._save([n])[n], sequence=self._ages[n][0]) for n in lanes]
        self._drop(lanes)
        return leaving

    def _keep_best(self, lanes: Iterable[int]) -> None:
        pass

    def _best_layers(self, lanes: Iterable[int]) -> dict[int, Layers | None]:
        return dict.fromkeys(lanes)

    def _drop(self, lanes: Iterable[int]) -> None:
        for lane in lanes:
            del self._lanes[lane], self._ages[lane], self._prices[lane]

    def _close(self) -> None:
        self._lanes.clear()


class NobodyAsks:
    """A control through which nobody asks for anything."""

    def poll(self) -> str | None:
        return None

    def edits(self) -> list[Any]:
        return []


def race(job: ResolvedJob, fleet: Fleet, sink: Sink) -> float:
    """Run a job over a fleet; return the seconds."""
    from workers.run import JobRun, run_job  # ray, which reads its variables when it is imported

    prepared = prepare(bundled_table(job.dataset), job.prepare_request())
    begun = time.perf_counter()
    run_job(JobRun(Lease("bench"), job, prepared, fleet, sink, Record(), NobodyAsks(), snapshot_seconds=1e9))
    return time.perf_counter() - begun


def without_models(job: ResolvedJob) -> ResolvedJob:
    """Leave out the packaging of networks, which made-up lanes have not."""
    return job.model_copy(update={"keep_models": 0})
