"""What is drawn follows the law that a parameter states, through every algorithm that draws at random."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from ray.tune.schedulers.pbt import _explore
from scipy import stats

from search.algorithms.bohb import Bohb
from search.algorithms.evolution import Evolution
from search.algorithms.gp import GaussianProcess
from search.algorithms.grid import Grid
from search.algorithms.hyperopt import HyperOpt
from search.algorithms.optuna import Optuna
from search.algorithms.random import Random
from search.algorithms.sobol import Sobol
from search.discovery import ALGORITHMS
from search.plugins import Algorithm, ScheduleRequest, SearchRequest
from search.schedulers.pbt import Pbt
from search.space import Categories, Interval, Space
from tests.search.course import propose, started_search

N = 400
AT_RANDOM: list[Algorithm] = [
    Random(),
    HyperOpt(algo="rand"),
    Optuna(n_startup_trials=N),
    Sobol(),
    Evolution(population_size=N),
    Bohb(random_fraction=1.0),
]
"""Each with settings under which it never learns."""


def normal(mean: float, sigma: float, low: float, high: float) -> Any:
    return stats.truncnorm((low - mean) / sigma, (high - mean) / sigma, mean, sigma).cdf


def values_of(algorithm: Algorithm, n: int = N, **parameter: Any) -> list[Any]:
    space = Space.model_validate({"x": parameter})
    assert space.problems() == []
    request = SearchRequest(space.domains(), [], "min", 5, n, 1)
    return [space.decode(config)["x"] for config in propose(algorithm, request)]


NORMAL = {"type": "float", "mean": 0.5, "sigma": 0.1}
LOGNORMAL = {"type": "float", "log": True, "mean": math.log(1e-3), "sigma": 1.5}
REVERSE = {"type": "float", "log": "reverse", "low": 0.001, "high": 0.999}
CONTINUOUS = [
    (NORMAL, normal(0.5, 0.1, 0.1, 0.9)),
    ({**NORMAL, "low": 0.45, "high": 2.0}, normal(0.5, 0.1, 0.45, 0.9)),
    (LOGNORMAL, lambda x: normal(math.log(1e-3), 1.5, -math.inf, math.inf)(np.log(x))),
    (REVERSE, lambda x: 1 - np.log((1 - x) / 0.001) / math.log(999)),
    ({**REVERSE, "log": True}, lambda x: np.log(x / 0.001) / math.log(999)),
]


@pytest.mark.parametrize("algorithm", AT_RANDOM, ids=lambda a: a.kind)
@pytest.mark.parametrize(("parameter", "law"), CONTINUOUS)
def test_continuous_draws_follow_their_law(
    algorithm: Algorithm, parameter: dict[str, Any], law: Callable[[NDArray[np.float64]], Any]
) -> None:
    assert stats.kstest(values_of(algorithm, **parameter), law).pvalue > 1e-3


STEPPED: list[tuple[dict[str, Any], dict[Any, float]]] = [
    (
        {"type": "float", "mean": 0.5, "sigma": 0.1, "low": 0.3, "high": 0.75, "step": 0.15},
        {
            x: math.erf((x - 0.425) / 0.1 / 2**0.5) - math.erf((x - 0.575) / 0.1 / 2**0.5)
            for x in (0.3, 0.45, 0.6, 0.75)
        },
    ),
    (
        {"type": "int", "log": True, "mean": math.log(3), "sigma": 0.7, "low": 1, "high": 6},
        {
            n: stats.norm.cdf(math.log((n + 0.5) / 3) / 0.7) - stats.norm.cdf(math.log((n - 0.5) / 3) / 0.7)
            for n in range(1, 7)
        },
    ),
    (
        {"type": "int", "log": "reverse", "low": 1, "high": 9, "step": 2},
        {n: math.log((11 - n) / (9 - n)) if n < 9 else math.log(2 / 0.5) for n in (1, 3, 5, 7, 9)},
    ),
    ({"type": "choice", "values": ["a", "b", "c"], "weights": [0.7, 0.2, 0.1]}, {"a": 7, "b": 2, "c": 1}),
    ({"type": "choice", "values": [1, 2, 4], "weights": [3, 3, 1]}, {1: 3, 2: 3, 4: 1}),
]


@pytest.mark.parametrize("algorithm", AT_RANDOM, ids=lambda a: a.kind)
@pytest.mark.parametrize(("parameter", "law"), STEPPED)
def test_quantised_draws_and_weights_follow_their_law(
    algorithm: Algorithm, parameter: dict[str, Any], law: dict[Any, float]
) -> None:
    """Each value has the share of its law from half a step below to half a step above."""
    counts = Counter(values_of(algorithm, **parameter))
    assert set(counts) == set(law), "none outside its bounds"
    expected = np.array(list(law.values())) / sum(law.values()) * N
    assert stats.chisquare([counts[value] for value in law], expected).pvalue > 1e-3


MIXED = Space.model_validate(
    {
        "normal": NORMAL,
        "lognormal": LOGNORMAL,
        "reverse": REVERSE,
        "quantised": {"type": "int", "mean": 40.0, "sigma": 20.0, "low": 8, "high": 64, "step": 8},
        "weighted": {"type": "choice", "values": ["relu", "tanh", "elu"], "weights": [5, 1, 1]},
    }
)


@pytest.mark.parametrize("kind", sorted(ALGORITHMS.keys() - {"grid"}))
def test_every_algorithm_searches_every_law_and_those_that_learn_go_where_it_is_better(kind: str) -> None:
    """The optimum lies where the laws seldom draw."""
    algorithm = ALGORITHMS[kind].model_validate({"kind": kind} | {"hyperopt": {"n_initial_points": 12}}.get(kind, {}))

    def objective(point: dict[str, Any]) -> float:
        far = abs(point["normal"] - 0.65) + abs(math.log10(point["lognormal"] / 1e-2)) / 5
        return far + abs(point["reverse"] - 0.5) + abs(point["quantised"] - 16) / 64 + (point["weighted"] != "tanh")

    request = SearchRequest(MIXED.domains(), [MIXED.encode(MIXED.default_point())], "min", 7, 60, 1)
    search, values = started_search(algorithm, request), []
    while trial := search.next_trial():
        point = MIXED.decode(trial.config)
        assert MIXED.decode(MIXED.encode(point)) == point
        values.append(objective(point))
        search.on_trial_complete(trial.trial_id, {"objective": values[-1]})
    assert len(values) == 60
    if algorithm.learns:
        assert np.mean(values[40:]) < np.mean(values[:20])


def test_a_grid_goes_through_quantised_laws_and_refuses_the_others_by_name() -> None:
    stepped = Space.model_validate({"n": {"type": "int", "mean": 5.0, "sigma": 1.0}, "w": MIXED.parameters["weighted"]})
    assert len(stepped.grid()) == 9 * 3
    assert Grid().problems(stepped, None) == []
    paths = [problem.path for problem in Grid().problems(MIXED, None)]
    assert paths == ["space.normal.step", "space.lognormal.step", "space.reverse.step"]


def test_the_default_point_is_the_median_of_each_law() -> None:
    point = MIXED.default_point()
    assert point == {
        "normal": 0.5,
        "lognormal": pytest.approx(1e-3),
        "reverse": pytest.approx(1 - math.sqrt(0.001 * 0.999)),
        "quantised": 40,
        "weighted": "relu",
    }


def test_a_law_ends_four_sigma_from_its_mean_or_at_nearer_bounds() -> None:
    def ends(**parameter: Any) -> tuple[float, float]:
        (found,) = Space.model_validate({"x": parameter}).parameters.values()
        assert not isinstance(found.domain(), Categories)
        return found.low, found.high  # type: ignore[union-attr]

    assert ends(type="float", mean=0.5, sigma=0.1) == (0.1, 0.9)
    assert ends(type="float", mean=0.5, sigma=0.1, low=0.3, high=7.0) == (0.3, 0.9)
    assert ends(type="int", mean=5.5, sigma=1.0, low=0) == (2, 9)
    assert ends(type="float", mean=0.0, sigma=1.0, log=True) == pytest.approx((math.exp(-4), math.exp(4)))


@pytest.mark.parametrize(
    ("parameter", "path", "words"),
    [
        ({"type": "float", "low": 0.0, "high": 1.0, "mean": 0.5}, "sigma", "needs mean and sigma"),
        ({"type": "float", "low": 0.0, "high": 1.0, "sigma": 0.5}, "mean", "needs mean and sigma"),
        ({"type": "float", "low": 0.1, "high": 1.0, "mean": 0.5, "sigma": 1.0, "log": "reverse"}, "log", "reverse"),
        ({"type": "float", "low": 0.0, "high": 1.0, "log": "reverse"}, "low", "above 0"),
        ({"type": "float", "low": 5.0, "mean": 0.5, "sigma": 1.0}, "low", "ends 4 sigma from its mean"),
        ({"type": "float", "mean": 1e6, "sigma": 1e-6}, "sigma", "at least"),
        ({"type": "float", "mean": 0.0, "sigma": 1e-9, "log": True}, "sigma", "at least"),
        ({"type": "float", "mean": 0.0, "sigma": 1e6, "low": -1.0, "high": 1.0}, "sigma", "flat"),
        ({"type": "float", "mean": 0.5, "sigma": 0.1, "default": 0.95}, "default", "from 0.1 to 0.9"),
        ({"type": "choice", "values": ["a", "b"], "weights": [1]}, "weights", "1 weights for 2 values"),
        ({"type": "choice", "values": ["a", "b"], "weights": [1, 0]}, "weights", "above 0"),
        ({"type": "choice", "values": ["a", "b"], "weights": [0.001, 0.999]}, "weights", "1000 equal parts"),
    ],
)
def test_a_law_that_cannot_be_drawn_from_is_refused_by_name(parameter: dict[str, Any], path: str, words: str) -> None:
    (problem,) = Space.model_validate({"x": parameter}).problems()
    assert problem.path == f"space.x.{path}"
    assert words in problem.message


def test_pbt_perturbs_and_resamples_within_the_laws() -> None:
    """A value near the top of a reverse scale moves by its distance to it, not by itself."""
    domains = MIXED.domains()
    assert domains["reverse"] == Interval(0.001, 0.999, log=True)
    pbt = Pbt().build(ScheduleRequest("min", 20, domains, 0))
    random.seed(1)
    start = MIXED.encode({**MIXED.default_point(), "reverse": 0.99})
    for resample in (0.0, 1.0):
        points = []
        for _ in range(200):
            code, _ = _explore(start, pbt._hyperparam_mutations, resample, (1.2, 0.8), pbt._custom_explore_fn)
            points.append(MIXED.decode(code))
            assert MIXED.decode(MIXED.encode(points[-1])) == points[-1]
        if resample == 0.0:
            assert {point["reverse"] for point in points} == {0.988, 0.992}
            assert sorted({point["normal"] for point in points}) == pytest.approx([0.4747, 0.5253], abs=1e-3)
        else:
            assert stats.kstest([point["normal"] for point in points], normal(0.5, 0.1, 0.1, 0.9)).pvalue > 1e-3


def test_the_gaussian_process_begins_with_points_of_the_law() -> None:
    drawn = values_of(GaussianProcess(n_initial_points=64), n=64, **NORMAL)
    assert stats.kstest(drawn, normal(0.5, 0.1, 0.1, 0.9)).pvalue > 1e-3


def test_the_schema_says_that_a_normal_law_may_leave_its_ends_out() -> None:
    for name in ("FloatParameter", "IntParameter"):
        schema = Space.model_json_schema()["$defs"][name]
        assert schema["required"] == ["type"]
        assert schema["anyOf"] == [{"required": ["low", "high"]}, {"required": ["mean", "sigma"]}]
