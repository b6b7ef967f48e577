"""Trials, their reports and segments: reading only, a driver writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, case, or_, select
from sqlalchemy.orm import Session

from service.tables import Report, Segment, Trial


def get_trial(session: Session, job_id: str, number: int) -> Trial | None:
    """Load one trial."""
    return session.get(Trial, (job_id, number))


def list_trials_by_number(
    session: Session, job_id: str, *, states: Iterable[str], after: int | None, limit: int
) -> Sequence[Trial]:
    """List trials as they were proposed."""
    query = select(Trial).where(Trial.job_id == job_id).order_by(Trial.number).limit(limit)
    if wanted := list(states):
        query = query.where(Trial.state.in_(wanted))
    if after is not None:
        query = query.where(Trial.number > after)
    return session.scalars(query).all()


def list_trials_by_objective(
    session: Session,
    job_id: str,
    *,
    maximize: bool,
    states: Iterable[str],
    after: tuple[float | None, int] | None,
    limit: int,
) -> Sequence[Trial]:
    """List trials best first, those without an objective last, ties by number."""
    objective = Trial.objective.desc() if maximize else Trial.objective.asc()
    has_none = case((Trial.objective.is_(None), 1), else_=0)  # the databases disagree about where NULL sorts
    query = select(Trial).where(Trial.job_id == job_id).order_by(has_none, objective, Trial.number).limit(limit)
    if wanted := list(states):
        query = query.where(Trial.state.in_(wanted))
    if after is not None:
        query = query.where(_is_behind(*after, maximize))
    return session.scalars(query).all()


def list_reports(session: Session, job_id: str, number: int, *, after: int, limit: int) -> Sequence[Report]:
    """List a trial's reports in order."""
    query = select(Report).where(Report.job_id == job_id, Report.trial == number, Report.sequence > after)
    return session.scalars(query.order_by(Report.sequence).limit(limit)).all()


def list_segments(session: Session, job_id: str, number: int) -> Sequence[Segment]:
    """List the stretches of a trial's life."""
    query = select(Segment).where(Segment.job_id == job_id, Segment.trial == number)
    return session.scalars(query.order_by(Segment.number)).all()


def _is_behind(objective: float | None, number: int, maximize: bool) -> ColumnElement[bool]:
    if objective is None:
        return and_(Trial.objective.is_(None), Trial.number > number)
    worse = Trial.objective < objective if maximize else Trial.objective > objective
    tied = and_(Trial.objective == objective, Trial.number > number)
    return or_(worse, tied, Trial.objective.is_(None))
