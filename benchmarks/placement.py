"""What placement goes by, and how well it does: the prices of work on this machine, and how long seats wait.

First single epochs of many networks are trained and the prices of `workers.costs` fitted to their times. Then whole
jobs run over 2 and 4 seats in this process, one seat after another, so that nobody disturbs them; each call is timed,
and what seats running side by side would wait for each other and for the driver follows. Times are of the processor.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.results import write_result
from models.bundled import bundled_table, bundled_target
from models.hyper import Hyperparameters
from models.lanes import LaneReport, LaneStart, PackData, PackSettings
from models.pack import Pack, warm_up
from models.prepare import prepare
from service.settings import Settings, export_ray_environment
from workers.body import JobSpec
from workers.costs import ONE_BY_ONE, Prices, count_work
from workers.fleet import Fleet
from workers.local_seat import LocalSeat
from workers.pack_host import Lease
from workers.sink import Record
from workers.spec import resolve

TABLES = [(1000, 64, 10), (300, 13, 3), (4000, 20, 2)]
NETWORKS = [
    Hyperparameters(units=units, hidden_layers=depth, batch_size=batch)
    for units, depth, batch in itertools.product([16, 32, 64, 128, 256], [1, 2, 3], [32, 64, 128])
]
ALIKE = 8
SCHEDULERS = ("fifo", "asha", "hyperband", "pbt")
SPACE = {
    "learning_rate": {"type": "float", "low": 3e-4, "high": 3e-2, "log": True},
    "hidden_layers": {"type": "int", "low": 1, "high": 3},
    "units": {"type": "choice", "values": [32, 64, 128]},
    "batch_size": {"type": "choice", "values": [32, 64, 128]},
}


def epoch_seconds(data: PackData, hyper: Hyperparameters) -> float:
    """Train lanes of one network and give the least time of several for one lane and epoch."""
    pack, lanes = Pack(data, PackSettings(0, ("log_loss",), False)), range(ALIKE)
    pack.start([LaneStart(lane, hyper, lane) for lane in lanes])
    pack.train(dict.fromkeys(lanes, 1))
    times = []
    for _ in range(3):
        begun = time.process_time()
        pack.train(dict.fromkeys(lanes, 1))
        times.append((time.process_time() - begun) / ALIKE)
    return min(times)


def random_table(n_rows: int, n_inputs: int, n_classes: int) -> PackData:
    draws = np.random.default_rng(0)
    x, y = draws.normal(size=(n_rows, n_inputs)).astype(np.float32), draws.integers(n_classes, size=n_rows)
    return PackData("multiclass", n_classes, x, y, x[: n_rows // 4], y[: n_rows // 4])


def fit(counts: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit prices, none below zero, so that relative errors are least."""
    scale = counts.max(axis=0)
    relative, free = counts / scale / seconds[:, None], np.ones(counts.shape[1], bool)
    while True:
        prices = np.zeros(counts.shape[1])
        prices[free] = np.linalg.lstsq(relative[:, free], np.ones(len(seconds)), rcond=None)[0]
        if (prices >= 0).all():
            return prices / scale
        free &= prices > 0


def measure_prices() -> dict[str, Any]:
    tables = [(data.shape(Hyperparameters(), 0), data) for data in itertools.starmap(random_table, TABLES)]
    counts, seconds = [], []
    for (shape, data), hyper in itertools.product(tables, NETWORKS):
        counts.append(count_work(hyper, shape)[:-1])
        seconds.append(epoch_seconds(data, hyper))
    counted, measured = np.array(counts), np.array(seconds)
    names = Prices._fields[:-1]
    fitted = fit(counted, measured)
    present = counted @ np.array(ONE_BY_ONE[:-1]) / measured
    return {
        "fitted": {name: float(f"{price:.3g}") for name, price in zip(names, fitted, strict=True)},
        "in_use": dict(zip(names, ONE_BY_ONE, strict=False)),
        "fitted_to_measured": quantiles(counted @ fitted / measured),
        "in_use_to_measured": quantiles(present / np.median(present)),
    }


def quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    return {f"{share:.0%}": round(float(np.quantile(values, share)), 2) for share in (0, 0.05, 0.5, 0.95, 1)}


class TimedSeat(LocalSeat):
    """Notes how long its last training took."""

    seconds = 0.0

    def call(self, verb: str, *arguments: Any) -> Any:
        begun = time.process_time()
        answer = super().call(verb, *arguments)
        if verb == "train":
            self.seconds = time.process_time() - begun
        return answer


class TimedFleet(Fleet):
    """Adds up, over rounds, what seats work and what the slowest of each round takes; lanes may stay where they are."""

    def __init__(self, n_seats: int, moves: bool) -> None:
        self._timed = [TimedSeat(f"seat-{number}") for number in range(n_seats)]
        super().__init__(self._timed)
        self.work, self.slowest, self.n_moves, self._moves = 0.0, 0.0, 0, moves

    def train(self, epochs: Mapping[int, int]) -> list[LaneReport]:
        for seat in self._timed:
            seat.seconds = 0.0
        reports = super().train(epochs)
        times = [seat.seconds for seat in self._timed]
        self.work, self.slowest = self.work + sum(times), self.slowest + max(times)
        return reports

    def _move(self, targets: Mapping[int, str]) -> None:
        if self._moves:
            self.n_moves += len(targets)
            super()._move(targets)


class NoSink:
    def _ignore(self, *_: Any, **__: Any) -> None: ...

    trial = segment = snapshot = model = journal = note = numeric_class = round_ended = reports = _ignore


class NobodyAsks:
    def poll(self) -> str | None:
        return None

    def edits(self) -> list[Any]:
        return []


def measure_waiting(scheduler: str, trials: int, n_seats: int, moves: bool) -> dict[str, float]:
    """Run a job and give the shares of the seats' time that go to waiting for each other and for the driver."""
    from workers.run import JobRun, run_job

    table = bundled_table("digits")
    body = {
        "dataset": "digits",
        "space": SPACE,
        "algorithm": {"kind": "random"},
        "scheduler": {"kind": scheduler},
        "budget": {"trials": trials, "epochs_per_trial": 27},
        "early_stopping": None,
    }
    job = resolve(JobSpec.model_validate(body), table.schema, [bundled_target("digits")])
    prepared, fleet = prepare(table, job.prepare_request()), TimedFleet(n_seats, moves)
    begun = time.process_time()
    run_job(JobRun(Lease("bench"), job, prepared, fleet, NoSink(), Record(), NobodyAsks(), snapshot_seconds=1e9))
    driver = time.process_time() - begun - fleet.work
    total = fleet.slowest + driver
    return {
        "waiting_for_each_other": round(1 - fleet.work / (n_seats * fleet.slowest), 3),
        "waiting_for_the_driver": round(driver / total, 3),
        "moves": fleet.n_moves,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=96)
    trials = parser.parse_args().trials
    export_ray_environment(Settings())
    logging.getLogger("ray").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    warm_up()
    figures: dict[str, Any] = {"prices": measure_prices(), "trials": trials}
    for scheduler, n_seats, moves in itertools.product(SCHEDULERS, (2, 4), (False, True)):
        name = f"{scheduler}, {n_seats} seats, lanes {'move' if moves else 'stay'}"
        figures[name] = measure_waiting(scheduler, trials, n_seats, moves)
    write_result("placement", figures)


if __name__ == "__main__":
    main()
