"""The controller by itself: Tune's decisions, the ledger and the joint over a fleet that trains in no time.

What is left is what a trial costs beside its training. The recorder is left out; a sink counts.
"""

from __future__ import annotations

import argparse
import gc
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.results import spread, write_result
from models.bundled import bundled_table, bundled_target
from models.lanes import LaneReport, LaneStart, LaneState, Layers
from models.prepare import prepare
from service.settings import Settings, export_ray_environment
from workers.body import JobSpec
from workers.fleet import Fleet, JobContext
from workers.sink import Record
from workers.spec import resolve

PAIRS = [("random", "fifo"), ("random", "asha"), ("hyperopt", "asha"), ("random", "hyperband"), ("random", "pbt")]
SPACE = {
    "learning_rate": {"type": "float", "low": 3e-4, "high": 3e-2, "log": True},
    "hidden_layers": {"type": "int", "low": 1, "high": 3},
    "units": {"type": "choice", "values": [32, 64, 128]},
    "batch_size": {"type": "choice", "values": [32, 64, 128]},
}


class InstantFleet(Fleet):
    """Answers at once with made-up curves: the training that this benchmark leaves out."""

    def __init__(self) -> None:
        self._at: dict[int, tuple[int, int, float]] = {}

    def open(self, context: JobContext) -> dict[str, str]:
        from workers.pack_host import SOURCE_HASH

        return {"instant": f"instant@{SOURCE_HASH}"}

    def start(self, starts: Sequence[LaneStart]) -> list[LaneReport]:
        for item in starts:
            epoch = item.state.epoch if item.state else 0
            self._at[item.lane] = item.sequence, epoch, item.hyper.learning_rate
        return []

    def train(self, epochs: Mapping[int, int]) -> list[LaneReport]:
        reports = []
        for lane, n_epochs in sorted(epochs.items()):
            sequence, epoch, rate = self._at[lane]
            for step in range(1, n_epochs + 1):
                value = 1 / (epoch + step) + rate
                reports.append(LaneReport(lane, sequence + step, epoch + step, value, (value, value, value)))
            self._at[lane] = sequence + n_epochs, epoch + n_epochs, rate
        return reports

    def save(self, lanes: Iterable[int]) -> dict[int, LaneState]:
        return {lane: LaneState(self._at[lane][1], 0, {}) for lane in lanes}

    def best_layers(self, lanes: Iterable[int]) -> dict[int, Layers | None]:
        return dict.fromkeys(lanes)

    def drop(self, lanes: Iterable[int]) -> None: ...

    def take_lost(self) -> set[int]:
        return set()

    def close(self) -> None: ...


class CountingSink:
    """Counts reports."""

    def __init__(self) -> None:
        self.n_reports = 0

    def reports(self, round_number: int, segments: Mapping[int, int], reports: Sequence[LaneReport]) -> None:
        self.n_reports += len(reports)

    def _ignore(self, *_: Any, **__: Any) -> None: ...

    trial = segment = snapshot = model = journal = note = numeric_class = round_ended = _ignore


class NobodyAsks:
    def poll(self) -> str | None:
        return None


def run_once(pair: tuple[str, str], trials: int, epochs: int = 27) -> dict[str, float]:
    """Run a whole job without training; seconds of this process."""
    from workers.run import JobRun, run_job

    table = bundled_table("digits")
    body = {
        "dataset": "digits",
        "space": SPACE,
        "algorithm": {"kind": pair[0]},
        "scheduler": {"kind": pair[1]},
        "budget": {"trials": trials, "epochs_per_trial": epochs},
        "early_stopping": None,
    }
    job = resolve(JobSpec.model_validate(body), table.schema, [bundled_target("digits")])
    job = job.model_copy(update={"keep_models": 0})  # packaging networks is not the controller's
    prepared = prepare(table, job.prepare_request())
    sink = CountingSink()
    begun = time.perf_counter()
    run_job(JobRun("bench", job, prepared, InstantFleet(), sink, Record(), NobodyAsks(), snapshot_seconds=1e9))
    seconds = time.perf_counter() - begun
    return {"ms_per_trial": seconds / trials * 1e3, "us_per_report": seconds / sink.n_reports * 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=27)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    export_ray_environment(Settings())
    logging.getLogger("ray").setLevel(logging.ERROR)
    run_once(("random", "fifo"), 16)
    gc.freeze()  # as a driver does
    figures: dict[str, Any] = {"trials": given.trials, "epochs": given.epochs}
    for pair in PAIRS:
        runs = [run_once(pair, given.trials, given.epochs) for _ in range(given.runs)]
        figures["+".join(pair)] = {name: spread([run[name] for run in runs]) for name in runs[0]}
    write_result("controller", figures)


if __name__ == "__main__":
    main()
