"""Every point that is tried satisfies the constraints, whatever proposes it; conditions go as deep as one likes."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from search.algorithms.grid import Grid
from search.algorithms.random import Random
from search.constraints import Constraint
from search.discovery import ALGORITHMS
from search.plugins import Algorithm, ScheduleRequest, SearchRequest
from search.schedulers.pbt import Pbt
from search.space import Space
from tests.search.course import started_search

CONSTRAINTS: list[Any] = [
    "units * depth <= 200",
    {"sum": {"dropout": 2, "momentum": 1}, "ge": 0.2, "le": 1.2},
    'not (op == "tanh" and rate > 0.01)',
]
SPACE = Space.model_validate(
    {
        "depth": {"type": "int", "low": 1, "high": 6},
        "units": {"type": "int", "low": 8, "high": 128, "log": True},
        "rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
        "dropout": {"type": "float", "low": 0.0, "high": 0.8},
        "op": {"type": "choice", "values": ["relu", "tanh"], "weights": [1, 3]},
        "momentum": {"type": "float", "low": 0.001, "high": 0.999, "log": "reverse", "when": {"op": "relu"}},
    }
)
LATTICE = Space.model_validate(
    {
        "depth": {"type": "int", "low": 1, "high": 6},
        "units": {"type": "choice", "values": [8, 16, 32, 64]},
        "op": {"type": "choice", "values": ["relu", "tanh"], "when": {"depth": {"ge": 3}}},
    }
)
LATTICE_CONSTRAINTS = ["units * depth <= 100", "op == 'relu' or units == 8"]


def under(space: Space, *constraints: Any, **fixed: Any) -> Space:
    return space.under([Constraint.model_validate(constraint) for constraint in constraints], fixed)


def run(algorithm: Algorithm, space: Space, trials: int, objective: Any, seed: int = 3) -> list[dict[str, Any]]:
    start = [space.default_point()]
    points = algorithm.initial_points(space, start)
    encoded, n_trials = [space.encode(point) for point in points], algorithm.n_trials(space, trials)
    request = SearchRequest(space.domains(), encoded, "min", seed, n_trials, 1, space.region)
    search, found = started_search(algorithm, request), []
    while trial := search.next_trial():
        found.append(space.decode(trial.config))
        search.on_trial_complete(trial.trial_id, {"objective": objective(found[-1])})
    return found


def holds(point: dict[str, Any]) -> bool:
    """The constraints of SPACE in Python."""
    total = 2 * point["dropout"] + point.get("momentum", 0)
    is_slow = point["op"] != "tanh" or point["rate"] <= 0.01
    return point["units"] * point["depth"] <= 200 and 0.2 <= total <= 1.2 and is_slow


def larger_is_better(point: dict[str, Any]) -> float:
    return float(-point["units"] * point["depth"] - 1000 * point["rate"])


@pytest.mark.parametrize("kind", sorted(ALGORITHMS.keys() - {"grid"}))
def test_every_point_of_every_algorithm_satisfies_the_constraints(kind: str) -> None:
    """Also of those that learn that the best lies where it must not go; and so again with the same seed."""
    space, algorithm = under(SPACE, *CONSTRAINTS), ALGORITHMS[kind]()
    points = run(algorithm, space, 50, larger_is_better)
    assert len(points) == 50
    assert all(map(holds, points))
    assert len({repr(point) for point in points}) > 35, "they do not all go to one refuge"
    assert points == run(algorithm, space, 50, larger_is_better)
    if algorithm.learns and kind != "bohb":
        late, early = (np.mean([larger_is_better(point) for point in part]) for part in (points[35:], points[:15]))
        assert late < early


def test_a_grid_is_what_is_left_of_it() -> None:
    space = under(LATTICE, *LATTICE_CONSTRAINTS)
    expected = [p for p in LATTICE.grid() if p["units"] * p["depth"] <= 100]
    expected = [p for p in expected if p.get("op") != "tanh" or p["units"] == 8]
    assert space.grid() == expected
    assert Grid().problems(space, None) == []
    points = run(Grid(), space, 999, len)
    assert sorted(map(repr, points)) == sorted(map(repr, expected))
    assert points[0] == space.default_point()


def test_a_grid_that_is_too_large_to_be_filtered_is_refused() -> None:
    flood = Space.model_validate({name: {"type": "int", "low": 0, "high": 10**6} for name in ("a", "b")})
    (problem,) = Grid().problems(under(flood, "a * b == 77"), None)
    assert problem.path == "space"
    assert "before its constraints" in problem.message


def test_random_search_draws_by_the_law_under_the_condition_that_the_constraint_holds() -> None:
    """Uniform in a triangle: the square of the larger coordinate is uniform."""
    square = Space.model_validate({name: {"type": "float", "low": 0.0, "high": 1.0} for name in ("x", "y")})
    points = run(Random(), under(square, "x <= y"), 600, lambda point: 0.0)[1:]
    assert stats.kstest([point["y"] ** 2 for point in points], "uniform").pvalue > 1e-3
    assert stats.kstest([point["x"] / point["y"] for point in points], "uniform").pvalue > 1e-3


def test_a_thin_region_is_searched_and_not_only_its_one_known_point() -> None:
    lattice = Space.model_validate({name: {"type": "int", "low": 1, "high": 40} for name in ("x", "y")})
    for kind in ("random", "evolution", "hyperopt"):
        points = run(ALGORITHMS[kind](), under(lattice, "x == 2 * y"), 25, lambda point: point["x"])
        assert all(point["x"] == 2 * point["y"] for point in points)
        assert len({point["x"] for point in points}) > 5


def test_what_pbt_explores_is_drawn_back_to_what_it_copied_and_touches_nothing_else() -> None:
    space = under(SPACE, *CONSTRAINTS)
    domains: dict[str, Any] = dict(space.domains())
    mutable = {name: domains[name] for name in ("rate", "dropout")}
    pbt = Pbt(resample_probability=0.5).build(ScheduleRequest("min", 20, mutable, 0, space.region))
    point = {"depth": 3, "units": 66, "rate": 0.009, "dropout": 0.59, "op": "tanh"}
    donor = space.encode(point)
    assert space.region is not None
    assert space.region.holds(donor)
    random.seed(2)
    seen = set()
    for _ in range(200):
        code, _ = pbt._get_new_config(None, SimpleNamespace(config=donor))
        assert {name: code[name] for name in code if name not in mutable} == {
            name: donor[name] for name in donor if name not in mutable
        }
        explored = space.decode(code)
        assert holds(explored)
        seen.add((explored["rate"], explored["dropout"]))
    assert len(seen) > 50


def test_the_default_point_is_drawn_back_and_only_as_far_as_it_must_be() -> None:
    space = under(SPACE, "units * depth <= 20")
    point = space.default_point({"units": 100, "depth": 2, "rate": 0.003})
    assert point["units"] * point["depth"] <= 20
    assert point == {**SPACE.default_point({"rate": 0.003}), "units": point["units"], "depth": point["depth"]}


@given(st.integers(1, 6), st.floats(8, 128), st.floats(1e-4, 0.1), st.floats(0, 0.8), st.integers(0, 3), st.integers())
def test_any_code_is_mended_to_a_feasible_one_and_a_feasible_one_is_left_alone(
    depth: int, units: float, rate: float, dropout: float, op: int, seed: int
) -> None:
    region = under(SPACE, *CONSTRAINTS).region
    assert region is not None
    code = {"depth": depth, "units": units, "rate": rate, "dropout": dropout, "op": op, "momentum": 0.3}
    draws = np.random.default_rng(abs(seed))
    for is_near in (True, False):
        mended = region.mend(code, draws, is_near)
        assert region.holds(mended)
        assert (mended == code) == region.holds(code)


def test_inactive_terms_add_nothing_and_an_expression_about_them_holds() -> None:
    total = Constraint.model_validate({"sum": {"a": 1, "b": 2}, "ge": 5, "le": 10})
    assert [total.holds(point) for point in ({"a": 1, "b": 2}, {"a": 1, "b": 1}, {"a": 5}, {"b": 6}, {})] == [
        True,
        False,
        True,
        False,
        True,
    ]
    product = Constraint.model_validate("a * b <= 10")
    assert [product.holds(point) for point in ({"a": 2, "b": 5}, {"a": 2, "b": 6}, {"a": 99}, {})] == [
        True,
        False,
        True,
        True,
    ]


def test_constraints_may_speak_of_what_is_fixed() -> None:
    space = under(LATTICE, "units <= batch / 4", batch=64)
    assert {point["units"] for point in space.grid({"batch": 64})} == {8, 16}


def problems_of(space: Space, *constraints: Any, **fixed: Any) -> dict[str, str]:
    region = under(space, *constraints, **fixed).region
    assert region is not None
    return {problem.path: problem.message for problem in region.problems()}


def test_a_region_without_points_is_refused_by_name_and_says_how_sure_that_is() -> None:
    assert problems_of(LATTICE, "units > 8", "depth > 6") == {
        "constraints.1": "depth > 6: no point of the space satisfies it"
    }
    together = problems_of(LATTICE, "units > 8", "units < 16")
    assert together == {"constraints": "no point of the space satisfies all of them, though each by itself can hold"}
    sampled = problems_of(SPACE, "rate > 0.2")
    assert sampled == {"constraints.0": "rate > 0.2: none of 10000 points drawn from the space satisfies it"}
    assert problems_of(SPACE, "rate >= 0.1", "dropout == 0") == {}, "corners are looked at"
    assert problems_of(SPACE, *CONSTRAINTS) == {}


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("unit <= 5", "'unit' (character 1) is neither in space nor in fixed; did you mean units?"),
        ("zzzz + 1 <= 5", "allowed: batch, depth, dropout"),
        ({"sum": {"unitz": 1}, "le": 5}, "'unitz' is neither in space nor in fixed; did you mean units?"),
        ({"sum": {"op": 1}, "le": 5}, "a sum adds numbers, and op is none"),
        ("1 / dropout > 2", "/ may divide by 0: what it divides by goes from 0 to 0.8 (character 3)"),
        ("units + depth", "compare it with something"),
        ("batch > 3", "batch is a list or null"),
    ],
)
def test_a_constraint_that_means_nothing_is_refused_by_name(constraint: Any, words: str) -> None:
    (message,) = problems_of(SPACE, constraint, batch=[1, 2]).values()
    assert words in message


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("units <=", "character 9"),
        ("units <= 5 " + "and units <= 5 " * 100, "at most 1000 characters"),
        (5, "an expression such as"),
        ({"le": 5}, "weights by name"),
        ({"sum": {}, "le": 5}, "weights by name"),
        ({"sum": {"a": 1}}, "needs le, ge or both"),
        ({"sum": {"a": True}, "le": 5}, "weights, le and ge are numbers"),
        ({"sum": {"a": 1}, "le": "b"}, "weights, le and ge are numbers"),
        ({"sum": {"a": 1}, "lt": 5}, "no 'lt' in a constraint; allowed: sum, le, ge"),
    ],
)
def test_what_is_no_constraint_is_refused(constraint: Any, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Constraint.model_validate(constraint)
    assert words in str(caught.value)


DEEP = Space.model_validate(
    {
        "a": {"type": "choice", "values": ["on", "off"]},
        "b": {"type": "int", "low": 1, "high": 6, "when": {"a": "on"}},
        "c": {
            "type": "float",
            "mean": 0.5,
            "sigma": 0.2,
            "step": 0.1,
            "low": 0.1,
            "high": 0.9,
            "when": {"b": {"ge": 3}},
        },
        "d": {"type": "choice", "values": [1, 2, 3], "weights": [2, 1, 1], "when": {"c": {"le": 0.5}, "a": "on"}},
        "e": {"type": "int", "low": 1, "high": 9, "step": 4, "log": "reverse", "when": {"d": {"ge": 2}}},
    }
)


@pytest.mark.parametrize("kind", sorted(ALGORITHMS))
def test_conditions_four_deep_hold_at_every_point_of_every_algorithm(kind: str) -> None:
    space = DEEP.with_defaults({})
    points = run(ALGORITHMS[kind](), space, 60, lambda point: -len(point))
    assert all("b" in point for point in points if point["a"] == "on")
    for point in points:
        chain = [
            point["a"] == "on",
            point.get("b", 0) >= 3,
            point.get("c", 1) <= 0.5,
            point.get("d", 0) >= 2,
        ]
        expected = 1 + next((place for place, link in enumerate(chain) if not link), 4)
        assert list(point) == list("abcde")[:expected]
        assert space.decode(space.encode(point)) == point
    depths = {len(point) for point in points}
    assert depths == {1, 2, 3, 4, 5} if kind == "grid" else 5 in depths
