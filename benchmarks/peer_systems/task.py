"""What every system gets and answers: rows, points, scores. No torch: a process imports its own system only."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import ROOT

BODY: dict[str, Any] = json.loads((ROOT / "examples" / "digits.json").read_text())
SPACE: dict[str, Any] = BODY["space"]
EPOCHS: int = BODY["budget"]["epochs_per_trial"]
CLASSES = 10
MOST_TRIALS = 1000
"""Enough for any search for a score."""

Point = dict[str, Any]
"""units, hidden_layers, batch_size, learning_rate."""


class Score(NamedTuple):
    """A trial on the validation rows, after its last epoch."""

    log_loss: float
    accuracy: float


class Rows(NamedTuple):
    """The job's own split and standardisation.

    Shapes: x_* [N, 64] float32, y_* [N] int64.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_valid: NDArray[np.float32]
    y_valid: NDArray[np.int64]


@dataclass(frozen=True)
class Searched:
    """One search over a list, in the list's order: the points as the system says it took them, and their scores.

    `start_seconds` is the part of `seconds` in which worker processes started, where it can be told apart.
    """

    seconds: float
    points: list[Point]
    scores: list[Score]
    start_seconds: float = 0.0


class Reached(NamedTuple):
    """A search for a given log loss. `seconds` is None where the limit came first; `trials` were begun by then."""

    seconds: float | None
    trials: int


class System(ABC):
    """One way to search, in a process of its own. Making one imports and starts all that may be warm; no clock runs.

    `setup` says what was chosen for it.
    """

    setup = ""

    @abstractmethod
    def search(self, points: list[Point], seed: int) -> Searched:
        """Train every point of the list for EPOCHS epochs."""

    def reach(self, target: float, seed: int, limit_seconds: float) -> Reached:
        """Search with the system's own best algorithm until an epoch of a trial has this log loss."""
        raise NotImplementedError(f"{type(self).__name__} has no algorithm of its own here")

    def close(self) -> None:  # noqa: B027 (most have started nothing)
        """End what was started."""


@cache
def load_rows() -> Rows:
    """Split and standardise as a job does."""
    from models.bundled import bundled_table, bundled_target
    from models.prepare import prepare
    from workers.body import JobSpec
    from workers.spec import resolve

    table = bundled_table(BODY["dataset"])
    job = resolve(JobSpec.model_validate(BODY), table.schema, [bundled_target(BODY["dataset"])])
    data = prepare(table, job.prepare_request()).data
    return Rows(data.x_train, data.y_train.astype(np.int64), data.x_valid, data.y_valid.astype(np.int64))


def score(probabilities: NDArray[Any], y: NDArray[np.int64]) -> Score:
    """Score predictions; log loss as scikit-learn has it, clipped to [eps, 1 - eps] of float64.

    Shapes: probabilities [N, C], y [N].
    """
    eps = np.finfo(np.float64).eps
    of_truth = probabilities[np.arange(len(y)), y].astype(np.float64).clip(eps, 1 - eps)
    return Score(float(-np.log(of_truth).mean()), float((probabilities.argmax(1) == y).mean()))
