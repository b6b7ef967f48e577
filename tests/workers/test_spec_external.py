"""Jobs of the trainer external: what they may say, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from models.schema import TableSchema
from tests.workers.races import race
from tests.workers.tellers import FREE, told_job
from workers.resolved import ResolvedJob
from workers.spec import SpecError, preview, read_spec, resolve

REVERSED = {"type": "float", "low": 2, "high": 1}
LOOSE = {"type": "float", "low": 1, "high": 2, "when": {"y": 1}}
RANDOM = {"kind": "random"}


def test_a_space_and_an_objective_are_a_whole_job() -> None:
    spec = {"trainer": "external", "space": FREE, "objective": {"name": "gain", "maximize": True}}
    job = resolve(read_spec(spec), TableSchema(rows=0, columns=[]))
    assert (job.trainer, job.dataset, job.task, job.metrics) == ("external", None, None, ["gain"])
    assert (job.algorithm.kind, job.scheduler.kind, job.trials) == ("hyperopt", "asha", 64)
    assert (job.early_stopping, job.ensemble, job.contenders) == (None, None, 1)
    assert ResolvedJob.model_validate(job.model_dump(mode="json")) == job
    assert preview(job)["epochs_bought"] == 64 * 30


def test_points_come_back_under_the_names_of_the_user() -> None:
    job = told_job(fixed={"seed": 1}, metrics=["seconds"])
    request = job.search_request()
    assert list(request.domains) == ["p0", "p1", "p2", "p3"]
    assert job.decode(request.initial_points[0]) == job.space.default_point()
    assert set(job.decode(request.initial_points[0])) == set(FREE)
    assert job.metrics == ["loss", "seconds"]


@pytest.mark.parametrize(
    ("changes", "code", "path", "words"),
    [
        ({"dataset": "iris"}, "invalid-request", "dataset", "has no dataset"),
        ({"early_stopping": {"patience": 3}}, "invalid-request", "early_stopping", "has no early_stopping"),
        ({"repeats": 2}, "invalid-request", "repeats", "has no repeats"),
        ({"preset": "default"}, "invalid-request", "preset", "has no preset"),
        ({"range_test": {}}, "invalid-request", "range_test", "has no range_test"),
        ({"space": None}, "invalid-space", "space", "at least one parameter"),
        ({"space": {}}, "invalid-space", "space", "at least one parameter"),
        ({"objective": None}, "invalid-request", "objective", "name the value that is told and its direction"),
        ({"objective": "loss"}, "invalid-request", "objective", "name the value that is told and its direction"),
        ({"objective": {"name": "loss"}}, "invalid-request", "objective.maximize", "required"),
        ({"objective": {"name": "loss", "maximize": "no"}}, "invalid-request", "objective.maximize", "boolean"),
        ({"objective": {"name": "loss", "maximize": False, "goal": 1}}, "invalid-request", "objective.goal", "no such"),
        ({"objective": {"name": "", "maximize": False}}, "invalid-request", "objective.name", "1 to 200"),
        ({"metrics": ["loss"]}, "invalid-request", "metrics.0", "named twice"),
        ({"fixed": {"a/b": 1}}, "invalid-space", "fixed.a/b", "both fixed and space"),
        (
            {"space": {"units": {"type": "int", "low": 1, "high": 9, "per_layer": True}}},
            "invalid-space",
            "space.units.per_layer",
            "knows no layers",
        ),
        ({"space": {"x": REVERSED}}, "invalid-space", "space.x.low", "low must be below high"),
        ({"space": {"x": LOOSE}}, "invalid-space", "space.x.when.y", "neither in space nor in fixed"),
        (
            {"scheduler": {"kind": "pbt"}, "algorithm": RANDOM},
            "invalid-request",
            "scheduler.kind",
            "copies the weights",
        ),
        ({"algorithm": {"kind": "grid"}}, "invalid-space", "space.learning rate.step", "step"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changes: dict[str, Any], code: str, path: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        told_job(**changes)
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert path in found, found
    assert words in found[path]
    assert caught.value.code == code


def test_jobs_on_tables_need_a_dataset_and_take_no_direction() -> None:
    with pytest.raises(SpecError, match="dataset: this field is required"):
        read_spec({})
    with pytest.raises(SpecError, match="objective: a name is expected"):
        race(objective={"name": "mean_squared_error", "maximize": False})
