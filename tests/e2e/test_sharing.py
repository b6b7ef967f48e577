"""Several jobs on one machine: none waits for another's end, and none notices the others in its results."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.running import Running, wait_until
from tests.e2e.specs import PAIRS, job_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def endless_spec() -> dict[str, Any]:
    """A job of hours."""
    budget = {"trials": 100_000, "epochs_per_trial": 81}
    return job_spec("random", "fifo", dataset="digits", budget=budget, early_stopping=None)


def test_a_short_job_runs_to_its_end_while_a_long_one_goes_on(service: Running) -> None:
    alone = service.finish(service.submit(job_spec("random", "asha")))
    endless = service.submit(endless_spec())
    try:
        service.reach(endless, 200)
        short = service.finish(service.submit(job_spec("random", "asha")))
        assert short["state"] == "succeeded", short
        before = service.job(endless)
        assert before["state"] == "running", before
        service.reach(endless, before["progress"]["epochs"] + 1)
    finally:
        service.http.post(f"/v1/jobs/{endless}/cancel")
        service.finish(endless)
    assert service.outcome(short["id"]) == service.outcome(alone["id"])


def test_four_jobs_at_once_give_what_each_gives_alone(service: Running) -> None:
    specs = [job_spec(*pair, budget={"trials": 16, "epochs_per_trial": 27}) for pair in PAIRS]
    together = [service.submit(spec) for spec in specs]
    wait_until(lambda: len(service.driver_pids()) == 4, 120, "every job has a driver")
    for job_id in together:
        service.finish(job_id)
    alone = []
    for spec in specs:
        alone.append(service.submit(spec))
        service.finish(alone[-1])
    for job_id, other in zip(together, alone, strict=True):
        assert service.outcome(job_id) == service.outcome(other)
