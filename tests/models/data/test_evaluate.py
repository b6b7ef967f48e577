from __future__ import annotations

import numpy as np
import pytest
import torch

from models.activations import ACTIVATIONS, erf
from models.evaluate import evaluate
from models.hyper import Hyperparameters


def test_predictions_that_are_not_finite_score_nan_in_numpy_too() -> None:
    assert np.isnan(evaluate("accuracy", np.array([0, 1]), np.array([[1.0, 0.0], [np.nan, np.nan]])))


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
