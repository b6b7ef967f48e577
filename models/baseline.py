"""The trivial predictor of a job: what a network must beat, and what a lane that never was finite is told as."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluate import evaluate
from models.lanes import PackData
from models.scores import find_score

UNDEFINED = 1e30


def baseline_score(data: PackData, metric: str) -> float:
    """Score on the validation rows what knows the training targets only: their mean, or the shares of the classes or
    labels. Where that has no finite score, a number that is worse than any score."""
    value = evaluate(metric, *_truth_and_guess(data))
    if math.isfinite(value):
        return value
    score = find_score(metric)
    return -UNDEFINED if score is not None and score.maximize else UNDEFINED


def _truth_and_guess(data: PackData) -> tuple[NDArray[Any], NDArray[np.float64]]:
    if data.task == "regression":
        truth = data.y_valid * data.target_scale + data.target_mean
        return truth, np.broadcast_to(data.target_mean, truth.shape)
    if data.task == "multilabel":
        return data.y_valid, np.broadcast_to(data.y_train.mean(axis=0), data.y_valid.shape)
    shares = np.bincount(data.y_train, minlength=max(data.n_outputs, 2)) / len(data.y_train)
    return data.y_valid, np.broadcast_to(shares, (len(data.y_valid), len(shares)))
