"""One job from its first trial to its end: goals, clocks, wishes from outside, replays that do not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from search.trial import TrialReason, TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import RATE, TOO_LARGE, Race, Wish, finished, pair_race, race
from workers.errors import ReplayMismatch, WorkerVersion
from workers.local_seat import LocalSeat
from workers.presets import PRESETS
from workers.stops import JobEnd

# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_goal_that_is_reached_ends_the_job_and_its_model_is_stored() -> None:
    goal = 0.05
    end, sink = finished(pair_race("random", "asha", budget={"trials": 12, "epochs_per_trial": 60, "stop_at": goal}))
    assert (end.state, end.reason) == ("succeeded", "target_reached")
    assert min(model.objective for model in sink.stored.models.values()) <= goal
    assert TrialReason.TARGET_REACHED in {fact.reason for fact in sink.stored.trials.values()}


def test_a_job_whose_trials_all_fail_says_why() -> None:
    end, sink = finished(pair_race("random", "fifo", space=RATE, fixed=TOO_LARGE, max_failed_trials=12))
    assert (end.state, end.reason) == ("failed", "no_completed_trial")
    assert "OutOfDeviceMemory" in end.detail
    assert set(sink.ends().values()) == {(TrialState.FAILED, TrialReason.OUT_OF_MEMORY)}


def test_a_failing_trial_shows_its_error_and_the_rest_go_on() -> None:
    without_depth = {name: value for name, value in TOO_LARGE.items() if name != "hidden_layers"}
    space = {**RATE, "hidden_layers": {"type": "choice", "values": [0, 16]}}
    end, sink = finished(pair_race("random", "hyperband", space=space, fixed=without_depth))
    assert end.reason == "trials_done"
    failed = [fact for fact in sink.stored.trials.values() if fact.state == TrialState.FAILED]
    assert failed
    assert all(fact.error is not None and fact.error.kind == "OutOfDeviceMemory" for fact in failed)
    assert len(failed) < len(sink.stored.trials)


@pytest.mark.parametrize("kind", ["asha", "pbt", "hyperband"])
def test_a_cancelled_job_stops_at_a_round_and_its_journal_says_so(kind: str) -> None:
    started = pair_race("random", kind)
    end, sink = finished(started, control=Wish("cancel", at_poll=2))
    assert (end.state, end.reason) == ("cancelled", "user_cancelled")
    assert [(fact.round, fact.kind) for fact in sink.stored.journal] == [(2, "cancel")]
    assert (TrialState.CANCELLED, TrialReason.JOB_CANCELLED) in sink.ends().values()
    assert len(sink.ends()) == len(sink.stored.trials)
    assert_replay_ends_alike(started, sink, end)


def test_a_trial_that_ended_by_itself_before_the_cancel_is_told_as_it_ended() -> None:
    end, sink = finished(pair_race("random", "pbt", early_stopping={"patience": 1}), control=Wish("cancel", at_poll=3))
    assert end.state == "cancelled"
    told = set(sink.ends().values())
    assert told == {
        (TrialState.COMPLETED, TrialReason.OUT_OF_PATIENCE),
        (TrialState.CANCELLED, TrialReason.JOB_CANCELLED),
    }


def test_a_worker_that_runs_other_code_is_refused() -> None:
    with pytest.raises(WorkerVersion, match="seat-0 runs source 0123"):
        finished(pair_race("random", "fifo"), seats=[OtherSeat("seat-0")])


class OtherSeat(LocalSeat):
    """Answers as a pack host whose code was changed since the driver started."""

    def call(self, verb: str, *arguments: Any) -> Any:
        answer = super().call(verb, *arguments)
        return replace(answer, value=answer.result().rpartition("@")[0] + "@0123") if verb == "open" else answer


def test_a_clock_that_runs_out_ends_the_job_and_what_trained_competes() -> None:
    started = pair_race("random", "pbt", budget={"trials": 6, "epochs_per_trial": 9, "seconds": 1e-6})
    end, sink = finished(started)
    assert (end.state, end.reason) == ("succeeded", "seconds_up")
    assert [(fact.round, fact.kind) for fact in sink.stored.journal] == [(1, "seconds_up")]
    assert len(sink.stored.models) == 3
    assert set(sink.ends().values()) == {(TrialState.STOPPED, TrialReason.SECONDS_UP)}
    assert_replay_ends_alike(started, sink, end)


def assert_replay_ends_alike(started: Race, sink: MemorySink, end: JobEnd) -> None:
    """Run again from a record without ends and models, as if the driver had died while it told them."""
    before = sink.rows()
    record = replace(sink.record(), ended={}, models=frozenset())
    sink.stored.journal.clear()
    sink.forget_open()
    assert started.run(sink, record=record) == end
    sink.close()
    assert sink.rows() == {**before, "journal": []}, "the journal holds the fact already: it is not told again"


class WatchedSeat(LocalSeat):
    """Notes how many lanes it holds while it trains."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._held: set[int] = set()
        self.n_held: list[int] = []

    def call(self, verb: str, *arguments: Any) -> Any:
        if verb == "start":
            self._held |= {start.lane for start in arguments[1]}
        if verb == "drop":
            self._held -= set(arguments[1])
        if verb == "train":
            self.n_held.append(len(self._held))
        return super().call(verb, *arguments)


def test_ended_trials_leave_the_fleet_before_it_trains_again() -> None:
    seat = WatchedSeat("seat-0")
    finished(pair_race("random", "asha", parallelism=3, budget={"trials": 15, "epochs_per_trial": 9}), seats=[seat])
    assert len(seat.n_held) > 5
    assert max(seat.n_held) == 3


# -- replays ----------------------------------------------------------------------------------------------------------


def test_a_replay_tells_nothing_that_is_stored() -> None:
    started = pair_race("random", "pbt")
    _, sink = finished(started)
    before, n_told = sink.rows(), sink.n_told
    assert started.run(sink, record=sink.record()).reason == "trials_done"
    assert sink.rows() == before
    assert sink.n_told == n_told


def test_a_record_with_another_point_is_a_mismatch() -> None:
    started, sink = cut_race("hyperband")
    record = sink.record()
    record.segments[2, 0] = replace(record.segments[2, 0], parameters={"learning_rate": 0.5})
    with pytest.raises(ReplayMismatch, match="trial 2, segment 0"):
        started.run(sink, record=record)


def test_a_record_with_another_exploit_is_a_mismatch() -> None:
    started, sink = cut_race("pbt")
    record = sink.record()
    (key, fact) = next((key, fact) for key, fact in record.segments.items() if fact.index == 1)
    record.segments[key] = replace(fact, source_sequence=fact.source_sequence - 1)
    with pytest.raises(ReplayMismatch, match=f"trial {key[0]}, segment 1"):
        started.run(sink, record=record)


def test_a_record_in_which_a_trial_ended_otherwise_is_a_mismatch() -> None:
    started, sink = cut_race("asha")
    record = sink.record()
    number = next(iter(record.ended))
    record.ended[number] = (TrialState.DIVERGED, TrialReason.NOT_FINITE)
    with pytest.raises(ReplayMismatch, match=f"trial {number}"):
        started.run(sink, record=record)


def test_a_record_without_a_report_is_a_mismatch() -> None:
    started, sink = cut_race("asha")
    record = sink.record()
    del record.reports[3, 1]
    with pytest.raises(ReplayMismatch, match="no record of trial 3, report 1"):
        started.run(sink, record=record)


def cut_race(scheduler: str) -> tuple[Race, MemorySink]:
    started = pair_race("random", scheduler)
    sink = MemorySink()
    started.run(sink)
    return started, sink


def test_a_small_job_needs_no_more_than_a_dataset_and_a_target() -> None:
    end, sink = finished(race(space={}, preset="default", fixed={}, budget={"trials": 2, "epochs_per_trial": 2}))
    assert end.reason == "trials_done"
    assert sink.stored.models


@pytest.mark.parametrize("preset", sorted(PRESETS.keys() - {"perceptron"}))  # that one is for classes: test_tasks.py
def test_every_preset_leads_to_networks_that_beat_the_trivial_predictor(preset: str) -> None:
    """The small table is a noisy line: whoever learns at all explains most of it."""
    budget = {"trials": 4, "epochs_per_trial": 60}
    whole = {"space": {}, "preset": preset, "trainer": PRESETS[preset].trainer, "fixed": {}, "budget": budget}
    started = race(**whole, objective="r2", scheduler={"kind": "fifo"})
    end, sink = finished(started)
    assert end.reason == "trials_done"
    assert max(model.objective for model in sink.stored.models.values()) > 0.5
