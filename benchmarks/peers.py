"""The digits search, ours over HTTP against what else there is: one machine, one run, one list of configurations.

Our service draws the list; each peer takes it through its own public interface and is checked to have taken it. All
get the rows of our job, split and standardised. Each system has a process of its own and is alone on the machine
during its turn; turns rotate, so that a noisy minute does not hit one system only. A clock runs from handing over the
list (ours: the submit) to the last score (ours: the job's end). Imports, our service and Ray's own start are warm;
worker processes that a search starts for itself are part of it. Slow systems get a prefix of the list.

Scores are those of the last epoch on the validation rows. `--to-score` measures something else: the time until an
epoch of any trial is as good as the best of 64 random trials, each system with its own best algorithm.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.peer_systems import OURS, SEEKERS, SYSTEMS
from benchmarks.peer_systems.figures import Run, find_fastest, plot, print_table, summarise, summarise_sought
from benchmarks.peer_systems.host import Host
from benchmarks.peer_systems.task import Point, Reached
from benchmarks.results import RESULTS, write_result

WARM_UP = 16
SLOW_WARM_UP = 2
RANDOM_TRIALS = 64
ANY_LOG_LOSS = 10.0
Lists = Mapping[int, list[Point]]


class Turns:
    """Runs turns and keeps what they gave; a turn that fails is told and left out."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.sought: dict[str, list[Reached]] = {}
        self.setups: dict[str, str] = {}
        self.failures: list[str] = []

    def search(self, name: str, lists: Lists, prefix: int, seed: int) -> None:
        """Give a system a warm-up and every list, a slow one the beginning of the shortest."""
        entry, shortest = SYSTEMS[name], lists[min(lists)]
        given = {min(lists): shortest[:prefix]} if entry.is_slow else lists
        try:
            with Host(entry) as host:
                self.setups[name] = host.setup
                host.search(shortest[: SLOW_WARM_UP if entry.is_slow else WARM_UP], seed)
                for drawn_for, points in given.items():
                    self.runs.append(Run(name, drawn_for, host.search(points, seed)))
                    print(f"{name:16} {len(points):5} trials {self.runs[-1].ms_per_trial:8.1f} ms each", flush=True)
        except Exception as error:  # an hour of other systems' runs must not be lost
            self._fail(name, error)

    def seek(self, name: str, target: float, seed: int, limit_seconds: float) -> None:
        """Let a system search for a score once, after a warm-up that any score ends."""
        try:
            with Host(SEEKERS[name]) as host:
                host.ask("reach", ANY_LOG_LOSS, seed, limit_seconds)
                found = host.ask("reach", target, seed, limit_seconds)
                self.sought.setdefault(name, []).append(found)
                print(f"{name:16} {found}", flush=True)
        except Exception as error:
            self._fail(name, error)

    def _fail(self, name: str, error: Exception) -> None:
        self.failures.append(f"{name}: {type(error).__name__}: {error}"[:500])
        print(self.failures[-1], file=sys.stderr, flush=True)


def draw_lists(sizes: Sequence[int], seed: int) -> dict[int, list[Point]]:
    """Let our service draw its points for jobs of these sizes."""
    with Host(SYSTEMS[OURS]) as host:
        return {size: host.ask("draw", size, seed) for size in sorted(sizes)}


def find_target(n_runs: int) -> float:
    """Run our random search with several seeds; the median of the best log losses."""
    with Host(SYSTEMS[OURS]) as host:
        best = [float(host.ask("best_of_random", RANDOM_TRIALS, seed)) for seed in range(n_runs)]
    return statistics.median(best)


def rotate(names: Sequence[str], n_rounds: int) -> Iterator[tuple[int, str]]:
    """Give every system a turn in every round: another comes first each time, the rest backwards every second time."""
    for number in range(n_rounds):
        place = number % len(names)
        rest = [*names[place + 1 :], *names[:place]]
        for name in [names[place], *(rest if number % 2 == 0 else reversed(rest))]:
            yield number, name


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peers = [name for name in SYSTEMS if name != OURS]
    parser.add_argument("--trials", type=int, nargs="*", default=[64, 256, 1000], help="none: --to-score alone")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--systems", nargs="*", choices=peers, default=peers, help="peers; ours always runs")
    parser.add_argument("--prefix", type=int, default=24, help="trials of slow systems")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--to-score", action="store_true", help="measure the time to a given score, too")
    parser.add_argument("--seekers", nargs="*", choices=list(SEEKERS), default=list(SEEKERS), help="who takes part")
    parser.add_argument("--limit", type=float, default=120.0, help="most seconds of one search for the score")
    given = parser.parse_args()
    if not given.trials and not given.to_score:
        parser.error("nothing to measure: give --trials or --to-score")
    return given


def main() -> None:
    given = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that hosts end what they started
    turns = Turns()
    if given.trials:
        lists = draw_lists(given.trials, given.seed)
        for _, name in rotate([OURS, *given.systems], given.runs):
            turns.search(name, lists, given.prefix, given.seed)
    systems = summarise(turns.runs, turns.setups)
    figures: dict[str, Any] = {"systems": systems, "fastest_peer": find_fastest(systems)}
    if given.to_score:
        target = find_target(given.runs)
        for seed, name in rotate(given.seekers, given.runs):
            turns.seek(name, target, seed, given.limit)
        figures["to_score"] = summarise_sought(turns.sought, target, given.limit)
    if turns.failures:
        figures["failures"] = turns.failures
    write_result("peers", figures)
    print_table(systems)
    plot(figures, RESULTS / "peers.svg")


if __name__ == "__main__":
    main()
