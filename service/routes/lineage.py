"""What a population remembers: who copied whom, and the schedule of hyperparameters behind a trial's best epoch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from fastapi import APIRouter
from sqlalchemy.orm import Session

from service.context import Given
from service.errors import Problem, not_found
from service.paging import Cursor, Limit, cut_page, decode_cursor
from service.queries.jobs import get_job
from service.queries.trials import find_first_alike, get_trial, list_copies, list_dated_segments
from service.record import segment_fact
from service.routes.addresses import JobId, TrialNumber
from service.schemas import Page
from service.schemas_lineage import CopyView, PassageView, ScheduleView
from service.tables import Job, Segment, Trial
from workers.lineage import replay_body, trace
from workers.resolved import ResolvedJob

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["trials"])


@router.get("/lineage")
def list_of_copies(context: Given, job_id: JobId, limit: Limit = 1000, cursor: Cursor = None) -> Page[CopyView]:
    """List who copied whose weights, by trial."""
    after = decode_cursor(cursor, int, int)
    with context.database.reading() as session:
        if get_job(session, job_id) is None:
            raise not_found("job", job_id)
        rows = list_copies(session, job_id, after=(after[0], after[1]) if after else None, limit=limit + 1)
    page, next_cursor = cut_page(rows, limit, lambda row: (row[0].trial, row[0].number))
    return Page(items=[_view_copy(segment, number) for segment, number in page], next_cursor=next_cursor)


@router.get("/trials/{number}/schedule")
def get_schedule(context: Given, job_id: JobId, number: TrialNumber) -> ScheduleView:
    """Show which hyperparameters led to a trial's best epoch, and the job that follows them again."""
    with context.database.reading() as session:
        job = get_job(session, job_id)
        if job is None:
            raise not_found("job", job_id)
        trial = get_trial(session, job_id, number)
        if trial is None:
            raise not_found("trial", number)
        if trial.best_sequence is None or trial.best_epoch is None:
            raise Problem("not-found", f"trial {number} has no report that counts, so nothing led to its best epoch")
        return _view_schedule(session, job, trial, trial.best_sequence, trial.best_epoch)


def _view_schedule(session: Session, job: Job, trial: Trial, sequence: int, epoch: int) -> ScheduleView:
    @cache
    def dated(number: int) -> Sequence[tuple[Segment, int | None]]:
        return list_dated_segments(session, job.id, number)

    passages = trace(lambda number: [segment_fact(row) for row, _ in dated(number)], trial.number, sequence)
    rounds = {(row.trial, row.number): ended for n in {p.segment.trial for p in passages} for row, ended in dated(n)}
    resolved = ResolvedJob.model_validate(job.resolved_spec)

    def first_of(number: int) -> int:
        return find_first_alike(session, job.id, number) if resolved.dedupe else number

    name = f"{job.name}, trial {trial.number} again"[-200:]
    return ScheduleView(
        trial=trial.number,
        objective=trial.objective,
        epoch=epoch,
        passages=[
            PassageView(
                trial=passage.segment.trial,
                first_epoch=passage.first_epoch,
                last_epoch=passage.last_epoch,
                inherits=passage.segment.inherits,
                copied_from=passage.segment.source_trial,
                round=rounds[passage.segment.trial, passage.segment.index] if passage.is_copy else None,
                parameters=dict(passage.segment.parameters),
            )
            for passage in passages
        ],
        replay=replay_body(resolved, job.spec, passages, name, first_of) | {"parent": job.id},
    )


def _view_copy(segment: Segment, ended: int | None) -> CopyView:
    facts = {name: getattr(segment, name) for name in ("trial", "source_trial", "source_epoch", "parameters")}
    return CopyView(segment=segment.number, round=ended, inherits=segment_fact(segment).inherits, **facts)
