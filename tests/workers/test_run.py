"""One job from its first trial to its end: goals, clocks, wishes from outside, replays that do not fit."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search.hyperopt import HyperOptSearch

from search.plugins import NEVER, Scheduler, ScheduleRequest
from search.schedulers.asha import Asha
from search.schedulers.hyperband import HyperBand
from search.schedulers.pbt import Pbt
from search.trial import TrialReason, TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import Race, Wish, pair_race, race
from workers.errors import ReplayMismatch, SchedulerStuck, WorkerVersion
from workers.local_seat import LocalSeat
from workers.resolved import ResolvedJob
from workers.run import JobEnd
from workers.sink import SegmentFact


def finished(started: Race, **options: Any) -> tuple[JobEnd, MemorySink]:
    sink = MemorySink()
    end = started.run(sink, **options)
    sink.close()
    return end, sink


def with_scheduler(started: Race, scheduler: Scheduler) -> Race:
    """Put a scheduler into a job that no catalog knows."""
    values = {name: getattr(started.job, name) for name in ResolvedJob.model_fields}
    return replace(started, job=ResolvedJob.model_construct(**{**values, "scheduler": scheduler}))


# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_goal_that_is_reached_ends_the_job_and_its_model_is_stored() -> None:
    goal = 0.05
    end, sink = finished(pair_race("random", "asha", budget={"trials": 12, "epochs_per_trial": 60, "stop_at": goal}))
    assert (end.state, end.reason) == ("succeeded", "target_reached")
    assert min(model.objective for model in sink.stored.models.values()) <= goal
    assert TrialReason.TARGET_REACHED in {fact.reason for fact in sink.stored.trials.values()}


def test_a_job_whose_trials_all_fail_says_why() -> None:
    end, sink = finished(pair_race("random", "fifo", space=RATE, fixed=TOO_LARGE))
    assert (end.state, end.reason) == ("failed", "no_completed_trial")
    assert "OutOfDeviceMemory" in end.detail
    assert set(sink.ends().values()) == {(TrialState.FAILED, TrialReason.OUT_OF_MEMORY)}


def test_a_failing_trial_shows_its_error_and_the_rest_go_on() -> None:
    space = {**RATE, "hidden_layers": {"type": "choice", "values": [0, 2]}}
    end, sink = finished(pair_race("random", "hyperband", space=space, fixed=TOO_LARGE))
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


# -- what Tune hears and decides --------------------------------------------------------------------------------------


def test_a_scheduler_that_waits_for_ever_fails_the_job_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(SchedulerStuck, match="has not finished"):
        finished(with_scheduler(pair_race("random", "fifo"), PausesForEver()))
    assert time.monotonic() - begun < 20


class _Pauser(FIFOScheduler):
    def on_trial_result(self, *_: Any) -> str:
        return str(TrialScheduler.PAUSE)

    def choose_trial_to_run(self, *_: Any) -> None:
        return None


class PausesForEver(Scheduler):
    """Pauses every trial at its first report."""

    kind: Literal["pauses"] = "pauses"

    def build(self, request: ScheduleRequest) -> Any:
        return _Pauser()


@pytest.mark.parametrize("scheduler", ["fifo", "asha", "hyperband"])
def test_tune_never_hears_a_number_that_is_not_finite(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    for name in ("on_trial_result", "on_trial_complete"):
        monkeypatch.setattr(HyperOptSearch, name, _listening(getattr(HyperOptSearch, name), told))
    space = {"learning_rate": {"type": "float", "low": 0.01, "high": 100.0, "log": True}}
    _, sink = finished(pair_race("hyperopt", scheduler, space=space, fixed={**LINEAR, "batch_size": 1}))
    assert TrialState.DIVERGED in {state for state, _ in sink.ends().values()}
    assert len(told) >= len(sink.stored.trials)
    assert all(math.isfinite(value) for value in told)


def _listening(method: Any, told: list[float]) -> Any:
    def listen(self: Any, trial_id: str, result: Mapping[str, Any] | None = None, **others: Any) -> Any:
        assert result is not None, "a searcher was told of an end without a result"
        told.append(result["objective"])
        return method(self, trial_id, result=result, **others)

    return listen


class EagerAsha(Asha):
    """Looks at every epoch."""

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        return epoch + 1


class EagerHyperBand(HyperBand):
    """Looks at every epoch."""

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        return epoch + 1


class EagerPbt(Pbt):
    """Looks at every epoch."""

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        return epoch + 1


@pytest.mark.parametrize("eager", [EagerAsha, EagerHyperBand, EagerPbt])
@pytest.mark.parametrize("seed", [1, 2])
def test_skipping_epochs_between_milestones_changes_no_decision(eager: type[Scheduler], seed: int) -> None:
    kind = eager.name()
    given = {"early_stopping": None, "seed": seed, "budget": {"trials": 14, "epochs_per_trial": 12}}
    started = pair_race("random", kind, parallelism=None if kind != "asha" else 5, **given)
    watched = with_scheduler(started, eager(**started.job.scheduler.model_dump()))
    skipping, looking = finished(started)[1], finished(watched)[1]
    assert decisions(skipping) == decisions(looking)
    assert skipping.stored.n_rounds < looking.stored.n_rounds


def decisions(sink: MemorySink) -> dict[str, Any]:
    rows = sink.rows()
    return {name: rows[name] for name in ("segments", "segment_of", "reports")} | {"ends": sink.ends()}


def test_fifo_asks_for_nothing_between_the_ends() -> None:
    job = pair_race("random", "fifo").job
    assert job.scheduler.next_milestone(job.scheduler.build(job.schedule_request()), None, 3) == NEVER


# -- populations of broken lanes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.01, 100.0], ids=["failing", "diverging"])
def test_a_population_of_broken_lanes_copies_sound_states_only(rate: float) -> None:
    space = {"learning_rate": {"type": "float", "low": rate * 0.5, "high": rate}}
    started = pair_race("random", "pbt", space=space, fixed=TOO_LARGE if rate < 1 else LINEAR)
    end, sink = finished(started)
    assert end.reason == "no_completed_trial"
    copies = [fact for fact in sink.stored.segments.values() if fact.index > 0]
    assert copies, "nobody copied: the test shows nothing"
    for fact in copies:
        assert fact.source_trial is None or is_sound(sink, fact), fact


def is_sound(sink: MemorySink, fact: SegmentFact) -> bool:
    source = sink.stored.reports[fact.source_trial or 0, fact.source_sequence]
    return source.outcome is None and source.epoch == fact.source_epoch


RATE = {"learning_rate": {"type": "float", "low": 0.001, "high": 0.1}}
LINEAR = {"optimizer": "sgd", "hidden_layers": 0, "batch_size": 8}
TOO_LARGE = {"optimizer": "sgd", "units": 65536, "batch_size": 8}  # two layers of these fit no machine


def test_a_small_job_needs_no_more_than_a_dataset_and_a_target() -> None:
    end, sink = finished(race(space={}, preset="default", fixed={}, budget={"trials": 2, "epochs_per_trial": 2}))
    assert end.reason == "trials_done"
    assert sink.stored.models
