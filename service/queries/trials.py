"""Trials, their reports and segments: reading only, a driver writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from search.trial import TrialState
from service.tables import SPARE_ROUND, Report, Segment, Trial
from workers.warm_start import AncestorTrial


def get_trial(session: Session, job_id: str, number: int) -> Trial | None:
    """Load one trial."""
    return session.get(Trial, (job_id, number))


def find_first_alike(session: Session, job_id: str, number: int) -> int:
    """Find the number of the first trial that has this trial's point; `number` where the job has no such trial."""
    query = select(Trial.number, Trial.parameters).where(Trial.job_id == job_id, Trial.number <= number)
    points = {row.number: row.parameters for row in session.execute(query.order_by(Trial.number))}
    return next((first for first, point in points.items() if point == points.get(number)), number)


def select_trials(job_id: str, states: Iterable[str], front: bool | None) -> Select[Trial]:
    """Choose trials of a job: in one of these states, on its front or not."""
    query = select(Trial).where(Trial.job_id == job_id)
    if wanted := list(states):
        query = query.where(Trial.state.in_(wanted))
    return query if front is None else query.where(func.coalesce(Trial.front, False).is_(front))


def list_trials_by_number(session: Session, query: Select[Trial], *, after: int | None, limit: int) -> Sequence[Trial]:
    """List trials as they were proposed."""
    query = query.order_by(Trial.number).limit(limit)
    if after is not None:
        query = query.where(Trial.number > after)
    return session.scalars(query).all()


def list_trials_by_objective(
    session: Session,
    query: Select[Trial],
    *,
    maximize: bool,
    leader: int | None,
    after: tuple[float, float | None, int] | None,
    limit: int,
) -> Sequence[Trial]:
    """List trials best first, behind them those that break limits, the least first, then those without an objective;
    of ties the leader first, the others by number."""
    objective = Trial.objective.desc() if maximize else Trial.objective.asc()
    has_none = case((Trial.objective.is_(None), 1), else_=0)  # the databases disagree about where NULL sorts
    follows = case((Trial.number == leader, 0), else_=1)  # further objectives made it the leader
    query = query.order_by(has_none, _VIOLATION, objective, follows, Trial.number).limit(limit)
    if after is not None:
        query = query.where(_is_behind(*after, maximize, leader))
    return session.scalars(query).all()


def list_outcomes(session: Session, job_id: str) -> list[AncestorTrial]:
    """List what later jobs take of a job's trials, by number."""
    columns = (Trial.number, Trial.state, Trial.parameters, Trial.objective, Trial.epochs, Trial.violation)
    query = select(*columns).where(Trial.job_id == job_id).order_by(Trial.number)
    return [
        AncestorTrial(row.number, TrialState(row.state), row.parameters, row.objective, row.epochs, row.violation)
        for row in session.execute(query)
    ]


def list_reports(session: Session, job_id: str, number: int, *, after: int, limit: int) -> Sequence[Report]:
    """List a trial's reports in order."""
    query = select(Report).where(Report.job_id == job_id, Report.trial == number, Report.sequence > after)
    query = query.where(Report.round < SPARE_ROUND)
    return session.scalars(query.order_by(Report.sequence).limit(limit)).all()


def list_segments(session: Session, job_id: str, number: int) -> Sequence[Segment]:
    """List the stretches of a trial's life."""
    query = select(Segment).where(Segment.job_id == job_id, Segment.trial == number)
    return session.scalars(query.order_by(Segment.number)).all()


def list_copies(
    session: Session, job_id: str, *, after: tuple[int, int] | None, limit: int
) -> Sequence[tuple[Segment, int | None]]:
    """List the segments that began with weights of a trial, by trial; each with the round that ended just before."""
    query = _with_rounds(job_id).where(Segment.source_trial.is_not(None)).order_by(Segment.trial, Segment.number)
    if after is not None:
        later = and_(Segment.trial == after[0], Segment.number > after[1])
        query = query.where(or_(Segment.trial > after[0], later))
    return [(segment, number) for segment, number in session.execute(query.limit(limit))]


def list_dated_segments(session: Session, job_id: str, number: int) -> Sequence[tuple[Segment, int | None]]:
    """List the stretches of a trial's life, each with the round that ended just before; None for fresh weights."""
    query = _with_rounds(job_id).where(Segment.trial == number).order_by(Segment.number)
    return [(segment, ended) for segment, ended in session.execute(query)]


def _with_rounds(job_id: str) -> Select[Segment, int]:
    # A trial that inherits has no report before its first segment: its weights are those after one of its source's.
    is_heir = and_(Segment.sequence == 0, Segment.source_trial.is_not(None))
    last_before = and_(
        Report.job_id == Segment.job_id,
        Report.trial == case((is_heir, Segment.source_trial), else_=Segment.trial),
        Report.sequence == case((is_heir, Segment.source_sequence), else_=Segment.sequence),
    )
    return select(Segment, Report.round).outerjoin(Report, last_before).where(Segment.job_id == job_id)


_VIOLATION = func.coalesce(Trial.violation, 0.0)


def _is_behind(
    violation: float, objective: float | None, number: int, maximize: bool, leader: int | None
) -> ColumnElement[bool]:
    if objective is None:
        return and_(Trial.objective.is_(None), Trial.number > number)
    worse = Trial.objective < objective if maximize else Trial.objective > objective
    follows = Trial.number != leader if number == leader else and_(Trial.number != leader, Trial.number > number)
    tied = and_(Trial.objective == objective, follows)
    how_far = _VIOLATION
    behind = or_(how_far > violation, and_(how_far == violation, or_(worse, tied)))
    return or_(behind, Trial.objective.is_(None))
