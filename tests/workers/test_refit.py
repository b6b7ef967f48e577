"""Models of jobs whose trials have several lanes, or whose winners are trained once more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.artifact import Predictor, write_package
from models.hyper import Hyperparameters
from models.job_data import Fold
from models.lanes import LaneStart
from models.pack import Pack
from tests.workers.memory_sink import MemorySink
from tests.workers.races import FrailSeat, Race, finished, pair_race
from tests.workers.test_teams import ENCODED, KFOLD, every_job, schedulers, undisturbed
from tests.workers.test_winners import NORMALISED
from workers.lives import lane_seed
from workers.sink import ModelFact


def trained_alone(started: Race, fact: ModelFact, fold: int) -> Predictor:
    """Train a network from its trial's seed for as many epochs as the trial's best epoch was old, without Regatta."""
    hyper = Hyperparameters.model_validate(fact.card["hyperparameters"])
    pack = Pack(started.prepared.job_data, started.job.pack_settings())
    pack.start([LaneStart(0, hyper, lane_seed(started.job.seed, fact.trial), fold=fold, patient=True)])
    pack.train({0: fact.epoch - 1})
    state = pack.save([0])[0]
    pack.start([LaneStart(1, hyper, lane_seed(started.job.seed, fact.trial), state, fold=fold)])
    pack.train({1: 1})
    return Predictor.from_package(write_package(pack.best_layers(1) or [], hyper, started.prepared, {}, fold))


def predictions(started: Race, predictor: Predictor) -> np.ndarray:
    columns = started.prepared.job_data.columns
    rows = [{name: float(column[row]) for name, column in columns.items()} for row in range(5)]
    return np.array(predictor.predict(rows).to_json()["predictions"], dtype=object)


CASES: list[tuple[dict[str, Any], int | None, str]] = [
    (KFOLD, 3, "refit"),
    ({"refit": True}, 1, "refit"),
    ({"repeats": 2}, 0, "trial"),
    ({**KFOLD, "refit": False}, 0, "trial"),
    ({**KFOLD, "space": NORMALISED}, 3, "refit"),
    ({**KFOLD, "space": ENCODED}, 3, "refit"),
]


@pytest.mark.parametrize(("body", "fold", "origin"), CASES)
@pytest.mark.parametrize("scheduler", ["asha", "fifo"])
def test_a_model_is_the_network_trained_alone_on_its_rows(
    body: dict[str, Any], fold: int, origin: str, scheduler: str
) -> None:
    started = pair_race("random", scheduler, keep_models=2, **body)
    _, sink = finished(started)
    assert len(sink.stored.models) == 2
    for fact in sink.stored.models.values():
        assert fact.origin == origin
        assert fact.test_metrics is not None
        mine, theirs = (Predictor.from_package(fact.package), trained_alone(started, fact, fold))
        assert np.array_equal(predictions(started, mine), predictions(started, theirs))


def test_a_refit_has_seen_all_rows_but_the_test_rows() -> None:
    started = pair_race("random", "asha", **KFOLD)
    data = started.prepared.job_data
    assert started.prepared.refit_fold == 3
    assert data.folds[3].train.tolist() == list(range(24))
    assert len(data.labels) == 24, "six of thirty rows are test rows"
    whole = data.encoder(Hyperparameters(), 3).preprocessor
    assert all(whole.to_card() != data.encoder(Hyperparameters(), fold).preprocessor.to_card() for fold in range(3))
    (fact, *_) = finished(started)[1].stored.models.values()
    assert fact.card["preprocessing"] == whole.to_card()


def test_the_card_tells_the_scores_of_every_fold() -> None:
    _, sink = finished(pair_race("random", "asha", **KFOLD, repeats=2))
    for fact in sink.stored.models.values():
        told = fact.card["facts"]["validation_parts"]
        assert [(part["fold"], part["repeat"]) for part in told] == [(f, r) for r in range(2) for f in range(3)]
        for name, mean in fact.metrics.items():
            assert sum(part["metrics"][name] for part in told) / 6 == pytest.approx(mean, rel=1e-12)
        report = sink.stored.reports[fact.trial, fact.sequence]
        assert [part["metrics"]["mean_squared_error"] for part in told] == [values[0] for values in report.parts]


def test_a_job_that_runs_again_after_its_end_was_stored_stores_the_same() -> None:
    started, _ = undisturbed("kfold", "asha")
    _, sink = finished(started)
    before = sink.rows()
    assert before["models"]
    assert before["ensemble"]
    started.run(sink, record=sink.record())
    sink.close()
    assert sink.rows() == before


@every_job
@schedulers
def test_a_seat_that_dies_while_models_are_trained_changes_nothing(name: str, scheduler: str) -> None:
    started, expected = undisturbed(name, scheduler)
    calm = FrailSeat("seat-0", set())
    started.run(MemorySink(), [calm])
    last = set(range(calm.n_calls - 5, calm.n_calls, 2))
    assert finished(started, seats=[FrailSeat("seat-0", last)])[1].rows() == expected


def test_networks_that_cannot_be_trained_again_are_told_of() -> None:
    started = pair_race("random", "asha", **KFOLD)
    data = started.prepared.job_data
    one_row_twice = Fold(np.zeros(2, np.int64), data.folds[0].valid)
    broken = replace(data, folds=[*data.folds[:3], one_row_twice])
    end, sink = finished(Race(started.job, replace(started.prepared, job_data=broken)))
    assert end.state == "succeeded"
    assert not sink.stored.models
    assert sink.stored.ensemble is None
    told = [trial for code, _, trial in sink.stored.notes if code == "refit"]
    assert len(set(told)) == len(told) >= 3
