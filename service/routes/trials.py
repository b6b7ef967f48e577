"""`/v1/jobs/{id}/trials`: the race in numbers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from service.context import Given
from service.errors import field_problem, not_found
from service.paging import Cursor, Limit, cut_page, decode_cursor
from service.queries.jobs import get_job
from service.queries.trials import (
    get_trial,
    list_reports,
    list_segments,
    list_trials_by_number,
    list_trials_by_objective,
    select_trials,
)
from service.routes.addresses import JobId, States, TrialNumber
from service.schemas import Page, ReportView, TrialDetail, TrialView
from service.tables import Job, Trial
from service.views import metric_names, read_aims, view_report, view_trial, view_trial_detail

router = APIRouter(prefix="/v1/jobs/{job_id}/trials", tags=["trials"])
Order = Annotated[
    Literal["number", "objective"],
    Query(description="objective: best first, then those that break limits, those without an objective last."),
]
Front = Annotated[
    bool | None, Query(description="Only trials that no other one dominates, or only others; of several objectives.")
]


@router.get("")
def list_all(
    context: Given,
    job_id: JobId,
    order: Order = "number",
    state: States = None,
    front: Front = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[TrialView]:
    """List a job's trials."""
    chosen = select_trials(job_id, [str(wanted) for wanted in state or ()], front)
    with context.database.reading() as session:
        job = _find_job(session, job_id)
        if front is not None and not read_aims(job).are_several:
            raise field_problem("invalid-request", "front", "this job has one objective: order=objective ranks trials")
        if order == "number":
            key = _by_number
            after = decode_cursor(cursor, int)
            last = after[0] if after else None
            rows = list_trials_by_number(session, chosen, after=last, limit=limit + 1)
        else:
            key = _by_objective
            after = decode_cursor(cursor, (int, float), (int, float, type(None)), int)
            rows = list_trials_by_objective(
                session,
                chosen,
                maximize=job.maximize,
                leader=job.best_trial,
                after=(after[0], after[1], after[2]) if after else None,
                limit=limit + 1,
            )
    page, next_cursor = cut_page(rows, limit, key)
    return Page(items=[view_trial(trial, job) for trial in page], next_cursor=next_cursor)


def _by_number(trial: Trial) -> tuple[Any, ...]:
    return (trial.number,)


def _by_objective(trial: Trial) -> tuple[Any, ...]:
    return (trial.violation or 0.0, trial.objective, trial.number)


@router.get("/{number}")
def get(context: Given, job_id: JobId, number: TrialNumber) -> TrialDetail:
    """Show a trial with the stretches of its life and the scores of its folds."""
    with context.database.reading() as session:
        job = _find_job(session, job_id)
        trial = _find_trial(session, job_id, number)
        segments = list_segments(session, job_id, number)
    return view_trial_detail(trial, job, segments)


@router.get("/{number}/reports")
def list_of_reports(
    context: Given, job_id: JobId, number: TrialNumber, limit: Limit = 1000, cursor: Cursor = None
) -> Page[ReportView]:
    """List a trial's reports: one per epoch, in order."""
    after = decode_cursor(cursor, int)
    with context.database.reading() as session:
        job = _find_job(session, job_id)
        _find_trial(session, job_id, number)
        rows = list_reports(session, job_id, number, after=after[0] if after else 0, limit=limit + 1)
    page, next_cursor = cut_page(rows, limit, lambda report: (report.sequence,))
    names = metric_names(job)
    return Page(items=[view_report(report, names) for report in page], next_cursor=next_cursor)


def _find_job(session: Session, job_id: str) -> Job:
    job = get_job(session, job_id)
    if job is None:
        raise not_found("job", job_id)
    return job


def _find_trial(session: Session, job_id: str, number: int) -> Trial:
    trial = get_trial(session, job_id, number)
    if trial is None:
        raise not_found("trial", number)
    return trial
