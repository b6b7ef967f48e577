"""Metrics in numpy, for scoring a finished model on test rows. Validation metrics of packs are `models/metrics.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def mean_squared_error(true: Floats, predicted: Floats) -> float:
    """Average squared errors over rows and targets. Shapes: [N, C]."""
    return float(np.mean((true - predicted) ** 2))


def root_mean_squared_error(true: Floats, predicted: Floats) -> float:
    """Average the root of each target's squared error. Source: sklearn.metrics.root_mean_squared_error."""
    return float(np.mean(np.sqrt(np.mean((true - predicted) ** 2, axis=0))))


def mean_absolute_error(true: Floats, predicted: Floats) -> float:
    """Average absolute errors. Shapes: [N, C]."""
    return float(np.mean(np.abs(true - predicted)))


def r2(true: Floats, predicted: Floats) -> float:
    """Average the explained share of variance over targets; a constant target counts 1 if met exactly, else 0.

    Source: sklearn.metrics.r2_score. It is NaN for fewer than two rows.
    """
    if len(true) < 2:
        return float("nan")
    residual = np.sum((true - predicted) ** 2, axis=0)
    total = np.sum((true - true.mean(axis=0)) ** 2, axis=0)
    shares = 1 - residual / np.where(total > 0, total, 1)
    return float(np.mean(np.where(total > 0, shares, residual == 0)))


def log_loss(true: Indices, probabilities: Floats) -> float:
    """Average -log of the true class's probability, kept off 0 by one float64 epsilon.

    Shapes: [N], [N, classes]; multilabel [N, L] both, with the mean over labels.
    """
    epsilon = np.finfo(np.float64).eps
    clipped = np.clip(probabilities, epsilon, 1 - epsilon)
    if true.ndim == 2:
        return float(-np.mean(np.log(np.where(true == 1, clipped, 1 - clipped))))
    clipped = clipped / clipped.sum(axis=1, keepdims=True)
    return float(-np.mean(np.log(clipped[np.arange(len(true)), true])))


def accuracy(true: Indices, probabilities: Floats) -> float:
    """Count the share of rows whose most probable class is the true one; multilabel: whose labels are all right."""
    if true.ndim == 2:
        return float(np.mean(((probabilities > 0.5) == true).all(axis=1)))
    return float(np.mean(probabilities.argmax(axis=1) == true))


def balanced_accuracy(true: Indices, probabilities: Floats) -> float:
    """Average the share of rows found over the classes that occur."""
    hits = probabilities.argmax(axis=1) == true
    return float(np.mean([hits[true == label].mean() for label in np.unique(true)]))


def roc_auc(true: Indices, probabilities: Floats) -> float:
    """Measure how often a row of class 1 is ranked above one of class 0, ties as half; NaN with one class only."""
    scores = probabilities[:, 1]
    n_positive = int((true == 1).sum())
    n_negative = len(true) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[true == 1].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


_METRICS: dict[str, Callable[[Any, Any], float]] = {
    metric.__name__: metric
    for metric in (
        mean_squared_error,
        root_mean_squared_error,
        mean_absolute_error,
        r2,
        log_loss,
        accuracy,
        balanced_accuracy,
        roc_auc,
    )
}


def evaluate(metric: str, true: NDArray[Any], predicted: Floats) -> float:
    """Score predictions in raw units, or probabilities [N, classes] against class indices, or [N, L] against labels.

    Raises: KeyError for a metric that is not there.
    """
    return _METRICS[metric](true, predicted)
