"""Validation metrics of all lanes at once, by scikit-learn's scorer names and definitions. No losses.

A lane whose outputs are not all finite has NaN for every metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.cpu import HAS_COMPILER
from models.lanes import PackData, Task

if HAS_COMPILER:
    from models.cpu.losses import log_probabilities

CLASSIFICATION: frozenset[Task] = frozenset({"binary", "multiclass"})
REGRESSION: frozenset[Task] = frozenset({"regression"})


@dataclass(frozen=True)
class Answers:
    """Predictions of K lanes beside the truth, float64.

    Shapes: regression: predicted [K, N, C] and truth [N, C] in raw units. Classification: predicted [K, N, classes] are
    log probabilities, truth [N] class indices.
    """

    predicted: Tensor
    truth: Tensor


@dataclass(frozen=True)
class Metric:
    compute: Callable[[Answers], Tensor]
    tasks: frozenset[Task]
    maximize: bool


def _sum(values: Tensor) -> Tensor:
    """Sum over axis 1 in 16 parts: torch splits a sum to a single number among threads, so one lane alone would get
    other bits than in company."""
    parts = torch.nn.functional.pad(values, (0, 0) * (values.ndim - 2) + (0, -values.shape[1] % 16))
    return parts.view(len(parts), -1, 16, *parts.shape[2:]).sum(1).sum(1)


def _mean(values: Tensor) -> Tensor:
    return _sum(values) / values.shape[1]


def mean_squared_error(answers: Answers) -> Tensor:
    return _mean((answers.predicted - answers.truth).square()).mean(1)


def root_mean_squared_error(answers: Answers) -> Tensor:
    """Several targets: the mean of their roots, as scikit-learn has it."""
    return _mean((answers.predicted - answers.truth).square()).sqrt().mean(1)


def mean_absolute_error(answers: Answers) -> Tensor:
    return _mean((answers.predicted - answers.truth).abs()).mean(1)


def r2(answers: Answers) -> Tensor:
    """Several targets: their uniform average. A constant target scores 1 if met exactly, else 0."""
    residual = _sum((answers.predicted - answers.truth).square())
    total = (answers.truth - answers.truth.mean(0)).square().sum(0).expand_as(residual)
    constant = torch.where(residual == 0, 1.0, torch.zeros_like(residual))
    return torch.where(total == 0, constant, 1 - residual / total).mean(1)


def log_loss(answers: Answers) -> Tensor:
    """Probabilities are clipped to [eps, 1 - eps] of float64."""
    index = answers.truth.expand(len(answers.predicted), -1).unsqueeze(2)
    eps = torch.finfo(torch.float64).eps
    return -_mean(answers.predicted.gather(2, index).clamp(np.log(eps), np.log1p(-eps)).squeeze(2))


def _hits(answers: Answers) -> Tensor:
    return (answers.predicted.argmax(2) == answers.truth).double()


def accuracy(answers: Answers) -> Tensor:
    return _mean(_hits(answers))


def balanced_accuracy(answers: Answers) -> Tensor:
    """Mean recall of the classes that occur in the truth."""
    counts = torch.bincount(answers.truth)
    weight = (1 / counts.double())[answers.truth] / (counts > 0).sum()
    return _sum(_hits(answers) * weight)


def roc_auc(answers: Answers) -> Tensor:
    """Binary: the share of (positive, negative) pairs in the right order, ties counting half.

    One class only: NaN.
    """
    scores, positive = answers.predicted[:, :, 1], answers.truth == 1
    above = scores[:, positive].contiguous()
    below = scores[:, ~positive].sort(1).values
    places = torch.searchsorted(below, above) + torch.searchsorted(below, above, right=True)
    return _mean(places.double()) / (2 * below.shape[1])


METRICS: dict[str, Metric] = {
    "mean_squared_error": Metric(mean_squared_error, REGRESSION, maximize=False),
    "root_mean_squared_error": Metric(root_mean_squared_error, REGRESSION, maximize=False),
    "mean_absolute_error": Metric(mean_absolute_error, REGRESSION, maximize=False),
    "r2": Metric(r2, REGRESSION, maximize=True),
    "log_loss": Metric(log_loss, CLASSIFICATION, maximize=False),
    "accuracy": Metric(accuracy, CLASSIFICATION, maximize=True),
    "balanced_accuracy": Metric(balanced_accuracy, CLASSIFICATION, maximize=True),
    "roc_auc": Metric(roc_auc, frozenset({"binary"}), maximize=True),
}


class Judge:
    """Scores outputs of lanes on the validation rows of one job; by `stopping_metric` on the stopping rows, too."""

    def __init__(
        self, data: PackData, names: Sequence[str], device: torch.device, stopping_metric: str | None = None
    ) -> None:
        self._metrics = [_find(name, data.task) for name in names]
        self.task, self.n_outputs, self.n_rows = data.task, data.n_outputs, len(data.y_valid)
        self._mean, self._scale = (torch.tensor(a, device=device) for a in (data.target_mean, data.target_scale))
        truth = torch.tensor(data.y_valid, device=device)
        self._truth = truth.double() * self._scale + self._mean if data.task == "regression" else truth
        self._stopping: Judge | None = None
        if stopping_metric is not None:
            if data.stopping is None:
                raise ValueError(f"{stopping_metric!r} is to be computed on stopping rows, but there are none")
            on_stopping_rows = replace(data, y_valid=data.stopping[1], stopping=None)
            self._stopping = Judge(on_stopping_rows, [stopping_metric], device)

    def score(self, outputs: Tensor) -> NDArray[np.float64]:
        """Score raw outputs of the last layer, padding included; stopping rows come behind the validation rows.

        Shapes: outputs [K, N, C] -> [K, metrics].
        """
        if self._stopping is not None:
            parts = self._score(outputs), self._stopping._score(outputs[:, self.n_rows :])
            return np.concatenate(parts, axis=1)
        return self._score(outputs)

    def _score(self, outputs: Tensor) -> NDArray[np.float64]:
        real = outputs[:, : self.n_rows, : self.n_outputs].double()
        answers = Answers(self._predict(real), self._truth)
        values = torch.stack([metric.compute(answers) for metric in self._metrics], 1)
        finite = torch.isfinite(real.sum(2).sum(1))
        return np.where(finite.cpu().numpy()[:, None], values.cpu().numpy(), np.nan)

    def _predict(self, real: Tensor) -> Tensor:
        if self.task == "regression":
            return real * self._scale + self._mean
        if self.task == "binary":
            return torch.nn.functional.logsigmoid(torch.cat([-real, real], 2))
        if HAS_COMPILER and real.device.type == "cpu":
            answers = np.empty(real.shape)
            log_probabilities(real.numpy(), answers)
            return torch.from_numpy(answers)
        return torch.log_softmax(real, 2)


def _find(name: str, task: Task) -> Metric:
    allowed = [known for known, metric in METRICS.items() if task in metric.tasks]
    if name not in allowed:
        raise ValueError(f"{name!r} is no metric for {task}; allowed are {', '.join(allowed)}")
    return METRICS[name]
