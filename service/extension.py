"""More trials for a job: its record is cut where the search would have gone on, and what lies behind is kept to recall.

A job with more trials is the same up to the round in which its last trial began: nothing before depends on how many
there are. From there on the search is run again; reports that it asks for again are answered from the database.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from search.trial import JobReason, JobState, TrialReason, TrialState
from service.database import Database
from service.errors import Problem, field_problem, not_found
from service.queries.events import NewEvent, append_events
from service.queries.jobs import get_job, move_job
from service.record import read_report
from service.standing import Standing, Standings
from service.tables import SPARE_ROUND, Job, Model, Report, Snapshot, Trial
from workers.resolved import ResolvedJob
from workers.spec import most_failures, preview

HOPELESS = {
    JobReason.TARGET_REACHED: "it has reached its goal",
    JobReason.NO_IMPROVEMENT: "nothing improved any more",
    JobReason.SECONDS_UP: "its seconds are used up",
    JobReason.SPACE_EXHAUSTED: "every point of its space was tried",
    JobReason.TOO_MANY_FAILED: "too many of its trials have failed",
    JobReason.REPLAY_MISMATCH: "its record cannot be run again",
}
"""Ends that more trials do not change."""
CLONE = 'clone it with {"warm_start": {"jobs": ["its id"]}} to go on from its results'


def extend_job(database: Database, job_id: str, trials: int) -> None:
    """Give a job that is not running so many trials in all, and put it into the queue.

    Raises: Problem.
    """
    with database.writing() as session:
        job = get_job(session, job_id, lock=True)
        if job is None:
            raise not_found("job", job_id)
        resolved = ResolvedJob.model_validate(job.resolved_spec)
        _check_state(job)
        _check_settings(resolved, trials)
        _cut_record(session, job, resolved)
        _write_trials(job, resolved, trials)
        if job.state != JobState.QUEUED:
            move_job(session, job, JobState.QUEUED, JobReason.USER_EXTENDED)


def _check_state(job: Job) -> None:
    if job.state == JobState.RUNNING:
        raise Problem("wrong-state", "the job is running; pause it first")
    if job.state == JobState.CANCELLED:
        raise Problem("wrong-state", f"the job was cancelled for good; {CLONE}")
    if job.reason in HOPELESS:
        raise Problem("wrong-state", f"{HOPELESS[JobReason(job.reason)]}: more trials change nothing; {CLONE}")


def _check_settings(job: ResolvedJob, trials: int) -> None:
    if job.algorithm.finite:
        raise _refusal(f"{job.algorithm.kind} has its own number of points, {job.trials}; {CLONE}")
    if job.trainer == "external":
        raise _refusal(f"trials that are told in their own time cannot go back to an earlier round; {CLONE}")
    if job.schedule:
        raise _refusal(f"the job follows a schedule with its only trial; {CLONE}")
    if job.scheduler.needs_all_trials or job.scheduler.changes_parameters:
        raise _refusal(f"{job.scheduler.kind} needs all its trials from the start; {CLONE}")
    if trials <= job.trials:
        raise _refusal(f"{trials} is given; the job has {job.trials} already, give more")


def _refusal(message: str) -> Problem:
    return field_problem("invalid-request", "trials", message)


def _write_trials(job: Job, resolved: ResolvedJob, trials: int) -> None:
    bears = job.spec.get("max_failed_trials")
    extended = resolved.model_copy(
        update={
            "trials": trials,
            "budget": resolved.budget.model_copy(update={"trials": trials}),
            "algorithm": resolved.algorithm.settled(resolved.trials),
            "max_failed_trials": most_failures(bears, trials),
        }
    )
    job.spec = {**job.spec, "budget": {**(job.spec.get("budget") or {}), "trials": trials}}
    job.resolved_spec = extended.model_dump(mode="json")
    job.plan = preview(extended) | {"earlier": job.plan.get("earlier", 0)}
    job.n_trials = trials


def _cut_record(session: Session, job: Job, resolved: ResolvedJob) -> None:
    """Go back to before the round in which the last trial began, if it has begun."""
    of_job = Report.job_id == job.id
    begun = session.scalar(select(func.min(Report.round)).where(of_job, Report.trial == resolved.trials - 1))
    if begun is None:
        return
    touched = list(session.scalars(select(Report.trial).where(of_job, Report.round >= begun).distinct()))
    session.execute(update(Report).where(of_job, Report.round >= begun).values(round=SPARE_ROUND), **_NO_SYNC)
    columns = (Report.trial, Report.sequence, Report.epoch, Report.values, Report.parts, Report.outcome, Report.error)
    kept = select(*columns).where(of_job, Report.round < begun).order_by(Report.trial, Report.sequence)
    standings = _stand(resolved, {row.number: row for row in _trials(session, job)}, set(touched))
    for row in session.execute(kept):
        standings.observe(read_report(row))
    moved = standings.move_front(standings.trials)
    for number in touched:
        columns_of = standings.of(number).row()
        key = {"job_id": job.id, "number": number}
        session.execute(update(Trial).filter_by(**key).values(**columns_of), **_NO_SYNC)
    session.execute(delete(Snapshot).where(Snapshot.job_id == job.id, Snapshot.trial.in_(touched)), **_NO_SYNC)
    for model in session.scalars(select(Model).where(Model.job_id == job.id)).all():
        if model.trial in touched or not model.is_of_trial or model.card.get("facts", {}).get("confidence"):
            session.delete(model)  # of a trial that may go another way, or of the winner of fewer trials
    for number in moved:
        ours = update(Trial).where(Trial.job_id == job.id, Trial.number == number)
        session.execute(ours.values(front=standings.of(number).front), **_NO_SYNC)
    job.n_rounds, job.n_epochs = begun - 1, standings.n_epochs
    job.n_done, job.best_trial, job.best_objective = len(standings.done), standings.leader, standings.best_objective
    told = [NewEvent("trial", standings.of(n).told() | {"n_reports": standings.of(n).n_reports}) for n in touched]
    append_events(session, job.id, told)


def _trials(session: Session, job: Job) -> list[Trial]:
    return list(session.scalars(select(Trial).where(Trial.job_id == job.id)))


def _stand(job: ResolvedJob, rows: dict[int, Trial], touched: set[int]) -> Standings:
    """Give all trials as if none had reported: touched ones live again, the others keep the state in which they are."""
    trials: dict[int, Standing] = {}
    for number, row in rows.items():
        trials[number] = Standing(number, parameters=row.parameters, rung=row.rung, parent=row.parent)
        state = (TrialState.RUNNING, TrialReason.ADMITTED), (TrialState(row.state), TrialReason(row.reason))
        trials[number].state, trials[number].reason = state[number not in touched]
    return Standings(job.aims, job.watch, 0, trials)


_NO_SYNC: dict[str, Any] = {"execution_options": {"synchronize_session": False}}
