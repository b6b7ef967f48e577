"""Metrics, of many lanes at once and in numpy, are scikit-learn's scorers of the same name, on random inputs."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn import metrics as sklearn
from sklearn.preprocessing import label_binarize

from models.evaluate import evaluate
from models.lanes import PackData, Task
from models.metrics import METRICS, Judge
from models.scores import DEFAULTS, SCORES, scores_for

LEFT_OUT = {
    "clusterings are no task": {
        "adjusted_mutual_info_score",
        "adjusted_rand_score",
        "completeness_score",
        "fowlkes_mallows_score",
        "homogeneity_score",
        "mutual_info_score",
        "normalized_mutual_info_score",
        "rand_score",
        "v_measure_score",
    },
    "undefined for a classifier that makes no mistake of one kind, so it cannot rank trials": {
        "neg_negative_likelihood_ratio",
        "positive_likelihood_ratio",
    },
}
NO_SCORERS = {"mean_pinball_loss": sklearn.mean_pinball_loss}
"""Offered, though scikit-learn has a function but no scorer of this name."""
REFUSED = {
    "max_error": "Multioutput not supported",
    "mean_squared_log_error": "cannot be used when",
    "root_mean_squared_log_error": "cannot be used when",
    "mean_poisson_deviance": "Multioutput not supported|can only be used on",
    "mean_gamma_deviance": "Multioutput not supported|can only be used on",
    "roc_auc_ovo_weighted": "Weights sum to zero",
}
KINDS: list[tuple[Task, int]] = [
    ("regression", 1),
    ("regression", 3),
    ("binary", 1),
    ("multiclass", 2),
    ("multiclass", 3),
    ("multiclass", 7),
    ("multilabel", 4),
]
SCORE = {score.name: score for score in SCORES}
SCORERS = {name.removeprefix("neg_"): name for name in sklearn.get_scorer_names()}


def judge(task: Task, y: NDArray[np.float32] | NDArray[np.int64], n_outputs: int, names: list[str]) -> Judge:
    """Return a judge over these validation targets, which are in raw units."""
    x = np.zeros((len(y), 1), np.float32)
    mean, scale = np.zeros(n_outputs), np.ones(n_outputs)
    return Judge(PackData(task, n_outputs, x, y, x, y, mean, scale), names, torch.device("cpu"))


def pad(outputs: NDArray[np.float64]) -> torch.Tensor:
    """Put garbage where a pack has padding."""
    padded = np.full((outputs.shape[0], outputs.shape[1] + 3, outputs.shape[2] + 5), 1e9)
    padded[:, : outputs.shape[1], : outputs.shape[2]] = outputs
    return torch.from_numpy(padded)


def answer(task: Task, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return predictions or probabilities of one lane, as a model answers."""
    if task == "regression":
        return outputs
    if task == "multiclass":
        return softmax(outputs, axis=1)
    return expit(np.hstack([-outputs, outputs]) if task == "binary" else outputs)


def expect(name: str, task: Task, true: NDArray[Any], predicted: NDArray[np.float64]) -> float:
    """Ask scikit-learn, naming all classes where it can hear them; what it refuses is NaN."""
    if name in NO_SCORERS:
        return float(NO_SCORERS[name](true, predicted))
    scorer = sklearn.get_scorer(SCORERS[name])
    score, more, given = scorer._score_func, dict(scorer._kwargs), predicted
    n, needs = predicted.shape[1], SCORE[name].needs
    if task == "multilabel" and name == "log_loss":
        labels = zip(true.T, predicted.T, strict=True)
        return float(np.mean([score(label, p, labels=[0, 1]) for label, p in labels]))
    if needs == "labels":
        given = predicted.argmax(1) if true.ndim == 1 else (predicted > 0.5).astype(int)
    elif true.ndim == 1:
        is_binary = n == 2 and (needs == "ranking" or "roc_auc" in name)
        given = predicted[:, 1] if is_binary else predicted
        if name == "average_precision" and n > 2:
            true = label_binarize(true, classes=range(n))
        elif name == "top_k_accuracy" or (needs == "probabilities" and not is_binary):
            more["labels"] = range(n)
    try:
        return float(score(true, given, **more))
    except (ValueError, ZeroDivisionError) as error:
        if re.search(REFUSED.get(name, "^$"), str(error)):
            return np.nan
        raise


def draw(rng: np.random.Generator, kind: tuple[Task, int], n_rows: int, case: str) -> tuple[NDArray[Any], Any]:
    """Return true values and outputs of 2 lanes. Rows that repeat and equal classes make ties."""
    task, n = kind
    outputs = rng.normal(scale=rng.choice([0.5, 3, 5]), size=(2, n_rows, n))
    outputs[:, : n_rows // 3] = outputs[:, -(n_rows // 3) :]
    if n > 2:
        outputs[:, ::5, -1] = outputs[:, ::5, 0]
    if task == "regression":
        y = rng.normal(size=(n_rows, n)).astype(np.float32)
        if case == "usual":
            y, outputs = np.abs(y) + np.float32(0.1), np.abs(outputs) + 0.1  # where all metrics are defined
        elif case == "constant":
            y[:] = 2
            outputs[0] = 2
        return y, outputs
    most = 2 if task != "multiclass" else n
    shape = (n_rows, n) if task == "multilabel" else n_rows
    y = rng.integers(0, 1 if case == "constant" else most - (case == "odd" and most > 2), shape)
    if case == "usual":
        y.reshape(n_rows, -1)[:most] = np.arange(most)[:, None]  # every class occurs
    elif case == "constant":
        outputs[0] = 0 if task == "multiclass" else -50
    return y, outputs


@pytest.mark.parametrize("case", ["usual", "odd", "constant"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(("seed", "n_rows"), [(0, 8), (1, 31), (2, 60)])
def test_every_metric_is_that_of_scikit_learn_in_both_places(
    kind: tuple[Task, int], case: str, seed: int, n_rows: int
) -> None:
    task, n_outputs = kind
    y, outputs = draw(np.random.default_rng(seed), kind, n_rows, case)
    names = [score.name for score in scores_for(task)]
    values = judge(task, y, n_outputs, names).score(pad(outputs))
    if case == "usual" and kind != ("regression", 3):
        assert np.isfinite(values).all()
    true = y.astype(np.float64) if task == "regression" else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for lane, of_lane in enumerate(outputs):
            predicted = answer(task, of_lane)
            for name, value in zip(names, values[lane], strict=True):
                expected = expect(name, task, true, predicted)
                message = f"{name} of {task}, lane {lane}"
                for place, got in (("torch", value), ("numpy", evaluate(name, true, predicted))):
                    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-11, err_msg=f"{message}, {place}")


@pytest.mark.parametrize("kind", [("binary", 1), ("multiclass", 3), ("multilabel", 3)], ids=str)
def test_answers_that_are_certain_cost_what_they_cost_in_scikit_learn(kind: tuple[Task, int]) -> None:
    task, n_outputs = kind
    rng = np.random.default_rng(5)
    y, _ = draw(rng, kind, 30, "usual")
    outputs = rng.choice([-900, -60, -1, 0.5, 60, 900], size=(1, 30, n_outputs))
    predicted = answer(task, outputs[0])
    assert {0.0, 1.0} <= set(predicted.ravel())
    expected = expect("log_loss", task, y, predicted)
    assert judge(task, y, n_outputs, ["log_loss"]).score(pad(outputs))[0, 0] == pytest.approx(expected, rel=1e-12)
    assert evaluate("log_loss", y, predicted) == pytest.approx(expected, rel=1e-12)


def test_every_scorer_of_scikit_learn_is_offered_or_left_out_for_a_reason() -> None:
    left_out = set().union(*LEFT_OUT.values())
    offered = {score.name for score in SCORES}
    assert left_out <= set(sklearn.get_scorer_names())
    assert offered - set(NO_SCORERS) == {n.removeprefix("neg_") for n in set(sklearn.get_scorer_names()) - left_out}


def test_the_direction_of_a_metric_is_that_of_its_scorer() -> None:
    for score in SCORES:
        if score.name not in NO_SCORERS:
            assert score.maximize == (sklearn.get_scorer(SCORERS[score.name])._sign > 0), score.name
            assert score.maximize != SCORERS[score.name].startswith("neg_"), score.name


def test_a_metric_needs_of_a_classifier_what_its_scorer_asks_for() -> None:
    asked = {"predict": "labels", "predict_proba": "probabilities"}
    for score in SCORES:
        if "regression" in score.tasks:
            assert score.needs is None
        else:
            method = sklearn.get_scorer(SCORERS[score.name])._response_method
            assert score.needs == (asked[method] if isinstance(method, str) else "ranking"), score.name


def test_a_job_computes_few_metrics_by_default_and_the_first_is_listed_first() -> None:
    for task, names in DEFAULTS.items():
        assert len(names) <= 4
        assert names[0] == scores_for(task)[0].name
        assert all(task in SCORE[name].tasks for name in names)
    assert {name: metric.tasks for name, metric in METRICS.items()} == {s.name: frozenset(s.tasks) for s in SCORES}


def test_regression_is_scored_in_raw_units() -> None:
    y, x = np.array([[0.0], [1.0]], np.float32), np.zeros((2, 1), np.float32)
    data = PackData("regression", 1, x, y, x, y, np.array([10.0]), np.array([2.0]))
    score = Judge(data, ["mean_absolute_error", "mean_absolute_percentage_error"], torch.device("cpu")).score
    assert score(pad(np.array([[[1.0], [1.0]]])))[0].tolist() == [1.0, 0.1]


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_lane_with_outputs_that_are_not_finite_scores_nan_and_no_other_lane_does(task: Task, bad: float) -> None:
    outputs = np.random.default_rng(0).normal(size=(3, 6, 3))
    outputs[1, 4, 2] = bad
    y = np.array([0, 1, 2, 0, 1, 2]) if task == "multiclass" else np.eye(3, dtype=np.int64)[[0, 1, 2, 0, 1, 2]]
    values = judge(task, y, 3, [score.name for score in scores_for(task)]).score(pad(outputs))
    assert np.isnan(values[1]).all()
    assert np.isfinite(values[[0, 2]]).all()


def test_a_metric_of_another_task_is_refused_with_the_allowed_names() -> None:
    with pytest.raises(ValueError, match=r"'r2' is no metric for binary; allowed are log_loss, accuracy"):
        judge("binary", np.array([0, 1]), 1, ["r2"])
