"""Metrics of classifiers for all lanes at once: see `models/metrics.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.answers import Answers, mean_rows, sum_rows
from models.evaluate_classes import AVERAGES, EPSILON, RATIOS, TOP_K


def log_loss(answers: Answers) -> Tensor:
    """Probabilities are kept one float64 epsilon off 0 and 1. Multilabel: the mean of the labels' log losses."""
    if answers.truth.ndim == 2:
        other = (-answers.predicted.expm1()).log()
        said = torch.where(answers.truth == 1, answers.predicted, other)
    else:
        index = answers.truth.expand(len(answers.predicted), -1).unsqueeze(2)
        said = answers.predicted.gather(2, index)
    return -mean_rows(said.clamp(math.log(EPSILON), math.log1p(-EPSILON))).mean(1)


def _labels(answers: Answers) -> Tensor:
    """The most probable class [K, N]; multilabel: the labels of more than one half [K, N, L]."""
    if answers.truth.ndim == 2:
        return (answers.predicted > math.log(0.5)).long()
    return answers.predicted.argmax(2)


def accuracy(answers: Answers) -> Tensor:
    """Multilabel: the share of rows with all labels right."""
    hits = _labels(answers) == answers.truth
    return mean_rows((hits.all(2) if hits.ndim == 3 else hits).double())


def balanced_accuracy(answers: Answers) -> Tensor:
    """Mean recall of the classes that occur in the truth."""
    counts = torch.bincount(answers.truth)
    weight = (1 / counts.double())[answers.truth] / (counts > 0).sum()
    return sum_rows((_labels(answers) == answers.truth).double() * weight)


def top_k_accuracy(answers: Answers) -> Tensor:
    """Of equals, the later class comes first, as in scikit-learn."""
    own = answers.predicted.gather(2, answers.truth.expand(len(answers.predicted), -1).unsqueeze(2))
    later = torch.arange(answers.predicted.shape[2], device=own.device) > answers.truth.unsqueeze(1)
    before = (answers.predicted > own) | ((answers.predicted == own) & later)
    return mean_rows((before.sum(2) < TOP_K).double())


def _area(positive: Tensor, scores: Tensor) -> Tensor:
    """The share of (positive, negative) pairs in the right order, ties counting half; NaN without any pair.

    Shapes: positive [N], scores [K, N] -> [K].
    """
    above, below = scores[:, positive].contiguous(), scores[:, ~positive].sort(1).values
    if above.numel() == 0 or below.numel() == 0:
        return scores.new_full((len(scores),), math.nan)
    places = torch.searchsorted(below, above) + torch.searchsorted(below, above, right=True)
    return mean_rows(places.double()) / (2 * below.shape[1])


def roc_auc(answers: Answers) -> Tensor:
    """Multilabel: the mean over labels."""
    if answers.truth.ndim == 1:
        return _area(answers.truth == 1, answers.predicted[:, :, 1])
    columns = zip(answers.truth.unbind(1), answers.predicted.unbind(2), strict=True)
    return torch.stack([_area(truth == 1, scores) for truth, scores in columns], 1).mean(1)


@dataclass(frozen=True)
class _Counts:
    """Of each class, label or row: how often predicted and true, predicted, true; and whether it occurs at all.

    Shapes: [K, classes], [K, labels] or [K, rows], float64. Whole numbers: their sums are exact in any order.
    """

    hits: Tensor
    predicted: Tensor
    true: Tensor
    occurs: Tensor


def _count(answers: Answers, rows: bool = False) -> _Counts:
    """Count by class or label, or by `rows`. A label always occurs, a class if it is true or predicted somewhere."""
    labels, truth = _labels(answers), answers.truth.expand(len(answers.predicted), *answers.truth.shape)
    if labels.ndim == 3:
        hits, predicted, true = (part.sum(2 if rows else 1).double() for part in (labels * truth, labels, truth))
        return _Counts(hits, predicted, true, torch.ones_like(hits))
    zeros = answers.predicted.new_zeros(len(labels), answers.predicted.shape[2])
    hits = zeros.scatter_add(1, truth, (labels == truth).double())
    ones = torch.ones_like(labels, dtype=torch.float64)
    predicted, true = zeros.scatter_add(1, labels, ones), zeros.scatter_add(1, truth, ones)
    return _Counts(hits, predicted, true, (predicted + true > 0).double())


def matthews_corrcoef(answers: Answers) -> Tensor:
    """0 where truth or predictions are of one class only."""
    c, n = _count(answers), float(len(answers.truth))
    spread = (n**2 - sum_rows(c.predicted.square())) * (n**2 - sum_rows(c.true.square()))
    together = sum_rows(c.hits) * n - sum_rows(c.predicted * c.true)
    return torch.where(spread > 0, together / spread.sqrt(), 0.0)


def _averaged(figure: str, average: str) -> Callable[[Answers], Tensor]:
    ratio = RATIOS[figure]

    def compute(answers: Answers) -> Tensor:
        counts = _count(answers, rows=average == "_samples")
        sums = (counts.hits, counts.predicted, counts.true)
        if average == "_micro":
            micro: Tensor = ratio(*map(sum_rows, sums))
            return micro
        values: Tensor = ratio(*sums)
        if average == "":
            return values[:, 1]
        weights = counts.true if average == "_weighted" else counts.occurs
        return sum_rows(values * weights) / sum_rows(weights).clamp(min=1)

    return compute


CLASS_METRICS: dict[str, Callable[[Answers], Tensor]] = {
    "log_loss": log_loss,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "roc_auc": roc_auc,
    "top_k_accuracy": top_k_accuracy,
    "matthews_corrcoef": matthews_corrcoef,
    **{f"{figure}{average}": _averaged(figure, average) for figure in RATIOS for average in AVERAGES},
}
