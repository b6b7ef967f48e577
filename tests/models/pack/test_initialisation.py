"""First weights: the spread that a scheme promises, and what becomes of units that start alike."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.layout import Layout
from tests.models.pack.jobs import make_data, make_hyper, make_pack, start

SPREADS = {
    "he": math.sqrt(2 / 300),
    "glorot": math.sqrt(2 / 500),
    "lecun": math.sqrt(1 / 300),
    "uniform": 0.05 / math.sqrt(3),
    "normal": 0.05,
    "zeros": 0.0,
}


def hidden_weights(**more: str) -> np.ndarray:
    hyper = make_hyper(hidden_layers=1, units=200, **more)
    layout = Layout.of(hyper, 300, 1)
    return layout.layers(layout.draw(5, hyper))[0][0]


@pytest.mark.parametrize("name", SPREADS)
def test_weights_have_the_spread_of_their_scheme_and_mean_zero(name: str) -> None:
    weights = hidden_weights(initialisation=name)
    assert weights.std() == pytest.approx(SPREADS[name], rel=0.02)
    assert abs(weights.mean()) <= 5 * SPREADS[name] / math.sqrt(weights.size)


@pytest.mark.parametrize(("activation", "scheme"), [("relu", "he"), ("tanh", "glorot"), ("selu", "lecun")])
def test_auto_is_what_the_activation_likes(activation: str, scheme: str) -> None:
    np.testing.assert_array_equal(
        hidden_weights(activation=activation), hidden_weights(activation=activation, initialisation=scheme)
    )


def test_units_that_start_at_zero_stay_alike_however_long_they_train() -> None:
    pack = make_pack(make_data())
    hyper = make_hyper(hidden_layers=1, units=6, activation="logistic", initialisation="zeros")
    start(pack, hyper)
    pack.train({0: 5})
    weights = Layout.of(hyper, 5, 1).layers(pack._lanes[0].rows["parameters"].numpy())[0][0]
    assert np.ptp(weights, axis=1).max() == 0
    assert np.abs(weights).max() > 0
