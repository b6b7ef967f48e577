"""`/v1/jobs/{id}/events`: a job's facts as they happen, as a stream or as a list."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.concurrency import run_in_threadpool

from search.trial import JOB_ENDED
from service.context import Context, Given
from service.errors import not_found
from service.numbers import dump_json
from service.paging import Limit
from service.queries.events import list_events
from service.queries.jobs import get_job
from service.routes.addresses import JobId, LastEventId
from service.schemas import EventView, Page
from service.tables import Event

router = APIRouter(prefix="/v1/jobs/{job_id}/events", tags=["events"])
BATCH = 500
HEARTBEAT_SECONDS = 10.0
RETRY_MILLISECONDS = 1000
After = Annotated[int | None, Query(ge=0, le=2**31 - 1, description="Only events with a number above this one.")]
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Page[EventView],
        "description": "The list, or the stream for everyone who does not ask for JSON.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "The job has ended and all its events have been received: do not come back."},
}


@router.get("", responses=_STREAM, response_class=JSONResponse)
async def follow(
    context: Given,
    job_id: JobId,
    after: After = None,
    limit: Limit = BATCH,
    last_event_id: LastEventId = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Follow a job from its first event, or from behind `Last-Event-ID` or `after`.

    With `Accept: application/json` the answer is a list; its `next_cursor` is the next `after`, null if there is no
    more now. Otherwise it is a stream of server-sent events that ends after the last event of a job that has ended.
    """
    start = int(last_event_id) if last_event_id is not None else after or 0
    events, is_over = await run_in_threadpool(_read, context, job_id, start, limit)
    if "application/json" in accept and "text/event-stream" not in accept:
        items = [EventView.model_validate(event) for event in events]
        next_cursor = str(items[-1].id) if len(items) == limit else None
        return JSONResponse(Page[EventView](items=items, next_cursor=next_cursor).model_dump(mode="json"))
    if is_over and not events:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(_stream(context, job_id, start), headers=headers)


async def _stream(context: Context, job_id: str, after: int) -> AsyncIterator[bytes]:
    """Send events until the job is over, the client leaves, or the stream has lived long enough.

    No session is held while waiting: thousands of watchers must not use up the pool.
    """
    settings = context.settings
    end = time.monotonic() + settings.event_stream_seconds
    heard = time.monotonic()
    yield format_sse_event(retry=RETRY_MILLISECONDS, comment="regatta")
    while not context.is_closing.is_set():
        events, is_over = await run_in_threadpool(_read, context, job_id, after, BATCH)
        for event in events:
            yield format_sse_event(id=str(event.id), event=event.type, data_str=dump_json(event.data))
            after, heard = event.id, time.monotonic()
        if len(events) == BATCH:
            continue
        if is_over or time.monotonic() > end:
            return
        if time.monotonic() - heard > HEARTBEAT_SECONDS:
            yield KEEPALIVE_COMMENT
            heard = time.monotonic()
        await asyncio.sleep(settings.event_poll_seconds)


def _read(context: Context, job_id: str, after: int, limit: int) -> tuple[Sequence[Event], bool]:
    """The next events, and whether none can follow them: the job is looked at first, so that nothing slips between."""
    with context.database.reading() as session:
        job = get_job(session, job_id)
        if job is None:
            raise not_found("job", job_id)
        events = list_events(session, job_id, after, limit)
    last = events[-1].id if events else after
    return events, job.state in JOB_ENDED and last >= job.next_event - 1
