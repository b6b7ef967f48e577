from __future__ import annotations

import pytest

from search.algorithms.grid import Grid
from search.algorithms.hyperopt import HyperOpt
from search.algorithms.random import Random
from search.discovery import ALGORITHMS
from search.plugins import Algorithm, SearchRequest
from search.space import Space
from tests.search.course import propose, started_search

SPACE = Space.model_validate(
    {
        "rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
        "width": {"type": "int", "low": 8, "high": 64, "step": 8},
        "op": {"type": "choice", "values": ["relu", "tanh", "elu"]},
    }
)
LATTICE = Space.model_validate(
    {
        "depth": {"type": "int", "low": 0, "high": 2},
        "width": {"type": "choice", "values": [8, 16], "when": {"depth": {"ge": 1}}},
    }
)
FITTING = {kind: LATTICE if kind == "grid" else SPACE for kind in ALGORITHMS}


def request_for(
    algorithm: Algorithm, space: Space, trials: int = 12, seed: int = 3, parallelism: int = 4, mode: str = "min"
) -> SearchRequest:
    points = algorithm.initial_points(space, [space.default_point()])
    encoded = [space.encode(point) for point in points]
    return SearchRequest(space.domains(), encoded, mode, seed, algorithm.n_trials(space, trials), parallelism)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", sorted(ALGORITHMS))
def test_every_algorithm_starts_at_the_default_point_and_proposes_as_many_legal_points_as_it_said(kind: str) -> None:
    algorithm, space = ALGORITHMS[kind](), FITTING[kind]
    points = [space.decode(config) for config in propose(algorithm, request_for(algorithm, space))]
    assert points[0] == space.default_point()
    assert len(points) == algorithm.n_trials(space, 12)
    for point in points:
        assert space.decode(space.encode(point)) == point


@pytest.mark.parametrize("kind", sorted(ALGORITHMS))
def test_the_same_seed_gives_the_same_points(kind: str) -> None:
    algorithm = ALGORITHMS[kind]()
    request = request_for(algorithm, FITTING[kind], trials=30)
    assert propose(algorithm, request) == propose(algorithm, request)


@pytest.mark.parametrize("kind", sorted(ALGORITHMS.keys() - {"grid"}))
def test_another_seed_gives_other_points(kind: str) -> None:
    algorithm = ALGORITHMS[kind]()
    one, two = (propose(algorithm, request_for(algorithm, SPACE, seed=seed)) for seed in (1, 2))
    assert one[0] == two[0], "the default point"
    assert all(a != b for a, b in zip(one[1:], two[1:], strict=True))


def test_a_grid_tries_each_distinct_point_once_the_default_first() -> None:
    points = [LATTICE.decode(config) for config in propose(Grid(), request_for(Grid(), LATTICE))]
    assert points[0] == {"depth": 1, "width": 8}
    assert sorted(points, key=str) == sorted(LATTICE.grid(), key=str)
    assert len(points) == 5


def test_a_grid_refuses_continuous_parameters_by_name() -> None:
    assert [problem.path for problem in Grid().problems(SPACE, None)] == ["space.rate.step"]


def test_a_grid_refuses_fewer_trials_than_points_and_a_flood_of_points() -> None:
    assert Grid().problems(LATTICE, 5) == []
    assert [problem.path for problem in Grid().problems(LATTICE, 4)] == ["budget.trials"]
    flood = Space.model_validate({name: {"type": "int", "low": 0, "high": 10**8} for name in ("a", "b")})
    assert [problem.path for problem in Grid().problems(flood, None)] == ["space"]


def test_hyperopt_goes_where_the_objective_is_better() -> None:
    space = Space.model_validate({"x": {"type": "float", "low": 0.0, "high": 1.0}})
    late = {}
    for mode in ("min", "max"):
        algorithm = HyperOpt(n_initial_points=10)
        search = started_search(algorithm, request_for(algorithm, space, trials=60, parallelism=1, mode=mode))
        xs: list[float] = []
        while trial := search.next_trial():
            xs.append(trial.config["x"])
            search.on_trial_complete(trial.trial_id, {"objective": xs[-1]})
        late[mode] = sum(xs[30:]) / 30
    assert late["min"] < 0.45 < 0.55 < late["max"]


def test_hyperopt_waits_while_parallelism_trials_are_live() -> None:
    search = started_search(HyperOpt(), request_for(HyperOpt(), SPACE, parallelism=3))
    live = [search.next_trial() for _ in range(4)]
    assert [trial is not None for trial in live] == [True, True, True, False]
    assert not search.is_finished()
    search.on_trial_complete(live[0].trial_id, {"objective": 1.0})
    assert search.next_trial() is not None


def test_random_search_never_waits() -> None:
    search = started_search(Random(), request_for(Random(), SPACE, trials=40, parallelism=1))
    assert all(search.next_trial() is not None for _ in range(40))


def test_hyperopt_finds_its_way_in_small_lattices_and_many_categories() -> None:
    space = Space.model_validate(
        {
            "two": {"type": "int", "low": 1, "high": 2},
            "many": {"type": "choice", "values": list(range(60))},
            "log": {"type": "int", "low": 1, "high": 9, "log": True},
        }
    )
    algorithm = HyperOpt(n_initial_points=5)
    points = [space.decode(config) for config in propose(algorithm, request_for(algorithm, space, trials=25))]
    assert {point["two"] for point in points} == {1, 2}
