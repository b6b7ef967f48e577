"""What a job is after: fronts, limits, and who is the best."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from search.aims import Aims, find_front
from search.limits import Limit
from search.objective import Objective

LOSS, SCORE = Objective(name="loss", maximize=False), Objective(name="score", maximize=True)
NAMES = ("loss", "score", "size")
few = st.integers(0, 4).map(float)


def is_dominated(point: tuple[float, ...], points: list[tuple[float, ...]]) -> bool:
    """By the definition: another one is nowhere worse and somewhere better."""
    return any(
        all(b <= a for a, b in zip(point, other, strict=True)) and any(b < a for a, b in zip(point, other, strict=True))
        for other in points
    )


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[few] * n), max_size=40)))
def test_the_front_is_what_no_point_dominates(points: list[tuple[float, ...]]) -> None:
    assert find_front(points) == [place for place, point in enumerate(points) if not is_dominated(point, points)]


def test_a_value_that_is_none_is_dominated_by_any() -> None:
    assert find_front([(1.0, math.inf), (1.0, 5.0), (math.inf, math.inf)]) == [1]


@given(st.lists(st.tuples(few, few), max_size=30), st.integers(0, 30))
def test_the_best_of_several_objectives_can_be_found_piece_by_piece(results: list[Any], cut: int) -> None:
    aims = Aims(NAMES, (LOSS, SCORE))
    known = dict(enumerate(results))
    best = aims.best(known, keep=1)
    first = aims.best({number: values for number, values in known.items() if number < cut}, keep=1)
    later = {number: values for number, values in known.items() if number >= cut or number in first}
    assert aims.best(later, keep=1) == best
    if results:
        assert known[best[0]][0] == min(loss for loss, _ in results), "the winner has the best first objective"
        assert not is_dominated(aims.costs(known[best[0]]), [aims.costs(values) for values in results])


def test_one_objective_keeps_as_many_as_are_wanted_the_earlier_of_equals_first() -> None:
    results = {0: (3.0,), 1: (1.0,), 2: (2.0,), 3: (1.0,)}
    assert Aims(("loss",), (LOSS,)).best(results, keep=3) == [1, 3, 2]
    assert Aims(("score",), (SCORE,)).best(results, keep=2) == [0, 2]


def test_limits_say_who_breaks_them_and_by_how_much() -> None:
    limits = Limit(metric="size", at_most=200), Limit(metric="score", at_least=0.5, at_most=0.9)
    aims = Aims(NAMES, (LOSS,), limits)
    assert aims.keeps((9.0, 0.5, 200.0))
    assert aims.keeps((9.0, 0.9, -1.0))
    assert aims.broken((0.0, 0.4, 250.0)) == {"size": 50.0, "score": pytest.approx(0.1)}
    assert aims.violation((0.0, 0.4, 250.0)) == pytest.approx(0.45 / 1.45), "a quarter of one bound, a fifth of another"
    assert aims.violation((0.0, 0.7, math.nan)) == 1.0
    assert not aims.keeps((0.0, 0.7, math.nan))
    none = Aims(NAMES, (LOSS,), (Limit(metric="loss", at_most=0.0),))
    assert 0 < none.violation((1e-9, 0.0, 0.0)) < none.violation((1.0, 0.0, 0.0)) == 0.5, "a bound of 0 has no share"


@pytest.mark.parametrize(
    ("bounds", "message"),
    [({}, "at_most, at_least or both"), ({"at_most": 1, "at_least": 2}, "at least 2 and at most")],
)
def test_a_limit_without_a_bound_or_with_none_between_its_bounds_is_refused(
    bounds: dict[str, float], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Limit.model_validate({"metric": "size", **bounds})


def test_aims_are_read_back_from_a_spec_old_or_new() -> None:
    old = Aims.of_spec({"metrics": ["r2", "max_error"]}, maximize=True)
    assert old.is_plain
    assert (old.mode, old.costs((0.5, 3.0))) == ("max", (-0.5,))
    spec = {
        "metrics": ["r2", "max_error", "n_parameters"],
        "further_objectives": [{"name": "n_parameters", "maximize": False}],
        "limits": [{"metric": "max_error", "at_most": 2.0}],
    }
    new = Aims.of_spec(spec, maximize=True)
    assert (new.are_several, new.mode, new.costs((0.5, 3.0, 7.0))) == (True, "min", (-0.5, 7.0))
    assert new.broken((0.5, 3.0, 7.0)) == {"max_error": 1.0}
