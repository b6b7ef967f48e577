"""The trivial predictor knows the training targets only, and always has a number to tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.baseline import baseline_score
from models.lanes import PackData, Task


def data(task: Task, n_outputs: int, y_train: Any, y_valid: Any) -> PackData:
    x = np.zeros((1, 1), np.float32)
    kind: Any = np.float32 if task == "regression" else np.int64
    given: list[NDArray[Any]] = [np.array(y, kind) for y in (y_train, y_valid)]
    return PackData(task, n_outputs, x, given[0], x, given[1], np.full(n_outputs, 3.0), np.full(n_outputs, 2.0))


def test_it_guesses_the_mean_or_the_shares_of_classes_and_labels() -> None:
    regression = data("regression", 1, [[-1], [1]], [[1], [2]])
    assert baseline_score(regression, "mean_absolute_error") == 3  # of 5 and 7, where 3 is guessed
    multiclass = data("multiclass", 3, [0, 1, 1, 2], [1, 0])
    assert baseline_score(multiclass, "log_loss") == pytest.approx(-(np.log(0.5) + np.log(0.25)) / 2)
    multilabel = data("multilabel", 2, [[1, 0], [1, 0], [1, 1], [0, 0]], [[1, 0], [0, 1]])
    said = [0.75, 0.25, 0.75, 0.25]  # of what is true: 1 and 0 of the first label, 0 and 1 of the second
    assert baseline_score(multilabel, "log_loss") == pytest.approx(-np.mean(np.log(said)))
    assert baseline_score(multilabel, "accuracy") == 0.5


@pytest.mark.parametrize("metric", ["roc_auc", "d2_brier_score"])
def test_where_it_has_no_score_it_tells_a_number_worse_than_any(metric: str) -> None:
    one_class_to_validate = data("binary", 1, [0, 1, 1], [1, 1])
    score = baseline_score(one_class_to_validate, metric)
    assert np.isfinite(score)
    assert score < -1e9


def test_a_number_worse_than_any_is_large_where_small_is_good() -> None:
    out_of_range = data("regression", 1, [[-5], [5]], [[-1.5], [-1]])
    out_of_range.target_mean[:] = -2
    assert baseline_score(out_of_range, "mean_gamma_deviance") > 1e9
