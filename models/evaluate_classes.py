"""Metrics of classifiers in numpy: see `models/evaluate.py` for shapes and for what all metrics share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]
EPSILON = float(np.finfo(np.float64).eps)
TOP_K = 2

AVERAGES = ("", "_macro", "_micro", "_weighted", "_samples")
RATIOS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "f1": lambda hits, predicted, true: 2 * hits / (predicted + true).clip(1),
    "precision": lambda hits, predicted, true: hits / predicted.clip(1),
    "recall": lambda hits, predicted, true: hits / true.clip(1),
    "jaccard": lambda hits, predicted, true: hits / (predicted + true - hits).clip(1),
}
"""Functions of counts, arrays of numpy or torch; nothing over nothing is 0."""


def _labels(probabilities: Floats, true: Indices) -> Indices:
    """The most probable class of each row; multilabel: the labels of more than one half."""
    if true.ndim == 2:
        return (probabilities > 0.5).astype(np.int64)
    classes: Indices = probabilities.argmax(axis=1)
    return classes


def _one_hot(true: Indices, n_classes: int) -> Indices:
    hot: Indices = (true[:, None] == np.arange(n_classes)).astype(np.int64)
    return hot


def _surprise(truth: Indices, probabilities: Floats) -> Floats:
    """Minus the logarithm of what was said of the truth, per row. Shapes: both [N, classes]."""
    said = np.log(np.clip(probabilities, EPSILON, 1 - EPSILON))
    surprise: Floats = -(truth * said).sum(axis=1)
    return surprise


def log_loss(true: Indices, probabilities: Floats) -> float:
    """Probabilities are kept one float64 epsilon off 0 and 1. Multilabel: the mean of the labels' log losses."""
    if true.ndim == 2:
        labels = zip(true.T, probabilities.T, strict=True)
        return float(np.mean([log_loss(label, np.stack([1 - p, p], axis=1)) for label, p in labels]))
    return float(np.mean(_surprise(_one_hot(true, probabilities.shape[1]), probabilities)))


def brier_score(true: Indices, probabilities: Floats) -> float:
    """Squared differences, summed over classes; their half with two classes."""
    n_classes = probabilities.shape[1]
    total = float(np.mean(np.sum((_one_hot(true, n_classes) - probabilities) ** 2, axis=1)))
    return total / 2 if n_classes == 2 else total


def d2_log_loss_score(true: Indices, probabilities: Floats) -> float:
    """Against the shares of the classes in `true`. NaN for fewer than two rows."""
    if len(true) < 2:
        return np.nan
    truth = _one_hot(true, probabilities.shape[1])
    return float(1 - _surprise(truth, probabilities).sum() / _surprise(truth, _shares(truth)).sum())


def d2_brier_score(true: Indices, probabilities: Floats) -> float:
    """Against the shares of the classes in `true`. NaN for fewer than two rows, not finite for one class only."""
    if len(true) < 2:
        return np.nan
    trivial = np.float64(brier_score(true, _shares(_one_hot(true, probabilities.shape[1]))))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(1 - brier_score(true, probabilities) / trivial)


def _shares(truth: Indices) -> Floats:
    return np.broadcast_to(truth.mean(axis=0), truth.shape)


def accuracy(true: Indices, probabilities: Floats) -> float:
    """Count the share of rows whose class, or all of whose labels, are the true ones."""
    hits = _labels(probabilities, true) == true
    return float(np.mean(hits.reshape(len(true), -1).all(axis=1)))


def balanced_accuracy(true: Indices, probabilities: Floats) -> float:
    """Average the share of rows found over the classes that occur."""
    hits = _labels(probabilities, true) == true
    return float(np.mean([hits[true == label].mean() for label in np.unique(true)]))


def top_k_accuracy(true: Indices, probabilities: Floats) -> float:
    """Count the share of rows whose class is among the two most probable; of equals, the later class comes first."""
    own = np.take_along_axis(probabilities, true[:, None], axis=1)
    later = np.arange(probabilities.shape[1]) > true[:, None]
    before = (probabilities > own) | ((probabilities == own) & later)
    return float(np.mean(before.sum(axis=1) < TOP_K))


def matthews_corrcoef(true: Indices, probabilities: Floats) -> float:
    """0 where truth or predictions are of one class only."""
    c = _count(true, probabilities, rows=False)
    n = float(len(true))
    spread = (n**2 - c.predicted @ c.predicted) * (n**2 - c.true @ c.true)
    return float((c.hits.sum() * n - c.predicted @ c.true) / np.sqrt(spread)) if spread > 0 else 0.0


class _Counts(NamedTuple):
    """Of each class, label or row: how often predicted and true, predicted, true; and whether it occurs at all."""

    hits: Indices
    predicted: Indices
    true: Indices
    occurs: Flags


def _count(true: Indices, probabilities: Floats, rows: bool) -> _Counts:
    """Count by class or label, or by `rows`. A label always occurs, a class if it is true or predicted somewhere."""
    labels, n = _labels(probabilities, true), probabilities.shape[1]
    if true.ndim == 1:
        labels, true = _one_hot(labels, n), _one_hot(true, n)
        occurs = (labels | true).max(axis=0) > 0
    else:
        occurs = np.ones(len(true) if rows else n, np.bool_)
    axis = 1 if rows else 0
    return _Counts((labels * true).sum(axis), labels.sum(axis), true.sum(axis), occurs)


def _averaged(figure: str, average: str) -> Callable[[Indices, Floats], float]:
    ratio = RATIOS[figure]

    def compute(true: Indices, probabilities: Floats) -> float:
        counts = _count(true, probabilities, rows=average == "_samples")
        sums = counts[:3]
        if average == "_micro":
            return float(ratio(*(np.sum(part) for part in sums)))
        values = ratio(*sums)
        if average == "":
            return float(values[1])
        weights = counts.true if average == "_weighted" else counts.occurs
        return float(values @ weights / max(weights.sum(), 1))

    return compute


def _area(positive: Flags, scores: Floats) -> float:
    """The share of (positive, negative) pairs in the right order, ties counting half; NaN without any pair."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return np.nan
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def _precision_over_recall(positive: Flags, scores: Floats) -> float:
    """Each step of recall times the precision there, over falling thresholds; 0 without a positive row."""
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[last_of_ties]
    steps = np.diff(hits, prepend=0) / max(hits[-1], 1)
    return float(np.sum(steps * hits / (last_of_ties + 1)))


def _over_columns(figure: Callable[[Flags, Floats], float]) -> Callable[[Indices, Floats], float]:
    """Class 1 where there are two, else the mean over labels, or over classes, each against the rest."""

    def compute(true: Indices, probabilities: Floats) -> float:
        n = probabilities.shape[1]
        if true.ndim == 1 and n == 2:
            return figure(true == 1, probabilities[:, 1])
        truth = true if true.ndim == 2 else _one_hot(true, n)
        return float(np.mean([figure(truth[:, i] == 1, probabilities[:, i]) for i in range(n)]))

    return compute


def roc_auc_ovr_weighted(true: Indices, probabilities: Floats) -> float:
    """Weighted by the rows of a class, so that classes that do not occur are left out."""
    classes, n_rows = np.unique(true, return_counts=True)
    return float(np.average([_area(true == i, probabilities[:, i]) for i in classes], weights=n_rows))


def _of_pairs(weighted: bool) -> Callable[[Indices, Floats], float]:
    """Mean over pairs of the classes that occur; NaN without any pair. Source: Hand and Till 2001."""

    def compute(true: Indices, probabilities: Floats) -> float:
        areas, n_rows = [], []
        for pair in combinations(np.unique(true), 2):
            rows = np.isin(true, pair)
            areas.append(np.mean([_area(true[rows] == i, probabilities[rows, i]) for i in pair]))
            n_rows.append(rows.sum())
        return float(np.average(areas, weights=n_rows if weighted else None)) if areas else np.nan

    return compute


CLASS_METRICS: dict[str, Callable[[Indices, Floats], float]] = {
    "log_loss": log_loss,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "roc_auc": _over_columns(_area),
    "average_precision": _over_columns(_precision_over_recall),
    "roc_auc_ovr": _over_columns(_area),
    "roc_auc_ovr_weighted": roc_auc_ovr_weighted,
    "roc_auc_ovo": _of_pairs(weighted=False),
    "roc_auc_ovo_weighted": _of_pairs(weighted=True),
    "top_k_accuracy": top_k_accuracy,
    "brier_score": brier_score,
    "d2_brier_score": d2_brier_score,
    "d2_log_loss_score": d2_log_loss_score,
    "matthews_corrcoef": matthews_corrcoef,
    **{f"{figure}{average}": _averaged(figure, average) for figure in RATIOS for average in AVERAGES},
}
