"""The trivial predictor of a job: what a network must beat, and what a lane that never was finite is told as."""

from __future__ import annotations

import numpy as np

from models.evaluate import evaluate
from models.lanes import PackData


def baseline_score(data: PackData, metric: str) -> float:
    """Score on the validation rows what knows the training targets only: their mean, or the shares of the classes."""
    if data.task == "regression":
        truth = data.y_valid * data.target_scale + data.target_mean
        return evaluate(metric, truth, np.broadcast_to(data.target_mean, truth.shape))
    if data.task == "multilabel":
        return evaluate(metric, data.y_valid, np.broadcast_to(data.y_train.mean(axis=0), data.y_valid.shape))
    n_classes = max(data.n_outputs, 2)
    shares = np.bincount(data.y_train, minlength=n_classes) / len(data.y_train)
    return evaluate(metric, data.y_valid, np.tile(shares, (len(data.y_valid), 1)))
