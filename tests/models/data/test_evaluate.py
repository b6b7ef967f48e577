from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from models.activations import ACTIVATIONS, erf
from models.evaluate import evaluate
from models.hyper import Hyperparameters
from models.scores import SCORES

RNG = np.random.default_rng(3)
TRUE = RNG.normal(size=(50, 2)) * [1, 10]
PREDICTED = TRUE + RNG.normal(size=(50, 2))
LABELS = RNG.integers(0, 3, 60)
SHARES = RNG.dirichlet([1, 1, 1], 60)
TRUTHS = RNG.integers(0, 2, 60)
CHANCES = np.round(RNG.uniform(size=60), 1)
PAIRS = np.stack([1 - CHANCES, CHANCES], axis=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean_squared_error", sk.mean_squared_error(TRUE, PREDICTED)),
        ("root_mean_squared_error", sk.root_mean_squared_error(TRUE, PREDICTED)),
        ("mean_absolute_error", sk.mean_absolute_error(TRUE, PREDICTED)),
        ("r2", sk.r2_score(TRUE, PREDICTED)),
    ],
)
def test_a_regression_metric_equals_scikit_learns(name: str, expected: float) -> None:
    assert evaluate(name, TRUE, PREDICTED) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("log_loss", sk.log_loss(LABELS, SHARES)),
        ("accuracy", sk.accuracy_score(LABELS, SHARES.argmax(1))),
        ("balanced_accuracy", sk.balanced_accuracy_score(LABELS, SHARES.argmax(1))),
    ],
)
def test_a_classification_metric_equals_scikit_learns(name: str, expected: float) -> None:
    assert evaluate(name, LABELS, SHARES) == pytest.approx(expected, rel=1e-12)


def test_binary_metrics_equal_scikit_learns_with_ties_and_certain_predictions() -> None:
    assert (CHANCES == 0).any() or (CHANCES == 1).any()
    assert evaluate("roc_auc", TRUTHS, PAIRS) == pytest.approx(sk.roc_auc_score(TRUTHS, CHANCES), rel=1e-12)
    assert evaluate("log_loss", TRUTHS, PAIRS) == pytest.approx(sk.log_loss(TRUTHS, PAIRS), rel=1e-9)


def test_roc_auc_of_one_class_is_undefined_and_a_constant_target_counts_as_scikit_learn_says() -> None:
    assert np.isnan(evaluate("roc_auc", np.ones(60, dtype=np.int64), PAIRS))
    constant = np.ones((5, 1))
    for predicted in (constant, constant + 1):
        assert evaluate("r2", constant, predicted) == sk.r2_score(constant, predicted)


def test_every_metric_that_users_may_ask_for_can_be_computed() -> None:
    for score in SCORES:
        is_regression = "regression" in score.tasks
        value = evaluate(score.name, *((TRUE, PREDICTED) if is_regression else (TRUTHS, PAIRS)))
        assert np.isfinite(value)


TORCH = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "identity": lambda z: z,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "elu": torch.nn.functional.elu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "selu": torch.nn.functional.selu,
    "softplus": torch.nn.functional.softplus,
    "mish": torch.nn.functional.mish,
}


@pytest.mark.parametrize("name", Hyperparameters.model_json_schema()["properties"]["activation"]["enum"])
def test_an_activation_without_torch_equals_torchs(name: str) -> None:
    z = np.concatenate([np.linspace(-12, 12, 20_001), [-1000, -90, 0, 90, 1000]])
    expected = TORCH[name](torch.from_numpy(z)).numpy()
    np.testing.assert_allclose(ACTIVATIONS[name](z), expected, rtol=1e-9, atol=1e-11)


def test_the_error_function_is_exact_to_far_below_float32() -> None:
    x = np.concatenate([np.random.default_rng(0).uniform(-7, 7, 10_000), [0.0, 6.0, -6.0, 1e9]])
    np.testing.assert_allclose(erf(x), torch.erf(torch.from_numpy(x)).numpy(), rtol=0, atol=1e-12)
    assert np.isnan(erf(np.array([np.nan]))[0])
