"""Validation metrics of all lanes at once, by scikit-learn's scorer names and definitions. No losses.

A lane whose outputs are not all finite has NaN for every metric. Metrics that few ask for are computed lane by lane in
numpy, by `models/evaluate.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.answers import Answers, mean_rows, sum_rows
from models.cpu import HAS_COMPILER
from models.evaluate import evaluate
from models.evaluate_classes import EPSILON
from models.lanes import PackData, Task
from models.metrics_classes import CLASS_METRICS
from models.scores import SCORES, scores_for

if HAS_COMPILER:
    from models.cpu.losses import log_probabilities


@dataclass(frozen=True)
class Metric:
    compute: Callable[[Answers], Tensor]
    tasks: frozenset[Task]


def _undefined(answers: Answers) -> Tensor:
    return answers.predicted.new_full((len(answers.predicted),), math.nan)


def _lane_by_lane(name: str) -> Callable[[Answers], Tensor]:
    """Let numpy compute a metric, each lane by itself."""

    def compute(answers: Answers) -> Tensor:
        truth, lanes = answers.truth.cpu().numpy(), answers.predicted.cpu().numpy()
        said = lanes if answers.truth.is_floating_point() else map(np.exp, lanes)
        return answers.predicted.new_tensor([evaluate(name, truth, lane) for lane in said])

    return compute


def mean_squared_error(answers: Answers) -> Tensor:
    return mean_rows((answers.predicted - answers.truth).square()).mean(1)


def root_mean_squared_error(answers: Answers) -> Tensor:
    """Several targets: the mean of their roots, as scikit-learn has it."""
    return mean_rows((answers.predicted - answers.truth).square()).sqrt().mean(1)


def mean_absolute_error(answers: Answers) -> Tensor:
    return mean_rows((answers.predicted - answers.truth).abs()).mean(1)


def max_error(answers: Answers) -> Tensor:
    """Several targets: NaN, since scikit-learn refuses them."""
    if answers.truth.shape[1] > 1:
        return _undefined(answers)
    return (answers.predicted - answers.truth).abs().amax(1).squeeze(1)


def mean_absolute_percentage_error(answers: Answers) -> Tensor:
    """A target of 0 counts as one float64 epsilon."""
    return mean_rows((answers.predicted - answers.truth).abs() / answers.truth.abs().clamp(min=EPSILON)).mean(1)


def mean_pinball_loss(answers: Answers) -> Tensor:
    """For alpha = 0.5."""
    return mean_absolute_error(answers) / 2


def _explained(rest: Tensor, total: Tensor) -> Tensor:
    """Average 1 - rest / total over targets: 1 where nothing rests, 0 where there was nothing to explain.

    Shapes: rest [K, C], total [C].
    """
    shares = torch.where(total == 0, 0.0, 1 - rest / total)
    return torch.where(rest == 0, 1.0, shares).mean(1)


def r2(answers: Answers) -> Tensor:
    """Fewer than two rows: NaN."""
    if len(answers.truth) < 2:
        return _undefined(answers)
    rest = sum_rows((answers.predicted - answers.truth).square())
    return _explained(rest, (answers.truth - answers.truth.mean(0)).square().sum(0))


def explained_variance(answers: Answers) -> Tensor:
    errors = answers.predicted - answers.truth
    rest = sum_rows((errors - mean_rows(errors).unsqueeze(1)).square())
    return _explained(rest, (answers.truth - answers.truth.mean(0)).square().sum(0))


_COMPUTE: dict[str, Callable[[Answers], Tensor]] = {
    **{
        metric.__name__: metric
        for metric in (
            mean_squared_error,
            root_mean_squared_error,
            mean_absolute_error,
            r2,
            max_error,
            explained_variance,
            mean_absolute_percentage_error,
            mean_pinball_loss,
        )
    },
    **CLASS_METRICS,
}
"""All lanes at once; the other metrics go lane by lane."""

METRICS: dict[str, Metric] = {
    score.name: Metric(_COMPUTE.get(score.name) or _lane_by_lane(score.name), frozenset(score.tasks))
    for score in SCORES
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
        if self.task == "multilabel":
            return torch.nn.functional.logsigmoid(real)
        if self.task == "binary":
            return torch.nn.functional.logsigmoid(torch.cat([-real, real], 2))
        if HAS_COMPILER and real.device.type == "cpu":
            answers = np.empty(real.shape)
            log_probabilities(real.numpy(), answers)
            return torch.from_numpy(answers)
        return torch.log_softmax(real, 2)


def _find(name: str, task: Task) -> Metric:
    allowed = [score.name for score in scores_for(task)]
    if name not in allowed:
        raise ValueError(f"{name!r} is no metric for {task}; allowed are {', '.join(allowed)}")
    return METRICS[name]
