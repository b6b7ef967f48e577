"""Trials that are trained outside: what is told decides, in its order, and a replay decides the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models.lanes import LaneError
from search.trial import JobReason, JobState, TrialReason, TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import Wish
from tests.workers.tellers import FREE, TOLD_PAIRS, Programs, pair_job, run_told, told_job
from workers.errors import LeaseLost, ReplayMismatch
from workers.resolved import ResolvedJob

every_pair = pytest.mark.parametrize(("algorithm", "scheduler"), TOLD_PAIRS, ids=lambda name: name)
ENDS = {2: (1, "final"), 3: (1, "failed")}


def finish(job: ResolvedJob, **settings: Any) -> tuple[MemorySink, Programs]:
    """Run a job to its end."""
    sink = MemorySink(maximize=job.objective.maximize)
    programs = Programs(sink, **settings)
    end = run_told(job, sink, programs)
    assert end.state == JobState.SUCCEEDED, end
    sink.close()
    return sink, programs


@every_pair
def test_every_pair_ends_and_the_same_tells_give_the_same_points(algorithm: str, scheduler: str) -> None:
    job = pair_job(algorithm, scheduler)
    (first, one), (second, two) = finish(job, ends=ENDS), finish(job, ends=ENDS)
    assert first.rows() == second.rows()
    assert one.log == two.log
    assert set(first.ends()) == set(range(job.trials))
    assert first.ends()[2] == (TrialState.COMPLETED, TrialReason.TOLD_FINAL)
    assert first.ends()[3] == (TrialState.FAILED, TrialReason.ERROR)
    stopped = [reason for _, reason in first.ends().values() if reason == TrialReason.SCHEDULER_STOPPED]
    assert scheduler == "hyperband" or bool(stopped) == (scheduler in ("asha", "median"))
    points = [fact.parameters for fact in first.stored.trials.values()]
    assert all(len({str(point.get(name)) for point in points}) > 1 for name in FREE), "a name that never varies"


@every_pair
def test_a_driver_that_dies_again_and_again_loses_nothing(algorithm: str, scheduler: str) -> None:
    job = pair_job(algorithm, scheduler)
    whole, _ = finish(job, ends=ENDS)
    n_rounds = whole.stored.n_rounds
    sink = MemorySink()
    programs = Programs(sink, ends=ENDS)
    for cut in (2, n_rounds // 2, n_rounds - 1):
        sink.lose_at = cut
        with pytest.raises(LeaseLost):
            run_told(job, sink, programs, record=sink.record())
        sink.forget_open()
    assert run_told(job, sink, programs, record=sink.record()).state == JobState.SUCCEEDED
    sink.close()
    assert sink.rows() == whole.rows()


def test_another_order_of_tells_gives_other_points() -> None:
    job = pair_job("hyperopt", "fifo", parallelism=4)
    first, second = finish(job)[0], finish(job, seed=1)[0]
    assert [first.stored.trials[n].parameters for n in range(4)] == [
        second.stored.trials[n].parameters for n in range(4)
    ]
    assert {n: fact.parameters for n, fact in first.stored.trials.items()} != {
        n: fact.parameters for n, fact in second.stored.trials.items()
    }


def test_hyperband_stops_trials_that_waited_for_each_other() -> None:
    sink, programs = finish(pair_job("random", "hyperband"))
    reasons = [reason for _, reason in sink.ends().values()]
    assert TrialReason.SCHEDULER_STOPPED in reasons
    assert len(programs.log) < 12 * 9


def test_steps_may_be_left_out_and_rungs_are_still_kept() -> None:
    sink, programs = finish(pair_job("random", "asha"), steps_at_once=4)
    assert {step for _, step in programs.log} <= {4, 8, 9}
    assert TrialReason.SCHEDULER_STOPPED in [reason for _, reason in sink.ends().values()]
    assert {report.epoch for report in sink.stored.reports.values()} == {step for _, step in programs.log}


def test_a_job_that_maximises_stops_the_low_ones() -> None:
    job = pair_job("random", "asha", objective={"name": "gain", "maximize": True})
    sink = MemorySink(maximize=True)

    class Gains(Programs):
        def next(self, trials: Any, until: Any) -> Any:
            told = super().next(trials, until)
            return told and type(told)(told.trial, told.step, {"gain": float(told.trial)})

    assert run_told(job, sink, Gains(sink)).state == JobState.SUCCEEDED
    sink.close()
    lasting = [n for n, (state, _) in sink.ends().items() if state == TrialState.COMPLETED]
    assert 11 in lasting
    assert len(lasting) < 12


def test_a_job_that_waits_is_paused_and_goes_on_as_if_nothing_had_been() -> None:
    job = pair_job("hyperopt", "asha")
    whole, _ = finish(job)
    sink = MemorySink()
    wish = Wish("pause", at_poll=8)
    programs = Programs(sink, stop_at=8)
    end = run_told(job, sink, programs, control=wish)
    assert (end.state, end.reason) == (JobState.PAUSED, JobReason.USER_PAUSED)
    sink.close()
    assert run_told(job, sink, programs, record=sink.record()).state == JobState.SUCCEEDED
    sink.close()
    assert {n: str(fact) for n, fact in sink.stored.reports.items()} == {
        n: str(fact) for n, fact in whole.stored.reports.items()
    }
    assert sink.stored.n_rounds == whole.stored.n_rounds + 1, "the round that heard nothing"
    assert sink.ends() == whole.ends()


def test_cancel_ends_a_job_that_waits_and_so_does_its_replay() -> None:
    job = pair_job("random", "asha")
    sink = MemorySink()
    end = run_told(job, sink, Programs(sink, stop_at=5), control=Wish("cancel", at_poll=5))
    assert (end.state, end.reason) == (JobState.CANCELLED, JobReason.USER_CANCELLED)
    sink.close()
    assert [fact.kind for fact in sink.stored.journal] == ["cancel"]
    again = run_told(job, sink, Programs(sink), record=sink.record())
    assert again.state == JobState.CANCELLED


def test_a_goal_and_a_clock_end_a_job() -> None:
    job = pair_job("random", "fifo", budget={"trials": 12, "epochs_per_trial": 9, "stop_at": 3.0})
    sink = MemorySink()
    assert run_told(job, sink, Programs(sink)).reason == JobReason.TARGET_REACHED
    job = pair_job("random", "fifo", budget={"trials": 12, "epochs_per_trial": 9, "seconds": 1e-6})
    sink = MemorySink()
    assert run_told(job, sink, Programs(sink)).reason == JobReason.SECONDS_UP


def test_a_job_without_a_good_trial_has_failed() -> None:
    job = told_job(budget={"trials": 2, "epochs_per_trial": 3})
    sink = MemorySink()
    end = run_told(job, sink, Programs(sink, ends={0: (1, "failed"), 1: (1, "failed")}))
    assert (end.state, end.reason) == (JobState.FAILED, JobReason.NO_COMPLETED_TRIAL)
    assert "2 failed; the first error: Told: it fell over" in end.detail


def test_a_record_of_another_order_is_no_replay() -> None:
    job = pair_job("random", "asha")
    sink, _ = finish(job)
    record = sink.record()
    record.told[3] = 11 if record.told[3] != 11 else 10
    with pytest.raises(ReplayMismatch):
        run_told(job, MemorySink(), Programs(sink), record=record)


def test_a_trial_that_failed_is_tried_again_so_many_times_and_a_replay_counts_the_same() -> None:
    """Trial 3 always fails at step 4, trial 5 only in its first attempt."""

    class Frail(Programs):
        def next(self, trials: Any, until: Any) -> Any:
            told = super().next(trials, until)
            failures = [r for r in self.sink._open.reports.values() if r.lane == told.trial and r.error]
            if told.step == 4 and (told.trial == 3 or (told.trial == 5 and not failures)):
                return replace(told, values={}, error=LaneError("Told", "it fell over"))
            return told

    def run(sink: MemorySink, **options: Any) -> None:
        assert run_told(job, sink, Frail(sink), **options).state == JobState.SUCCEEDED
        sink.close()

    job = pair_job("hyperopt", "fifo", retries=2)
    whole = MemorySink()
    run(whole)
    reports = whole.stored.reports
    errors = {n: [r.outcome for (t, _), r in sorted(reports.items()) if t == n and r.error] for n in (3, 5)}
    assert errors == {3: [None, None, "failed"], 5: [None]}
    assert {r.epoch for (t, _), r in reports.items() if t == 3 and r.error and r.outcome is None} == {3}
    assert whole.ends()[3] == (TrialState.FAILED, TrialReason.ERROR)
    assert whole.ends()[5][0] in (TrialState.COMPLETED, TrialState.STOPPED)
    last = max(n for n, trial in whole.stored.told.items() if trial == 3)
    for cut in range(last - 3, last + 2):
        sink = MemorySink(lose_at=cut)
        with pytest.raises(LeaseLost):
            run_told(job, sink, Frail(sink))
        sink.forget_open()
        run(sink, record=sink.record())
        assert sink.rows() == whole.rows(), f"cut at {cut}"
