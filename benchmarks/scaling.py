"""How far one driver goes: 1, 2 and 4 real pack actors, then up to 1,000 simulated ones with what the real ones cost.

A real job runs on Ray over real pack actors and is recorded in SQLite. Measured on the way: what an epoch of a lane
takes, and what a round of calls to the actors takes beside the work. Then the very driver, recorder included, runs
larger jobs over seats that train in no time and say what the training would have taken. The time of a simulated job is
that of the driver's processor, plus the calls, plus in every round of calls the slowest seat's training.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.databases import fresh_url, opened
from benchmarks.instant import InstantSeat, digits_body, race, without_models
from benchmarks.overhead import submit
from benchmarks.results import save_plot, spread, write_result
from search.trial import JobReason, JobState
from service import ray_cluster
from service.leases import Leases
from service.recorder import Recorder
from service.settings import Settings, export_ray_environment
from workers.fleet import Fleet
from workers.pack_host import Lease, Trained
from workers.seat import Seat

EPOCHS = 10
LANES_PER_SEAT = 8
SPEEDS = (0.01, 0.1, 1, 10)
"""Of a worker, times that of one core of this machine; a tenth stands for trials ten times as heavy just as well."""


class Calls(NamedTuple):
    """One verb to some seats side by side: how many calls, and the seconds the seats trained, together and at most."""

    n_seats: int
    work: float
    slowest: float


class CallCosts(NamedTuple):
    """Seconds that calls take beside the work: a round of them, and each one in it."""

    per_round: float
    per_call: float


@dataclass
class Run:
    """What came of a job: trials, seconds of the clock, seconds of this process' processor, and its calls."""

    n_seats: int
    n_trials: int
    seconds: float
    driver_seconds: float
    calls: list[Calls] = field(default_factory=list)

    @property
    def work(self) -> float:
        """Seconds of training, of all seats together."""
        return sum(calls.work for calls in self.calls)


class WatchedFleet(Fleet):
    """Notes its calls."""

    def __init__(self, seats: Sequence[Seat]) -> None:
        super().__init__(seats)
        self.noted: list[Calls] = []

    def _call_all(self, calls: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        answers = super()._call_all(calls)
        seconds = [answer.seconds for answer in answers.values() if isinstance(answer, Trained)]
        self.noted.append(Calls(len(calls), sum(seconds), max(seconds, default=0.0)))
        return answers


def run_recorded(seats: Sequence[Seat], n_trials: int, parallelism: int, keep_models: bool) -> Run:
    """Run the digits search over seats as a driver does, recorded in a fresh SQLite."""
    body = {**digits_body(("random", "fifo"), n_trials, EPOCHS), "parallelism": parallelism}
    fleet = WatchedFleet(seats)
    with fresh_url("sqlite") as url, opened(url) as database:
        claim, job = submit(database, body)
        begun, begun_here = time.perf_counter(), time.process_time()
        with Recorder(database, claim) as recorder:
            race(job if keep_models else without_models(job), fleet, recorder)
        seconds, here = time.perf_counter() - begun, time.process_time() - begun_here
        Leases(database, 600).release(claim, JobState.SUCCEEDED, JobReason.TRIALS_DONE)
    return Run(len(seats), n_trials, seconds, here, fleet.noted)


@contextmanager
def hired_seats(n_seats: int) -> Iterator[list[Any]]:
    """Hire real pack actors and let them go."""
    import ray

    from workers.ray_seat import Berth, RaySeat, hire

    names = [f"bench-{n_seats}-{number}" for number in range(n_seats)]
    actors = [hire(name, Berth(cpus=min(1.0, (os.cpu_count() or 1) / n_seats))) for name in names]
    try:
        ray.get([actor.ping.remote() for actor in actors], timeout=120)
        yield [RaySeat(name) for name in names]
    finally:
        for actor in actors:
            ray.kill(actor)


@contextmanager
def own_ray() -> Iterator[None]:
    """Run a Ray head and connect to it, as `up` does."""
    import ray

    with tempfile.TemporaryDirectory(prefix="regatta-bench-") as folder:
        settings = Settings(data_dir=Path(folder))
        head = ray_cluster.start_head(settings)
        try:
            ray_cluster.connect(head.address)
            yield
        finally:
            ray.shutdown()
            head.stop(settings)


def measure_calls(seats: Sequence[Any], n_repeats: int) -> float:
    """Time rounds of calls that have no work to do: the median, in seconds."""
    times = []
    for _ in range(n_repeats):
        begun = time.perf_counter()
        for call in [seat.call("close", Lease("nobody's")) for seat in seats]:
            call.result()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def fit_calls(by_seats: Mapping[int, float]) -> CallCosts:
    """Split what rounds of calls to so many seats take into a part for the round and one for each call."""
    slope, start = statistics.linear_regression(list(by_seats), list(by_seats.values()))
    return CallCosts(max(start, 0.0), max(slope, 0.0))


def measure_real(n_trials: int, n_runs: int, n_repeats: int) -> tuple[dict[int, list[Run]], CallCosts]:
    """Run the job on 1, 2 and 4 pack actors."""
    runs: dict[int, list[Run]] = {}
    by_seats = {}
    with own_ray():
        for n_seats in (1, 2, 4):
            with hired_seats(n_seats) as seats:
                run_recorded(seats, 16, 16, keep_models=True)  # what an actor does once
                by_seats[n_seats] = measure_calls(seats, n_repeats)
                runs[n_seats] = [run_recorded(seats, n_trials, 64, keep_models=True) for _ in range(n_runs)]
    return runs, fit_calls(by_seats)


def simulate(n_seats: int, n_trials: int, parallelism: int, scale: float) -> Run:
    """Run a job over seats that only say how long they trained."""
    seats = [InstantSeat(f"seat-{number:04d}", scale) for number in range(n_seats)]
    return run_recorded(seats, n_trials, parallelism, keep_models=False)


def predict(run: Run, costs: CallCosts, speed: float) -> dict[str, float]:
    """Say how long a simulated run takes on seats of a speed, and where the time goes."""
    calling = sum(costs.per_round + costs.per_call * calls.n_seats for calls in run.calls)
    training = sum(calls.slowest for calls in run.calls) / speed
    seconds = run.driver_seconds + calling + training
    return {
        "trials_per_second": run.n_trials / seconds,
        "seats_at_work": run.work / speed / (run.n_seats * seconds),
        "driver": run.driver_seconds / seconds,
        "calls": calling / seconds,
    }


def find_limit(points: Mapping[int, Mapping[str, float]]) -> int | None:
    """Find the most workers that are at work for half of the time; None if not even the fewest are."""
    return max((n_seats for n_seats, point in points.items() if point["seats_at_work"] >= 0.5), default=None)


def describe_real(runs: Mapping[int, Sequence[Run]], costs: CallCosts, scale: float) -> dict[str, Any]:
    """Put what real actors took beside what the simulation says of as many."""
    figures = {}
    for n_seats, group in runs.items():
        n_trials = group[0].n_trials
        predicted = predict(simulate(n_seats, n_trials, 64, scale), costs, 1)
        figures[str(n_seats)] = {
            "ms_per_trial": spread([run.seconds / n_trials * 1e3 for run in group]),
            "driver_ms_per_trial": spread([run.driver_seconds / n_trials * 1e3 for run in group]),
            "ms_per_trial_by_simulation": round(1e3 / predicted["trials_per_second"], 2),
        }
    return figures


def describe_simulated(by_seats: Mapping[int, Run], costs: CallCosts) -> dict[str, Any]:
    """Say for each speed what the workers do, and how many of them one driver keeps at work."""
    figures: dict[str, Any] = {"lanes_per_worker": LANES_PER_SEAT}
    for speed in SPEEDS:
        points = {n_seats: predict(run, costs, speed) for n_seats, run in by_seats.items()}
        rounded = {str(n): {name: float(f"{x:.3g}") for name, x in point.items()} for n, point in points.items()}
        figures[f"speed {speed}"] = {"workers": rounded, "at_work_for_half_of_the_time_up_to": find_limit(points)}
    return figures


def plot(figures: Mapping[str, Any]) -> None:
    """Draw trials per second and the share of time that workers work, over the number of workers."""
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for speed in SPEEDS:
        points = figures["simulated"][f"speed {speed}"]["workers"]
        workers = [int(n) for n in points]
        for axes, name in ((left, "trials_per_second"), (right, "seats_at_work")):
            axes.plot(
                workers, [points[str(n)][name] for n in workers], "o-", ms=3, label=f"workers {speed} times as fast"
            )
    actors = figures["actors"]
    measured = [1e3 / actor["ms_per_trial"]["median"] for actor in actors.values()]
    left.plot([int(n) for n in actors], measured, "kx", label="measured")
    left.set(ylabel="trials per second", yscale="log")
    right.set(ylabel="share of time at work", ylim=(0, 1))
    for axes in (left, right):
        axes.set(xscale="log", xlabel="workers")
    left.legend(fontsize=7)
    save_plot("scaling", figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small jobs on few workers, printed only")
    given = parser.parse_args()
    n_trials, n_runs, most_seats = (32, 1, 30) if given.quick else (256, 3, 1_000)
    export_ray_environment(Settings())
    logging.getLogger("ray").setLevel(logging.ERROR)
    simulate(1, 16, 16, 1.0)
    gc.freeze()  # as a driver does
    runs, costs = measure_real(n_trials, n_runs, 100)
    estimated = simulate(1, n_trials, 64, 1.0).work
    scale = statistics.median(run.work for run in runs[1]) / estimated
    by_seats = {
        n_seats: simulate(n_seats, max(256, 3 * LANES_PER_SEAT * n_seats), max(64, LANES_PER_SEAT * n_seats), scale)
        for n_seats in (1, 3, 10, 30, 100, 300, 1_000)
        if n_seats <= most_seats
    }
    figures: dict[str, Any] = {
        "job": {"pair": "random+fifo", "trials": n_trials, "epochs": EPOCHS},
        "actors": describe_real(runs, costs, scale),
        "costs": {
            "training_ms_per_lane_and_epoch": round(scale * estimated / n_trials / EPOCHS * 1e3, 3),
            "ms_per_round_of_calls": round(costs.per_round * 1e3, 3),
            "ms_per_call": round(costs.per_call * 1e3, 3),
            "driver_ms_per_trial": {
                str(n): round(run.driver_seconds / run.n_trials * 1e3, 3) for n, run in by_seats.items()
            },
        },
        "simulated": describe_simulated(by_seats, costs),
    }
    if given.quick:
        print(json.dumps(figures, indent=1))
        return
    write_result("scaling", figures)
    if find_spec("matplotlib"):
        plot(figures)


if __name__ == "__main__":
    main()
