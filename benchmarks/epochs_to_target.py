"""`python -m benchmarks.epochs_to_target`: epochs of training until a search has found what random search found.

Random search trains 64 trials at full length; its best validation score is the target. Then every scheduler searches
with the same seed and more trials to draw from, and stops where it reaches the target. Epochs of all trials count, to
the end of the round in which the score was reached, and stand beside two figures of random search: all that it trained,
which it cost to know its best, and what it had trained when it first had that. Digits, and every sixth row of
California housing, with the chapter's own space, no early stopping, so that only schedulers save; the medians of ten
seeds, none of which the settings were chosen on.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.instant import CountingSink, NobodyAsks
from benchmarks.plots import open_axes
from benchmarks.results import save_plot, write_result
from models.bundled import bundled_table, bundled_target
from models.data import read_table
from models.lanes import LaneReport
from models.prepare import Prepared, prepare
from models.table import Table
from search.objective import Objective
from service.settings import Settings, export_ray_environment
from workers.fleet import Fleet
from workers.local_seat import LocalSeat
from workers.pack_host import Lease
from workers.resolved import ResolvedJob
from workers.sink import Record
from workers.spec import read_spec, resolve

TRIALS, EPOCHS = 64, 243
BAND = 44
"""Trials of one band of hyperband with the factor below: it begins the next one when a band has ended."""
AT_ONCE = 8
"""Trials of asha at once. The first at full length ends when all that are live have trained as long: with 64 of them it
cannot cost less than random search."""


@dataclass(frozen=True)
class Setting:
    """A scheduler with the algorithm that it races, the most trials it may draw, and those at once."""

    scheduler: Mapping[str, Any]
    trials: int
    parallelism: int | None = None
    algorithm: str = "random"


_ASHA = {"kind": "asha", "grace_period": 9, "reduction_factor": 3}
_HYPERBAND = {"kind": "hyperband", "reduction_factor": 27}
SETTINGS: Mapping[str, Setting] = {
    "asha": Setting(_ASHA, 16 * TRIALS, AT_ONCE),
    "asha, hyperopt": Setting(_ASHA, 16 * TRIALS, AT_ONCE, "hyperopt"),
    "hyperband": Setting(_HYPERBAND, 16 * BAND, BAND),
    "hyperband, bohb": Setting(_HYPERBAND, 16 * BAND, BAND, "bohb"),
    "pbt": Setting({"kind": "pbt"}, TRIALS),
}
"""By name. Chosen on the first seeds of digits, which is why the seeds below begin later: few rungs, and the first of
them after nine epochs, since sooner it is not seen who is good."""
RANDOM = Setting({"kind": "fifo"}, TRIALS)
FIRST_SEED = 20
AIM = 1 / 3
THINNING = 6
"""One in so many rows of California housing: schedulers are compared, not networks, on two cores."""
PARTS = {"validation": "valid", "test": "test"}
COLUMN = {part: {"kind": "column", "column": "split", "values": [value]} for part, value in PARTS.items()}


@dataclass(frozen=True)
class Task:
    """A table and what a job says of it."""

    table: Table
    body: dict[str, Any]

    def resolve(self, seed: int, setting: Setting, stop_at: float | None = None) -> ResolvedJob:
        """Resolve a job that keeps no networks."""
        body = {
            **self.body,
            "preset": "chapter",
            "seed": seed,
            "algorithm": {"kind": setting.algorithm},
            "scheduler": setting.scheduler,
            "budget": {"trials": setting.trials, "epochs_per_trial": EPOCHS, "stop_at": stop_at},
            "parallelism": setting.parallelism,
            "early_stopping": None,
        }
        return resolve(read_spec(body), self.table.schema).model_copy(update={"keep_models": 0})


def thin(table: Table) -> Table:
    """Keep one row in `THINNING`."""
    return Table({name: column[::THINNING] for name, column in table.columns.items()})


class Course(CountingSink):
    """Remembers the best objective after each round, and how many epochs had been trained by then."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self._objective = objective
        self.best: float | None = None
        self.rounds: list[tuple[int, float | None]] = []

    def reports(self, round_number: int, segments: Mapping[int, int], reports: Sequence[LaneReport]) -> None:
        super().reports(round_number, segments, reports)
        for report in reports:
            if self._objective.is_better(report.values[0], self.best):
                self.best = report.values[0]
        self.rounds.append((self.n_reports, self.best))

    def epochs_until(self, target: float) -> int | None:
        """Count the epochs to the end of the round that reached the target; None where none did."""
        return next((n for n, best in self.rounds if self._objective.is_reached(best, target)), None)


def search(job: ResolvedJob, prepared: Prepared) -> Course:
    """Run a job in this process."""
    from workers.run import JobRun, run_job  # ray, which reads its variables when it is imported

    course: Any = Course(job.objective)
    fleet = Fleet([LocalSeat("seat-0")])
    run_job(JobRun(Lease("bench"), job, prepared, fleet, course, Record(), NobodyAsks(), snapshot_seconds=1e9))
    found: Course = course
    return found


def race(name: str, data: Path, seed: int) -> tuple[dict[str, int | None], dict[str, int]]:
    """Run all searches for one seed: by name the epochs until the target, None where it was not reached, and all."""
    torch.set_num_threads(1)  # as a pack actor has: races run side by side
    task = load(name, data)
    job = task.resolve(seed, RANDOM)
    prepared = prepare(task.table, job.prepare_request())
    course = search(job, prepared)
    if course.best is None:
        raise AssertionError("random search reported nothing")
    courses = {"random": course}
    for kind, setting in SETTINGS.items():
        courses[kind] = search(task.resolve(seed, setting, course.best), prepared)
    epochs = {kind: found.epochs_until(course.best) for kind, found in courses.items()}
    print(f"{name} {seed}: {epochs}", file=sys.stderr, flush=True)
    return epochs, {kind: found.n_reports for kind, found in courses.items()}


def summarise(epochs: Mapping[str, Sequence[int | None]], trained: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Give medians of the shares of random's epochs; a search that never reached its target is the longest of all."""
    first = [n for n in epochs["random"] if n is not None]
    whole = trained["random"]
    figures: dict[str, Any] = {"random": {"whole": statistics.median(whole), "first_reached": statistics.median(first)}}
    for kind in SETTINGS:
        of_whole, of_first = (_median_share(epochs[kind], of) for of in (whole, first))
        figures[kind] = {
            "share_of_whole": of_whole,
            "share_of_first_reached": of_first,
            "in_a_third": of_whole is not None and of_whole <= AIM,
            "in_a_third_of_first_reached": of_first is not None and of_first <= AIM,
            "not_reached": sum(n is None for n in epochs[kind]),
        }
    return figures | {"each": {"epochs": dict(epochs), "trained": dict(trained)}}


def _by_kind(of_seeds: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {kind: [counts[kind] for counts in of_seeds] for kind in of_seeds[0]}


def _median_share(epochs: Sequence[int | None], of: Sequence[int]) -> float | None:
    shares = [float("inf") if n is None else n / whole for n, whole in zip(epochs, of, strict=True)]
    share = statistics.median(shares)
    return round(share, 3) if share < float("inf") else None


def draw(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw each seed's share of random's epochs."""
    figure, columns = open_axes(7.0, 2.2, len(figures))
    for axes, (name, found) in zip(columns, figures.items(), strict=True):
        for place, kind in enumerate(SETTINGS):
            each = found["each"]
            whole = each["trained"]["random"]
            shares = [n / of for n, of in zip(each["epochs"][kind], whole, strict=True) if n]
            axes.plot(shares, [place] * len(shares), "o", color="#1f6feb", alpha=0.5, markersize=4)
            if found[kind]["share_of_whole"] is not None:
                axes.plot([found[kind]["share_of_whole"]], [place], "|", color="#0a3069", markersize=16)
        axes.axvline(AIM, color="#8c959f", linestyle=":")
        axes.set_yticks(range(len(SETTINGS)), list(SETTINGS))
        axes.set_xscale("log")
        axes.set_title(name)
        axes.set_xlabel("epochs, as a share of all of random search's")
    save_plot("epochs_to_target", figure)


def load(name: str, data: Path) -> Task:
    """Load what a task searches on."""
    if name == "digits":
        return Task(bundled_table(name), {"dataset": name, "target": bundled_target(name)})
    table = thin(read_table(data / "california_housing.csv", "csv"))
    return Task(table, {"dataset": name, "target": "MedHouseVal", "split": COLUMN})


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.epochs_to_target", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with california_housing.csv")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="*", choices=["digits", "california"], default=["digits", "california"])
    given = parser.parse_args()
    if given.seeds < 1:
        parser.error("at least one seed is needed")
    export_ray_environment(Settings())
    seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
    # Nothing is timed, so races may run side by side.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        running = {name: [pool.submit(race, name, given.data, seed) for seed in seeds] for name in given.only}
        found = {name: [one.result() for one in ones] for name, ones in running.items()}
    figures = {name: summarise(*map(_by_kind, zip(*ones, strict=True))) for name, ones in found.items()}
    draw(figures)
    write_result("epochs_to_target", {"trials": TRIALS, "epochs": EPOCHS, "first_seed": FIRST_SEED, "tasks": figures})


if __name__ == "__main__":
    main()
