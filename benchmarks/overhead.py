"""What everything but training costs: controller, recorder and API by themselves, and how it grows with the job.

Whole jobs run in this process over a seat that trains in no time (`benchmarks/instant.py`): real search, scheduler,
joint, ledger and fleet, without a recorder and with one on a real SQLite and a real PostgreSQL. Then the API is asked
about the jobs that were recorded.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from benchmarks.api import measure_requests, serve_api
from benchmarks.databases import KINDS, fresh_url, opened
from benchmarks.instant import CountingSink, InstantSeat, digits_body, race, without_models
from benchmarks.results import save_plot, spread, write_result
from models.bundled import bundled_table, bundled_target
from models.lanes import LaneReport
from search.trial import JobReason, JobState
from service.database import Database
from service.leases import Claim, Leases
from service.recorder import Recorder
from service.settings import Settings, export_ray_environment
from service.submission import submit_job
from workers.fleet import Fleet
from workers.resolved import ResolvedJob
from workers.spec import read_spec, resolve

PAIRS = [("random", "fifo"), ("random", "asha"), ("random", "hyperband"), ("random", "pbt"), ("hyperopt", "asha")]
RECORDED = [("random", "fifo"), ("random", "asha")]


@dataclass(frozen=True)
class Sizes:
    """How much is measured. `repeats` is for jobs of up to a tenth of the largest; larger ones run once."""

    trials: Sequence[int]
    recorded: Sequence[int]
    learning: Sequence[int]
    """Jobs of an algorithm that learns: what it takes for a point grows with the points before."""
    repeats: int
    reports: tuple[int, int, int]
    """Rounds, lanes and epochs in a round of what the recorder gets by itself."""
    requests: int


FULL = Sizes((100, 1_000, 10_000), (100, 1_000, 2_000, 10_000), (100, 256, 1_000), 3, (100, 64, 4), 30)
QUICK = Sizes((50, 200), (50, 200), (30,), 1, (10, 64, 4), 5)


def measure_controller(sizes: Sizes, epochs: int = 27) -> dict[str, Any]:
    """Run jobs that nobody records."""
    figures: dict[str, Any] = {"epochs": epochs}
    for pair in PAIRS:
        counts = sizes.trials if pair[0] == "random" else sizes.learning
        figures["+".join(pair)] = {
            str(n): _spreads([_race_counted(pair, n, epochs) for _ in range(_repeats(sizes, n))]) for n in counts
        }
    return figures


def measure_recorded(url: str, sizes: Sizes, epochs: int = 10) -> tuple[dict[str, Any], dict[int, str]]:
    """Run jobs as a driver does, recorded; return figures, and the last job of every size."""
    figures: dict[str, Any] = {"epochs": epochs}
    jobs: dict[int, str] = {}
    with opened(url) as database:
        for pair in RECORDED:
            costs = {}
            for n in sizes.recorded:
                runs = [_race_recorded(database, digits_body(pair, n, epochs)) for _ in range(_repeats(sizes, n))]
                costs[str(n)] = {"ms_per_trial": spread([seconds / n * 1e3 for _, seconds in runs])}
                jobs[n] = runs[-1][0]
            figures["+".join(pair)] = costs
            figures[f"growth of {'+'.join(pair)}"] = _growth(costs, sizes)
    return figures, jobs


def measure_recorder(url: str, sizes: Sizes) -> dict[str, Any]:
    """Give the recorder rounds of reports as fast as it takes them."""
    n_rounds, n_lanes, n_epochs = sizes.reports
    segments = dict.fromkeys(range(n_lanes), 0)
    rounds = [_made_up_reports(number, n_lanes, n_epochs) for number in range(n_rounds)]
    speeds = []
    with opened(url) as database:
        for _ in range(sizes.repeats):
            claim, _ = submit(database, digits_body(("random", "fifo"), n_lanes, n_rounds * n_epochs))
            begun = time.perf_counter()
            with Recorder(database, claim) as recorder:
                for number, reports in enumerate(rounds, start=1):
                    recorder.reports(number, segments, reports)
                    recorder.round_ended(number)
            speeds.append(n_rounds * n_lanes * n_epochs / (time.perf_counter() - begun))
            Leases(database, 600).release(claim, JobState.SUCCEEDED, JobReason.TRIALS_DONE)
    return {"reports": n_rounds * n_lanes * n_epochs, "reports_per_second": spread(speeds, 0)}


def measure_api(url: str, jobs: Mapping[int, str], sizes: Sizes) -> dict[str, Any]:
    """Ask about recorded jobs."""
    with serve_api(url) as http:
        return {str(n): measure_requests(http, jobs[n], n, sizes.requests) for n in sizes.trials}


def _race_counted(pair: tuple[str, str], n_trials: int, epochs: int) -> dict[str, float]:
    body = read_spec(digits_body(pair, n_trials, epochs))
    sink = CountingSink()
    job = resolve(body, bundled_table("digits").schema, [bundled_target("digits")])
    seconds = race(without_models(job), Fleet([InstantSeat("instant")]), sink)
    return {"ms_per_trial": seconds / n_trials * 1e3, "us_per_report": seconds / sink.n_reports * 1e6}


def _race_recorded(database: Database, body: dict[str, Any]) -> tuple[str, float]:
    claim, job = submit(database, body)
    recorder = Recorder(database, claim)
    seconds = race(without_models(job), Fleet([InstantSeat("instant")]), recorder)
    begun = time.perf_counter()
    recorder.close()
    seconds += time.perf_counter() - begun
    Leases(database, 600).release(claim, JobState.SUCCEEDED, JobReason.TRIALS_DONE)
    return claim.job_id, seconds


def submit(database: Database, body: dict[str, Any]) -> tuple[Claim, ResolvedJob]:
    """Submit a job and claim it, as API and runner do."""
    row, _ = submit_job(database, body, None)
    claim = Leases(database, 600).claim_next("bench")
    assert claim is not None, "the job that was just submitted is the only one"
    return claim, ResolvedJob.model_validate(row.resolved_spec)


def _made_up_reports(number: int, n_lanes: int, n_epochs: int) -> list[LaneReport]:
    first = number * n_epochs + 1
    return [
        LaneReport(lane, age, age, 1 / 3 + 1 / age, (1 / (lane + age), 2 / 3 + 1 / age, 0.9))
        for lane in range(n_lanes)
        for age in range(first, first + n_epochs)
    ]


def _repeats(sizes: Sizes, n_trials: int) -> int:
    return sizes.repeats if n_trials <= max(sizes.recorded) / 5 else 1


def _spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {name: spread([run[name] for run in runs]) for name in runs[0]}


def _growth(costs: Mapping[str, Any], sizes: Sizes) -> dict[str, float]:
    """Compare a trial of the largest job with one of the job before it in `trials`."""
    few, many = sizes.trials[-2:]
    ratio = costs[str(many)]["ms_per_trial"]["median"] / costs[str(few)]["ms_per_trial"]["median"]
    return {"from": few, "to": many, "times": round(ratio, 2)}


def plot(figures: Mapping[str, Any]) -> None:
    """Draw what a trial and a request cost over the size of the job."""
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    parts = {"not recorded": figures["controller"], **figures["recorded"]}
    for (part, costs), style in zip(parts.items(), ("s--", "o-", "^-"), strict=True):
        for pair in ("+".join(names) for names in PAIRS if "+".join(names) in costs):
            medians = {int(n): cost["ms_per_trial"]["median"] for n, cost in costs[pair].items()}
            left.plot(medians.keys(), medians.values(), style, ms=3, label=f"{pair}, {part}")
    for (kind, answers), style in zip(figures["api"].items(), ("o-", "^-"), strict=True):
        for name in ("trials, first 100", "leaderboard, first 100", "leaderboard, 100 from the middle"):
            medians = {int(n): answer[name]["median"] for n, answer in answers.items()}
            right.plot(medians.keys(), medians.values(), style, ms=3, label=f"{name}, {kind}")
    left.set(ylabel="ms per trial", yscale="log")
    right.set(ylabel="ms per request", ylim=(0, None))
    for axes in (left, right):
        axes.set(xscale="log", xlabel="trials of the job")
        axes.legend(fontsize=6)
    save_plot("overhead", figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small jobs, once each, printed only")
    given = parser.parse_args()
    sizes = QUICK if given.quick else FULL
    export_ray_environment(Settings())
    logging.getLogger("ray").setLevel(logging.ERROR)
    _race_counted(("hyperopt", "asha"), 16, 3)
    gc.freeze()  # as a driver does
    figures: dict[str, Any] = {"controller": measure_controller(sizes), "recorded": {}, "recorder": {}, "api": {}}
    for kind in KINDS:
        with fresh_url(kind) as url:
            figures["recorded"][kind], jobs = measure_recorded(url, sizes)
            figures["recorder"][kind] = measure_recorder(url, sizes)
            figures["api"][kind] = measure_api(url, jobs, sizes)
    if given.quick:
        print(json.dumps(figures, indent=1))
        return
    write_result("overhead", figures)
    if find_spec("matplotlib"):
        plot(figures)


if __name__ == "__main__":
    main()
