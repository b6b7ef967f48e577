"""Metrics in numpy, for scoring a finished model on test rows. Validation metrics of packs are `models/metrics.py`.

Each is scikit-learn's of the same name and takes (true, predicted). Regression: both [N, C], in raw units.
Binary and multiclass: class indices [N] and probabilities [N, classes]. Multilabel: 0/1 [N, L] and probabilities of 1
[N, L]. What scikit-learn raises on is NaN, what it warns of is quiet. Classifiers: `models/evaluate_classes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluate_classes import CLASS_METRICS, EPSILON, Floats
from models.scores import needs_probabilities


def mean_squared_error(true: Floats, predicted: Floats) -> float:
    return float(np.mean((true - predicted) ** 2))


def root_mean_squared_error(true: Floats, predicted: Floats) -> float:
    """Average the root of each target's squared error."""
    return float(np.mean(np.sqrt(np.mean((true - predicted) ** 2, axis=0))))


def mean_absolute_error(true: Floats, predicted: Floats) -> float:
    return float(np.mean(np.abs(true - predicted)))


def median_absolute_error(true: Floats, predicted: Floats) -> float:
    return float(np.mean(np.median(np.abs(true - predicted), axis=0)))


def max_error(true: Floats, predicted: Floats) -> float:
    """NaN for several targets."""
    return float(np.max(np.abs(true - predicted))) if true.shape[1] == 1 else np.nan


def mean_absolute_percentage_error(true: Floats, predicted: Floats) -> float:
    """A target of 0 counts as one float64 epsilon."""
    return float(np.mean(np.abs(true - predicted) / np.maximum(np.abs(true), EPSILON)))


def mean_squared_log_error(true: Floats, predicted: Floats) -> float:
    """NaN where a target or a prediction is -1 or less."""
    return mean_squared_error(np.log1p(true), np.log1p(predicted)) if min(true.min(), predicted.min()) > -1 else np.nan


def root_mean_squared_log_error(true: Floats, predicted: Floats) -> float:
    """NaN where a target or a prediction is -1 or less."""
    if min(true.min(), predicted.min()) <= -1:
        return np.nan
    return root_mean_squared_error(np.log1p(true), np.log1p(predicted))


def mean_poisson_deviance(true: Floats, predicted: Floats) -> float:
    """NaN for several targets, a target below 0, a prediction not above 0."""
    if true.shape[1] > 1 or true.min() < 0 or predicted.min() <= 0:
        return np.nan
    logs = true * np.log(np.where(true > 0, true / predicted, 1))
    return float(np.mean(2 * (logs - true + predicted)))


def mean_gamma_deviance(true: Floats, predicted: Floats) -> float:
    """NaN for several targets, and where a target or a prediction is not above 0."""
    if true.shape[1] > 1 or min(true.min(), predicted.min()) <= 0:
        return np.nan
    return float(np.mean(2 * (np.log(predicted / true) + true / predicted - 1)))


def mean_pinball_loss(true: Floats, predicted: Floats) -> float:
    """For alpha = 0.5."""
    return mean_absolute_error(true, predicted) / 2


def _explained(rest: Floats, total: Floats) -> float:
    """Average 1 - rest / total over targets: 1 where nothing rests, 0 where there was nothing to explain."""
    shares = 1 - rest / np.where(total == 0, 1, total)
    return float(np.mean(np.where(rest == 0, 1, np.where(total == 0, 0, shares))))


def r2(true: Floats, predicted: Floats) -> float:
    """NaN for fewer than two rows."""
    if len(true) < 2:
        return np.nan
    return _explained(np.sum((true - predicted) ** 2, axis=0), np.sum((true - true.mean(axis=0)) ** 2, axis=0))


def explained_variance(true: Floats, predicted: Floats) -> float:
    return _explained(np.var(true - predicted, axis=0), np.var(true, axis=0))


def d2_absolute_error_score(true: Floats, predicted: Floats) -> float:
    """NaN for fewer than two rows."""
    if len(true) < 2:
        return np.nan
    rest, total = np.abs(true - predicted), np.abs(true - np.median(true, axis=0))
    return _explained(np.mean(rest, axis=0), np.mean(total, axis=0))


_METRICS: dict[str, Callable[[Any, Any], float]] = {
    **{
        metric.__name__: metric
        for metric in (
            mean_squared_error,
            root_mean_squared_error,
            mean_absolute_error,
            r2,
            median_absolute_error,
            max_error,
            explained_variance,
            mean_absolute_percentage_error,
            mean_squared_log_error,
            root_mean_squared_log_error,
            mean_pinball_loss,
            mean_poisson_deviance,
            mean_gamma_deviance,
            d2_absolute_error_score,
        )
    },
    **CLASS_METRICS,
}


def evaluate(metric: str, true: NDArray[Any], predicted: Floats) -> float:
    """Score predictions in raw units, or probabilities; NaN where one is not finite. Shapes: as above.

    Raises: KeyError for a metric that is not there.
    """
    compute = _METRICS[metric]
    return float(compute(true, predicted)) if np.isfinite(predicted).all() else np.nan


def evaluate_all(metrics: Sequence[str], true: NDArray[Any], predicted: Floats, labels_only: bool) -> dict[str, float]:
    """Score by several metrics. NaN where one asks for probabilities and predictions are `labels_only`.

    Raises: KeyError for a metric that is not there.
    """
    is_open = {metric: labels_only and needs_probabilities(metric) for metric in metrics}
    return {metric: np.nan if is_open[metric] else evaluate(metric, true, predicted) for metric in metrics}
