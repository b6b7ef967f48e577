"""`python -m benchmarks.tabular`: a search on a table of final results, through the code of a job.

Space, algorithm, joint with Tune and ledger are those of a job under `fifo`; the trainer looks results up. A list of
the space file is a `choice`, encoded by index; numbers that rise or fall are an ordered one, as in any job.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from benchmarks.instant import CountingSink
from models.lanes import Watch
from search.discovery import AnyAlgorithm
from search.plugins import Algorithm, ScheduleRequest, SearchRequest, resolve_parallelism
from search.schedulers.fifo import Fifo
from service.settings import Settings, export_ray_environment
from workers.sink import Record
from workers.trainers.table import ResultTable, TableError, TableFleet

EPOCHS = 1
"""A table of final results has nothing before the end."""


@dataclass(frozen=True)
class Searched:
    """One search: the best value after each trial that ended, in the order of the trials' numbers, and its seconds."""

    best: list[float]
    seconds: float


class Rounds:
    """Nothing ends the search but its last trial."""

    def before_round(self) -> None: ...

    def after_round(self) -> None: ...

    def is_over(self) -> bool:
        return False


def search_table(
    table: ResultTable, algorithm: Algorithm, trials: int, seed: int, parallelism: int | None = None
) -> Searched:
    """Run one search; `parallelism` None is what a job would take."""
    from workers.controller import Joint  # ray, which reads its variables when it is imported
    from workers.lane_manager import JointSettings
    from workers.ledger import Ledger, LedgerSettings
    from workers.merit import Plain
    from workers.succession import Leg, Succession

    begun = time.perf_counter()
    space, scheduler = table.space, Fifo()
    n_trials = algorithm.n_trials(space, trials)
    request = SearchRequest(
        domains=space.domains(),
        initial_points=[space.encode(point) for point in algorithm.initial_points(space, [])],
        mode="min",
        seed=seed,
        trials=n_trials,
        parallelism=resolve_parallelism(algorithm, scheduler, n_trials, EPOCHS, parallelism),
    )
    lanes: Any = TableFleet(table)
    build: Any = table.build
    kept = LedgerSettings(seed, Watch(), build, lambda hyper: [], keep_states=False, snapshot_seconds=math.inf)
    ledger = Ledger(kept, lanes, CountingSink(), Record())
    settings = JointSettings(
        scheduler=scheduler,
        epochs=EPOCHS,
        parallelism=request.parallelism,
        round_epochs=EPOCHS,
        merit=Plain(maximize=False, worst=float(table.values.max())),
        seed=seed,
    )
    schedule = scheduler.build(ScheduleRequest("min", EPOCHS, {}, seed))
    leg = Leg(algorithm.search(request), request.domains, n_trials, space.decode)
    with Joint(settings, ledger, Rounds(), Succession(leg), schedule) as joint:
        joint.run()
    found = [life.best.value for _, life in sorted(ledger.lives.by_number.items()) if life.best]
    return Searched(np.minimum.accumulate(found).tolist(), time.perf_counter() - begun)


def expected_best(table: ResultTable, draws: int) -> float:
    """Give the exact expectation of the best of so many independent uniform draws, equal points included."""
    ordered = np.sort(table.values)
    worse = 1 - np.arange(len(ordered) + 1) / len(ordered)
    return float(((worse[:-1] ** draws - worse[1:] ** draws) * ordered).sum())


def summarise(best: Sequence[float]) -> dict[str, Any]:
    """Give mean and standard error of the best values of several seeds, and those values."""
    spread = statistics.stdev(best) / math.sqrt(len(best)) if len(best) > 1 else None
    return {"mean": statistics.fmean(best), "stderr": spread, "best": list(best)}


def read_algorithm(text: str) -> Algorithm:
    """Read a kind, or an object of settings with its kind.

    Raises: ValidationError, ValueError.
    """
    given = json.loads(text) if text.lstrip().startswith("{") else {"kind": text}
    adapter: TypeAdapter[Algorithm] = TypeAdapter(AnyAlgorithm)
    return adapter.validate_python(given)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tabular", description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="an .npz with index and valid_mse")
    parser.add_argument("--space", type=Path, required=True, help="a .json of lists by name")
    parser.add_argument("--algorithm", required=True, help="a kind, or a JSON object of its settings")
    parser.add_argument("--trials", type=_positive, required=True)
    parser.add_argument("--seeds", type=_positive, required=True, help="so many searches, with the seeds 0, 1, ...")
    parser.add_argument("--parallelism", type=_positive, help="live trials; left out, what a job would take")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    try:
        table = ResultTable.from_files(given.table, given.space)
        algorithm = read_algorithm(given.algorithm)
        problems = algorithm.problems(table.space, given.trials)
    except ValidationError as error:
        sys.exit("\n".join(f"--algorithm: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))
    except (TableError, OSError, ValueError) as error:
        sys.exit(str(error))
    if problems:
        sys.exit("\n".join(f"{problem.path}: {problem.message}" for problem in problems))
    export_ray_environment(Settings())
    best = [
        search_table(table, algorithm, given.trials, seed, given.parallelism).best[-1] for seed in range(given.seeds)
    ]
    found = summarise(best)
    if given.json:
        print(json.dumps(found))
    else:
        error = "" if found["stderr"] is None else f" +- {found['stderr']:.5f}"
        print(f"{algorithm.kind}: {found['mean']:.5f}{error}; at random {expected_best(table, given.trials):.5f}")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


if __name__ == "__main__":
    main()
