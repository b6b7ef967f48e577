"""Another space for a job that has not ended: checked here as at submission, it takes effect where the driver says.

What is asked for waits among the commands; the driver writes it into the journal with the round after which it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from search.discovery import ALGORITHMS, SCHEDULERS
from search.plugins import Algorithm, Scheduler
from search.problems import FieldProblem, join_path
from search.trial import JOB_ENDED, JobState
from service.bodies import check_json, merge_patch
from service.database import Database
from service.datasets import find_source
from service.errors import Problem, not_found
from service.queries.jobs import add_edit, get_job, list_edits
from service.schemas_requests import Edit
from service.tables import Job, Trial
from workers.edits import SEARCHED, describe_edit
from workers.resolved import ResolvedJob
from workers.spec import SpecError, read_spec, resolve
from workers.trainers import TRAINERS

CLONE = "clone the job with this change"
SETTLED = ("fixed", "objective", "metrics")
"""What must come out of the edited spec as it is: it is the same for all trials."""


def edit_job(database: Database, job_id: str, edit: Edit) -> None:
    """Ask for another space, and make it the one of the job's spec, which a clone takes over.

    Raises: Problem, SpecError.
    """
    asked = edit.asked()
    check_json(asked)
    with database.writing() as session:
        job = get_job(session, job_id, lock=True)
        if job is None:
            raise not_found("job", job_id)
        earlier = list_edits(session, job_id)
        newest = (earlier[-1].payload or {})["resolved"] if earlier else {}
        present = ResolvedJob.model_validate(job.resolved_spec | newest)
        _check_state(session, job)
        _check_settings(present)
        _check_names(present, asked)
        body = _merge(job.spec, asked, present)
        changed = _resolve(session, body)
        _check_same(present, changed)
        add_edit(session, job_id, describe_edit(len(earlier) + 1, asked, changed))
        job.spec = body


def takes_edits(resolved: Mapping[str, Any]) -> bool:
    """Whether the settings of a resolved spec allow edits as long as the job has trials to begin."""
    given, paired = resolved.get("algorithm", {}), resolved.get("scheduler", {})
    algorithm, scheduler = ALGORITHMS.get(given.get("kind")), SCHEDULERS.get(paired.get("kind"))
    if algorithm is None or scheduler is None:
        return False
    # Every job of a list is asked: its settings were checked when it was submitted.
    made = algorithm.model_construct(**given), scheduler.model_construct(**paired)
    return _find_obstacle(resolved.get("schedule") is not None, *made) is None


def _check_state(session: Session, job: Job) -> None:
    if job.state == JobState.FAILED:
        raise Problem("wrong-state", f"the job has failed ({job.reason}); resume it, then edit it, or {CLONE}")
    if job.state in JOB_ENDED:
        raise Problem("wrong-state", f"the job has ended ({job.state}); {CLONE}")
    begun = session.scalar(select(func.count()).where(Trial.job_id == job.id)) or 0
    if begun >= job.n_trials:
        message = (
            f"all {job.n_trials} trials of the job have begun, and none is proposed any more; give it more (extend)"
        )
        raise Problem("wrong-state", f"{message} before, or {CLONE}")


def _check_settings(job: ResolvedJob) -> None:
    obstacle = _find_obstacle(job.schedule is not None, job.algorithm, job.scheduler)
    if obstacle is not None:
        raise _refusal([obstacle])


def _find_obstacle(has_schedule: bool, algorithm: Algorithm, scheduler: Scheduler) -> FieldProblem | None:
    """Find what stands against any edit: no point is proposed after it, or something holds on to the space."""
    if has_schedule:
        return FieldProblem("schedule", f"the job follows a schedule and searches nothing; {CLONE}")
    if algorithm.finite:
        message = f"{algorithm.kind} goes through the points of the space that it began with; {CLONE}"
        return FieldProblem("algorithm.kind", message)
    if algorithm.inherits:
        message = f"children inherit weights from trials of the search that an edit would end; {CLONE}"
        return FieldProblem("algorithm.inherit_weights", message)
    if scheduler.changes_parameters:
        message = f"{scheduler.kind} changes live trials within the space that they began in; {CLONE}"
        return FieldProblem("scheduler.kind", message)
    return None


def _check_names(job: ResolvedJob, asked: Mapping[str, Any]) -> None:
    """Refuse an edit that says nothing, and parameters that trials so far did not have."""
    if not asked:
        raise _refusal([FieldProblem("space", "the edit says nothing: name parameters anew, or constraints")])
    known = _names_of(job)
    found = []
    for name in asked.get("space", {}):
        if name in known:
            continue
        if name in job.fixed:
            message = f"{name} is fixed at {job.fixed[name]!r} in this job, for all of its trials: {CLONE} to search it"
        elif job.trainer == "external" or name in TRAINERS[job.trainer].names:
            message = (
                f"{name} is none of the job's space, and an edit adds none; allowed: {', '.join(known)}; or {CLONE}"
            )
        else:
            continue  # `resolve` knows what may be meant
        found.append(FieldProblem(join_path("space", name), message))
    if found:
        raise _refusal(found)


def _merge(body: Mapping[str, Any], asked: Mapping[str, Any], job: ResolvedJob) -> dict[str, Any]:
    """Write the edit into the body as it was sent; where there was no space, the preset by default is named."""
    merged = {**body, **asked}
    if "space" in asked:
        merged["space"] = merge_patch(body.get("space") or {}, asked["space"])
        if body.get("space") is None and body.get("preset") is None:
            merged["preset"] = TRAINERS[job.trainer].default_preset
    return merged


def _resolve(session: Session, body: Mapping[str, Any]) -> ResolvedJob:
    """Make the choices of the edited spec; what the job began with is past, whatever becomes of it."""
    spec = read_spec({name: value for name, value in body.items() if name not in ("points", "warm_start", "parent")})
    source = find_source(session, spec.dataset)
    return resolve(spec, source.table_schema, None if source.target is None else [source.target])


def _check_same(present: ResolvedJob, changed: ResolvedJob) -> None:
    """Refuse an edit that changes nothing, or more than the space."""
    lost = [name for name in _names_of(present) if name not in _names_of(changed)]
    found = [
        FieldProblem(join_path("space", name), f"{name} would vary no more, being never active; {CLONE}")
        for name in lost
    ]
    before, after = (job.model_dump(mode="json") for job in (present, changed))
    if not found:
        found = [
            FieldProblem("space", f"the job's {name} would become {after[name]!r}; {CLONE}")
            for name in SETTLED
            if before[name] != after[name]
        ]
    if not found and all(before[name] == after[name] for name in SEARCHED):
        found = [FieldProblem("space", "the edit changes nothing: this is the job's space")]
    if found:
        raise _refusal(found)


def _names_of(job: ResolvedJob) -> list[str]:
    """List the parameters as a user names them: units, not units.2."""
    names: Iterable[str] = job.space.parameters
    if job.trainer != "external":
        names = (re.sub(r"\.\d+$", "", name) for name in names)
    return list(dict.fromkeys(names))


def _refusal(problems: Sequence[FieldProblem]) -> SpecError:
    return SpecError(list(problems), "invalid-request")
