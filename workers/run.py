"""Runs one job from its first trial to its end: search and scheduler above, fleet below, sink beside."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Protocol

import numpy as np

from models.artifact import Predictor, write_package
from models.baseline import baseline_score
from models.hyper import Hyperparameters
from models.lanes import Layers, PackSettings
from models.prepare import Prepared
from search.trial import TRIAL_ENDED, JobReason, JobState, TrialReason, TrialState
from workers.controller import Joint
from workers.costs import ONE_BY_ONE, JobShape, LaneLoad
from workers.errors import WorkerVersion
from workers.fleet import Fleet, JobContext
from workers.lane_manager import JointSettings
from workers.ledger import Ledger, LedgerSettings
from workers.lives import Best, TrialLife
from workers.pack_host import SOURCE_HASH, Lease
from workers.resolved import ResolvedJob
from workers.sink import JournalFact, ModelFact, Record, Sink
from workers.trainers import TRAINERS
from workers.winners import Winners

ROUND_ROWS = 8_000
"""Rows that a lane reads in one round at most: commands, live curves and lost workers wait for a round's end."""


class Control(Protocol):
    """What comes from outside while a job runs."""

    def poll(self) -> str | None:
        """Answer `pause` or `cancel` once, if a user has asked for it."""


@dataclass(frozen=True)
class JobEnd:
    """How a run ended. `PAUSED` and `QUEUED` runs can go on later."""

    state: JobState
    reason: JobReason
    detail: str = ""


@dataclass(frozen=True)
class JobRun:
    """All that a run needs. Pack actors refuse calls under an older lease."""

    lease: Lease
    job: ResolvedJob
    prepared: Prepared
    fleet: Fleet
    sink: Sink
    record: Record
    control: Control
    snapshot_seconds: float = 10.0


def run_job(run: JobRun) -> JobEnd:
    """Run a job, or go on with it: recorded rounds are answered from the record.

    Raises: workers.errors.JobError, LeaseLost.
    """
    return _Race(run).finish()


class _Race:
    def __init__(self, run: JobRun) -> None:
        self._run, job = run, run.job
        trainer = TRAINERS[job.trainer]
        maximize = job.objective.maximize
        self._ledger = Ledger(
            LedgerSettings(
                seed=job.seed,
                maximize=maximize,
                build=lambda parameters: trainer.build(parameters, job.fixed),
                keep_states=job.scheduler.changes_parameters,
                snapshot_seconds=run.snapshot_seconds,
            ),
            run.fleet,
            run.sink,
            run.record,
        )
        package: Callable[..., ModelFact] = self._package
        self._winners = Winners(
            self._ledger, run.fleet, run.sink, package, job.keep_models, maximize, set(run.record.models)
        )
        shape = JobShape.of(run.prepared.data)
        self._joint_settings = JointSettings(
            scheduler=job.scheduler,
            decode=job.decode,
            epochs=job.epochs,
            parallelism=job.parallelism,
            round_epochs=max(1, ROUND_ROWS // len(run.prepared.data.x_train)),
            maximize=maximize,
            trivial_value=baseline_score(run.prepared.data, job.objective.name),
            seed=job.seed,
            epoch_seconds=lambda hyper: LaneLoad.of(hyper, shape, ONE_BY_ONE).seconds,
        )
        self._started = monotonic()
        self._end: JobEnd | None = None
        self._numeric_class = ""

    def finish(self) -> JobEnd:
        run, job = self._run, self._run.job
        try:
            self._open_fleet()
            request = job.search_request()
            search, scheduler = job.algorithm.build(request), job.scheduler.build(job.schedule_request())
            with Joint(self._joint_settings, self._ledger, self, search, scheduler) as joint:
                joint.run(job.trials, request.domains)
            end = self._close(self._end or self._natural_end())
        finally:
            run.fleet.close()
        return end

    def _open_fleet(self) -> None:
        run, job = self._run, self._run.job
        settings = PackSettings(job.seed, tuple(job.metrics), job.objective.maximize, job.patience)
        answers = run.fleet.open(JobContext(run.lease, run.prepared.job_data, settings))
        for seat, answer in answers.items():
            self._numeric_class, _, source = answer.rpartition("@")
            if source != SOURCE_HASH:
                raise WorkerVersion(
                    f"pack actor {seat} runs source {source}, this driver {SOURCE_HASH}: restart the workers"
                )
        run.sink.numeric_class(self._numeric_class)
        if not run.record.n_rounds:
            for note in run.prepared.notes:
                run.sink.note("data", note)

    def is_over(self) -> bool:
        """Say whether something has ended the job before its search has finished."""
        return self._end is not None

    def before_round(self) -> None:
        """Store the networks of trials that have just ended, while their lanes still stand."""
        if self._ledger.just_ended and not self._ledger.replaying:
            self._winners.consider(self._ledger.newly_ended())

    def after_round(self) -> None:
        """See what ends the job at this round: its record first, then its goal, then the world outside."""
        number, record = self._ledger.round, self._run.record
        self._end = self._journalled(number) or self._goal_reached()
        if self._end is None and number >= record.n_rounds:
            self._end = self._asked_outside(number)

    def _journalled(self, number: int) -> JobEnd | None:
        for fact in self._run.record.journal:
            if fact.round == number and fact.kind in _JOURNAL_ENDS:
                return _JOURNAL_ENDS[fact.kind]
        return None

    def _goal_reached(self) -> JobEnd | None:
        goal = self._run.job.budget.stop_at
        if goal is None:
            return None
        for life in self._ledger.heard:
            if life.best and not life.broken and self._run.job.objective.is_reached(life.best.value, goal):
                detail = f"trial {life.number} reached {life.best.value:g}"
                return JobEnd(JobState.SUCCEEDED, JobReason.TARGET_REACHED, detail)
        return None

    def _asked_outside(self, number: int) -> JobEnd | None:
        wish = self._run.control.poll()
        if wish == "pause":
            self._ledger.settle()
            self._ledger.snapshot(force=True)
            return JobEnd(JobState.PAUSED, JobReason.USER_PAUSED)
        limit = self._run.job.budget.seconds
        if wish is None and limit is not None and self._run.record.seconds + monotonic() - self._started >= limit:
            wish = "seconds_up"
        if wish is None:
            return None
        self._run.sink.journal(JournalFact(number, wish))
        return _JOURNAL_ENDS[wish]

    def _natural_end(self) -> JobEnd:
        if len(self._ledger.lives.by_number) < self._run.job.trials:
            return JobEnd(JobState.SUCCEEDED, JobReason.SPACE_EXHAUSTED, "the algorithm proposed no more points")
        return JobEnd(JobState.SUCCEEDED, JobReason.TRIALS_DONE)

    def _close(self, end: JobEnd) -> JobEnd:
        """End what still lives, store the best networks, tell the last states."""
        if end.state == JobState.PAUSED:
            self._ledger.tell_states()
            return end
        for life in self._ledger.lives.by_number.values():
            if not life.ended:
                self._ledger.set_state(life.number, *_cut_short(life, end))
        self._winners.consider(self._ledger.newly_ended())
        for _ in range(5):
            if self._winners.missing:
                self._winners.consider([])
        self._ledger.tell_states()
        if end.state == JobState.SUCCEEDED and not self._winners.top:
            return replace(end, state=JobState.FAILED, reason=JobReason.NO_COMPLETED_TRIAL, detail=self._why_none())
        return end

    def _why_none(self) -> str:
        """Say what became of the trials of a job in which none completed."""
        lives = self._ledger.lives.by_number.values()
        counts = {state: sum(life.state == state for life in lives) for state in TRIAL_ENDED}
        first = next((life.error for life in lives if life.error), None)
        told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        return f"no trial completed: {told}" + (f"; the first error: {first.kind}: {first.message}" if first else "")

    def _package(self, life: TrialLife, best: Best, hyper: Hyperparameters, layers: Layers) -> ModelFact:
        job, prepared = self._run.job, self._run.prepared
        metrics = dict(zip(job.metrics, map(float, best.metrics), strict=True))
        parameters = dict(life.segments[best.key.segment].fact.parameters)
        facts: dict[str, Any] = {
            "dataset": job.dataset,
            "trial": life.number,
            "epoch": best.epoch,
            "parameters": parameters,
            "seed": job.seed,
            "objective": job.objective.name,
            "validation_metrics": metrics,
            "numeric_class": self._numeric_class,
            "versions": {"python": platform.python_version(), "numpy": np.__version__},
        }
        package = write_package(layers, hyper, prepared, facts)
        test_metrics = None
        if prepared.test_columns is not None and prepared.y_test is not None:
            predictor = Predictor.from_package(package)
            x_test = predictor.preprocessor.transform(prepared.test_columns)
            test_metrics = predictor.evaluate(x_test, prepared.y_test, job.metrics)
            facts["test_metrics"] = test_metrics
            package = write_package(layers, hyper, prepared, facts)
        return ModelFact(
            trial=life.number,
            epoch=best.epoch,
            sequence=best.key.sequence,
            origin="trial",
            objective=best.value,
            metrics=metrics,
            test_metrics=test_metrics,
            card=Predictor.from_package(package).card,
            package=package,
        )


_JOURNAL_ENDS = {
    "cancel": JobEnd(JobState.CANCELLED, JobReason.USER_CANCELLED),
    "seconds_up": JobEnd(JobState.SUCCEEDED, JobReason.SECONDS_UP),
}


def _cut_short(life: TrialLife, end: JobEnd) -> tuple[TrialState, TrialReason]:
    """Say how a trial ends that the end of its job has cut short; with a report it still competes."""
    own = life.own_end()
    if own is not None:
        return own
    if end.state == JobState.CANCELLED:
        return TrialState.CANCELLED, TrialReason.JOB_CANCELLED
    reason = TrialReason.TARGET_REACHED if end.reason == JobReason.TARGET_REACHED else TrialReason.SECONDS_UP
    return (TrialState.STOPPED if life.best else TrialState.CANCELLED), reason
