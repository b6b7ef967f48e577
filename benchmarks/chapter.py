"""The book chapter's experiment: a random search on California housing, ours over HTTP against scikit-learn's.

Both fit the same list of configurations on the same rows: 0 to 3 hidden layers of 1 to 99 units, a rate from 3e-4 to
3e-2, plain SGD from Glorot's first weights, batches of 32, at most 100 epochs, patience 10. The book draws 10 points
and fits each in 3 folds; here 30 points are fitted once each, on its training rows, and ranked by its validation rows.

MLPRegressor can stop early only on a share of its training rows (10 % here, which it does not train on), so it trains
other numbers of epochs. Its loss is half of ours, so it gets twice the rate. Its winner is fitted again, off the clock,
for its test error. Three runs of all take ten minutes on two cores, most of them scikit-learn's.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import PredefinedSplit, RandomizedSearchCV
from sklearn.neural_network import MLPRegressor

from benchmarks.results import save_plot, spread, write_result
from tests.e2e.running import ENDED, Running, start_service
from tests.shared_data import FOLDER

TARGET, SPLIT = "MedHouseVal", "split"
EPOCHS, PATIENCE, BATCH_SIZE, PROCESSES = 100, 10, 32, 2
PEERS = {"scikit-learn float32": "float32", "scikit-learn float64": "float64"}
JOB = {
    "name": "California housing, the chapter's random search",
    "target": TARGET,
    "split": {
        "test": {"kind": "column", "column": SPLIT, "values": ["test"]},
        "validation": {"kind": "column", "column": SPLIT, "values": ["valid"]},
    },
    "fixed": {"optimizer": "sgd", "momentum": 0.0, "batch_size": BATCH_SIZE, "initialisation": "glorot"},
    "space": {
        "hidden_layers": {"type": "int", "low": 0, "high": 3},
        "units": {"type": "int", "low": 1, "high": 99, "when": {"hidden_layers": {"ge": 1}}},
        "learning_rate": {"type": "float", "low": 3e-4, "high": 3e-2, "log": True},
    },
    "objective": "mean_squared_error",
    "algorithm": {"kind": "random"},
    "scheduler": {"kind": "fifo"},
    "early_stopping": {"patience": PATIENCE},
    "start_from_default": False,
    "keep_models": 1,
}
Point = dict[str, Any]
Floats = NDArray[np.floating[Any]]


class Housing(NamedTuple):
    """Standardised rows by part: features [N, 8] and targets [N], and the target's scale."""

    x: dict[str, Floats]
    y: dict[str, Floats]
    scale: float

    def as_type(self, dtype: str) -> Housing:
        """Convert all rows."""
        x, y = ({part: rows.astype(dtype) for part, rows in parts.items()} for parts in (self.x, self.y))
        return Housing(x, y, self.scale)


def read_housing(path: Path) -> Housing:
    """Read the CSV and standardise it by its training rows, as the service does."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    part = np.array([row.pop(SPLIT) for row in rows])
    y = np.array([float(row.pop(TARGET)) for row in rows])
    x = np.array([[float(value) for value in row.values()] for row in rows])
    train = part == "train"
    x = (x - x[train].mean(0)) / x[train].std(0)
    scale = float(y[train].std())
    y = (y - y[train].mean()) / scale
    parts = ("train", "valid", "test")
    return Housing({name: x[part == name] for name in parts}, {name: y[part == name] for name in parts}, scale)


def upload(service: Running, path: Path) -> str:
    """Upload the table; its id."""
    with path.open("rb") as file, service.http as http:
        answer = http.post("/v1/datasets", files={"file": file}, data={"name": "California housing"})
    return str(answer.raise_for_status().json()["id"])


def search_ours(service: Running, dataset: str, trials: int, seed: int) -> dict[str, Any]:
    """Submit the job and follow its events to the end."""
    body = {**JOB, "dataset": dataset, "seed": seed, "budget": {"trials": trials, "epochs_per_trial": EPOCHS}}
    with httpx.Client(base_url=service.url, timeout=600) as http:
        begun = time.perf_counter()
        job_id = http.post("/v1/jobs", json=body).raise_for_status().json()["id"]
        with http.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
            for _ in stream.iter_lines():
                pass
        job = http.get(f"/v1/jobs/{job_id}").json()
        seconds = time.perf_counter() - begun
        assert job["state"] in ENDED, job
        assert job["state"] == "succeeded", job
        best = http.get(f"/v1/jobs/{job_id}/best").json()
        found = http.get(f"/v1/jobs/{job_id}/trials", params={"order": "number", "limit": 1000}).json()["items"]
    return {
        "seconds": seconds,
        "trials": trials,
        "epochs": job["progress"]["epochs"],
        "diverged": sum(trial["state"] == "diverged" for trial in found),
        "valid_mse": job["best"]["objective"],
        "median_valid_mse": statistics.median(trial["objective"] for trial in found if trial["objective"] is not None),
        "test_mse": best["model"]["test_metrics"]["mean_squared_error"],
        "winner": best["trial"]["parameters"],
        "points": [trial["parameters"] for trial in found],
    }


def to_scikit_learn(point: Point) -> Point:
    """Say a point in the words of MLPRegressor."""
    return {
        "hidden_layer_sizes": (point.get("units"),) * point["hidden_layers"],
        "learning_rate_init": 2 * point["learning_rate"],
    }


def make_regressor(seed: int) -> MLPRegressor:
    """Make what all points share."""
    return MLPRegressor(
        solver="sgd",
        momentum=0.0,
        nesterovs_momentum=False,
        alpha=0.0,
        batch_size=BATCH_SIZE,
        max_iter=EPOCHS,
        early_stopping=True,
        n_iter_no_change=PATIENCE,
        tol=0.0,
        random_state=seed,
    )


def _score(scale: float, model: MLPRegressor, x: Floats, y: Floats) -> dict[str, float]:
    """Score in raw units; the epochs come along since a search keeps scores only."""
    error = float(np.mean(np.square(model.predict(x).astype(np.float64) - y)))
    return {"mse": error * scale**2, "epochs": model.n_iter_}


def search_scikit_learn(housing: Housing, points: Sequence[Point], seed: int) -> dict[str, Any]:
    """Fit every point on the training rows, in two processes, and rank by the validation rows."""
    x, y = (np.concatenate([parts["train"], parts["valid"]]) for parts in (housing.x, housing.y))
    fold = np.repeat([-1, 0], [len(housing.x["train"]), len(housing.x["valid"])])
    # Lists of one value each, and as many draws as there are lists: each point exactly once.
    listed = [{name: [value] for name, value in to_scikit_learn(point).items()} for point in points]
    search = RandomizedSearchCV(
        make_regressor(seed),
        listed,
        n_iter=len(listed),
        scoring=partial(_score, housing.scale),
        cv=PredefinedSplit(fold),
        refit=False,
        n_jobs=PROCESSES,
        random_state=seed,
    )
    begun = time.perf_counter()
    search.fit(x, y)
    seconds = time.perf_counter() - begun
    errors = search.cv_results_["mean_test_mse"]
    winner = search.cv_results_["params"][int(np.nanargmin(errors))]
    model = make_regressor(seed).set_params(**winner).fit(housing.x["train"], housing.y["train"])
    return {
        "seconds": seconds,
        "trials": len(points),
        "epochs": int(np.nansum(search.cv_results_["mean_test_epochs"])),
        "diverged": int(np.isnan(errors).sum()),
        "valid_mse": float(np.nanmin(errors)),
        "median_valid_mse": float(np.nanmedian(errors)),
        "test_mse": _score(housing.scale, model, housing.x["test"], housing.y["test"])["mse"],
        "winner": {**winner, "learning_rate_init": round(winner["learning_rate_init"], 6)},
    }


def tell(run: dict[str, Any]) -> dict[str, Any]:
    """Print a run's time, since the next may take minutes."""
    print(f"{run['trials']} trials, {run['epochs']} epochs: {run['seconds']:.1f} s", flush=True)
    return run


def run_ours(path: Path, trials: int, runs: int, seed: int) -> list[dict[str, Any]]:
    """Search several times on one service, after a small search that warms it."""
    with tempfile.TemporaryDirectory() as folder:
        service = start_service(Path(folder) / "data")
        try:
            dataset = upload(service, path)
            search_ours(service, dataset, 4, seed + 1)
            return [tell(search_ours(service, dataset, trials, seed)) for _ in range(runs)]
        finally:
            service.stop()


def run_scikit_learn(housing: Housing, points: Sequence[Point], runs: int, seed: int) -> list[dict[str, Any]]:
    """Search several times in the same two processes, after a small search that starts them."""
    search_scikit_learn(housing, [{"hidden_layers": 0, "learning_rate": 1e-3}] * PROCESSES, seed)
    return [tell(search_scikit_learn(housing, points, seed)) for _ in range(runs)]


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give the spread of the times; the scores are those of the last run."""
    last = runs[-1]
    return {
        "seconds": spread([run["seconds"] for run in runs]),
        "ms_per_trial": spread([run["seconds"] / run["trials"] * 1e3 for run in runs]),
        "ms_per_epoch": spread([run["seconds"] / run["epochs"] * 1e3 for run in runs]),
        **{name: last[name] for name in ("trials", "epochs", "diverged", "winner")},
        **{name: round(last[name], 4) for name in ("valid_mse", "median_valid_mse", "test_mse")},
    }


def compare(ours: dict[str, Any], peer: dict[str, Any]) -> dict[str, float]:
    """Divide the medians, by trial and by epoch: the two stop early on different rows."""
    return {name: round(peer[name]["median"] / ours[name]["median"], 1) for name in ("ms_per_trial", "ms_per_epoch")}


def plot(systems: dict[str, Any]) -> None:
    """Draw the time per trial of each system, with its winner's test error."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 1 + 0.45 * len(systems)), layout="constrained")
    times = [system["ms_per_trial"]["median"] for system in systems.values()]
    errors = [system["test_mse"] for system in systems.values()]
    texts = [f" {time:,.0f} ms, test MSE {error:.3f}" for time, error in zip(times, errors, strict=True)]
    axes.bar_label(axes.barh(list(systems), times), texts)
    axes.invert_yaxis()
    axes.set(xlabel="milliseconds per trial", xlim=(0, 1.7 * max(times)), title="California housing, random search")
    axes.spines[["top", "right"]].set_visible(False)
    save_plot("chapter", figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--prefix", type=int, help="scikit-learn fits only so many points of the list")
    parser.add_argument("--csv", type=Path, default=FOLDER / "california_housing.csv")
    given = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # 100 epochs are all that there are
    ours = run_ours(given.csv, given.trials, given.runs, given.seed)
    points, housing = ours[-1]["points"], read_housing(given.csv)
    systems = {"regatta": summarise(ours)}
    for name, dtype in PEERS.items():
        peer = run_scikit_learn(housing.as_type(dtype), points[: given.prefix], given.runs, given.seed)
        systems[name] = summarise(peer)
    figures = {**systems, "times_faster": {name: compare(systems["regatta"], systems[name]) for name in PEERS}}
    write_result("chapter", figures)
    plot(systems)


if __name__ == "__main__":
    main()
