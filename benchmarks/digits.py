"""The digits search over HTTP on a warm service: time per trial, and from submit to the first report.

64 random trials of a mixed space, 10 epochs each (`examples/digits.json`), several times in a row.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.results import ROOT, spread, write_result
from tests.e2e.running import ENDED, Running, start_service

BODY = json.loads((ROOT / "examples" / "digits.json").read_text())


def run_once(service: Running, seed: int) -> dict[str, float]:
    """Submit the job and follow its events; seconds by this process's clock, the driver's own beside them."""
    with httpx.Client(base_url=service.url, timeout=120) as http:
        begun = time.perf_counter()
        job_id = http.post("/v1/jobs", json={**BODY, "seed": seed}).json()["id"]
        first = 0.0
        with http.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
            for line in stream.iter_lines():
                if line == "event: reports" and not first:
                    first = time.perf_counter() - begun
        job = http.get(f"/v1/jobs/{job_id}").json()
    assert job["state"] in ENDED, job
    assert job["state"] == "succeeded", job
    seconds = time.perf_counter() - begun
    n_trials = job["progress"]["done"]
    return {
        "ms_per_trial": seconds / n_trials * 1e3,
        "ms_per_trial_in_driver": job["progress"]["seconds"] / n_trials * 1e3,
        "seconds_to_first_report": first,
        "best": job["best"]["objective"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        service = start_service(Path(folder) / "data")
        try:
            cold = run_once(service, 0)
            warm = [run_once(service, seed) for seed in range(1, runs + 1)]
        finally:
            service.stop()
    names = ("ms_per_trial", "ms_per_trial_in_driver", "seconds_to_first_report")
    figures: dict[str, Any] = {name: spread([run[name] for run in warm]) for name in names}
    figures["first_job_of_the_service"] = {name: round(cold[name], 2) for name in names}
    figures["best_log_loss"] = spread([run["best"] for run in warm], 4)
    write_result("digits", figures)


if __name__ == "__main__":
    main()
