"""The memory of a population: a trial's schedule of hyperparameters is exported, and followed again to its score."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.workers.memory_sink import MemorySink
from tests.workers.races import Race, finished, pair_race, race, small_table
from workers.lineage import Passage, replay_body, trace
from workers.spec import SpecError, read_spec, resolve

FIRST = {"learning_rate": 0.05, "dropout": 0.1}
SECOND = {"learning_rate": 0.01, "dropout": 0.2}
DECAY = [{"epochs": 3, "parameters": FIRST}, {"epochs": 2, "parameters": SECOND}]


def population(**body: Any) -> tuple[Race, MemorySink, dict[str, Any]]:
    """Run a population; give the body as it was sent, too."""
    sent = {"dataset": "d_1", "target": "y", "split": {"test": {"kind": "fraction", "fraction": 0.2}}, **body}
    started = pair_race("random", body.pop("kind", "pbt"), budget={"trials": 12, "epochs_per_trial": 16}, **body)
    return started, finished(started)[1], sent


def history(sink: MemorySink, trial: int, sequence: int) -> list[Passage]:
    def segments_of(number: int) -> list[Any]:
        return [fact for (owner, _), fact in sorted(sink.stored.segments.items()) if owner == number]

    return trace(segments_of, trial, sequence)


def replayed(started: Race, sink: MemorySink, sent: dict[str, Any], trial: int, sequence: int) -> MemorySink:
    body = replay_body(started.job, sent, history(sink, trial, sequence), "again")
    again = race(**json.loads(json.dumps(body)), space=None)
    end, sink = finished(again)
    assert end.reason == "trials_done"
    return sink


WAYS: list[dict[str, Any]] = [
    {},
    {"early_stopping": {"patience": 2}},
    {"repeats": 2},
    {"split": {"test": None, "validation": {"kind": "kfold", "folds": 2}}, "refit": False},
    {"fixed": {"batch_size": 8, "optimizer": "sgd", "units": 4, "schedule": "cosine"}},
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: next(iter(way), "plain"))
@pytest.mark.parametrize("kind", ["pbt", "pb2"])
def test_the_winner_is_replayed_to_the_bit_as_a_job_of_one_trial(kind: str, way: dict[str, Any]) -> None:
    started, sink, sent = population(kind=kind, **way)
    winner = next(iter(sink.stored.models.values()))
    passages = history(sink, winner.trial, winner.sequence)
    again = replayed(started, sink, sent, winner.trial, winner.sequence)
    assert sum(passage.n_epochs for passage in passages) == winner.epoch == passages[-1].last_epoch
    (model,) = again.stored.models.values()
    assert (model.epoch, model.objective, model.metrics) == (winner.epoch, winner.objective, winner.metrics)
    assert model.test_metrics == winner.test_metrics


def test_every_trial_of_a_population_can_be_replayed_to_its_last_report() -> None:
    started, sink, sent = population()
    copied = 0
    for trial in sink.stored.trials:
        last = max(s for (t, s), r in sink.stored.reports.items() if t == trial and r.outcome in (None, "patience"))
        again = replayed(started, sink, sent, trial, last)
        reports = sorted(again.stored.reports.items())
        expected, found = sink.stored.reports[trial, last], reports[-1][1]
        assert (found.epoch, found.values, found.train_loss) == (expected.epoch, expected.values, expected.train_loss)
        copied += len({passage.segment.trial for passage in history(sink, trial, last)}) > 1
    assert copied > 3, "hardly anybody copied: the test shows little"


def test_a_replay_is_a_job_like_any_other_and_can_be_replayed_itself() -> None:
    started, sink, sent = population()
    winner = next(iter(sink.stored.models.values()))
    body = replay_body(started.job, sent, history(sink, winner.trial, winner.sequence), "again")
    first = race(**body, space=None)
    once = finished(first)[1]
    assert len(once.stored.segments) == len(first.job.schedule or []) > 2
    twice = replayed(first, once, body, 0, max(sequence for _, sequence in once.stored.reports))
    assert next(iter(twice.stored.models.values())).objective == winner.objective


def test_a_replay_that_is_killed_goes_on_to_the_same_rows() -> None:
    from workers.errors import LeaseLost

    started = race(schedule=DECAY, space=None, early_stopping=None)
    expected = finished(started)[1].rows()
    for cut in range(1, expected["rounds"] + 1):
        sink = MemorySink(started.job.keep_models, lose_at=cut)
        with pytest.raises(LeaseLost):
            started.run(sink, snapshot_seconds=0.0)
        sink.forget_open()
        started.run(sink, record=sink.record())
        sink.close()
        assert sink.rows() == expected


def test_a_schedule_by_hand_trains_each_stretch_with_its_own_values() -> None:
    _, sink = finished(race(schedule=DECAY, space=None, early_stopping=None))
    segments = [fact for _, fact in sorted(sink.stored.segments.items())]
    assert [dict(fact.parameters) for fact in segments] == [FIRST, SECOND]
    assert [fact.source_epoch for fact in segments] == [0, 3]
    assert [sink.stored.segment_of[0, sequence] for sequence in range(1, 6)] == [0, 0, 0, 1, 1]
    alike = [{"epochs": n, "parameters": FIRST} for n in (1, 4)]
    whole = [{"epochs": 5, "parameters": FIRST}]
    rows = [finished(race(schedule=s, space=None, early_stopping=None))[1].rows()["reports"] for s in (alike, whole)]
    assert rows[0] == rows[1]


def test_widths_of_single_layers_are_part_of_a_schedule() -> None:
    layers = {"hidden_layers": 2, "units.1": 3, "units.2": 5}
    stretches = [{"epochs": 1, "parameters": {**layers, **values}} for values in (FIRST, SECOND)]
    job = race(schedule=stretches, space=None, fixed={"batch_size": 8}).job
    assert job.fixed["units"] == [3, 5]
    assert (job.trials, job.epochs, job.parallelism) == (1, 2, 1)


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"scheduler": {"kind": "pbt"}}, "scheduler", "can only be null"),
    ({"algorithm": {"kind": "random"}}, "algorithm", "can only be null"),
    ({"preset": "default"}, "preset", "can only be null"),
    ({"range_test": {}}, "range_test", "can only be null"),
    ({"space": {"learning_rate": {"type": "float", "low": 0.1, "high": 1.0}}}, "space", "can only be null"),
    ({"budget": {"trials": 2}}, "budget.trials", "1 trial, not 2"),
    ({"budget": {"epochs_per_trial": 9}}, "budget.epochs_per_trial", "5 epochs"),
    ({"schedule": []}, "schedule", "at least 1"),
    ({"schedule": [{"epochs": 0, "parameters": {}}]}, "schedule.0.epochs", "1"),
    ({"schedule": [{"epochs": 90_000, "parameters": {}}] * 2}, "schedule", "at most 100000"),
    ({"fixed": {"dropout": 0.5}}, "fixed.dropout", "both fixed and schedule"),
    ({"fixed": {"widht": 1}}, "fixed.widht", "no hyperparameter"),
    ({"schedule": [{"epochs": 1, "parameters": {"rate": 1}}]}, "schedule.0.parameters.rate", "no hyperparameter"),
    (
        {"schedule": [{"epochs": 1, "parameters": {"learning_rate": -1}}]},
        "schedule.0.parameters.learning_rate",
        "-1 is no value",
    ),
    (
        {"schedule": [{"epochs": 1, "parameters": {"activation": name}} for name in ("relu", "tanh")]},
        "schedule.1.parameters.activation",
        "cannot change while a trial trains: it began with 'relu'",
    ),
    (
        {"schedule": [{"epochs": 1, "parameters": FIRST}, {"epochs": 1, "parameters": {"learning_rate": 0.1}}]},
        "schedule.1.parameters",
        "this one learning_rate",
    ),
    (
        {"schedule": [{"epochs": 1, "parameters": {"loss": "focal"}}]},
        "schedule.0.parameters.loss",
        "regression",
    ),
    (
        {"schedule": [{"epochs": 1, "parameters": {"hidden_layers": 3, "units": [1, 2]}}]},
        "schedule.0.parameters.units",
        "3 hidden layers",
    ),
]


@pytest.mark.parametrize(
    ("change", "path", "words"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_schedule_that_cannot_be_followed_is_refused_by_name(change: dict[str, Any], path: str, words: str) -> None:
    body = {"dataset": "d_1", "target": "y", "schedule": DECAY, **change}
    with pytest.raises(SpecError) as refused:
        resolve(read_spec(body), small_table().schema)
    messages = {problem.path: problem.message for problem in refused.value.problems}
    assert words in messages[path]
