"""The metrics users may ask for: names, tasks, directions. Names are scikit-learn's scorer names without neg_.

How they are computed stands in `models/metrics.py` and `models/evaluate.py`; no torch here, since the API process reads
this table. docs/metrics.md lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.lanes import Task

REGRESSION: tuple[Task, ...] = ("regression",)
BINARY: tuple[Task, ...] = ("binary",)
MULTICLASS: tuple[Task, ...] = ("multiclass",)
MULTILABEL: tuple[Task, ...] = ("multilabel",)
ONE_CLASS_A_ROW = BINARY + MULTICLASS
CLASSIFICATION = ONE_CLASS_A_ROW + MULTILABEL

Needs = Literal["labels", "ranking", "probabilities"]


@dataclass(frozen=True)
class Score:
    """One metric; `about` is the line that the catalog shows.

    `needs` is what a classifier must answer: labels, outputs that rank rows or classes, or probabilities; None for
    regression. `one_target`: undefined for several targets. `above` and `least` bound the targets for which it is
    defined, from below: exclusively and inclusively.
    """

    name: str
    tasks: tuple[Task, ...]
    maximize: bool
    about: str
    needs: Needs | None = None
    one_target: bool = False
    above: float | None = None
    least: float | None = None


def _by_counts() -> tuple[Score, ...]:
    """F1, precision, recall and Jaccard in each of scikit-learn's averages."""
    figures = {
        "f1": "Harmonic mean of precision and recall",
        "precision": "Share of what was predicted as a class that is of it",
        "recall": "Share of what is of a class that was predicted as it",
        "jaccard": "Rows both predicted and true over rows predicted or true",
    }
    averages: dict[str, tuple[tuple[Task, ...], str]] = {
        "": (BINARY, "of class 1"),
        "_macro": (CLASSIFICATION, "mean over classes or labels"),
        "_micro": (CLASSIFICATION, "counted over all classes or labels together"),
        "_weighted": (CLASSIFICATION, "mean over classes or labels, weighted by their rows"),
        "_samples": (MULTILABEL, "of the labels of a row, mean over rows"),
    }
    return tuple(
        Score(f"{figure}{average}", tasks, True, f"{about}; {how}.", "labels")
        for figure, about in figures.items()
        for average, (tasks, how) in averages.items()
    )


SCORES: tuple[Score, ...] = (
    Score("mean_squared_error", REGRESSION, False, "Mean squared difference, in squared units of the target."),
    Score("root_mean_squared_error", REGRESSION, False, "Its root, in units of the target."),
    Score("mean_absolute_error", REGRESSION, False, "Mean absolute difference, in units of the target."),
    Score("r2", REGRESSION, True, "Share of the target's variance explained; 1 is perfect."),
    Score("median_absolute_error", REGRESSION, False, "Median absolute difference; outliers do not count."),
    Score("max_error", REGRESSION, False, "Largest absolute difference; one target only.", one_target=True),
    Score("explained_variance", REGRESSION, True, "As r2, but a constant offset costs nothing."),
    Score("mean_absolute_percentage_error", REGRESSION, False, "Mean absolute difference over the target; 1 is 100 %."),
    Score("mean_squared_log_error", REGRESSION, False, "Mean squared difference of log(1 + y); y above -1.", above=-1),
    Score("root_mean_squared_log_error", REGRESSION, False, "Its root; y above -1.", above=-1),
    Score("mean_pinball_loss", REGRESSION, False, "Pinball loss of the median: half the mean absolute difference."),
    Score(
        "mean_poisson_deviance",
        REGRESSION,
        False,
        "Deviance of counts; y at least 0, predictions above 0; one target only.",
        one_target=True,
        least=0,
    ),
    Score(
        "mean_gamma_deviance",
        REGRESSION,
        False,
        "Deviance that looks at ratios; y and predictions above 0; one target only.",
        one_target=True,
        above=0,
    ),
    Score("d2_absolute_error_score", REGRESSION, True, "Share of the absolute differences to the median explained."),
    Score(
        "log_loss",
        CLASSIFICATION,
        False,
        "Mean negative log-likelihood of the true class, in nats; multilabel: mean over labels.",
        "probabilities",
    ),
    Score(
        "accuracy",
        CLASSIFICATION,
        True,
        "Share of rows whose class was predicted; multilabel: all labels of the row.",
        "labels",
    ),
    Score(
        "balanced_accuracy", ONE_CLASS_A_ROW, True, "Mean over classes of the share of their rows predicted.", "labels"
    ),
    Score(
        "roc_auc",
        BINARY + MULTILABEL,
        True,
        "Chance that a positive row is ranked above a negative one; multilabel: mean over labels.",
        "ranking",
    ),
    Score(
        "average_precision",
        CLASSIFICATION,
        True,
        "Mean precision over the recalls of class 1; several: mean over classes or labels.",
        "ranking",
    ),
    Score("roc_auc_ovr", MULTICLASS, True, "roc_auc of each class against the rest, mean.", "probabilities"),
    Score("roc_auc_ovr_weighted", MULTICLASS, True, "The same, weighted by the rows of a class.", "probabilities"),
    Score("roc_auc_ovo", MULTICLASS, True, "roc_auc of each pair of classes, mean.", "probabilities"),
    Score("roc_auc_ovo_weighted", MULTICLASS, True, "The same, weighted by the rows of a pair.", "probabilities"),
    Score("top_k_accuracy", MULTICLASS, True, "Share of rows whose class is among the 2 most probable.", "ranking"),
    Score(
        "brier_score", ONE_CLASS_A_ROW, False, "Mean squared difference between probability and truth.", "probabilities"
    ),
    Score("d2_brier_score", ONE_CLASS_A_ROW, True, "Share of the Brier score of class shares saved.", "probabilities"),
    Score("d2_log_loss_score", ONE_CLASS_A_ROW, True, "Share of the log loss of class shares saved.", "probabilities"),
    Score("matthews_corrcoef", ONE_CLASS_A_ROW, True, "Correlation of predicted and true classes.", "labels"),
    *_by_counts(),
)

DEFAULTS: dict[Task, tuple[str, ...]] = {
    "regression": ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error", "r2"),
    "binary": ("log_loss", "accuracy", "balanced_accuracy", "roc_auc"),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy"),
    "multilabel": ("log_loss", "accuracy", "f1_micro", "f1_macro"),
}
"""What a job of a task computes whatever it asks for; the first is its default objective."""

_BY_NAME = {score.name: score for score in SCORES}


FACTS: dict[str, str] = {
    "n_parameters": "Trained numbers that an exported network predicts with: weights, biases, scales, frequencies.",
    "multiply_adds": "Products of a weight and an input that the network adds up to predict one row.",
}
"""What is known of a network without a row of data, exactly; lower is better. Computed in `models/layout.py`."""


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
