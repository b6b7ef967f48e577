"""Jobs under constraints and laws, on real packs: every segment satisfies them, also after a driver was killed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workers.memory_sink import MemorySink
from tests.workers.races import GRID, SMALL, pair_race
from tests.workers.test_determinism import cut_and_resumed
from workers.spec import preview

SPACE = {
    **SMALL,
    "momentum": {"type": "float", "low": 0.001, "high": 0.999, "log": "reverse"},
    "dropout": {"type": "float", "mean": 0.2, "sigma": 0.1, "low": 0.0, "high": 0.4},
    "batch_size": {"type": "choice", "values": [4, 8], "weights": [1, 3]},
}
CONSTRAINTS = ["learning_rate / (1 - momentum) <= 0.5", {"sum": {"dropout": 1, "hidden_layers": 0.2}, "le": 0.45}]


def holds(point: dict[str, Any]) -> bool:
    """The constraints in Python; dropout needs a hidden layer."""
    total = point.get("dropout", 0) + 0.2 * point["hidden_layers"]
    return point["learning_rate"] / (1 - point["momentum"]) <= 0.5 and total <= 0.45


@pytest.mark.parametrize(
    ("algorithm", "scheduler"),
    [("random", "pbt"), ("random", "asha"), ("hyperopt", "asha"), ("evolution", "hyperband"), ("gp", "fifo")],
)
def test_every_segment_satisfies_the_constraints_and_a_killed_driver_changes_nothing(
    algorithm: str, scheduler: str
) -> None:
    race = pair_race(algorithm, scheduler, space=SPACE, constraints=CONSTRAINTS)
    sink = MemorySink()
    race.run(sink)
    sink.close()
    points = [dict(segment.parameters) for segment in sink.stored.segments.values()]
    assert len(points) > 12 if scheduler == "pbt" else len(points) == 12
    assert all(map(holds, points))
    assert points[0] == preview(race.job)["default_point"]
    rows = sink.rows()
    assert cut_and_resumed(race, rows["rounds"] // 2, snapshots=True) == rows
    free = MemorySink()
    pair_race(algorithm, scheduler, space=SPACE).run(free)
    free.close()
    others = [dict(segment.parameters) for segment in free.stored.segments.values()]
    assert not all(map(holds, others)), "the constraints would hold by themselves"


def test_a_grid_job_has_the_trials_that_its_constraints_leave() -> None:
    body = {"constraints": ["not (optimizer == 'adam' and learning_rate > 0.05)"], "budget": {"epochs_per_trial": 2}}
    race = pair_race("grid", "fifo", space=GRID, **body)
    assert race.job.trials == 12 - 2
    sink = MemorySink()
    race.run(sink)
    sink.close()
    points = [dict(segment.parameters) for segment in sink.stored.segments.values()]
    assert len(points) == 10
    assert ("adam", 0.1) not in [(point["optimizer"], point["learning_rate"]) for point in points]


def test_a_resolved_job_keeps_its_constraints_through_json() -> None:
    job = pair_race("random", "pbt", space=SPACE, constraints=CONSTRAINTS).job
    again = type(job).model_validate_json(job.model_dump_json())
    assert again == job
    assert again.search_request().initial_points == job.search_request().initial_points
    assert [str(constraint) for constraint in again.constraints] == [str(c) for c in job.constraints]
    assert preview(again)["constraints"] == CONSTRAINTS
