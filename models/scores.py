"""The metrics users may ask for: names, tasks, directions. Names are scikit-learn's scorer names without neg_.

How they are computed stands in `models/metrics.py`; no torch here, since the API process reads this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.lanes import Task

REGRESSION: tuple[Task, ...] = ("regression",)
ONE_CLASS_A_ROW: tuple[Task, ...] = ("binary", "multiclass")
CLASSIFICATION: tuple[Task, ...] = (*ONE_CLASS_A_ROW, "multilabel")

Needs = Literal["labels", "ranking", "probabilities"]


@dataclass(frozen=True)
class Score:
    """One metric; `about` is the line that the catalog shows. `needs` is what a classifier must answer: labels, outputs
    that rank rows or classes, or probabilities; None for regression."""

    name: str
    tasks: tuple[Task, ...]
    maximize: bool
    about: str
    needs: Needs | None = None


SCORES: tuple[Score, ...] = (
    Score("mean_squared_error", REGRESSION, False, "Mean squared difference, in squared units of the target."),
    Score("root_mean_squared_error", REGRESSION, False, "Its root, in units of the target."),
    Score("mean_absolute_error", REGRESSION, False, "Mean absolute difference, in units of the target."),
    Score("r2", REGRESSION, True, "Share of the target's variance explained; 1 is perfect."),
    Score(
        "log_loss", CLASSIFICATION, False, "Mean negative log-likelihood of the true class, in nats.", "probabilities"
    ),
    Score("accuracy", CLASSIFICATION, True, "Share of rows whose class, or all labels, were predicted.", "labels"),
    Score(
        "balanced_accuracy", ONE_CLASS_A_ROW, True, "Mean over classes of the share of their rows predicted.", "labels"
    ),
    Score("roc_auc", ("binary",), True, "Chance that a positive row is ranked above a negative one.", "ranking"),
)
"""The first metric of a task is its default objective."""

_BY_NAME = {score.name: score for score in SCORES}


def scores_for(task: Task) -> tuple[Score, ...]:
    """List the metrics of a task, its default objective first."""
    return tuple(score for score in SCORES if task in score.tasks)


def find_score(name: str) -> Score | None:
    """Find a metric by name."""
    return _BY_NAME.get(name)


def needs_probabilities(name: str) -> bool:
    """Tell whether a metric is open for a network that gives none."""
    score = find_score(name)
    return score is not None and score.needs == "probabilities"
