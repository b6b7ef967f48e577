"""Tunes a scikit-learn classifier over HTTP: the service proposes, four threads of this program train and tell.

python examples/ask_and_tell.py [--url http://127.0.0.1:8000] [--trials 24]
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

WORKERS = 4
JOB = {
    "name": "a support vector machine",
    "trainer": "external",
    "space": {
        "C": {"type": "float", "low": 1e-2, "high": 1e3, "log": True},
        "kernel": {"type": "choice", "values": ["rbf", "poly"]},
        "gamma": {"type": "float", "low": 1e-4, "high": 1.0, "log": True, "when": {"kernel": "rbf"}},
        "degree": {"type": "int", "low": 2, "high": 5, "when": {"kernel": "poly"}},
    },
    "objective": {"name": "accuracy", "maximize": True},
    "scheduler": {"kind": "fifo"},
    "parallelism": WORKERS,
}


def measure(parameters: dict[str, Any]) -> float:
    """Cross-validate one classifier."""
    x, y = load_breast_cancer(return_X_y=True)
    return float(cross_val_score(make_pipeline(StandardScaler(), SVC(**parameters)), x, y, cv=5).mean())


def work(http: httpx.Client, job: str, client: str) -> int:
    """Ask for trials and tell of them until the job has ended; count them."""
    n_trials = 0
    while True:
        asked = send(http, f"/v1/jobs/{job}/ask", client=client)
        if asked["ended"]:
            return n_trials
        for trial in asked["trials"]:
            told = {"step": 1, "values": {"accuracy": measure(trial["parameters"])}}
            send(http, f"/v1/jobs/{job}/trials/{trial['trial']}/tell", client=client, **told)
            n_trials += 1


def send(http: httpx.Client, path: str, **body: Any) -> Any:
    """Post JSON and read JSON."""
    return http.post(path, json=body).raise_for_status().json()


def main() -> None:
    """Submit the job, work on it, print the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--trials", type=int, default=24)
    given = parser.parse_args()
    with httpx.Client(base_url=given.url, timeout=60) as http, ThreadPoolExecutor(WORKERS) as pool:
        job = send(http, "/v1/jobs", **JOB, budget={"trials": given.trials, "epochs_per_trial": 1})["id"]
        counts = list(pool.map(lambda n: work(http, job, f"worker-{n}"), range(WORKERS)))
        best = http.get(f"/v1/jobs/{job}/best").raise_for_status().json()["trial"]
    print(f"{sum(counts)} trials; accuracy {best['objective']:.4f} with {best['parameters']}")


if __name__ == "__main__":
    main()
