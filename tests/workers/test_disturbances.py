"""Any job, cut and killed at random, ends with the rows of the undisturbed one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import workers.run
from tests.workers.memory_sink import MemorySink
from tests.workers.races import FrailSeat, Race, every_pair
from tests.workers.test_every_job_ends import FOLDS, STOPS, WAYS, races
from workers.errors import LeaseLost


def rows_of(drawn: Race) -> dict[str, Any]:
    sink = MemorySink(drawn.job.keep_models)
    drawn.run(sink)
    sink.close()
    return sink.rows()


def disturbed_rows(drawn: Race, cuts: list[int], deaths: list[set[int]], snapshots: bool) -> dict[str, Any]:
    """Run with dying seats, and with a driver that is killed at the end of each of these rounds."""
    sink = MemorySink(drawn.job.keep_models)
    for cut in [*sorted(cuts), None]:
        sink.lose_at = cut
        seats = [FrailSeat(f"seat-{number}", calls) for number, calls in enumerate(deaths)]
        try:
            drawn.run(sink, seats, record=sink.record(snapshots), snapshot_seconds=0.0 if snapshots else 1e9)
        except LeaseLost:
            sink.forget_open()
    sink.close()
    return sink.rows()


def jobs_of(algorithm: str, scheduler: str) -> SearchStrategy[Race]:
    return races(algorithm, scheduler, [*WAYS, {"split": FOLDS}, {"split": STOPS, "refit": True}], watch=True)


def explore(jobs: SearchStrategy[Race], n_examples: int, last_round: int = 12, last_call: int = 40) -> None:
    """Let drivers die after rounds and workers at calls, by chance: the rows are those of an undisturbed run."""

    @settings(max_examples=n_examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        drawn=jobs,
        cuts=st.lists(st.integers(1, last_round), max_size=3, unique=True),
        deaths=st.lists(st.sets(st.integers(2, last_call), max_size=5), min_size=1, max_size=3),
        snapshots=st.booleans(),
        round_rows=st.sampled_from([20, 100, 8_000]),
    )
    def run(drawn: Race, cuts: list[int], deaths: list[set[int]], snapshots: bool, round_rows: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(workers.run, "ROUND_ROWS", round_rows)
            assert disturbed_rows(drawn, cuts, deaths, snapshots) == rows_of(drawn)

    run()


@pytest.mark.parametrize(("algorithm", "scheduler"), [("random", "pbt"), ("random", "hyperband")])
def test_no_disturbance_changes_a_job(algorithm: str, scheduler: str) -> None:
    explore(jobs_of(algorithm, scheduler), n_examples=5)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@every_pair
def test_no_disturbance_changes_any_job(algorithm: str, scheduler: str) -> None:
    explore(jobs_of(algorithm, scheduler), n_examples=20)
