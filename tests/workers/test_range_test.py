"""A job's range test: run once before the search, kept in the journal, its bounds adopted where the job says so."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from models.range_test import Sweep
from tests.workers.memory_sink import MemorySink
from tests.workers.races import SMALL, TOO_LARGE, FrailSeat, Race, finished, pair_race
from tests.workers.test_fleet import HYPERS, kill, opened
from workers.errors import LeaseLost, WorkersLost
from workers.local_seat import LocalSeat
from workers.range_test import KIND
from workers.sink import Record
from workers.spec import preview

SWEEP = Sweep(1e-4, 1.0, 30, (1, 2))


class CountingSeat(LocalSeat):
    """Counts the range tests that it is asked for."""

    n_sweeps = 0

    def call(self, verb: str, *arguments: Any) -> Any:
        self.n_sweeps += verb == "sweep"
        return super().call(verb, *arguments)


def sweeping(**options: Any) -> Race:
    """A small job with a range test; `options` are those of the test."""
    return pair_race("random", "asha", range_test={"steps": 300, **options})


@cache
def adopting() -> tuple[MemorySink, dict[str, Any]]:
    """Run a job that adopts the bounds; give its sink and the outcome of its test."""
    _, sink = finished(sweeping(adopt=True))
    return sink, outcome_of(sink)


def outcome_of(sink: MemorySink) -> dict[str, Any]:
    (fact,) = (fact for fact in sink.stored.journal if fact.kind == KIND)
    assert fact.round == 0
    return json.loads(json.dumps(fact.payload, allow_nan=False))


def rates_of(sink: MemorySink) -> list[float]:
    return [fact.parameters["learning_rate"] for fact in sink.stored.segments.values()]


def test_a_job_without_a_range_test_runs_none() -> None:
    seat = CountingSeat("seat-0")
    _, sink = finished(pair_race("random", "asha"), seats=[seat])
    assert (seat.n_sweeps, sink.stored.journal, sink.notes) == (0, [], [])


def test_the_curve_and_its_suggestion_are_in_the_journal_and_told() -> None:
    sink, outcome = adopting()
    assert len(outcome["rates"]) == len(outcome["losses"]) == len(outcome["smoothed"]) == 300
    assert outcome["losses"][-1] is None, "sgd at a rate of 10 diverges"
    assert outcome["suggested"] == outcome["turn"] / 10
    low, high = outcome["interval"]
    assert 1e-5 < low < outcome["suggested"] < high < outcome["turn"]
    assert outcome["adopted"]
    (note,) = (message for code, message in sink.notes if code == "range-test")
    assert f"learning_rate is searched from {low:.3g} to {high:.3g}" in note


def test_the_points_of_a_job_that_adopts_the_bounds_lie_within_them_and_spread_over_them() -> None:
    sink, outcome = adopting()
    (low, high), rates = outcome["interval"], rates_of(sink)
    assert low <= min(rates)
    assert max(rates) <= high
    assert max(rates) / min(rates) > (high / low) ** 0.5


def test_a_job_that_does_not_adopt_them_proposes_what_it_would_without_a_test() -> None:
    _, without = finished(pair_race("random", "asha"))
    _, sink = finished(sweeping())
    rows, expected = sink.rows(), without.rows()
    assert outcome_of(sink)["suggested"] is not None
    assert not outcome_of(sink)["adopted"]
    assert {**rows, "journal": []} == expected


def test_without_a_suggestion_the_bounds_stay_and_a_note_says_so() -> None:
    _, without = finished(pair_race("random", "asha"))
    _, sink = finished(sweeping(adopt=True, high=1e-4))
    outcome = outcome_of(sink)
    assert (outcome["suggested"], outcome["interval"], outcome["adopted"]) == (None, None, False)
    assert rates_of(sink) == rates_of(without)
    (note,) = (message for code, message in sink.notes if code == "range-test")
    assert outcome["reason"] in note
    assert "learning_rate keeps its bounds" in note


def test_a_default_outside_the_adopted_bounds_is_moved_to_the_nearest() -> None:
    space = {**SMALL, "learning_rate": {**SMALL["learning_rate"], "default": 0.3}}
    started = pair_race("random", "asha", space=space, range_test={"steps": 300, "adopt": True, "high": 3.0})
    _, sink = finished(started)
    high = outcome_of(sink)["interval"][1]
    assert high < 0.3
    assert sink.stored.segments[0, 0].parameters["learning_rate"] == high


@pytest.mark.parametrize("lose_at", [0, 1, 3])
def test_a_replay_takes_the_outcome_from_the_journal_and_gives_the_same_rows(lose_at: int) -> None:
    expected, _ = adopting()
    started, sink, seat = sweeping(adopt=True), MemorySink(lose_at=lose_at), CountingSeat("seat-0")
    with pytest.raises(LeaseLost):
        started.run(sink, [seat])
    sink.forget_open()
    started.run(sink, [seat], record=sink.record())
    sink.close()
    assert seat.n_sweeps == (2 if lose_at == 0 else 1)
    assert sink.rows() == expected.rows()
    assert sum(code == "range-test" for code, _ in sink.notes) == seat.n_sweeps


def test_a_replay_goes_by_the_recorded_bounds_even_where_a_new_test_would_give_others() -> None:
    sink, outcome = adopting()
    (fact,) = sink.stored.journal
    other = replace(fact, payload={**outcome, "interval": [0.01, 0.02]})
    again = MemorySink()
    sweeping(adopt=True).run(again, record=Record(journal=[other]))
    again.close()
    assert all(0.01 <= rate <= 0.02 for rate in rates_of(again))


def test_a_seat_that_is_lost_during_the_test_is_replaced_by_another() -> None:
    expected, _ = adopting()
    frail = FrailSeat("seat-0", {2}, lambda verb: verb == "sweep")
    _, sink = finished(sweeping(adopt=True), seats=[frail, LocalSeat("seat-1")])
    assert frail.n_calls > 2
    assert sink.rows() == expected.rows()


def test_a_network_that_cannot_be_built_does_not_end_the_job_and_the_reason_is_told() -> None:
    space = {"learning_rate": SMALL["learning_rate"], "units": {"type": "int", "low": 4, "high": 65536}}
    space["units"]["default"] = 65536
    fixed = {name: value for name, value in TOO_LARGE.items() if name != "units"}
    started = pair_race("random", "fifo", space=space, fixed=fixed, range_test={}, budget={"trials": 1})
    _, sink = finished(started)
    outcome = outcome_of(sink)
    assert (outcome["losses"], outcome["suggested"]) == ([], None)
    assert "the test failed: OutOfDeviceMemory" in outcome["reason"]
    assert sink.stored.n_rounds > 0


def test_the_preview_says_that_there_will_be_a_range_test() -> None:
    assert preview(pair_race("random", "asha").job)["range_test"] is None
    assert preview(sweeping(adopt=True).job)["range_test"] == {
        "low": 1e-5,
        "high": 10.0,
        "steps": 300,
        "lanes": 3,
        "adopt": True,
    }


class TestEveryFleet:
    def test_a_sweep_is_the_same_on_every_seat_also_after_a_loss(self, seats: list[Any]) -> None:
        expected = opened([LocalSeat("reference")]).sweep(HYPERS[4], SWEEP)
        fleet = opened(seats)
        first = fleet.sweep(HYPERS[4], SWEEP)
        kill(seats[0])
        second = fleet.sweep(HYPERS[4], SWEEP)
        assert expected.error is None
        assert np.isfinite(expected.losses).all()
        assert first.losses.tolist() == second.losses.tolist() == expected.losses.tolist()

    def test_a_job_with_a_range_test_gives_the_same_rows(self, seats: list[Any]) -> None:
        expected, _ = adopting()
        _, sink = finished(sweeping(adopt=True), seats=seats)
        assert sink.rows() == expected.rows()

    def test_what_goes_wrong_in_a_test_is_answered_and_lanes_still_train(self, seats: list[Any]) -> None:
        fleet = opened(seats)
        huge = HYPERS[1].model_copy(update={"hidden_layers": 16, "units": 65536})
        swept = fleet.sweep(huge, SWEEP)
        assert len(swept.losses) == 0
        assert swept.error is not None
        assert "OutOfDeviceMemory" in swept.error


def test_a_test_that_loses_every_worker_gives_up() -> None:
    frail = FrailSeat("seat-0", set(range(2, 1000)), lambda verb: verb == "sweep")
    fleet = opened([frail])
    with pytest.raises(WorkersLost, match="range test"):
        fleet.sweep(HYPERS[1], SWEEP)
