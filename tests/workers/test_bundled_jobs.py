"""Every bundled set is a whole job by itself: task, target, space, algorithm and scheduler have defaults."""

from __future__ import annotations

import pytest

from models.baseline import baseline_score
from models.bundled import BUNDLED, bundled_table, bundled_target
from models.prepare import prepare
from tests.workers.races import Race, finished
from workers.spec import read_spec, resolve


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_set_is_a_whole_job(name: str) -> None:
    table = bundled_table(name)
    asked = {"dataset": name, "task": "auto", "budget": {"trials": 24, "epochs_per_trial": 60}}
    job = resolve(read_spec(asked), table.schema, [bundled_target(name)])
    started = Race(job, prepare(table, job.prepare_request()))
    end, sink = finished(started)
    assert end.state == "succeeded", end
    trivial = baseline_score(started.prepared.data, job.objective.name)
    best = min(model.objective for model in sink.stored.models.values())
    assert best < 0.9 * trivial, "every default objective is to be small"
