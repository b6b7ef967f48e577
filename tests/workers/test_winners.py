"""The models of a job: the best that compete, with the weights of their best epoch, however they were come by."""

from __future__ import annotations

import math
from typing import Any

import pytest

from models.artifact import Predictor
from search.trial import TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import Race, pair_race, race
from workers.local_seat import LocalSeat

SCHEDULERS = ["fifo", "asha", "hyperband", "pbt"]
NORMALISED = {
    "learning_rate": {"type": "float", "low": 1e-3, "high": 0.3, "log": True},
    "normalisation": {"type": "choice", "values": ["batch", "layer"]},
}


def finished(started: Race, *seats: LocalSeat) -> MemorySink:
    sink = MemorySink(started.job.keep_models)
    started.run(sink, list(seats) or 1)
    sink.close()
    return sink


def ranking(sink: MemorySink) -> list[tuple[float, int]]:
    """Rank the trials that compete by their best epoch, ties by number."""
    competing = [f.number for f in sink.stored.trials.values() if f.state in (TrialState.COMPLETED, TrialState.STOPPED)]
    best = {
        trial: min(r.values[0] for (t, _), r in sink.stored.reports.items() if t == trial and r.outcome != "diverged")
        for trial in competing
    }
    return sorted((value, trial) for trial, value in best.items())


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("keep", [1, 5])
def test_the_best_of_those_that_compete_are_stored(scheduler: str, keep: int) -> None:
    sink = finished(pair_race("random", scheduler, keep_models=keep))
    assert [(fact.objective, fact.trial) for fact in sink.stored.models.values()] == ranking(sink)[:keep]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("more", [{}, {"space": NORMALISED}], ids=["plain", "normalised"])
def test_a_stored_network_scores_what_its_best_epoch_scored(scheduler: str, more: dict[str, Any]) -> None:
    started = pair_race("random", scheduler, **more)
    data = started.prepared.job_data
    valid = data.folds[0].valid
    columns = data.part(valid)
    for fact in finished(started).stored.models.values():
        predictor = Predictor.from_package(fact.package)
        scored = predictor.evaluate(columns, data.labels[valid], started.job.metrics)
        assert math.isclose(scored["mean_squared_error"], fact.objective, rel_tol=1e-5)
        assert math.isclose(scored["r2"], fact.metrics["r2"], rel_tol=1e-4)


def test_metrics_that_a_job_names_are_scored_on_validation_and_test_rows() -> None:
    started = race(algorithm={"kind": "random"}, metrics=["median_absolute_error", "max_error"], objective="max_error")
    data, job = started.prepared.job_data, started.job
    valid = data.folds[0].valid
    models = finished(started).stored.models.values()
    assert models
    for fact in models:
        assert fact.objective == fact.metrics["max_error"]
        assert fact.test_metrics is not None
        assert list(fact.metrics) == list(fact.test_metrics) == job.metrics
        scored = Predictor.from_package(fact.package).evaluate(data.part(valid), data.labels[valid], job.metrics)
        assert scored == pytest.approx(dict(fact.metrics), rel=1e-4)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("more", [{}, {"space": NORMALISED}], ids=["plain", "normalised"])
def test_weights_that_were_remade_equal_those_that_were_kept(scheduler: str, more: dict[str, Any]) -> None:
    started = pair_race("random", scheduler, **more)
    kept, remade = finished(started), finished(started, Miser("seat-0"))
    assert remade.rows()["models"] == kept.rows()["models"]


class Miser(LocalSeat):
    """Dies whenever it is asked for best weights, unless it is asked again right after it was revived and retrained."""

    n_asked = 0

    def call(self, verb: str, *arguments: Any) -> Any:
        if verb == "best_layers":
            self.n_asked += 1
            if self.n_asked % 2:
                self.kill()
        return super().call(verb, *arguments)


def test_the_card_tells_where_a_network_comes_from() -> None:
    started = pair_race("random", "pbt")
    for fact in finished(started).stored.models.values():
        told = fact.card["facts"]
        assert (told["trial"], told["epoch"], told["seed"]) == (fact.trial, fact.epoch, started.job.seed)
        assert told["validation_metrics"] == dict(fact.metrics)
        assert fact.test_metrics is not None
        assert told["test_metrics"] == dict(fact.test_metrics)


def test_a_score_that_is_to_be_large_ranks_the_largest_first() -> None:
    started = race(objective="r2", algorithm={"kind": "random"}, scheduler={"kind": "asha"}, keep_models=2)
    sink = MemorySink(2, maximize=True)
    started.run(sink)
    sink.close()
    best: dict[int, float] = {}
    for (trial, _), report in sink.stored.reports.items():
        if report.outcome is None or report.outcome == "patience":
            best[trial] = max(best.get(trial, -math.inf), report.values[0])
    assert [fact.objective for fact in sink.stored.models.values()] == sorted(best.values(), reverse=True)[:2]
