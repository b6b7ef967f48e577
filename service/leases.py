"""Leases: which runner may drive which job. Only the database's clock counts; a lease's epoch fences late writers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from search.trial import JobReason, JobState
from service.database import Database, classify_fault, now
from service.patience import write_patiently
from service.queries.jobs import get_job, is_waiting, move_job
from service.tables import Job, Runner
from workers.errors import LeaseLost


@dataclass(frozen=True)
class Claim:
    """The right to drive one job until somebody else has claimed it."""

    job_id: str
    lease_epoch: int


class Leases:
    """Claims jobs for the runners of one process."""

    def __init__(self, database: Database, lease_seconds: float, patience_seconds: float = 60.0) -> None:
        self._database = database
        self._patience_seconds = patience_seconds
        self._lease_seconds = lease_seconds
        self._patient_until = 0.0

    def claim_next(self, runner: str) -> Claim | None:
        """Claim the oldest job that is queued or whose driver has gone silent.

        After the database was away, silent drivers get one lease of time to renew first: they could not.
        Raises: SQLAlchemyError.
        """
        with self._noticing_outage():
            claimable = self._claimable()
            with self._database.reading() as session:
                if session.scalars(select(Job.id).where(claimable).limit(1)).first() is None:
                    return None  # an idle runner takes no write lock
            with self._database.writing() as session:
                return self._claim(session, claimable, runner)

    def renew(self, claim: Claim) -> None:
        """Keep the job for another lease; an expired lease that nobody took may be renewed too.

        Raises: LeaseLost, SQLAlchemyError.
        """
        with self._noticing_outage(), self._database.writing() as session:
            held = update(Job).where(_is_held(claim)).values(lease_expires_at=now() + self._lease_seconds)
            if session.scalars(held.returning(Job.id), execution_options=_NO_SYNC).first() is None:
                raise LeaseLost(f"job {claim.job_id} is no longer ours")

    def release(self, claim: Claim, state: JobState, reason: JobReason, detail: str = "") -> None:
        """End the claim and leave the job in `state`; a database that is away is waited for.

        Raises: LeaseLost, IllegalTransition, StorageFull, SQLAlchemyError.
        """

        def write(session: Session) -> None:
            job = get_job(session, claim.job_id, lock=True)
            if job is None or job.lease_epoch != claim.lease_epoch:
                raise LeaseLost(f"job {claim.job_id} is no longer ours")
            if job.state == JobState.RUNNING:
                move_job(session, job, state, reason, detail)
            elif (job.state, job.reason, job.detail) != (state, reason, detail):  # else only the answer got lost
                raise LeaseLost(f"job {claim.job_id} is no longer running")

        write_patiently(self._database, write, self._patience_seconds)

    def beat(self, runner: str, facts: Mapping[str, Any] | None = None) -> None:
        """Say that the runner is alive, and forget those that have been silent for ten leases."""
        with self._noticing_outage(), self._database.writing() as session:
            session.execute(delete(Runner).where(Runner.beat_at < now() - 10 * self._lease_seconds))
            row = session.get(Runner, runner) or Runner(id=runner, facts={})
            row.facts = dict(facts) if facts is not None else row.facts
            session.add(row)
            session.flush()
            session.execute(update(Runner).where(Runner.id == runner).values(beat_at=now()))

    def retire(self, runner: str) -> None:
        """Take the runner off the list of those alive."""
        with self._database.writing() as session:
            session.execute(delete(Runner).where(Runner.id == runner))

    def _claimable(self) -> ColumnElement[bool]:
        if time.monotonic() < self._patient_until:
            return is_waiting()
        return or_(is_waiting(), and_(Job.state == JobState.RUNNING, Job.lease_expires_at < now()))

    def _claim(self, session: Session, claimable: ColumnElement[bool], runner: str) -> Claim | None:
        """Take the oldest: PostgreSQL skips rows that others are claiming, SQLite's write lock covers both steps."""
        oldest = select(Job).where(claimable).order_by(Job.created_at, Job.id).limit(1)
        job = session.scalars(oldest.with_for_update(skip_locked=True)).first()
        if job is None:
            return None
        if job.state == JobState.RUNNING:
            silent = f"its driver on {job.lease_owner} was silent for more than {self._lease_seconds:g} s"
            move_job(session, job, JobState.QUEUED, JobReason.LEASE_EXPIRED, silent)
        job.lease_epoch += 1
        move_job(session, job, JobState.RUNNING, JobReason.CLAIMED)
        job.lease_owner = runner
        moment = session.scalar(select(now())) or 0.0
        job.lease_expires_at = moment + self._lease_seconds
        job.started_at = job.started_at or moment
        return Claim(job.id, job.lease_epoch)

    @contextmanager
    def _noticing_outage(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            if classify_fault(error) == "away":
                self._patient_until = time.monotonic() + self._lease_seconds
            raise


def list_runners(session: Session, silent_after_seconds: float) -> list[Runner]:
    """List the runners that have beaten within the last `silent_after_seconds`."""
    alive = select(Runner).where(Runner.beat_at > now() - silent_after_seconds).order_by(Runner.id)
    return list(session.scalars(alive))


def _is_held(claim: Claim) -> ColumnElement[bool]:
    return and_(Job.id == claim.job_id, Job.lease_epoch == claim.lease_epoch, Job.state == JobState.RUNNING)


_NO_SYNC = {"synchronize_session": False}
