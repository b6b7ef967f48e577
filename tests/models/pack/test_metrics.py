"""Metrics of many lanes at once are scikit-learn's, lane by lane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sklearn

from models.lanes import PackData, Task
from models.metrics import METRICS, Judge

REGRESSION: dict[str, Callable[..., float]] = {
    "mean_squared_error": sklearn.mean_squared_error,
    "root_mean_squared_error": sklearn.root_mean_squared_error,
    "mean_absolute_error": sklearn.mean_absolute_error,
    "r2": sklearn.r2_score,
}
LABELS: dict[str, Callable[..., float]] = {
    "accuracy": sklearn.accuracy_score,
    "balanced_accuracy": sklearn.balanced_accuracy_score,
}


def judge(task: Task, y: NDArray[np.float32] | NDArray[np.int64], n_outputs: int, names: list[str]) -> Judge:
    """Return a judge over these validation targets."""
    x = np.zeros((len(y), 1), np.float32)
    mean, scale = np.arange(n_outputs) + 10.0, np.arange(n_outputs) + 2.0
    return Judge(PackData(task, n_outputs, x, y, x, y, mean, scale), names, torch.device("cpu"))


def pad(outputs: NDArray[np.float64]) -> torch.Tensor:
    """Put garbage where a pack has padding."""
    padded = np.full((outputs.shape[0], outputs.shape[1] + 3, outputs.shape[2] + 5), 1e9)
    padded[:, : outputs.shape[1], : outputs.shape[2]] = outputs
    return torch.from_numpy(padded)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n_rows=st.integers(2, 50), n_outputs=st.integers(1, 3))
def test_regression_metrics_are_those_of_scikit_learn_in_raw_units(seed: int, n_rows: int, n_outputs: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n_rows, n_outputs)).astype(np.float32)
    outputs = rng.normal(size=(4, n_rows, n_outputs))
    values = judge("regression", y, n_outputs, list(REGRESSION)).score(pad(outputs))
    mean, scale = np.arange(n_outputs) + 10.0, np.arange(n_outputs) + 2.0
    for lane in range(4):
        expected = [metric(y * scale + mean, outputs[lane] * scale + mean) for metric in REGRESSION.values()]
        np.testing.assert_allclose(values[lane], expected, rtol=1e-10)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n_rows=st.integers(8, 60), spread=st.sampled_from([0.5, 5, 60]))
def test_classification_metrics_are_those_of_scikit_learn(
    n_classes: int, seed: int, n_rows: int, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n_rows - n_classes)])
    task: Task = "binary" if n_classes == 2 else "multiclass"
    n_outputs = 1 if task == "binary" else n_classes
    outputs = np.round(rng.normal(scale=spread, size=(3, n_rows, n_outputs)), 1)  # rounded: ties among the scores
    names = ["log_loss", *LABELS, *(["roc_auc"] if task == "binary" else [])]
    values = judge(task, y, n_outputs, names).score(pad(outputs))
    for lane, logits in enumerate(outputs):
        both = np.hstack([np.zeros_like(logits), logits]) if task == "binary" else logits
        shifted = np.exp(both - both.max(1, keepdims=True))
        probabilities = shifted / shifted.sum(1, keepdims=True)
        expected = [sklearn.log_loss(y, probabilities)]
        expected += [metric(y, both.argmax(1)) for metric in LABELS.values()]
        expected += [sklearn.roc_auc_score(y, logits[:, 0])] if task == "binary" else []
        np.testing.assert_allclose(values[lane], expected, rtol=1e-9, atol=1e-12)


def test_balanced_accuracy_leaves_out_classes_that_do_not_occur() -> None:
    y = np.array([0, 0, 2, 2])
    outputs = np.eye(3)[[0, 1, 2, 1]][None]
    assert judge("multiclass", y, 3, ["balanced_accuracy"]).score(pad(outputs))[0, 0] == 0.5


def test_a_constant_target_has_the_r2_of_scikit_learn() -> None:
    y = np.ones((4, 1), np.float32)
    outputs = np.stack([np.ones((4, 1)), np.zeros((4, 1))])
    assert judge("regression", y, 1, ["r2"]).score(pad(outputs))[:, 0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_lane_with_outputs_that_are_not_finite_scores_nan_and_no_other_lane_does(bad: float) -> None:
    outputs = np.random.default_rng(0).normal(size=(3, 6, 3))
    outputs[1, 4, 2] = bad
    values = judge("multiclass", np.array([0, 1, 2, 0, 1, 2]), 3, ["accuracy", "log_loss"]).score(pad(outputs))
    assert np.isnan(values[1]).all()
    assert np.isfinite(values[[0, 2]]).all()


def test_a_metric_of_another_task_is_refused_with_the_allowed_names() -> None:
    with pytest.raises(ValueError, match=r"'r2' is no metric for binary; allowed are log_loss, accuracy"):
        judge("binary", np.array([0, 1]), 1, ["r2"])


def test_every_metric_in_the_table_is_compared_here() -> None:
    assert set(METRICS) == {*REGRESSION, *LABELS, "log_loss", "roc_auc"}
