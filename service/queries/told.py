"""What programs outside tell of trials, and who holds a trial. No HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from search.trial import TRIAL_ENDED, JobState, TrialState
from service.database import now
from service.queries.jobs import has_waiting
from service.tables import Command, Job, Report, Trial
from service.told_tables import Hold, Told


class Open(NamedTuple):
    """A trial that is trained outside, and who holds it; `is_held` by a lease that has not run out."""

    trial: Trial
    hold: Hold | None
    is_held: bool


def list_open(session: Session, job_id: str, steps: int) -> list[Open]:
    """List the trials that may be handed out or are, by number: those that run and were not told to have ended, or to
    have come to the last of their steps."""
    is_last = or_(Told.is_final, Told.error.is_not(None), Told.step >= steps)
    ending = select(Told.trial).where(Told.job_id == job_id, is_last)
    is_held = Hold.expires_at.is_not(None) & (Hold.expires_at >= now())
    query = select(Trial, Hold, func.coalesce(is_held, False)).outerjoin(
        Hold, and_(Hold.job_id == Trial.job_id, Hold.trial == Trial.number)
    )
    running = query.where(Trial.job_id == job_id, Trial.state == TrialState.RUNNING, Trial.number.not_in(ending))
    return [Open(trial, hold, bool(held)) for trial, hold, held in session.execute(running.order_by(Trial.number))]


def last_steps(session: Session, job_id: str) -> dict[int, int]:
    """Give the last step that was told of each trial and not yet heard."""
    query = select(Told.trial, func.max(Told.step)).where(Told.job_id == job_id).group_by(Told.trial)
    return dict(session.execute(query).all())


def get_hold(session: Session, job_id: str, trial: int) -> Hold | None:
    """Load who holds a trial."""
    return session.get(Hold, (job_id, trial))


def give_hold(session: Session, hold: Hold) -> float:
    """Let a lease begin anew, and answer when it ends."""
    session.add(hold)
    session.flush()
    ours = update(Hold).where(Hold.job_id == hold.job_id, Hold.trial == hold.trial)
    ours = ours.values(expires_at=now() + hold.lease_seconds).returning(Hold.expires_at)
    return session.scalars(ours, execution_options={"synchronize_session": False}).one() or 0.0


def release_hold(session: Session, job_id: str, trial: int, client: str) -> None:
    """Let a trial go without counting a lease that ran out."""
    ours = update(Hold).where(Hold.job_id == job_id, Hold.trial == trial, Hold.client == client)
    session.execute(ours.values(expires_at=None), execution_options={"synchronize_session": False})


def find_told(session: Session, job_id: str, trial: int, step: int) -> Told | None:
    """Find what was told of a step and not yet heard."""
    return session.scalars(select(Told).where(Told.job_id == job_id, Told.trial == trial, Told.step == step)).first()


def find_report(session: Session, job_id: str, trial: int, step: int) -> Report | None:
    """Find the report that was made of a step; of a failure and a step before it, the later one."""
    query = select(Report).where(Report.job_id == job_id, Report.trial == trial, Report.epoch == step)
    query = query.where(or_(Report.error.is_(None), Report.outcome.is_not(None)))  # a failure that was retried is none
    return session.scalars(query.order_by(Report.sequence.desc())).first()


def list_told(session: Session, job_id: str, limit: int) -> Sequence[Told]:
    """List what was told and not yet heard, in order; what came after a trial's end is never heard."""
    lives = and_(Trial.job_id == Told.job_id, Trial.number == Told.trial, Trial.state.not_in(TRIAL_ENDED))
    query = select(Told).join(Trial, lives).where(Told.job_id == job_id)
    return session.scalars(query.order_by(Told.id).limit(limit)).all()


class News(NamedTuple):
    """What a driver that waits may have to know of; `is_needed`: another job waits for a driver."""

    is_ours: bool
    is_asked: bool
    is_told: bool
    is_needed: bool


def look(session: Session, job_id: str, lease_epoch: int) -> News:
    """See whether the job is still this driver's, and what waits for it."""
    asked = select(Command.id).where(Command.job_id == job_id, Command.applied_at.is_(None)).exists()
    told = select(Told.id).where(Told.job_id == job_id).exists()
    ours = select(Job.state, Job.lease_epoch, asked, told, has_waiting()).where(Job.id == job_id)
    found = session.execute(ours).first()
    if found is None:
        return News(False, False, False, False)
    return News((found[0], found[1]) == (JobState.RUNNING, lease_epoch), *map(bool, found[2:]))
