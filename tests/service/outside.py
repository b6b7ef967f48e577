"""Programs that train outside, over HTTP, and a driver in this process that runs their jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from search.trial import JobReason, JobState
from service.database import Database
from service.driver import Assignment, Driver
from service.leases import Claim, Leases
from service.settings import Settings
from tests.e2e.running import wait_until

SPACE = {
    "learning rate": {"type": "float", "low": 1e-3, "high": 1.0, "log": True},
    "kernel": {"type": "choice", "values": ["rbf", "poly"]},
    "degree": {"type": "int", "low": 1, "high": 5, "when": {"kernel": "poly"}},
}


def body(**changes: Any) -> dict[str, Any]:
    """A small job whose trials are trained outside."""
    return {
        "trainer": "external",
        "space": SPACE,
        "fixed": {"seed": 7},
        "objective": {"name": "loss", "maximize": False},
        "metrics": ["seconds"],
        "algorithm": {"kind": "random"},
        "scheduler": {"kind": "fifo"},
        "budget": {"trials": 4, "epochs_per_trial": 3},
        "parallelism": 2,
        **changes,
    }


@contextmanager
def driving(settings: Settings) -> Iterator[None]:
    """Run whatever job is queued, one at a time, in a thread: what a runner and its driver do."""
    stopping = threading.Event()
    database = Database(settings.resolved_database_url)
    leases = Leases(database, settings.lease_seconds)
    held: list[Claim] = []

    def run() -> None:
        driver = Driver(settings)
        while not stopping.wait(0.005):
            claim = leases.claim_next("thread")
            if claim is not None:
                held.append(claim)
                driver.drive(Assignment(claim.job_id, claim.lease_epoch, []))
                held.clear()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        for claim in list(held):  # it may wait for ever to be told: without its lease it leaves
            leases.release(claim, JobState.CANCELLED, JobReason.USER_CANCELLED)
        thread.join(30)
        database.close()
        assert not thread.is_alive(), "the driver does not leave"


class Client:
    """One worker of the user's."""

    def __init__(self, http: httpx.Client, job: str, name: str = "one") -> None:
        self.http, self.path, self.name = http, f"/v1/jobs/{job}", name

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.http.post(f"{self.path}{path}", json={"client": self.name, **given})

    def ask(self, **given: Any) -> dict[str, Any]:
        answer = self.post("/ask", **given)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def one(self, **given: Any) -> dict[str, Any]:
        """Ask for a trial that there must be."""
        (trial,) = self.ask(wait_seconds=20, **given)["trials"]
        return dict(trial)

    def tell(self, trial: int, **given: Any) -> dict[str, Any]:
        answer = self.post(f"/trials/{trial}/tell", **given)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def work(self, train: Any) -> int:
        """Ask and tell until the job has ended; count the tells."""
        n_tells = 0
        while not (given := self.ask(wait_seconds=2))["ended"]:
            for trial in given["trials"]:
                for step in range(trial["step"] + 1, trial["steps"] + 1):
                    value = train(trial["parameters"], step)
                    n_tells += 1
                    if self.tell(trial["trial"], step=step, values={"loss": value})["action"] != "continue":
                        break
        return n_tells


def submit(http: httpx.Client, **changes: Any) -> str:
    """Submit a job and give its id."""
    answer = http.post("/v1/jobs", json=body(**changes))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def job_of(http: httpx.Client, job: str) -> dict[str, Any]:
    """Show a job."""
    return dict(http.get(f"/v1/jobs/{job}").json())


def await_state(http: httpx.Client, job: str, *states: str) -> dict[str, Any]:
    """Wait until the job is in one of these states."""
    wait_until(lambda: job_of(http, job)["state"] in states, 60, f"job {job} is {' or '.join(states)}")
    return job_of(http, job)


def trials_of(http: httpx.Client, job: str) -> list[dict[str, Any]]:
    """List a job's trials by number."""
    return list(http.get(f"/v1/jobs/{job}/trials", params={"limit": 1000}).json()["items"])


def loss(parameters: dict[str, Any], step: int) -> float:
    """A curve that falls with the step, to a level that the parameters decide."""
    return float(abs(parameters["learning rate"] - 0.1) + 0.1 * parameters.get("degree", 1) + 1 / step)
