"""Results from before a job: what algorithms make of them, and which points fit a space."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from search.algorithms.hyperopt import HyperOpt
from search.algorithms.optuna import Optuna
from search.discovery import ALGORITHMS
from search.earlier import fit_point
from search.plugins import Algorithm, Earlier, SearchRequest
from search.space import Space
from tests.search.course import propose
from tests.search.test_learning import LEARNING, MIXED, bowl

LEARNERS: dict[str, Algorithm] = {kind: ALGORITHMS[kind]() for kind in LEARNING} | {
    "anneal": HyperOpt(algo="anneal"),
    "cmaes": Optuna(sampler="cmaes"),
    "nsgaii": Optuna(sampler="nsgaii", population_size=20),
}
FIRST = 8
NUMERIC = Space({name: MIXED.parameters[name] for name in ("rate", "momentum")})


def earlier_results(space: Space, mode: str, n: int = 120) -> list[Earlier]:
    """Results of random points under `bowl`, or its negative; some of half the age."""
    draws = np.random.default_rng(5)
    found = []
    for number in range(n):
        codes = {name: draws.uniform(*_ends(domain)) for name, domain in space.domains().items()}
        point = space.decode(codes)
        value = bowl(_whole(point)) * (1 if mode == "min" else -1)
        found.append(Earlier(space.encode(point), value, epochs=10 if number % 4 else 5))
    return found


def _whole(point: dict[str, Any]) -> dict[str, Any]:
    return MIXED.default_point() | point


def _ends(domain: Any) -> tuple[float, float]:
    return (0, domain.n - 1) if hasattr(domain, "n") else (domain.low, domain.high)


def first_values(algorithm: Algorithm, space: Space, mode: str, earlier: list[Earlier]) -> float:
    """The median worth of the first points that an algorithm proposes, nothing being known of any of them."""
    values = []
    for seed in (1, 2):
        request = SearchRequest(space.domains(), [], mode, seed, FIRST, 1, earlier=earlier)  # type: ignore[arg-type]
        worst = max(known.objective for known in earlier) if mode == "min" else min(k.objective for k in earlier)
        points = propose(algorithm, request, dict.fromkeys(range(FIRST), worst))
        values += [bowl(_whole(space.decode(point))) for point in points]
    return statistics.median(values)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("kind", LEARNERS)
def test_what_learns_does_not_begin_blind(kind: str, mode: str) -> None:
    space = NUMERIC if kind == "cmaes" else MIXED
    earlier = earlier_results(space, mode)
    usual = statistics.median(abs(known.objective) for known in earlier)
    assert first_values(LEARNERS[kind], space, mode, earlier) < 0.7 * usual


@pytest.mark.parametrize("kind", sorted(ALGORITHMS.keys() - {"grid"}))
def test_points_to_begin_with_still_come_first_and_all_points_are_the_same_each_time(kind: str) -> None:
    earlier = earlier_results(MIXED, "min", 12)
    first = [dict(known.point) for known in earlier[:3]]
    request = SearchRequest(MIXED.domains(), first, "min", 3, 8, 2, earlier=earlier)
    points = propose(ALGORITHMS[kind](), request)
    assert [MIXED.decode(point) for point in points[:3]] == [MIXED.decode(point) for point in first]
    assert len(points) == 8
    assert propose(ALGORITHMS[kind](), request) == points
    if not ALGORITHMS[kind].learns:
        assert propose(ALGORITHMS[kind](), replace(request, earlier=())) == points


def test_a_point_fits_or_says_what_does_not() -> None:
    space = Space.model_validate(
        {
            "depth": {"type": "int", "low": 0, "high": 4, "step": 2},
            "rate": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
            "op": {"type": "choice", "values": ["relu", "tanh"], "when": {"depth": {"ge": 1}}},
        }
    )
    assert fit_point(space, {"depth": 2, "rate": 0.1, "op": "tanh", "other": 1}) == (
        {"depth": 2, "rate": 0.1, "op": "tanh"},
        {},
    )
    assert fit_point(space, {"depth": 0, "rate": 0.01}) == ({"depth": 0, "rate": 0.01}, {})
    assert fit_point(space, {"depth": 2, "rate": 0.01})[0]["op"] == "relu"
    _, outside = fit_point(space, {"depth": 3, "rate": 0.2, "op": "elu"})
    assert set(outside) == {"depth", "rate", "op"}
    assert "0.2 is given" in outside["rate"]
    assert '"high": 0.1' in outside["rate"]
    assert set(fit_point(space, {"depth": "two", "rate": True})[1]) == {"depth", "rate"}
