"""How long the API takes to answer about a big job: a process of its own, asked by this one over HTTP."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from benchmarks.results import ROOT, spread
from service.ray_cluster import free_port

N_CLIENTS = 8
START_SECONDS = 60.0


@contextmanager
def serve_api(database_url: str) -> Iterator[httpx.Client]:
    """Run the API on a database; give a client."""
    address = f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="regatta-bench-") as folder:
        command = [sys.executable, "-m", "service", "api", "--tied", "--port", address.rpartition(":")[2]]
        options = ["--database-url", database_url, "--data-dir", folder]
        with (
            subprocess.Popen([*command, *options], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as api,
            httpx.Client(base_url=address, timeout=60) as http,
        ):
            try:
                _wait_until_ready(http, api)
                yield http
            finally:
                api.terminate()


def measure_requests(http: httpx.Client, job_id: str, n_trials: int, n_repeats: int) -> dict[str, Any]:
    """Time what users ask of a job, one request at a time; milliseconds. And how many a second come through at once."""
    figures: dict[str, Any] = {}
    pages = _pages(http, job_id, n_trials)
    for name, (path, params) in pages.items():
        figures[name] = spread([_ask(http, path, params) for _ in range(n_repeats)])
    path, params = pages["trials, first 100"]
    begun = time.perf_counter()
    with ThreadPoolExecutor(N_CLIENTS) as clients:
        n_requests = len(list(clients.map(lambda _: _ask(http, path, params), range(4 * n_repeats))))
    figures[f"pages of 100 trials per second, {N_CLIENTS} clients"] = n_requests / (time.perf_counter() - begun)
    return figures


def _pages(http: httpx.Client, job_id: str, n_trials: int) -> dict[str, tuple[str, dict[str, Any]]]:
    job = f"/v1/jobs/{job_id}"
    trials = f"{job}/trials"
    best = {"order": "objective", "limit": 100}
    return {
        "job": (job, {}),
        "trials, first 100": (trials, {"limit": 100}),
        "trials, 100 from the middle": (trials, {"limit": 100, "cursor": _middle(http, trials, {}, n_trials)}),
        "leaderboard, first 100": (trials, best),
        "leaderboard, 100 from the middle": (trials, {**best, "cursor": _middle(http, trials, best, n_trials)}),
        "reports of a trial": (f"{trials}/{n_trials // 2}/reports", {}),
        "events, first 100": (f"{job}/events", {"limit": 100}),
    }


def _middle(http: httpx.Client, path: str, params: Mapping[str, Any], n_items: int) -> str:
    """Walk to the cursor of the middle of a list."""
    cursor, left = None, n_items // 2
    while left > 0:
        limit = min(left, 1000)
        given = {**params, "limit": limit, **({"cursor": cursor} if cursor else {})}
        cursor, left = http.get(path, params=given).json()["next_cursor"], left - limit
    return str(cursor)


def _ask(http: httpx.Client, path: str, params: Mapping[str, Any]) -> float:
    begun = time.perf_counter()
    answer = http.get(path, params=dict(params), headers={"accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return (time.perf_counter() - begun) * 1e3


def _wait_until_ready(http: httpx.Client, api: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and api.poll() is None:
        try:
            http.get("/healthz").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"the API did not start within {START_SECONDS:.0f} s")
