"""What a job says of its winner at the end, and the average of its best: on real jobs, whatever was lost on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import workers.verdict
import workers.winners
from models.artifact import Predictor
from models.evaluate import evaluate
from search.trial import TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import CountingSeat, FrailSeat, Race, Wish, finished, pair_race
from workers.errors import LeaseLost
from workers.sink import ModelFact

SCHEDULERS = ["fifo", "asha", "hyperband", "pbt"]


def truth_of(started: Race) -> Any:
    data = started.prepared.job_data
    return data.labels[data.folds[0].valid]


def winner_of(sink: MemorySink) -> ModelFact:
    return min(sink.stored.models.values(), key=lambda fact: (fact.objective, fact.trial))


def confidence_of(sink: MemorySink) -> dict[str, Any]:
    told: dict[str, Any] = winner_of(sink).card["facts"]["confidence"]
    return told


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_winner_alone_tells_how_sure_its_score_is(scheduler: str) -> None:
    started = pair_race("random", scheduler)
    _, sink = finished(started)
    told = confidence_of(sink)
    assert told["score"] == pytest.approx(winner_of(sink).objective, rel=1e-5)
    assert told["interval"][0] <= told["score"] <= told["interval"][1]
    assert told["bias"] == pytest.approx(told["corrected"] - told["score"])
    assert (told["metric"], told["rows"]) == ("mean_squared_error", len(started.prepared.data.x_valid))
    others = [fact for fact in sink.stored.models.values() if fact is not winner_of(sink)]
    assert ["confidence" in fact.card["facts"] for fact in others] == [False, False]


@pytest.mark.parametrize(
    ("validation", "kin"),
    [
        ({"kind": "holdout", "fraction": 0.3}, None),
        ({"kind": "holdout", "fraction": 0.3, "group": "a"}, 9),
        ({"kind": "time", "column": "a", "fraction": 0.3}, 3),
    ],
    ids=["rows", "groups", "time"],
)
def test_rows_that_the_split_keeps_together_judge_the_winner_together(
    validation: dict[str, Any], kin: int | None
) -> None:
    _, sink = finished(pair_race("random", "fifo", split={"test": None, "validation": validation}))
    told = confidence_of(sink)
    assert (told["rows"], told["kin"]) == (9, kin)
    assert told["interval"][0] <= told["score"] <= told["interval"][1]


def test_the_ensemble_scores_what_it_says_and_better_than_the_winner() -> None:
    started = pair_race("random", "fifo")
    _, sink = finished(started)
    fact = sink.stored.ensemble
    assert fact is not None
    predictor = Predictor.from_package(fact.package)
    data = started.prepared.job_data
    outputs = predictor.outputs(data.part(data.folds[0].valid))
    for name in started.job.metrics:
        assert fact.metrics[name] == pytest.approx(evaluate(name, truth_of(started), outputs), rel=1e-9)
    assert fact.objective < winner_of(sink).objective
    assert fact.test_metrics is not None
    assert started.prepared.test_columns is not None
    assert started.prepared.y_test is not None
    scored = predictor.evaluate(started.prepared.test_columns, started.prepared.y_test, started.job.metrics)
    assert scored == fact.test_metrics
    members = fact.card["members"]
    assert 2 <= len(members) <= started.job.ensemble.size  # type: ignore[union-attr]
    assert sum(member["share"] for member in members) == pytest.approx(1)
    assert members[0]["facts"] == {"trial": fact.trial, "epoch": fact.epoch}
    assert members[0]["share"] == max(member["share"] for member in members)


def test_a_member_is_the_network_of_its_trial() -> None:
    started = pair_race("random", "fifo", keep_models=12)
    _, sink = finished(started)
    assert sink.stored.ensemble is not None
    predictor = Predictor.from_package(sink.stored.ensemble.package)
    x = started.prepared.data.x_valid
    for _, member in predictor.members:
        alone = Predictor.from_package(sink.stored.models[member.card["facts"]["trial"]].package)
        np.testing.assert_array_equal(member.predict_inputs(x), alone.predict_inputs(x))


def test_who_wants_no_ensemble_gets_none_and_the_same_models() -> None:
    with_one, without = (
        finished(pair_race("random", "asha"))[1],
        finished(pair_race("random", "asha", ensemble=None))[1],
    )
    assert without.stored.ensemble is None
    assert with_one.stored.ensemble is not None
    assert without.rows()["models"] == with_one.rows()["models"]


def test_one_contender_has_an_interval_and_no_correction() -> None:
    _, sink = finished(pair_race("random", "asha", ensemble=None, contenders=1))
    told = confidence_of(sink)
    assert told["interval"] is not None
    assert (told["corrected"], told["bias"], told["rivals"]) == (None, None, 1)


@pytest.mark.parametrize(("contenders", "rivals"), [(4, 4), (25, 12)])
def test_as_many_compete_as_the_job_says_and_there_are(contenders: int, rivals: int) -> None:
    started = pair_race(
        "random", "fifo", contenders=contenders, space={"dropout": {"type": "float", "low": 0, "high": 0.4}}
    )
    _, sink = finished(started)
    states = [fact.state for fact in sink.stored.trials.values()]
    assert states.count(TrialState.COMPLETED) == 12
    assert confidence_of(sink)["rivals"] == rivals


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("cut", [1, 4, "end"])
def test_a_driver_that_is_lost_leaves_the_same_packages(scheduler: str, cut: int | str) -> None:
    started = pair_race("random", scheduler)
    expected = finished(started)[1].rows()
    sink = MemorySink()
    sink.lose_at = sink_end(started) if cut == "end" else int(cut)
    with pytest.raises(LeaseLost):
        started.run(sink)
    sink.forget_open()
    started.run(sink, record=sink.record())
    sink.close()
    assert sink.rows() == expected
    assert expected["ensemble"] is not None


def sink_end(started: Race) -> int:
    return finished(started)[1].stored.n_rounds


def test_a_job_that_runs_again_after_its_end_was_stored_stores_the_same() -> None:
    started = pair_race("random", "pbt")
    _, sink = finished(started)
    expected = sink.rows()
    started.run(sink, record=sink.record())
    sink.close()
    assert sink.rows() == expected


def test_workers_that_die_while_weights_are_fetched_change_nothing() -> None:
    started = pair_race("random", "hyperband")
    expected = finished(started)[1].rows()
    seats = [FrailSeat(f"seat-{n}", set(range(3, 60, 7)), lambda verb: verb == "best_layers") for n in range(2)]
    assert finished(started, seats=seats)[1].rows() == expected


def test_contenders_that_were_at_hand_are_not_trained_again() -> None:
    started = pair_race("random", "pbt", keep_models=1)
    seat = CountingSeat("seat-0")
    _, sink = finished(started, seats=[seat])
    assert confidence_of(sink)["rivals"] > 1
    assert seat.n_epochs <= len(sink.stored.reports) + 2 * 9  # the winner's weights may have gone with an exploit


def test_weights_beyond_the_drivers_room_do_not_compete(monkeypatch: pytest.MonkeyPatch) -> None:
    started = pair_race("random", "fifo", space={"dropout": {"type": "float", "low": 0, "high": 0.4}})
    one = 4 * (2 * 4 + 4 + 4 * 4 + 4 + 4 * 1 + 1)
    monkeypatch.setattr(workers.winners, "MOST_BYTES", 3 * one)
    assert confidence_of(finished(started)[1])["rivals"] == 4, "the winner and three more"


def test_on_a_large_table_fewer_compete(monkeypatch: pytest.MonkeyPatch) -> None:
    started = pair_race("random", "fifo")
    monkeypatch.setattr(workers.verdict, "MOST_CELLS", 3 * 2 * len(started.prepared.data.x_valid))
    assert confidence_of(finished(started)[1])["rivals"] == 3


def test_a_cancelled_job_tells_of_the_winner_that_it_has_and_a_paused_one_waits() -> None:
    started = pair_race("random", "asha")
    _, cancelled = finished(started, control=Wish("cancel", 4))
    assert confidence_of(cancelled)["rivals"] >= 1
    _, paused = finished(started, control=Wish("pause", 4))
    assert paused.stored.ensemble is None
    assert all("confidence" not in fact.card["facts"] for fact in paused.stored.models.values())


@pytest.mark.parametrize("objective", ["r2", "root_mean_squared_error"])
def test_metrics_of_both_directions_have_a_verdict(objective: str) -> None:
    started = pair_race("random", "fifo", objective=objective)
    maximize = started.job.objective.maximize
    sink = MemorySink(3, maximize=maximize)
    started.run(sink)
    sink.close()
    models = list(sink.stored.models.values())
    winner = max(models, key=lambda fact: fact.objective) if maximize else min(models, key=lambda fact: fact.objective)
    told = winner.card["facts"]["confidence"]
    assert told["metric"] == objective
    if sink.stored.ensemble is not None:
        assert (sink.stored.ensemble.objective > winner.objective) == maximize


def in_folds(scheduler: str, folds: int = 4, **more: Any) -> Race:
    split = {"validation": {"kind": "kfold", "folds": folds}, "stopping": {"kind": "fraction"}}
    return pair_race("random", scheduler, **{"split": split, **more})


def best_parts(sink: MemorySink) -> dict[int, np.ndarray]:
    """Give the objectives of all lanes at the best epoch of each trial that competes, from what was stored."""
    ended = {trial for trial, fact in sink.stored.trials.items() if fact.state in ("completed", "stopped")}
    best: dict[int, Any] = {}
    for (trial, _), report in sorted(sink.stored.reports.items()):
        if trial in ended and report.outcome != "diverged":
            watched = report.values[-1]  # on the stopping rows
            if trial not in best or watched < best[trial].values[-1]:
                best[trial] = report
    return {trial: np.array([values[0] for values in report.parts]) for trial, report in best.items()}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_winner_of_folds_tells_how_sure_its_score_is(scheduler: str) -> None:
    started = in_folds(scheduler)
    _, sink = finished(started)
    told, winner = confidence_of(sink), winner_of(sink)
    parts = best_parts(sink)
    own = parts[winner.trial]
    assert told["score"] == pytest.approx(winner.objective) == pytest.approx(own.mean())
    spread = own.std(ddof=1) * np.sqrt(1 / 4 + 1 / 3)  # a fold of four validates on a third of what it learns from
    assert told["interval"] == pytest.approx([own.mean() - 3.182446 * spread, own.mean() + 3.182446 * spread])
    assert told["bias"] == pytest.approx(np.mean(own - np.min(list(parts.values()), axis=0)))
    assert told["bias"] >= 0
    assert told["corrected"] == pytest.approx(told["score"] + told["bias"])
    assert (told["rivals"], told["rows"], told["folds"]) == (len(parts), 24, 4)
    assert (told["resamples"], told["corrected_interval"]) == (None, None)
    others = [fact for fact in sink.stored.models.values() if fact is not winner]
    assert ["confidence" in fact.card["facts"] for fact in others] == [False, False]


def test_repeats_of_a_fold_with_other_seeds_are_one_score() -> None:
    _, sink = finished(in_folds("fifo", repeats=3))
    told, own = confidence_of(sink), best_parts(sink)[winner_of(sink).trial]
    folds = own.reshape(3, 4).mean(axis=0)
    assert told["folds"] == 4
    assert told["interval"][1] - told["score"] == pytest.approx(3.182446 * folds.std(ddof=1) * np.sqrt(7 / 12))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("cut", [2, "end"])
def test_the_verdict_on_folds_is_the_same_after_a_replay_and_on_two_seats(scheduler: str, cut: int | str) -> None:
    started = in_folds(scheduler)
    expected = finished(started)[1].rows()
    assert finished(started, seats=2)[1].rows() == expected
    sink = MemorySink()
    sink.lose_at = sink_end(started) if cut == "end" else int(cut)
    with pytest.raises(LeaseLost):
        started.run(sink)
    sink.forget_open()
    started.run(sink, record=sink.record(snapshots=False))
    sink.close()
    assert confidence_of(sink)["folds"] == 4
    assert sink.rows() == expected


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_seats_on_ray_give_the_same_packages(ray_nodes: None) -> None:
    from tests.workers.ray_machines import hired
    from workers.ray_seat import Berth

    started = pair_race("random", "pbt")
    with hired(Berth(1), Berth(1)) as found:
        rows = finished(started, seats=list(found))[1].rows()
    assert rows == finished(started)[1].rows()
