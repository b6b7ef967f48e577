"""What a curve of losses over rising learning rates says, on curves whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from models.range_test import Floats, Sweep, suggest

SWEEP = Sweep(1e-5, 10.0, 500, (0,))
RATES = SWEEP.rates()
STEPS = np.arange(500)


def falling_until(turn: float, noise: float = 0.0) -> Floats:
    """Fall from 1 by half over the decades below `turn`, then climb ever faster."""
    decades = np.log10(RATES / turn)
    fall = 0.5 + 0.5 / (1 + np.exp(2.5 * (decades + 2)))
    climb = np.expm1(np.clip(4 * decades, 0, None))
    return fall + climb + noise * np.random.default_rng(3).normal(size=len(RATES))


def test_the_rate_is_multiplied_by_the_same_factor_at_every_step() -> None:
    assert RATES[[0, -1]].tolist() == [1e-5, 10.0]
    np.testing.assert_allclose(RATES[1:] / RATES[:-1], np.exp(np.log(1e6) / 499), rtol=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("turn", [1e-2, 0.1, 1.0])
def test_the_turn_of_a_clear_v_is_found_within_a_factor_of_two(turn: float, noise: float) -> None:
    found = suggest(RATES, falling_until(turn, noise))
    assert found.turn is not None
    assert turn / 2 < found.turn < turn * 2
    assert found.suggested == pytest.approx(found.turn / 10)
    assert found.interval == pytest.approx((found.turn / 100, found.turn / 2))
    assert found.reason is None


def test_a_curve_that_comes_down_again_turned_where_it_first_went_up() -> None:
    losses = falling_until(0.01)
    losses[RATES > 0.1] = 0.01
    assert suggest(RATES, losses).turn == pytest.approx(0.01, rel=0.5)


def test_a_curve_that_only_falls_suggests_nothing_and_asks_for_higher_rates() -> None:
    found = suggest(RATES, 1 / (1 + STEPS / 50))
    assert (found.turn, found.suggested, found.interval) == (None, None, None)
    assert found.reason is not None
    assert "does not turn up: test higher rates" in found.reason


@pytest.mark.parametrize("losses", [np.ones(500), np.exp(STEPS / 50)], ids=["flat", "only climbs"])
def test_a_curve_that_never_falls_suggests_nothing(losses: Floats) -> None:
    found = suggest(RATES, losses)
    assert (found.turn, found.suggested, found.interval) == (None, None, None)
    assert found.reason is not None
    assert "does not fall" in found.reason


def test_a_flat_curve_with_noise_suggests_nothing() -> None:
    losses = 1 + 0.1 * np.random.default_rng(0).normal(size=500)
    assert suggest(RATES, losses).suggested is None


@pytest.mark.parametrize("n_finite", [0, 3])
def test_a_curve_that_diverges_at_once_suggests_nothing_and_asks_for_lower_rates(n_finite: int) -> None:
    found = suggest(RATES, np.where(n_finite > STEPS, 1.0, np.nan))
    assert (found.turn, found.suggested, found.interval) == (None, None, None)
    assert found.reason is not None
    assert "test lower ones" in found.reason
    assert np.isfinite(found.smoothed).sum() == n_finite


def test_a_loss_that_stops_being_finite_has_turned_before() -> None:
    losses = 1 / (1 + STEPS / 50.0)
    losses[RATES > 0.5] = np.nan
    found = suggest(RATES, losses)
    assert found.turn == pytest.approx(0.5, rel=0.05)
    assert np.isnan(found.smoothed[RATES > 0.5]).all()


def test_the_interval_does_not_reach_below_the_rates_that_were_tested() -> None:
    rates = np.geomspace(1e-3, 10, 500)
    losses = np.where(rates < 5e-2, np.linspace(1, -2, 500), 1e3)
    found = suggest(rates, losses)
    assert found.turn is not None
    assert found.suggested == found.turn / 10
    assert found.interval == (1e-3, found.turn / 2)


def test_a_turn_at_the_lowest_rates_leaves_no_interval_and_says_so() -> None:
    losses = np.where(STEPS < 30, np.exp(-STEPS / 10), 1e3)
    found = suggest(RATES, losses)
    assert found.turn is not None
    assert (found.suggested, found.interval) == (None, None)
    assert found.reason is not None
    assert "test lower ones" in found.reason


def test_a_loss_of_zero_is_a_loss() -> None:
    losses = np.clip(1 - STEPS / 200, 0, None)
    losses[RATES > 1] = 50.0
    found = suggest(RATES, losses)
    assert found.turn is not None
    assert found.turn <= 1.01
