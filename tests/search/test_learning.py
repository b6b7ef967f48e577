"""Algorithms that learn: they beat random search on cheap functions, and are a function of what they are told."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from search.algorithms.bohb import Bohb
from search.algorithms.evolution import Evolution
from search.algorithms.gp import GaussianProcess
from search.algorithms.hyperopt import HyperOpt
from search.algorithms.optuna import Optuna
from search.algorithms.random import Random
from search.discovery import ALGORITHMS
from search.plugins import Algorithm, SearchRequest
from search.proposals import Told, comparable
from search.space import Space
from tests.search.course import started_search

LEARNING = sorted(kind for kind, algorithm in ALGORITHMS.items() if algorithm.learns)
PLANE = Space.model_validate(
    {"x": {"type": "float", "low": -5.0, "high": 10.0}, "y": {"type": "float", "low": 0.0, "high": 15.0}}
)
MIXED = Space.model_validate(
    {
        "rate": {"type": "float", "low": 1e-5, "high": 1.0, "log": True},
        "momentum": {"type": "float", "low": 0.0, "high": 1.0},
        "width": {"type": "int", "low": 8, "high": 128, "step": 8},
        "batch": {"type": "choice", "values": [16, 32, 64, 128, 256]},
        "op": {"type": "choice", "values": ["relu", "tanh", "elu"]},
    }
)
NESTED = Space.model_validate(
    {
        "depth": {"type": "int", "low": 0, "high": 2},
        "width": {"type": "int", "low": 3, "high": 17, "step": 7, "when": {"depth": {"ge": 1}}},
        "share": {"type": "float", "low": 0.1, "high": 0.7, "step": 0.3, "when": {"width": {"gt": 3}}},
        "units": {"type": "int", "low": 1, "high": 9, "step": 4, "log": True},
        "batch": {"type": "choice", "values": [16, 32, 64], "ordered": False},
    }
)


def branin(point: Mapping[str, Any]) -> float:
    """Dixon and Szego 1978; its minimum is 0.398."""
    x, y = point["x"], point["y"]
    return float(
        (y - 5.1 * x**2 / (4 * math.pi**2) + 5 * x / math.pi - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10
    )


def bowl(point: Mapping[str, Any]) -> float:
    """Five parameters of every kind; its minimum is about 0."""
    rate = (math.log10(point["rate"]) + 2) / 5
    batch = (math.log2(point["batch"]) - 5) / 4
    width = (point["width"] - 96) / 128
    op = {"relu": 0.0, "tanh": 0.1, "elu": 0.3}[point["op"]]
    return rate**2 + (point["momentum"] - 0.9) ** 2 + width**2 + batch**2 + op


def search(
    algorithm: Algorithm,
    space: Space,
    objective: Callable[[Mapping[str, Any]], float],
    trials: int,
    seed: int,
    parallelism: int = 1,
    mode: str = "min",
) -> tuple[list[float], list[dict[str, Any]]]:
    """Run a search with so many trials under way; answer values and encoded points in the order of proposal."""
    request = SearchRequest(space.domains(), [], mode, seed, trials, parallelism)  # type: ignore[arg-type]
    tune = started_search(algorithm, request)
    live: list[Any] = []
    values, points = [], []
    while True:
        while (trial := tune.next_trial()) is not None:
            value = objective(space.decode(trial.config))
            values.append(value)
            points.append(dict(trial.config))
            live.append((trial, value))
        if not live:
            return values, points
        trial, value = live.pop(0)
        tune.on_trial_complete(trial.trial_id, {"objective": value, "training_iteration": 1, "time_total_s": 1.0})


GOOD = [
    (HyperOpt(), 0.8),
    (HyperOpt(algo="anneal"), 0.8),
    (Optuna(), 0.6),
    (Optuna(sampler="cmaes"), 0.8),
    (Optuna(sampler="nsgaii", population_size=8), 0.9),
    (GaussianProcess(), 0.3),
    (GaussianProcess(acquisition="ei"), 0.3),
    (GaussianProcess(acquisition="pi"), 0.5),
    (GaussianProcess(acquisition="ucb"), 0.5),
    (Evolution(), 0.3),
    (Bohb(), 0.8),
]


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "share"), GOOD, ids=str)
def test_it_beats_random_search_on_a_bowl_of_five_parameters(algorithm: Algorithm, share: float) -> None:
    """`share`: of the median regret of random search. In half of the cases, trials run four at a time."""
    regrets = {}
    for found in (algorithm, Random()):
        bests = [min(search(found, MIXED, bowl, 60, seed, 1 + 3 * (seed % 2))[0]) for seed in range(6)]
        regrets[found.kind] = statistics.median(bests)
    assert regrets[algorithm.kind] < share * regrets["random"]


@pytest.mark.parametrize(
    ("algorithm", "most"), [(GaussianProcess(), 0.55), (Optuna(), 1.1), (Evolution(), 1.1)], ids=str
)
def test_it_comes_near_the_minimum_of_branin(algorithm: Algorithm, most: float) -> None:
    """Random search is at 1.19 at the median; the minimum is 0.398."""
    assert statistics.median(min(search(algorithm, PLANE, branin, 50, seed)[0]) for seed in range(5)) < most


@pytest.mark.parametrize("kind", LEARNING)
def test_the_greatest_is_as_easy_as_the_least(kind: str) -> None:
    values, _ = search(ALGORITHMS[kind](), MIXED, bowl, 40, 3)
    negated, _ = search(ALGORITHMS[kind](), MIXED, lambda point: -bowl(point), 40, 3, mode="max")
    assert negated == [-value for value in values]


@pytest.mark.parametrize("kind", LEARNING)
def test_the_same_told_values_give_the_same_points_whatever_the_world_draws(kind: str) -> None:
    runs = []
    for disturbance in range(2):
        np.random.seed(disturbance)
        runs.append(search(ALGORITHMS[kind](), MIXED, bowl, 30, seed=5, parallelism=3)[1])
    assert runs[0] == runs[1]
    assert search(ALGORITHMS[kind](), MIXED, bowl, 30, seed=6, parallelism=3)[1] != runs[0]


@pytest.mark.parametrize("kind", LEARNING)
def test_codes_of_nested_and_quantised_parameters_stay_in_their_bounds(kind: str) -> None:
    def objective(point: Mapping[str, Any]) -> float:
        return float(point["units"]) - point.get("width", 0) - 10 * point.get("share", 0)

    space = NESTED.with_defaults({})
    _, points = search(ALGORITHMS[kind](), space, objective, 40, seed=1, parallelism=2)
    domains: dict[str, Any] = space.domains()
    for point in points:
        for name, code in point.items():
            domain = domains[name]
            low, high = (domain.low, domain.high) if name != "batch" else (0, domain.n - 1)
            assert low <= code <= high, name
        assert space.decode(space.encode(space.decode(point))) == space.decode(point)
    late = [space.decode(point) for point in points[20:]]
    assert sum("width" in point for point in late) > 10, "it learns that deeper is better"


@pytest.mark.parametrize("kind", ["evolution", "gp"])
def test_a_small_space_is_gone_through_without_repeating_and_then_goes_on(kind: str) -> None:
    space = Space.model_validate(
        {"a": {"type": "int", "low": 1, "high": 4}, "b": {"type": "choice", "values": ["x", "y", "z"]}}
    )
    algorithm = ALGORITHMS[kind].model_validate({"kind": kind} | {"gp": {"n_initial_points": 2}}.get(kind, {}))
    _, points = search(algorithm, space, lambda p: p["a"] + len(p["b"]), 20, seed=0)
    assert len(points) == 20
    decoded = {tuple(space.decode(point).values()) for point in points}
    assert len(decoded) >= 9


def test_trials_that_all_tell_the_same_are_no_trouble() -> None:
    for kind in LEARNING:
        assert len(search(ALGORITHMS[kind](), MIXED, lambda _: 0.5, 25, seed=0, parallelism=4)[1]) == 25


def test_thousands_of_names_are_no_trouble() -> None:
    names = [f"n{number}" for number in range(5000)]
    space = Space.model_validate({"name": {"type": "choice", "values": names}, **MIXED.model_dump(mode="json")})
    for kind in ("gp", "evolution"):
        assert (
            len(search(ALGORITHMS[kind](), space, lambda point: bowl(point) + len(point["name"]), 30, seed=0)[1]) == 30
        )


def test_a_single_parameter_is_enough() -> None:
    line = Space.model_validate({"x": {"type": "float", "low": 0.0, "high": 1.0}})
    for kind in LEARNING:
        assert len(search(ALGORITHMS[kind](), line, lambda p: (p["x"] - 0.3) ** 2, 25, seed=0)[1]) == 25


def test_gp_takes_the_cheaper_of_equal_valleys_per_second() -> None:
    """Two valleys are equally deep; points of the second take some 25 times as long."""
    square = Space.model_validate({name: {"type": "float", "low": 0.0, "high": 1.0} for name in ("x", "y")})
    seconds: dict[bool, float] = {False: 0.0, True: 0.0}
    for per_second in seconds:
        for seed in range(3):
            algorithm = GaussianProcess(per_second=per_second, n_initial_points=6)
            tune = started_search(algorithm, SearchRequest(square.domains(), [], "min", seed, 26, 1))
            values = []
            while trial := tune.next_trial():
                x, y = trial.config["x"], trial.config["y"]
                valleys = math.exp(-(((x - 0.15) / 0.2) ** 2)) + math.exp(-(((x - 0.85) / 0.2) ** 2))
                values.append((y - 0.4) ** 2 - valleys)
                told = {"objective": values[-1], "training_iteration": 1, "time_total_s": 100**x}
                tune.on_trial_complete(trial.trial_id, told)
                seconds[per_second] += 100**x if len(values) > 6 else 0.0
            assert min(values) < -0.99
    assert seconds[True] < 0.6 * seconds[False]


def test_values_are_compared_at_the_greatest_age_that_enough_trials_reached() -> None:
    history = [
        Told(0, {}, {1: 0.9, 3: 0.5}, has_ended=True),
        Told(1, {}, {1: 0.8}, has_ended=True),
        Told(2, {}, {1: 0.7, 3: 0.4, 9: 0.3}, has_ended=False),
    ]
    assert [(told.number, value) for told, value in comparable(history, 2)] == [(0, 0.5), (2, 0.4)]
    assert [(told.number, value) for told, value in comparable(history, 3)] == [(0, 0.9), (1, 0.8), (2, 0.7)]
    assert [(told.number, value) for told, value in comparable(history, 4)] == [(0, 0.5), (1, 0.8)]


def test_bohb_learns_under_rungs_where_early_values_mislead() -> None:
    """At age 1 large x look good, at age 9 small ones are; a third of the trials gets there."""
    line = Space.model_validate({"x": {"type": "float", "low": 0.0, "high": 1.0}})
    tune = started_search(Bohb(random_fraction=0.0), SearchRequest(line.domains(), [], "min", 4, 60, 1))
    xs = []
    while trial := tune.next_trial():
        xs.append(trial.config["x"])
        first = {"objective": 1 - xs[-1], "training_iteration": 1}
        tune.on_trial_result(trial.trial_id, first)
        last = {"objective": xs[-1], "training_iteration": 9} if len(xs) % 3 == 0 else first
        tune.on_trial_complete(trial.trial_id, last)
    assert statistics.fmean(xs[30:]) < 0.3


def test_settings_that_do_not_go_together_are_refused_by_name() -> None:
    (problem,) = GaussianProcess(acquisition="ucb", per_second=True).problems(MIXED, 10)
    assert problem.path == "algorithm.per_second"
    (problem,) = Optuna(multivariate=False, group=True).problems(MIXED, 10)
    assert problem.path == "algorithm.group"
