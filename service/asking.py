"""Handing out the trials of an `external` job, and taking in what is told of them. Sessions come in; no HTTP.

Who holds which trial is no part of the search: only what is told decides, and the driver alone makes reports of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from search.trial import TRIAL_ENDED, JobState, TrialState
from service.ask_schemas import Action, AskBody, Handed, TellBody
from service.errors import Problem, field_problem, not_found
from service.numbers import from_exact
from service.queries.jobs import get_job
from service.queries.told import (
    Open,
    find_report,
    find_told,
    get_hold,
    give_hold,
    last_steps,
    list_open,
)
from service.queries.trials import get_trial
from service.tables import Job, Trial
from service.told_tables import Hold, Told
from service.views import read_aims

AT_WORK = frozenset({JobState.RUNNING, JobState.QUEUED})
"""Trials that are open stay so while a driver is replaced."""
MOST_EXPIRIES = 3
"""With so many leases in a row that ran out, a trial fails: whoever takes it dies of it."""


def find_job(session: Session, job_id: str, *, lock: bool = False) -> Job:
    """Load a job whose trials are asked for.

    Raises: Problem.
    """
    job = get_job(session, job_id, lock=lock)
    if job is None:
        raise not_found("job", job_id)
    trainer = job.resolved_spec.get("trainer")
    if trainer != "external":
        message = f"this job trains its trials itself (trainer {trainer}); ask and tell are for the trainer external"
        raise Problem("wrong-state", message)
    return job


def count_steps(job: Job) -> int:
    """Most steps of a trial."""
    return int(job.resolved_spec["budget"]["epochs_per_trial"])


def find_trial(session: Session, job: Job, number: int) -> Trial:
    """Load a trial.

    Raises: Problem.
    """
    trial = get_trial(session, job.id, number)
    if trial is None:
        raise not_found("trial", number)
    return trial


def hand_out(session: Session, job: Job, ask: AskBody) -> list[Handed]:
    """Give a client the trials that it holds, and others up to the number it asks for; every lease begins anew."""
    if job.state not in AT_WORK:
        return []
    told = last_steps(session, job.id)
    handed: list[Handed] = []
    for item in sorted(list_open(session, job.id, count_steps(job)), key=lambda item: _precedence(item, ask.client)):
        if len(handed) == ask.count:
            break
        if _is_taken(item, ask.client) or _has_worn_out(session, item, ask.client):
            continue
        hold = item.hold or Hold(job_id=job.id, trial=item.trial.number, n_expired=0)
        hold.n_expired += _has_expired(item, ask.client)
        hold.client, hold.lease_seconds = ask.client, ask.lease_seconds
        expires_at = give_hold(session, hold)
        step = max(item.trial.epochs, told.get(item.trial.number, 0))
        handed.append(_describe(job, item.trial, step, expires_at))
    return sorted(handed, key=lambda trial: trial.trial)


def keep(session: Session, job: Job, trial: Trial, client: str) -> float | None:
    """Let a client's lease begin anew; None where its trial has ended.

    Raises: Problem, when somebody else holds the trial.
    """
    hold = check_holder(session, job, trial, client)
    return None if trial.state in TRIAL_ENDED else give_hold(session, hold)


def check_holder(session: Session, job: Job, trial: Trial, client: str) -> Hold:
    """Find the client's hold of a trial; a lease that ran out still counts while nobody else has taken the trial.

    Raises: Problem.
    """
    hold = get_hold(session, job.id, trial.number)
    if hold is None:
        raise Problem("wrong-state", f"trial {trial.number} is not yours: nobody has asked for it, ask first")
    if hold.client != client:
        message = f"trial {trial.number} is not yours: another client holds it, or took it when your lease ran out"
        raise Problem("wrong-state", message)
    return hold


def take_in(session: Session, job: Job, trial: Trial, body: TellBody) -> int:
    """Store what is told, once for each step, and answer the step.

    Raises: Problem.
    """
    last = max(trial.epochs, last_steps(session, job.id).get(trial.number, 0))
    most = count_steps(job)
    values = _check_values(job, body)
    step = body.step if body.step is not None else _failing_step(session, trial, last)
    if _is_known(session, job, trial, step, values, body):
        return step
    if trial.state in TRIAL_ENDED:
        raise Problem("wrong-state", f"trial {trial.number} has ended: {trial.state}, {trial.reason}; stop training it")
    if job.state == JobState.FAILED:
        raise Problem("wrong-state", f"the job has failed ({job.reason}); resume it, then tell again")
    hold = check_holder(session, job, trial, body.client)
    if step <= last:
        message = f"{step} is given, and trial {trial.number} stands at step {last}: steps rise"
        raise field_problem("invalid-request", "step", message)
    if step > most and body.error is None:
        message = f"{step} is given; a trial has at most {most} steps (budget.epochs_per_trial)"
        raise field_problem("invalid-request", "step", message)
    error = None if body.error is None else {"kind": "Told", "message": body.error}
    _add(session, trial, step, values, error, is_final=body.final and step < most)
    hold.n_expired = 0
    give_hold(session, hold)
    return step


def decide(job: Job, trial: Trial, failed: bool = False) -> Action:
    """Say what whoever trains a trial should do, by what the scheduler has decided so far; one that `failed` and is
    tried again goes to whoever asks next."""
    if trial.state in TRIAL_ENDED:
        return "stop"
    return "pause" if failed or trial.state == TrialState.PAUSED or job.state == JobState.PAUSED else "continue"


def _precedence(item: Open, client: str) -> tuple[int, int]:
    """A client's own trials first, then those of nobody, last those that wait for a client that has paused."""
    if item.hold is None:
        return 1, item.trial.number
    if item.hold.client == client:
        return 0, item.trial.number
    return (2 if item.hold.expires_at is None else 1), item.trial.number


def _is_taken(item: Open, client: str) -> bool:
    return item.is_held and item.hold is not None and item.hold.client != client


def _has_expired(item: Open, client: str) -> bool:
    hold = item.hold
    return hold is not None and hold.client != client and hold.expires_at is not None and not item.is_held


def _has_worn_out(session: Session, item: Open, client: str) -> bool:
    """Let a trial fail whose leases have run out once too often."""
    if item.hold is None or item.hold.n_expired + _has_expired(item, client) < MOST_EXPIRIES:
        return False
    message = f"{MOST_EXPIRIES} leases in a row ran out without a report; the last one was that of {item.hold.client}"
    step = max(item.trial.epochs, last_steps(session, item.trial.job_id).get(item.trial.number, 0)) + 1
    _add(session, item.trial, step, {}, {"kind": "LeaseExpired", "message": message}, is_final=False)
    item.hold.n_expired, item.hold.expires_at = 0, None  # if it is tried again, it begins anew
    return True


def _add(
    session: Session,
    trial: Trial,
    step: int,
    values: Mapping[str, float],
    error: dict[str, Any] | None,
    *,
    is_final: bool,
) -> None:
    row = Told(job_id=trial.job_id, trial=trial.number, step=step, values=dict(values), is_final=is_final, error=error)
    session.add(row)
    session.flush()


def _check_values(job: Job, body: TellBody) -> dict[str, float]:
    if body.error is not None:
        if body.values or body.final:
            raise field_problem(
                "invalid-request", "error", "a failure has no values and is never final: tell one of them"
            )
        return {}
    known: list[str] = job.resolved_spec["metrics"]
    for name in body.values:
        if name not in known:
            message = f"the job has no value of this name; allowed: {', '.join(known)}"
            raise field_problem("invalid-request", f"values.{name}", message)
    aims = read_aims(job)
    needed = [*(objective.name for objective in aims.objectives), *(limit.metric for limit in aims.limits)]
    missing = next((name for name in needed if name not in body.values), None)
    if missing is not None:
        what = "the objective is missing" if missing == known[0] else "the job decides by it, and it is missing"
        raise field_problem("invalid-request", f"values.{missing}", f"{what}; tell error where it failed")
    if body.step is None:
        raise field_problem("invalid-request", "step", "this field is required, from 1 on")
    return dict(body.values)


def _failing_step(session: Session, trial: Trial, last: int) -> int:
    """A failure stands behind the last step; told again, it is the one that is known."""
    told = find_told(session, trial.job_id, trial.number, last)
    return last if trial.state == TrialState.FAILED or (told is not None and told.error) else last + 1


def _is_known(session: Session, job: Job, trial: Trial, step: int, values: Mapping[str, float], body: TellBody) -> bool:
    """Whether the same was told of the step before.

    Raises: Problem, if something else was.
    """
    told = find_told(session, job.id, trial.number, step)
    if told is not None:
        before: Mapping[str, float] = told.values
        failed = told.error is not None
    elif (report := find_report(session, job.id, trial.number, step)) is not None:
        names = job.resolved_spec["metrics"]
        numbers = dict(zip(names, from_exact(report.values[1:]), strict=True))
        before, failed = {n: v for n, v in numbers.items() if v == v}, report.outcome == "failed"  # NaN: not told
    else:
        return False
    if failed == (body.error is not None) and (failed or before == values):
        return True
    was = "a failure" if failed else f"{dict(before)}"
    raise Problem("idempotency-conflict", f"step {step} of trial {trial.number} was told before, as {was}")


def _describe(job: Job, trial: Trial, step: int, expires_at: float) -> Handed:
    return Handed(
        trial=trial.number,
        parameters={**job.resolved_spec["fixed"], **trial.parameters},
        step=step,
        steps=count_steps(job),
        lease_expires_at=expires_at,  # type: ignore[arg-type]  # seconds become a moment
    )
