"""Runs one job from its first trial to its end: search and scheduler above, fleet below, sink beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Protocol

from models.baseline import baseline_score
from models.prepare import Prepared
from search.trial import TRIAL_ENDED, JobReason, JobState, TrialReason, TrialState
from workers import range_test
from workers.body_parts import RangeTest
from workers.controller import Joint
from workers.costs import WITH_KERNELS, LaneLoad
from workers.errors import WorkerVersion
from workers.fleet import Fleet
from workers.lane_manager import JointSettings
from workers.lanes import JobContext, Lanes
from workers.ledger import Ledger, LedgerSettings
from workers.lives import TrialLife
from workers.merit import choose_merit
from workers.pack_host import SOURCE_HASH, Lease
from workers.packaging import Packaging
from workers.refit import Refit
from workers.resolved import ResolvedJob
from workers.searches import Asked, Searches
from workers.sink import JournalFact, Record, Sink
from workers.stops import JobEnd, Stops
from workers.teams import Teams
from workers.trainers import TRAINERS
from workers.verdict import count_contenders, judge
from workers.warm_start import recall_earlier
from workers.winners import Winners, describe_nearest, find_nearest, rank, select_competing

ROUND_ROWS = 8_000
"""Rows that a lane reads in one round at most: commands, live curves and lost workers wait for a round's end."""


class Control(Asked, Protocol):
    """What comes from outside while a job runs."""

    def poll(self) -> str | None:
        """Answer `pause` or `cancel` once, if a user has asked for it."""


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
    return Race(run).finish()


class Race:
    """One run of a job whose trials are trained on packs; `workers.told_run` has the other kind."""

    def __init__(self, run: JobRun) -> None:
        run = replace(run, job=recall_earlier(run.job, run.record.journal))
        self._run, job = run, run.job
        n_folds = run.prepared.n_folds
        self._n_parts = n_folds * job.repeats
        self._lanes: Lanes = run.fleet if self._n_parts == 1 else Teams(run.fleet, n_folds, job.repeats)
        trainer = TRAINERS[job.trainer]
        self._ledger = Ledger(
            LedgerSettings(
                seed=job.seed,
                watch=job.watch,
                build=lambda parameters: trainer.build(parameters, job.fixed),
                notes=trainer.notes,
                stream=job.stream,
                keep_states=job.decider.changes_parameters,
                inherits=job.inherits,
                bequeaths=job.algorithm.inherits,
                snapshot_seconds=run.snapshot_seconds,
                dedupe=job.dedupe,
            ),
            self._lanes,
            run.sink,
            run.record,
        )
        self._packaging = Packaging(job, run.prepared)
        self._winners = self._choose_winners()
        self._stops = Stops(job)
        self._started = monotonic()
        self._end: JobEnd | None = None

    def _choose_winners(self) -> Winners:
        run, job = self._run, self._run.job
        return Winners(
            ledger=self._ledger,
            lanes=self._lanes,
            sink=run.sink,
            package=self._packaging.of_trial,
            weigh=lambda hyper: self._n_parts * run.fleet.weigh(hyper),
            keep=job.keep_models,
            n_contenders=count_contenders(job, run.prepared),
            aims=job.aims,
            stores=run.prepared.refit_fold is None,
            stored=set(run.record.models),
        )

    def finish(self) -> JobEnd:
        try:
            self._open_fleet()
            job = self._after_range_test()
            settings = self._joint_settings(job)
            self._searches = Searches(job, settings, self._ledger, self._run)
            self._searches.take_edits(0)
            search, scheduler = self._searches.succession, job.decider.build(job.schedule_request())
            with Joint(settings, self._ledger, self, search, scheduler) as joint:
                joint.run()
            end = self._close(self._end or self._natural_end())
        finally:
            self._lanes.close()
        return end

    def _joint_settings(self, job: ResolvedJob) -> JointSettings:
        data = self._run.prepared.data
        n_networks = TRAINERS[job.trainer].networks(job.space, job.fixed)
        return JointSettings(
            scheduler=job.decider,
            epochs=job.epochs,
            parallelism=job.parallelism,
            round_epochs=max(1, ROUND_ROWS // (len(data.x_train) * self._n_parts * n_networks)),
            merit=choose_merit(job.aims, baseline_score(data, job.objective.name)),
            seed=job.seed,
            epoch_seconds=lambda hyper: LaneLoad.of(hyper, data.shape(hyper, 0), WITH_KERNELS).seconds * self._n_parts,
        )

    def _after_range_test(self) -> ResolvedJob:
        """Give the job as it is searched: with bounds from its range test, if it has one and adopts them."""
        job = self._run.job
        if job.range_test is None:
            return job
        known = [fact.payload for fact in self._run.record.journal if fact.kind == range_test.KIND]
        return range_test.adopt_bounds(job, known[0] if known else self._test_range(job, job.range_test))

    def _test_range(self, job: ResolvedJob, wanted: RangeTest) -> Mapping[str, Any]:
        hyper, sweep = range_test.plan_sweep(job, wanted)
        outcome = range_test.describe_outcome(wanted, sweep.rates(), *self._run.fleet.sweep(hyper, sweep))
        sink = self._run.sink
        sink.journal(JournalFact(0, range_test.KIND, outcome))
        sink.note("range-test", range_test.tell_outcome(outcome, wanted.adopt))
        sink.round_ended(0)
        return outcome

    def _open_fleet(self) -> None:
        run, job = self._run, self._run.job
        answers = self._lanes.open(JobContext(run.lease, run.prepared.job_data, job.pack_settings()))
        for seat, answer in answers.items():
            self._packaging.numeric_class, _, source = answer.rpartition("@")
            if source != SOURCE_HASH:
                raise WorkerVersion(
                    f"pack actor {seat} runs source {source}, this driver {SOURCE_HASH}: restart the workers"
                )
        run.sink.numeric_class(self._packaging.numeric_class)
        if not (run.record.segments or any(fact.kind == range_test.KIND for fact in run.record.journal)):
            for note in run.prepared.notes:
                run.sink.note("data", note)
            for note in job.notes:
                run.sink.note("warm-start", note)

    def is_over(self) -> bool:
        """Say whether something has ended the job before its search has finished."""
        return self._end is not None

    def before_round(self) -> None:
        """Store the networks of trials that have just ended, while their lanes still stand."""
        if self._ledger.just_ended and not (self._ledger.replaying or self._ledger.recalling):
            self._winners.consider(self._ledger.newly_ended())

    def after_round(self) -> None:
        """See what ends the job at this round: its record first, then its goal, then the world outside."""
        number, record = self._ledger.round, self._run.record
        self._searches.take_edits(number)
        self._end = self._journalled(number) or self._stops.judge(self._ledger.ended, self._ledger.heard)
        if self._end is None and number >= record.n_rounds:
            self._end = self._asked_outside(number)

    def _journalled(self, number: int) -> JobEnd | None:
        for fact in self._run.record.journal:
            if fact.round == number and fact.kind in _JOURNAL_ENDS:
                return _JOURNAL_ENDS[fact.kind]
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
        failed = self._stops.judge(self._ledger.ended, ())
        if failed is not None and failed.state == JobState.FAILED:
            return failed
        if len(self._ledger.lives.by_number) < self._run.job.trials:
            return JobEnd(JobState.SUCCEEDED, JobReason.SPACE_EXHAUSTED, "the algorithm proposed no more points")
        return JobEnd(JobState.SUCCEEDED, JobReason.TRIALS_DONE)

    def _close(self, end: JobEnd) -> JobEnd:
        """End what still lives, store the best networks and what is known of them, tell the last states."""
        if end.state == JobState.PAUSED:
            self._ledger.tell_states()
            return end
        for life in self._ledger.lives.by_number.values():
            if not life.ended:
                self._ledger.set_state(life.number, *_cut_short(life, end))
        self._winners.consider(self._ledger.newly_ended())
        self._judge()
        self._ledger.tell_states()
        if end.state == JobState.SUCCEEDED and not self._winners.top:
            reason, detail = self._why_none()
            return replace(end, state=JobState.FAILED, reason=reason, detail=detail)
        return end

    def _judge(self) -> None:
        """Judge the winner and store what that adds to the models; all of them where they are trained once more."""
        run, contenders = self._run, self._winners.complete()
        competing = rank(select_competing(self._ledger.lives.by_number.values(), run.job.aims), run.job.aims)
        verdict = judge(run.job, run.prepared, competing, contenders)
        mixture, models, told = verdict.mixture, {c.life.number: c for c in contenders}, contenders[:1]
        if run.prepared.refit_fold is not None:
            members = [share.contender.life for share in mixture.members] if mixture else []
            refit = Refit(self._ledger, run.fleet, run.sink, run.prepared.refit_fold)
            models = refit.train([*self._winners.top, *members])
            told = [models[life.number] for life in self._winners.top if life.number in models]
        for contender in told:
            confidence = verdict.confidence if contender.life is competing[0] else None
            run.sink.model(self._packaging.of_trial(contender, confidence))
        if mixture and models.keys() >= {share.contender.life.number for share in mixture.members}:
            shares = [replace(share, contender=models[share.contender.life.number]) for share in mixture.members]
            run.sink.model(self._packaging.of_ensemble(replace(mixture, members=shares)))

    def _why_none(self) -> tuple[JobReason, str]:
        """Say what became of the trials of a job that has no winner."""
        lives, aims = self._ledger.lives.by_number.values(), self._run.job.aims
        if nearest := find_nearest(lives, aims):
            return JobReason.NO_FEASIBLE_TRIAL, describe_nearest(*nearest, aims)
        counts = {state: sum(life.state == state for life in lives) for state in TRIAL_ENDED}
        first = next((life.error for life in lives if life.error), None)
        told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        error = f"; the first error: {first.kind}: {first.message}" if first else ""
        return JobReason.NO_COMPLETED_TRIAL, f"no trial completed: {told}{error}"


_JOURNAL_ENDS = {
    "cancel": JobEnd(JobState.CANCELLED, JobReason.USER_CANCELLED),
    "seconds_up": JobEnd(JobState.SUCCEEDED, JobReason.SECONDS_UP),
}


_CUT_SHORT = {
    JobReason.TARGET_REACHED: TrialReason.TARGET_REACHED,
    JobReason.NO_IMPROVEMENT: TrialReason.NO_IMPROVEMENT,
    JobReason.SECONDS_UP: TrialReason.SECONDS_UP,
}


def _cut_short(life: TrialLife, end: JobEnd) -> tuple[TrialState, TrialReason]:
    """Say how a trial ends that the end of its job has cut short; with a report it still competes."""
    own = life.own_end()
    if own is not None:
        return own
    if end.state == JobState.CANCELLED:
        return TrialState.CANCELLED, TrialReason.JOB_CANCELLED
    reason = _CUT_SHORT.get(end.reason, TrialReason.JOB_FAILED)
    return (TrialState.STOPPED if life.best else TrialState.CANCELLED), reason
