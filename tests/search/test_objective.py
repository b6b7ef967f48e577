from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from search.budget import Budget
from search.objective import Objective

DOWN = Objective(name="log_loss", maximize=False)
UP = Objective(name="accuracy", maximize=True)


def test_better_follows_the_direction() -> None:
    assert DOWN.is_better(1.0, 2.0)
    assert UP.is_better(2.0, 1.0)
    assert not DOWN.is_better(1.0, 1.0)
    assert (DOWN.mode, UP.mode) == ("min", "max")


def test_what_is_missing_or_not_finite_ranks_last_in_both_directions() -> None:
    values = [math.nan, 2.0, None, 1.0, -math.inf, math.inf]
    assert sorted(values, key=DOWN.rank)[:2] == [1.0, 2.0]
    assert sorted(values, key=UP.rank)[:2] == [2.0, 1.0]
    assert DOWN.is_better(5.0, None)
    assert not UP.is_better(math.nan, None)


def test_a_goal_is_reached_from_its_good_side() -> None:
    assert UP.is_reached(0.9, 0.9)
    assert not UP.is_reached(0.8, 0.9)
    assert DOWN.is_reached(0.1, 0.2)
    assert not DOWN.is_reached(None, 0.2)


@pytest.mark.parametrize(
    "budget", [{"trials": 10**9}, {"trials": 0}, {"trials": 1.5}, {"epochs_per_trial": 10**6}, {"seconds": 0}]
)
def test_budgets_out_of_bounds_are_refused(budget: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate(budget)
