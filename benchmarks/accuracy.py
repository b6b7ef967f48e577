"""How good the networks are that a job finds: published tables against published figures, over HTTP, on one service.

Regression with the preset `strong`, 100 trials: California housing with the chapter's split; concrete, energy and wine
with five of their published splits each, validation cut from the training rows. Classification with the preset
`default`: digits and breast_cancer, five split seeds each, the winner trained again on its validation rows too. And
every bundled set from nothing but its name.

The winner is the best epoch of the best trial; where the job has an ensemble, its test score stands beside.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.results import save_plot, spread, write_result
from examples.service_client import ServiceClient
from models.bundled import BUNDLED
from tests.e2e.running import start_service
from tests.shared_data import FOLDER

SPLITS = 5
SEEDS = range(5)
DEFAULT = {
    "preset": "default",
    "budget": {"trials": 100, "epochs_per_trial": 100},
    "early_stopping": {"patience": 25},
    "refit": True,
}
STRONG = {"preset": "strong", "budget": {"trials": 100, "epochs_per_trial": 100}}


class Published(NamedTuple):
    """A UCI set: its file, and the test RMSE of a tuned MLP, plain and with MC dropout (Gal and Ghahramani 2016)."""

    file: str
    tuned: float
    mc_dropout: float


UCI = {
    "concrete": Published("uci_concrete.csv", 5.45, 4.83),
    "energy": Published("uci_energy.csv", 0.967, 0.539),
    "wine": Published("uci_wine-quality-red.csv", 0.657, 0.622),
}
CALIFORNIA_MSE = 0.25
ACCURACIES = {"digits": 0.98, "breast_cancer": 0.97}


def run_job(client: ServiceClient, body: dict[str, Any], metric: str) -> dict[str, Any]:
    """Submit a job, follow it to its end, and read its winner's and its ensemble's test score.

    Raises: SystemExit where the job does not succeed.
    """
    begun = time.perf_counter()
    job_id = client.post("/v1/jobs", body)["id"]
    for _ in client.follow(job_id):
        pass
    seconds = time.perf_counter() - begun
    job = client.get(f"/v1/jobs/{job_id}")
    if job["state"] != "succeeded":
        raise SystemExit(f"{body.get('name')}: {job['state']}, {job['reason']} {job['detail']}")
    best = client.get(f"/v1/jobs/{job_id}/best")
    found = {
        "seconds": round(seconds, 1),
        "epochs": job["progress"]["epochs"],
        "valid": job["best"]["objective"],
        "test": best["model"]["test_metrics"][metric],
        "winner": best["trial"]["parameters"],
    }
    models = client.get(f"/v1/jobs/{job_id}/models")["items"]
    ensembles = [model["test_metrics"][metric] for model in models if model["origin"] == "ensemble"]
    if ensembles:
        found["ensemble_test"] = ensembles[0]
    print(
        f"{body.get('name')}: {found['test']:.4f}, ensemble {found.get('ensemble_test')}, {seconds:.0f} s", flush=True
    )
    return found


def california(client: ServiceClient) -> dict[str, Any]:
    """Train on the chapter's split."""
    dataset = client.upload(str(FOLDER / "california_housing.csv"), "california")["id"]
    parts = {
        part: {"kind": "column", "column": "split", "values": [value]}
        for part, value in (("test", "test"), ("validation", "valid"))
    }
    body = {**STRONG, "name": "California housing", "dataset": dataset, "target": "MedHouseVal", "split": parts}
    found = run_job(client, {**body, "objective": "mean_squared_error"}, "mean_squared_error")
    return {"aim": CALIFORNIA_MSE, **found}


def uci(client: ServiceClient, name: str) -> dict[str, Any]:
    """Train on five published splits; the mean of their test RMSE."""
    known, columns = UCI[name], [f"split{i}" for i in range(SPLITS)]
    dataset = client.upload(str(FOLDER / known.file), name)["id"]
    runs = []
    for column in columns:
        body = {
            **STRONG,
            "name": f"{name} {column}",
            "dataset": dataset,
            "target": "target",
            "task": "regression",
            "columns": {"exclude": [other for other in columns if other != column]},
            "split": {"test": {"kind": "column", "column": column, "values": ["test"]}},
            "objective": "root_mean_squared_error",
        }
        runs.append(run_job(client, body, "root_mean_squared_error"))
    published = {"tuned": known.tuned, "mc_dropout": known.mc_dropout}
    return {"published": published, **summarise(runs)}


def classification(client: ServiceClient, name: str) -> dict[str, Any]:
    """Train with the preset `default` on five splits; the mean of their test accuracy."""
    runs = [
        run_job(
            client,
            {**DEFAULT, "name": f"{name} {seed}", "dataset": name, "seed": seed, "split": {"seed": seed}},
            "accuracy",
        )
        for seed in SEEDS
    ]
    return {"aim": ACCURACIES[name], **summarise(runs)}


def bundled(client: ServiceClient) -> dict[str, Any]:
    """Send every bundled set by its name alone; its default objective on validation and on test rows."""
    found = {}
    for name in BUNDLED:
        objective = client.post("/v1/jobs/preview", {"dataset": name})["objective"]["name"]
        run = run_job(client, {"name": name, "dataset": name}, objective)
        found[name] = {"objective": objective, **{key: run[key] for key in ("seconds", "valid", "test")}}
    return found


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Average the test scores."""
    figures: dict[str, Any] = {"seconds": spread([run["seconds"] for run in runs])}
    for name in ("test", "ensemble_test"):
        values = [run[name] for run in runs if name in run]
        if values:
            figures[name] = {"mean": round(statistics.mean(values), 4), "each": [round(value, 4) for value in values]}
    return {**figures, "winners": [run["winner"] for run in runs]}


PARTS: dict[str, Callable[[ServiceClient], dict[str, Any]]] = {
    "california": california,
    **{name: partial(uci, name=name) for name in UCI},
    **{name: partial(classification, name=name) for name in ACCURACIES},
    "bundled": bundled,
}


def plot(figures: dict[str, Any]) -> None:
    """Draw each set's error against the published one: below 1 is better."""
    from matplotlib import pyplot

    rows: list[tuple[str, float, str]] = []
    for name, known in UCI.items():
        if name in figures:
            for label, key in ((name, "test"), (f"{name}, ensemble", "ensemble_test")):
                if key in figures[name]:
                    mean = figures[name][key]["mean"]
                    rows.append((label, mean / known.tuned, f"RMSE {mean:.3f}, published {known.tuned}"))
    if "california" in figures:
        value = figures["california"]["test"]
        rows.append(("California", value / CALIFORNIA_MSE, f"MSE {value:.3f}, aim {CALIFORNIA_MSE}"))
    for name, aim in ACCURACIES.items():
        if name in figures:
            mean = figures[name]["test"]["mean"]
            rows.append((name, (1 - mean) / (1 - aim), f"accuracy {mean:.4f}, aim {aim}"))
    if not rows:
        return
    figure, axes = pyplot.subplots(figsize=(7, 1 + 0.4 * len(rows)), layout="constrained")
    bars = axes.barh([row[0] for row in rows], [row[1] for row in rows])
    axes.bar_label(bars, [f" {row[2]}" for row in rows])
    axes.axvline(1, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set(xlabel="test error, as a share of the published figure or of the aim", xlim=(0, 2))
    axes.spines[["top", "right"]].set_visible(False)
    save_plot("accuracy", figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"all if none is named: {', '.join(PARTS)}")
    given = parser.parse_args()
    unknown = sorted(set(given.parts) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        service = start_service(Path(folder) / "data")
        try:
            client = ServiceClient(service.url)
            figures = {name: PARTS[name](client) for name in given.parts or PARTS}
        finally:
            service.stop()
    write_result("accuracy", figures)
    plot(figures)


if __name__ == "__main__":
    main()
