"""`/v1/jobs`: submission, lists, changes of state."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import JsonValue, WithJsonSchema

from search.trial import JOB_ENDED, JobReason, JobState, check_job_transition
from service.bodies import check_json
from service.context import Context, Given
from service.editing import edit_job
from service.errors import Problem, field_problem, not_found
from service.examples import JOB_EXAMPLES, PATCH_EXAMPLES
from service.extension import extend_job
from service.paging import Cursor, Limit, cut_page, decode_cursor
from service.queries.jobs import (
    add_command,
    find_best_model,
    find_best_models,
    find_edits,
    find_journalled,
    get_job,
    list_jobs,
    move_job,
)
from service.routes.addresses import IdempotencyKey, JobId
from service.schemas import LABEL_PATTERN, JobView, Page, PlanView, RangeTestView
from service.schemas_requests import Edit, Extension, JobPatch
from service.submission import clone_job, preview_job, submit_job
from service.tables import Job
from service.views import view_job
from workers.range_test import KIND as RANGE_TEST

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
SpecBody = Annotated[
    JsonValue, WithJsonSchema({"$ref": "#/components/schemas/JobSpec"}), Body(openapi_examples=JOB_EXAMPLES)
]
PatchBody = Annotated[
    JsonValue,
    WithJsonSchema({"type": "object"}),
    Body(
        description="What changes in the spec; null takes a field away, so that it has its default.",
        openapi_examples=PATCH_EXAMPLES,
    ),
]
Labels = Annotated[
    list[str] | None,
    Query(description="Only jobs with this label: `key` or `key:value`; several must all hold.", examples=["team:a"]),
]


@router.post("", status_code=201)
def submit(context: Given, response: Response, body: SpecBody, idempotency_key: IdempotencyKey = None) -> JobView:
    """Submit a tuning job."""
    return _answer_submission(context, response, submit_job(context.database, body, idempotency_key))


@router.post("/preview")
def preview(context: Given, body: SpecBody) -> PlanView:
    """Say what a job would do and what its budget buys, without starting it."""
    return preview_job(context.database, body)


@router.get("")
def list_all(
    context: Given,
    state: Annotated[list[JobState] | None, Query(description="Only jobs in one of these states.")] = None,
    label: Labels = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[JobView]:
    """List jobs, newest first."""
    before = decode_cursor(cursor, (int, float), str)
    with context.database.reading() as session:
        rows = list_jobs(
            session,
            states=state or (),
            labels=[_read_label(text) for text in label or ()],
            before=(before[0], before[1]) if before else None,
            limit=limit + 1,
        )
        models, edits = find_best_models(session, rows), find_edits(session, rows)
    page, next_cursor = cut_page(rows, limit, lambda job: (job.created_at, job.id))
    return Page(
        items=[view_job(job, models.get(job.id), edits.get(job.id, [])) for job in page], next_cursor=next_cursor
    )


@router.get("/{job_id}")
def get(context: Given, job_id: JobId) -> JobView:
    """Show a job."""
    return _show(context, job_id)


@router.get("/{job_id}/range-test")
def get_range_test(context: Given, job_id: JobId) -> RangeTestView:
    """Show the curve of a job's learning rate range test, and what it suggests."""
    with context.database.reading() as session:
        job = get_job(session, job_id)
        if job is None:
            raise not_found("job", job_id)
        outcome = find_journalled(session, job_id, RANGE_TEST)
    if outcome is not None:
        return RangeTestView.model_validate(outcome)
    if job.resolved_spec.get("range_test") is None:
        raise Problem("not-found", "this job has no range test: its spec has no `range_test`")
    raise Problem("not-found", f"the range test of this job has not ended yet; the job is {job.state}")


@router.patch("/{job_id}")
def patch(context: Given, job_id: JobId, body: JobPatch) -> JobView:
    """Change a job's name or labels."""
    check_json(body.model_dump())
    with context.database.writing() as session:
        job = get_job(session, job_id, lock=True)
        if job is None:
            raise not_found("job", job_id)
        job.name = job.name if body.name is None else body.name
        job.labels = job.labels if body.labels is None else dict(body.labels)
    return _show(context, job_id)


@router.delete("/{job_id}", status_code=204)
def delete(context: Given, job_id: JobId) -> None:
    """Delete a job that has ended, with its trials and models."""
    with context.database.writing() as session:
        job = get_job(session, job_id, lock=True)
        if job is None:
            raise not_found("job", job_id)
        if job.state not in JOB_ENDED:
            raise Problem("wrong-state", f"the job is {job.state}; cancel it first")
        session.delete(job)


@router.post("/{job_id}/pause")
def pause(context: Given, job_id: JobId) -> JobView:
    """Pause a job: a queued one at once, a running one at the end of its round."""
    return _steer(context, job_id, JobState.PAUSED, JobReason.USER_PAUSED, "pause")


@router.post("/{job_id}/resume")
def resume(context: Given, job_id: JobId) -> JobView:
    """Put a paused or failed job back into the queue."""
    with context.database.writing() as session:
        job = get_job(session, job_id, lock=True)
        if job is None:
            raise not_found("job", job_id)
        if job.state == JobState.RUNNING:
            raise Problem("wrong-state", "the job is running; only a paused or failed job can be resumed")
        if job.state == JobState.SUCCEEDED:
            raise Problem("wrong-state", "the job has ended; give it more trials (extend), or clone it")
        move_job(session, job, JobState.QUEUED, JobReason.USER_RESUMED)
    return _show(context, job_id)


@router.post("/{job_id}/cancel")
def cancel(context: Given, job_id: JobId) -> JobView:
    """Cancel a job for good: a waiting one at once, a running one at the end of its round."""
    return _steer(context, job_id, JobState.CANCELLED, JobReason.USER_CANCELLED, "cancel")


@router.post("/{job_id}/clone", status_code=201)
def clone(
    context: Given, response: Response, job_id: JobId, body: PatchBody = None, idempotency_key: IdempotencyKey = None
) -> JobView:
    """Submit a job's spec again, whatever became of the job, changed by a JSON merge patch (RFC 7396)."""
    made = clone_job(context.database, job_id, {} if body is None else body, idempotency_key)
    return _answer_submission(context, response, made)


@router.post("/{job_id}/extend")
def extend(context: Given, job_id: JobId, body: Extension) -> JobView:
    """Give a job more trials; one that has ended goes on, with all that it has trained."""
    extend_job(context.database, job_id, body.trials)
    return _show(context, job_id)


@router.post("/{job_id}/edit")
def edit(context: Given, job_id: JobId, body: Edit) -> JobView:
    """Change the space from which a job's next trials are drawn; trials that have begun go on as they are."""
    edit_job(context.database, job_id, body)
    return _show(context, job_id)


def _answer_submission(context: Context, response: Response, made: tuple[Job, bool]) -> JobView:
    job, is_new = made
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if not is_new:
        response.headers["Idempotency-Replayed"] = "true"
    return _show(context, job.id)


def _steer(context: Context, job_id: str, state: JobState, reason: JobReason, command: str) -> JobView:
    with context.database.writing() as session:
        job = get_job(session, job_id, lock=True)
        if job is None:
            raise not_found("job", job_id)
        check_job_transition(JobState(job.state), state)
        if job.state == JobState.RUNNING:
            add_command(session, job_id, command)
        else:
            move_job(session, job, state, reason)
    return _show(context, job_id)


def _show(context: Context, job_id: str) -> JobView:
    with context.database.reading() as session:
        job = get_job(session, job_id)
        if job is None:
            raise not_found("job", job_id)
        return view_job(job, find_best_model(session, job), find_edits(session, [job]).get(job.id, []))


def _read_label(text: str) -> tuple[str, Any]:
    key, colon, value = text.partition(":")
    if not re.match(LABEL_PATTERN, key) or "\0" in value:
        raise field_problem("invalid-request", "label", f"{text[:80]!r} is given, key or key:value is expected")
    return key, value if colon else None
