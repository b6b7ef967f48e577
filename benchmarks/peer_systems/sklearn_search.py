"""scikit-learn: RandomizedSearchCV over MLPClassifier on as many processes as cores; halving for a given score."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from numpy.typing import NDArray
from scipy.stats import loguniform
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, PredefinedSplit, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier

from benchmarks.peer_systems.task import (
    EPOCHS,
    SPACE,
    Point,
    Reached,
    Score,
    Searched,
    System,
    load_rows,
    score,
)

warnings.simplefilter("ignore", ConvergenceWarning)  # ten epochs are the task
CANDIDATES = 64


class Float64Search(System):
    """The rows in float64, scikit-learn's usual type."""

    dtype: ClassVar[str] = "float64"

    def __init__(self, folder: Path) -> None:
        rows = load_rows()
        self._x = np.concatenate([rows.x_train, rows.x_valid]).astype(self.dtype)
        self._y = np.concatenate([rows.y_train, rows.y_valid])
        self._split = PredefinedSplit(np.repeat([-1, 0], [len(rows.x_train), len(rows.x_valid)]))
        self._n_processes = os.cpu_count() or 1
        self.setup = f"{self._n_processes} processes (n_jobs), {self.dtype} rows; validates once per trial"
        make_classifier(0).set_params(max_iter=1).fit(self._x[:100], self._y[:100])

    def search(self, points: list[Point], seed: int) -> Searched:
        # Lists of one value each, and as many draws as there are lists: each point exactly once, in any order.
        listed = [{name: [value] for name, value in to_scikit_learn(point).items()} for point in points]
        search = RandomizedSearchCV(make_classifier(seed), listed, n_iter=len(listed), **self._options(seed))
        get_reusable_executor().shutdown()
        begun = time.perf_counter()
        start_processes(self._n_processes)
        start_seconds = time.perf_counter() - begun
        search.fit(self._x, self._y)
        seconds = time.perf_counter() - begun
        return Searched(seconds, *_in_order(search, points), start_seconds=start_seconds)

    def reach(self, target: float, seed: int, limit_seconds: float) -> Reached:
        """Halve until a search has it: a search tells nothing before its end and cannot be stopped."""
        get_reusable_executor().shutdown()
        begun, n_trials = time.perf_counter(), 0
        while time.perf_counter() < begun + limit_seconds:
            options = {**self._options(seed), "scoring": _negative_log_loss}
            search = HalvingRandomSearchCV(
                make_classifier(seed),
                {
                    "hidden_layer_sizes": layer_choices(),
                    "batch_size": SPACE["batch_size"]["values"],
                    "learning_rate_init": loguniform(SPACE["learning_rate"]["low"], SPACE["learning_rate"]["high"]),
                },
                n_candidates=CANDIDATES,
                resource="max_iter",
                min_resources=1,
                max_resources=EPOCHS,
                **options,
            ).fit(self._x, self._y)
            n_trials, seed = n_trials + CANDIDATES, seed + 1
            if -np.nanmax(search.cv_results_["mean_test_score"]) <= target:
                return Reached(time.perf_counter() - begun, n_trials)
        return Reached(None, n_trials)

    def close(self) -> None:
        get_reusable_executor().shutdown()

    def _options(self, seed: int) -> dict[str, Any]:
        return {
            "scoring": _score,
            "cv": self._split,
            "refit": False,
            "n_jobs": self._n_processes,
            "random_state": seed,
        }


class Float32Search(Float64Search):
    """The rows in float32, which MLPClassifier keeps."""

    dtype = "float32"


def make_classifier(seed: int) -> MLPClassifier:
    """Make what all points share. It draws its own initial weights: Glorot's, biases too."""
    return MLPClassifier(
        solver="adam", alpha=0.0, max_iter=EPOCHS, n_iter_no_change=EPOCHS + 1, tol=0.0, random_state=seed
    )


def to_scikit_learn(point: Point) -> Point:
    """Say a point in the words of MLPClassifier."""
    return {
        "hidden_layer_sizes": (point["units"],) * point["hidden_layers"],
        "batch_size": point["batch_size"],
        "learning_rate_init": point["learning_rate"],
    }


def from_scikit_learn(words: dict[str, Any]) -> Point:
    """Say it in ours again."""
    layers = words["hidden_layer_sizes"]
    return {
        "units": layers[0],
        "hidden_layers": len(layers),
        "batch_size": words["batch_size"],
        "learning_rate": words["learning_rate_init"],
    }


def layer_choices() -> list[tuple[int, ...]]:
    """List all shapes of the space."""
    depths = range(SPACE["hidden_layers"]["low"], SPACE["hidden_layers"]["high"] + 1)
    return [(width,) * depth for width in SPACE["units"]["values"] for depth in depths]


def start_processes(n_processes: int) -> None:
    """Start joblib's processes and let them import scikit-learn."""
    Parallel(n_jobs=n_processes)(delayed(make_classifier)(0) for _ in range(n_processes))


def _in_order(search: RandomizedSearchCV, points: Sequence[Point]) -> tuple[list[Point], list[Score]]:
    results = search.cv_results_
    taken = [from_scikit_learn(words) for words in results["params"]]
    scores = list(map(Score, results["mean_test_log_loss"], results["mean_test_accuracy"]))
    places = sorted(range(len(taken)), key=lambda place: points.index(taken[place]))
    return [taken[place] for place in places], [scores[place] for place in places]


def _score(model: MLPClassifier, x: NDArray[Any], y: NDArray[np.int64]) -> dict[str, float]:
    return score(model.predict_proba(x), y)._asdict()


def _negative_log_loss(model: MLPClassifier, x: NDArray[Any], y: NDArray[np.int64]) -> float:
    return -score(model.predict_proba(x), y).log_loss
