"""Regatta, end to end over HTTP on a service that runs already: from submit until the job has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx

from benchmarks.peer_systems.task import BODY, MOST_TRIALS, Point, Reached, Score, Searched, System
from tests.e2e.running import ENDED, start_service

METRICS = ("log_loss", "accuracy")
PAGE = 1000


class Regatta(System):
    """The job of `examples/digits.json`. It draws the list that the others get: it is asked first."""

    setup = "two pack actors, SQLite, random + fifo over HTTP; validates and records every epoch"
    algorithm: ClassVar[str] = "random"

    def __init__(self, folder: Path) -> None:
        self._service = start_service(folder / "data")
        self._http = httpx.Client(base_url=self._service.url, timeout=120)

    def search(self, points: list[Point], seed: int) -> Searched:
        """Submit and follow the events to the last; the points are those that the seed draws."""
        begun = time.perf_counter()
        job = self._submit({**BODY, "seed": seed, "budget": {**BODY["budget"], "trials": len(points)}})
        for _ in self._events(job):
            pass
        state = self._get(f"/v1/jobs/{job}")["state"]
        seconds = time.perf_counter() - begun
        if state != "succeeded":
            raise RuntimeError(f"the job {state}")
        trials = self._list(f"/v1/jobs/{job}/trials", order="number")
        return Searched(seconds, [trial["parameters"] for trial in trials], [self._score(job, t) for t in trials])

    def draw(self, n_points: int, seed: int) -> list[Point]:
        """Draw the list: points do not depend on how long they are trained."""
        job = self._submit({**BODY, "seed": seed, "budget": {"trials": n_points, "epochs_per_trial": 1}})
        for _ in self._events(job):
            pass
        return [trial["parameters"] for trial in self._list(f"/v1/jobs/{job}/trials", order="number")]

    def best_of_random(self, n_trials: int, seed: int) -> float:
        """Run random search; the log loss of its best epoch."""
        job = self._submit({**BODY, "seed": seed, "budget": {**BODY["budget"], "trials": n_trials}})
        for _ in self._events(job):
            pass
        return float(self._get(f"/v1/jobs/{job}")["best"]["objective"])

    def reach(self, target: float, seed: int, limit_seconds: float) -> Reached:
        """Race until an epoch's event tells the score; the job's own goal ends it."""
        budget = {**BODY["budget"], "trials": MOST_TRIALS, "seconds": limit_seconds, "stop_at": target}
        kinds = {"algorithm": {"kind": self.algorithm}, "scheduler": {"kind": "asha"}}
        begun, seconds, trials = time.perf_counter(), None, 0
        job = self._submit({**BODY, **kinds, "seed": seed, "budget": budget})
        for rows in self._events(job):
            trials = max([trials, *(row["trial"] + 1 for row in rows)])
            if seconds is None and any(row["objective"] is not None and row["objective"] <= target for row in rows):
                seconds = time.perf_counter() - begun
        return Reached(seconds, trials)

    def close(self) -> None:
        self._http.close()
        self._service.stop()

    def _submit(self, body: dict[str, Any]) -> str:
        return str(self._http.post("/v1/jobs", json=body).raise_for_status().json()["id"])

    def _get(self, path: str, **params: Any) -> Any:
        return self._http.get(path, params=params).raise_for_status().json()

    def _list(self, path: str, **params: Any) -> list[dict[str, Any]]:
        page = self._get(path, limit=PAGE, **params)
        items: list[dict[str, Any]] = page["items"]
        while page["next_cursor"] is not None:
            page = self._get(path, limit=PAGE, cursor=page["next_cursor"], **params)
            items += page["items"]
        return items

    def _events(self, job: str) -> Iterator[list[dict[str, Any]]]:
        """Follow a job to its end; yield the reports of each event, an empty list for other events."""
        last = "0"
        while True:
            with self._http.stream("GET", f"/v1/jobs/{job}/events", headers={"last-event-id": last}) as stream:
                for line in stream.iter_lines():
                    word, _, value = line.partition(": ")
                    if word == "id":
                        last = value
                    elif word == "data":
                        yield _reports(json.loads(value))
            if self._get(f"/v1/jobs/{job}")["state"] in ENDED:  # a stream has a longest life, a job has not
                return

    def _score(self, job: str, trial: dict[str, Any]) -> Score:
        """Read the last epoch: a trial's own metrics are those of its best."""
        metrics = self._list(f"/v1/jobs/{job}/trials/{trial['number']}/reports")[-1]["metrics"]
        return Score(*(metrics[name] for name in METRICS))


def _reports(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(data["columns"], row, strict=True)) for row in data.get("rows", ())]


class RandomAsha(Regatta):
    """Reaches with random points and ASHA."""


class HyperoptAsha(Regatta):
    """Reaches with TPE and ASHA."""

    algorithm = "hyperopt"
