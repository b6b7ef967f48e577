"""Several jobs on one machine: none waits for another's end, and none notices the others in its results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.running import Running, wait_until
from tests.e2e.specs import PAIRS, job_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def endless_spec() -> dict[str, Any]:
    """A job of hours."""
    budget = {"trials": 100_000, "epochs_per_trial": 81}
    return job_spec("random", "fifo", dataset="digits", budget=budget, early_stopping=None)


@contextmanager
def submitted(service: Running, specs: list[dict[str, Any]]) -> Iterator[list[str]]:
    """Submit jobs that are cancelled after the block."""
    ids = [service.submit(spec) for spec in specs]
    try:
        yield ids
    finally:
        for job_id in ids:
            service.http.post(f"/v1/jobs/{job_id}/cancel")
        for job_id in ids:
            service.finish(job_id)


def test_a_short_job_runs_to_its_end_while_a_long_one_goes_on(service: Running) -> None:
    alone = service.undisturbed(job_spec("random", "asha"))
    with submitted(service, [endless_spec()]) as (endless,):
        service.reach(endless, 200)
        short = service.finish(service.submit(job_spec("random", "asha")))
        assert short["state"] == "succeeded", short
        before = service.job(endless)
        assert before["state"] == "running", before
        service.reach(endless, before["progress"]["epochs"] + 1)
    assert service.outcome(short["id"]) == service.outcome(alone["id"])


def test_four_jobs_share_the_machine_and_a_fifth_waits(service: Running) -> None:
    with submitted(service, [endless_spec() for _ in range(5)]) as (*first, fifth):
        for job_id in first:
            service.reach(job_id, 1)
        assert [service.job(job_id)["state"] for job_id in (*first, fifth)] == ["running"] * 4 + ["queued"]
        assert len(service.driver_pids()) == 4


@pytest.mark.parametrize("pairs", [PAIRS[:2], PAIRS[2:]], ids=["fifo and asha", "hyperband and pbt"])
def test_two_jobs_at_once_give_what_each_gives_alone(service: Running, pairs: list[tuple[str, str]]) -> None:
    budget = {"trials": 24, "epochs_per_trial": 27}
    specs = [job_spec(*pair, dataset="digits", budget=budget, early_stopping=None) for pair in pairs]
    wait_until(lambda: len(service.driver_pids()) > 1, 120, "there is a driver for each")
    together = [service.finish(job_id) for job_id in [service.submit(spec) for spec in specs]]
    assert max(job["started_at"] for job in together) < min(job["ended_at"] for job in together)
    for job, spec in zip(together, specs, strict=True):
        alone = service.undisturbed(spec)
        assert service.outcome(job["id"]) == service.outcome(alone["id"])
