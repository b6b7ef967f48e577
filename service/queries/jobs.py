"""Jobs: creation, changes of state, lists. What a driver writes is in `service.recorder`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from search.trial import JOB_ENDED, JobReason, JobState, TrialState, check_job_transition
from service.database import now
from service.queries.events import NewEvent, append_events
from service.tables import SPARE_ROUND, Command, Job, Journal, Model, Report, Snapshot, Trial
from service.told_tables import Told
from workers.edits import KIND as EDIT

FINAL_STATES = (JobState.SUCCEEDED, JobState.CANCELLED)
"""A failed job can be resumed, so it keeps its snapshots and its dataset."""


def add_job(session: Session, job: Job) -> None:
    """Store a new job in the queue, with its first event."""
    job.state, job.reason = JobState.QUEUED, JobReason.SUBMITTED
    session.add(job)
    session.flush()
    append_events(session, job.id, [NewEvent("job", describe_job(session, job))])


def get_job(session: Session, job_id: str, *, lock: bool = False) -> Job | None:
    """Load a job; `lock` keeps other writers away from it until the transaction ends."""
    return session.get(Job, job_id, with_for_update=True if lock else None, populate_existing=lock)


def list_jobs(
    session: Session,
    *,
    states: Iterable[str] = (),
    labels: Iterable[tuple[str, str | None]] = (),
    before: tuple[float, str] | None = None,
    limit: int,
) -> Sequence[Job]:
    """List jobs, newest first, from behind the key `before` (created_at, id)."""
    query = select(Job).order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
    if wanted := list(states):
        query = query.where(Job.state.in_(wanted))
    for key, value in labels:
        found = Job.labels[key].as_string()
        query = query.where(found.is_not(None) if value is None else found == value)
    if before is not None:
        query = query.where(_is_behind(*before))
    return session.scalars(query).all()


def is_waiting() -> ColumnElement[bool]:
    """Whether a job waits for a driver: it is queued, and no external one that nobody has told anything."""
    heard = and_(Trial.job_id == Told.job_id, Trial.number == Told.trial, Trial.state == TrialState.RUNNING)
    told = select(Told.id).join(Trial, heard).where(Told.job_id == Job.id).correlate(Job).exists()
    return and_(Job.state == JobState.QUEUED, or_(Job.reason != JobReason.NOTHING_TOLD, told))


def has_waiting() -> ColumnElement[bool]:
    """Whether any job waits for a driver."""
    return select(Job.id).where(is_waiting()).correlate(None).exists()


def move_job(session: Session, job: Job, state: JobState, reason: JobReason, detail: str = "") -> None:
    """Bring a locked job into another state and tell it.

    Raises: IllegalTransition.
    """
    check_job_transition(JobState(job.state), state)
    job.state, job.reason, job.detail = state, reason, detail
    moment = session.scalar(select(now()))
    job.updated_at = moment or 0.0
    job.ended_at = moment if state in JOB_ENDED else None
    if state is not JobState.RUNNING:
        job.lease_owner = job.lease_expires_at = None
    if state is JobState.PAUSED or state in JOB_ENDED:
        _forget_commands(session, job.id)
    if state in FINAL_STATES:
        session.execute(delete(Snapshot).where(Snapshot.job_id == job.id))
        session.execute(delete(Report).where(Report.job_id == job.id, Report.round == SPARE_ROUND))
    session.flush()
    append_events(session, job.id, [NewEvent("job", describe_job(session, job))])


def describe_job(session: Session, job: Job) -> dict[str, Any]:
    """The `job` event: what changes while a job runs."""
    return {
        "state": job.state,
        "reason": job.reason,
        "detail": job.detail,
        "progress": describe_progress(job),
        "best": describe_best(job, find_best_model(session, job)),
    }


def describe_progress(job: Job) -> dict[str, Any]:
    """Trials planned and done, epochs trained, seconds spent."""
    return {"trials": job.n_trials, "done": job.n_done, "epochs": job.n_epochs, "seconds": round(job.seconds, 3)}


def describe_best(job: Job, model_id: str | None) -> dict[str, Any] | None:
    """The leading trial, if any trial has an objective yet."""
    if job.best_trial is None:
        return None
    return {"trial": job.best_trial, "objective": job.best_objective, "model": model_id}


def find_best_model(session: Session, job: Job) -> str | None:
    """Find the id of the leading trial's stored model."""
    if job.best_trial is None:
        return None
    query = select(Model.id).where(Model.job_id == job.id, Model.trial == job.best_trial, Model.is_of_trial)
    return session.scalars(query.order_by(Model.created_at.desc())).first()


def find_best_models(session: Session, jobs: Sequence[Job]) -> dict[str, str]:
    """Find the leading trial's stored model of each job, by the job's id."""
    keys = [and_(Model.job_id == job.id, Model.trial == job.best_trial) for job in jobs if job.best_trial is not None]
    if not keys:
        return {}
    query = select(Model.job_id, Model.id).where(or_(*keys), Model.is_of_trial).order_by(Model.created_at)
    return dict(session.execute(query).all())


def find_journalled(session: Session, job_id: str, kind: str) -> dict[str, Any] | None:
    """Find the payload of the first fact of this kind in a job's journal."""
    query = select(Journal.payload).where(Journal.job_id == job_id, Journal.kind == kind)
    return session.scalars(query.order_by(Journal.number)).first()


def add_command(session: Session, job_id: str, kind: str) -> None:
    """Ask the driver of a running job for something, once."""
    waiting = select(Command.id).where(Command.job_id == job_id, Command.kind == kind, Command.applied_at.is_(None))
    if session.scalars(waiting).first() is None:
        session.add(Command(job_id=job_id, kind=kind))


def add_edit(session: Session, job_id: str, payload: dict[str, Any]) -> None:
    """Ask the job's driver, now or when it has one again, for another space."""
    session.add(Command(job_id=job_id, kind=EDIT, payload=payload))


def list_edits(session: Session, job_id: str) -> Sequence[Command]:
    """List all edits that were ever asked for, oldest first."""
    query = select(Command).where(Command.job_id == job_id, Command.kind == EDIT)
    return session.scalars(query.order_by(Command.id)).all()


def find_edits(session: Session, jobs: Sequence[Job]) -> dict[str, list[dict[str, Any]]]:
    """Find the edits of each job by the job's id: what was asked for, when, and the round after which it holds."""
    ids = [job.id for job in jobs]
    asked = select(Command).where(Command.job_id.in_(ids), Command.kind == EDIT).order_by(Command.id)
    held = select(Journal.job_id, Journal.round, Journal.payload).where(Journal.job_id.in_(ids), Journal.kind == EDIT)
    rounds = {(job_id, payload["number"]): round_number for job_id, round_number, payload in session.execute(held)}
    found: dict[str, list[dict[str, Any]]] = {}
    for command in session.scalars(asked):
        payload = command.payload or {}
        told = {"space": {}, "constraints": None} | payload["asked"]
        told |= {"number": payload["number"], "created_at": command.created_at}
        place = command.job_id, payload["number"]
        found.setdefault(command.job_id, []).append(told | {"round": rounds.get(place)})
    return found


def list_commands(session: Session, job_id: str) -> Sequence[Command]:
    """List what the driver has not applied yet, oldest first."""
    query = select(Command).where(Command.job_id == job_id, Command.applied_at.is_(None))
    return session.scalars(query.order_by(Command.id)).all()


def _forget_commands(session: Session, job_id: str) -> None:
    """A command is for the run in which it was given: a resumed job must not meet an old pause. Edits wait for it."""
    waiting = update(Command).where(Command.job_id == job_id, Command.applied_at.is_(None), Command.kind != EDIT)
    session.execute(waiting.values(applied_at=now()), execution_options={"synchronize_session": False})


def _is_behind(created_at: float, job_id: str) -> ColumnElement[bool]:
    return or_(Job.created_at < created_at, and_(Job.created_at == created_at, Job.id < job_id))


def count_by_state(session: Session) -> dict[str, int]:
    """Count jobs by state."""
    return dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).all())


def sum_progress(session: Session) -> tuple[int, int]:
    """Trials done and epochs trained, over all jobs."""
    done, epochs = session.execute(select(func.sum(Job.n_done), func.sum(Job.n_epochs))).one()
    return int(done or 0), int(epochs or 0)
