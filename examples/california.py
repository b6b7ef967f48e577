"""California housing: uploads a CSV, races examples/california_housing.json, checks the winner with numpy alone.

    python examples/california.py CSV [--url http://127.0.0.1:8000]

The CSV has the eight features, `MedHouseVal`, and `split` with train, valid and test.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy_model import NumpyModel
from service_client import ServiceClient

SPEC = Path(__file__).with_name("california_housing.json")
TOLERANCE = 1e-5


def read_test_rows(path: str) -> tuple[list[dict[str, float]], np.ndarray]:
    """Read the test part: rows of features, and the target."""
    with open(path, newline="") as file:
        rows: list[dict[str, Any]] = [row for row in csv.DictReader(file) if row.pop("split") == "test"]
    target = np.array([float(row.pop("MedHouseVal")) for row in rows])
    return [{name: float(value) for name, value in row.items()} for row in rows], target


def race(client: ServiceClient, path: str) -> dict[str, Any]:
    """Upload, submit, wait; answer the best model. Raises: SystemExit if the job did not succeed."""
    dataset = client.upload(path, "California housing")
    job = client.post("/v1/jobs", {**json.loads(SPEC.read_text()), "dataset": dataset["id"]})
    print(f"job {job['id']}: {client.url}/#/jobs/{job['id']}")
    shown = ""
    for event in client.follow(job["id"]):
        if event.type == "job" and event.data["best"]:
            progress, best = event.data["progress"], event.data["best"]
            line = f"{progress['done']:3d} of {progress['trials']} trials, best validation MSE {best['objective']:.4f}"
            if line != shown:
                print(line, flush=True)
            shown = line
    ended = client.get(f"/v1/jobs/{job['id']}")
    if ended["state"] != "succeeded":
        raise SystemExit(f"the job has {ended['state']}: {ended['reason']} {ended['detail']}")
    model: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}/best")["model"]
    return model


def check(client: ServiceClient, model: dict[str, Any], path: str) -> float:
    """Recompute the test predictions from the downloaded package; answer the test MSE.

    Raises: SystemExit if they differ from what the service predicts.
    """
    rows, target = read_test_rows(path)
    answered = np.array(client.post(f"/v1/models/{model['id']}/predict", {"rows": rows})["predictions"])
    computed = NumpyModel(client.download(model["id"])).predict(rows)[:, 0]
    difference = float(np.max(np.abs(computed - answered) / np.abs(answered)))
    print(f"largest relative difference between numpy and /predict on {len(rows)} rows: {difference:.1e}")
    if difference > TOLERANCE:
        raise SystemExit(f"they differ by more than {TOLERANCE:g}")
    return float(np.mean((computed - target) ** 2))


def main() -> None:
    """Race, fetch, recompute."""
    parser = argparse.ArgumentParser(description="California housing, from the upload to the recomputed test error.")
    parser.add_argument("csv")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    arguments = parser.parse_args()
    client = ServiceClient(arguments.url)
    model = race(client, arguments.csv)
    print(f"test MSE {check(client, model, arguments.csv):.4f}; the service says {model['test_metrics']}")


if __name__ == "__main__":
    main()
