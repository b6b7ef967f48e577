"""Jobs whose trials are populations: they solve what they are given, and keep every promise of a job."""

from __future__ import annotations

from time import monotonic
from typing import Any

import numpy as np
import pytest

from models.artifact import Predictor
from models.bundled import bundled_table, bundled_target
from models.prepare import prepare
from tests.workers.memory_sink import MemorySink
from tests.workers.races import FrailSeat, Race, Wish, finished, race
from tests.workers.spec_tables import resolve_job
from workers.local_seat import LocalSeat
from workers.spec import read_spec, resolve

SPACE = {
    "mutation_strength": {"type": "float", "low": 0.01, "high": 0.5, "log": True},
    "mutation_decay": {"type": "choice", "values": [0.9, 1.0]},
    "hidden_layers": {"type": "int", "low": 0, "high": 1},
}
STRENGTH = {"mutation_strength": SPACE["mutation_strength"]}
SMALL = {"units": 4, "population_size": 8, "truncation": 0.25}


def evolving(scheduler: str, **body: Any) -> Race:
    """Give a small job of this scheduler; populations of eight networks."""
    settings: dict[str, Any] = {"kind": scheduler}
    if scheduler == "pbt":
        settings["perturbation_interval"] = 2
    given = {
        "trainer": "neuroevolution",
        "algorithm": {"kind": "random"},
        "scheduler": settings,
        "space": STRENGTH if scheduler == "pbt" else SPACE,
        "fixed": SMALL,
        "budget": {"trials": 8, "epochs_per_trial": 9},
        "early_stopping": {"patience": 4},
        "seed": 3,
    }
    return race(**{**given, **body})


@pytest.mark.parametrize(("name", "least"), [("xor", 0.9), ("circle", 0.9), ("iris", 0.9)])
def test_a_job_of_populations_solves_a_bundled_set_before_its_deadline(name: str, least: float) -> None:
    table = bundled_table(name)
    body = {"dataset": name, "trainer": "neuroevolution", "budget": {"trials": 4, "epochs_per_trial": 60}, "seed": 1}
    job = resolve(read_spec(body), table.schema, [bundled_target(name)])
    begun = monotonic()
    end, sink = finished(Race(job, prepare(table, job.prepare_request())))
    assert monotonic() - begun < 120, "a few seconds where nothing else is at work"
    assert end.state == "succeeded"
    model = min((m for m in sink.stored.models.values() if m.origin == "trial"), key=lambda m: m.objective)
    assert model.test_metrics is not None
    assert model.test_metrics["accuracy"] >= least
    predictor = Predictor.from_package(model.package)
    assert predictor.card["hyperparameters"]["population_size"] == 100
    example = predictor.card["example"]
    assert predictor.predict([example["row"]]).to_json() == example["answer"]


@pytest.mark.parametrize("scheduler", ["fifo", "asha", "hyperband", "pbt"])
def test_a_job_of_populations_is_the_same_on_other_seats_and_after_losses(scheduler: str) -> None:
    started = evolving(scheduler)
    rows = []
    for seats in (
        [LocalSeat("seat-0")],
        [LocalSeat(f"seat-{n}") for n in range(3)],
        [FrailSeat("seat-0", {6, 15}), LocalSeat("seat-1")],
    ):
        sink = MemorySink(started.job.keep_models)
        started.run(sink, seats, snapshot_seconds=0.0)
        sink.close()
        rows.append(sink.rows())
    assert rows[0] == rows[1] == rows[2]
    assert rows[0]["models"]


def test_a_paused_job_of_populations_goes_on_from_its_snapshots() -> None:
    started = evolving("fifo")
    _, whole = finished(started)
    sink = MemorySink(started.job.keep_models)
    end = started.run(sink, control=Wish("pause", at_poll=2))
    sink.close()
    assert end.state == "paused"
    assert sink.stored.snapshots
    started.run(sink, record=sink.record())
    sink.close()
    assert sink.rows() == whole.rows()


def test_a_population_that_pbt_copies_goes_on_with_another_mutation_strength() -> None:
    started = evolving("pbt", budget={"trials": 8, "epochs_per_trial": 20}, early_stopping=None)
    assert started.job.mutable == ["mutation_strength"]
    _, sink = finished(started)
    copies = [segment for segment in sink.stored.segments.values() if segment.source_trial is not None]
    assert copies
    assert len({segment.parameters["mutation_strength"] for segment in copies}) > 1


def test_a_population_follows_a_schedule_of_mutation_strengths() -> None:
    stretches = [{"epochs": n, "parameters": {"mutation_strength": strength}} for n, strength in ((3, 0.5), (4, 0.01))]
    end, sink = finished(race(trainer="neuroevolution", space=None, fixed=SMALL, schedule=stretches))
    assert end.state == "succeeded"
    assert [segment.parameters["mutation_strength"] for segment in sink.stored.segments.values()] == [0.5, 0.01]
    assert len(sink.stored.reports) == 7


def test_folds_repeats_and_a_refit_breed_populations_too() -> None:
    split = {"test": {"kind": "fraction", "fraction": 0.2}, "validation": {"kind": "kfold", "folds": 2}}
    end, sink = finished(evolving("fifo", split=split, repeats=2, budget={"trials": 3, "epochs_per_trial": 4}))
    assert end.state == "succeeded"
    models = list(sink.stored.models.values())
    assert {model.origin for model in models} >= {"refit"}
    assert all(np.isfinite(list((model.test_metrics or {}).values())).all() for model in models)
    assert {len(report.parts) for report in sink.stored.reports.values()} == {4}


def test_a_job_without_a_space_takes_the_preset_of_its_trainer() -> None:
    job = resolve_job(trainer="neuroevolution")
    assert job.trainer == "neuroevolution"
    assert {"mutation_strength", "truncation"} <= job.space.parameters.keys()
    assert "schedule_epochs" not in job.fixed
    assert job.space.default_point()["mutation_strength"] == 0.05


def test_elites_may_be_more_than_the_default_population_where_the_jobs_own_is_larger() -> None:
    fixed = {"population_size": 500, "elites": 200}
    assert resolve_job(trainer="neuroevolution", fixed=fixed, space=STRENGTH).fixed["elites"] == 200
