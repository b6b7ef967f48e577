"""`/v1/jobs/{id}/ask`, `.../tell`, `.../heartbeat`: trials for programs that train outside."""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from search.trial import JOB_ENDED, JobState, TrialState
from service.ask_schemas import AskBody, AskView, HeartbeatBody, HeartbeatView, TellBody, TellView
from service.asking import AT_WORK, count_steps, decide, find_job, find_trial, hand_out, keep, take_in
from service.bodies import check_json
from service.context import Context, Given
from service.queries.told import find_told, list_open, release_hold
from service.routes.addresses import JobId, TrialNumber

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["ask and tell"])
SHORTEST_SECONDS, LONGEST_SECONDS = 0.004, 0.2
DECISION_SECONDS = 5.0
"""So long an answer waits for the scheduler; without one the client goes on."""


@router.post("/ask")
async def ask(context: Given, job_id: JobId, body: AskBody) -> AskView:
    """Ask for trials to train. A client that comes back gets those that it holds, and their leases begin anew."""
    waits = _Waits(context, body.wait_seconds)
    while True:
        answer = await run_in_threadpool(_ask, context, job_id, body)
        if answer.trials or answer.ended or not await waits.sleep():
            return answer


@router.post("/trials/{number}/tell")
async def tell(context: Given, job_id: JobId, number: TrialNumber, body: TellBody) -> TellView:
    """Tell the values of a step, or a failure; hear whether to go on. A step that is told again is told once."""
    step = await run_in_threadpool(_tell, context, job_id, number, body)
    waits = _Waits(context, DECISION_SECONDS)
    while True:
        answer, is_awaited = await run_in_threadpool(_answer, context, job_id, number, step, body.error is not None)
        if not is_awaited or not await waits.sleep():
            break
    if answer.decided and answer.action == "pause":
        await run_in_threadpool(_release, context, job_id, number, body.client)
    return answer


@router.post("/trials/{number}/heartbeat")
def heartbeat(context: Given, job_id: JobId, number: TrialNumber, body: HeartbeatBody) -> HeartbeatView:
    """Say that a trial is still being trained: its lease begins anew."""
    with context.database.writing() as session:
        job = find_job(session, job_id, lock=True)
        trial = find_trial(session, job, number)
        expires_at = keep(session, job, trial, body.client)
        return HeartbeatView(
            trial=number,
            action=decide(job, trial),
            state=trial.state,  # type: ignore[arg-type]  # Pydantic reads the text
            lease_expires_at=expires_at,  # type: ignore[arg-type]  # seconds become a moment
        )


class _Waits:
    """Sleeps between looks: short ones at first, a tenth of the time waited later. No session and no thread is held."""

    def __init__(self, context: Context, seconds: float) -> None:
        self._context, self._begun = context, time.monotonic()
        self._end = self._begun + seconds

    async def sleep(self) -> bool:
        """Wait a little; False where there is no time left."""
        moment = time.monotonic()
        if moment >= self._end or self._context.is_closing.is_set():
            return False
        await asyncio.sleep(min(max((moment - self._begun) / 10, SHORTEST_SECONDS), LONGEST_SECONDS))
        return True


def _ask(context: Context, job_id: str, body: AskBody) -> AskView:
    """Look first, and take the write lock only where there may be something to hand out."""
    with context.database.reading() as session:
        job = find_job(session, job_id)
        state, some = JobState(job.state), bool(list_open(session, job_id, count_steps(job)))
    handed = []
    if some:
        with context.database.writing() as session:
            handed = hand_out(session, find_job(session, job_id, lock=True), body)
    return AskView(state=state, ended=state in JOB_ENDED, trials=handed)


def _tell(context: Context, job_id: str, number: int, body: TellBody) -> int:
    check_json(body.model_dump())
    with context.database.writing() as session:
        job = find_job(session, job_id, lock=True)
        return take_in(session, job, find_trial(session, job, number), body)


def _answer(context: Context, job_id: str, number: int, step: int, failed: bool) -> tuple[TellView, bool]:
    """What to do now, and whether a decision is still to be awaited."""
    with context.database.reading() as session:
        job = find_job(session, job_id)
        decided = find_told(session, job_id, number, step) is None
        trial = find_trial(session, job, number)
    answer = TellView(
        trial=number,
        step=step,
        action=decide(job, trial, failed),
        decided=decided,
        state=trial.state,  # type: ignore[arg-type]  # Pydantic reads the text
    )
    return answer, not decided and job.state in AT_WORK and trial.state == TrialState.RUNNING


def _release(context: Context, job_id: str, number: int, client: str) -> None:
    with context.database.writing() as session:
        release_hold(session, job_id, number, client)
