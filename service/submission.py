"""From the body of `POST /v1/jobs`, or a patch of another job's, to a row: read, resolve, store, each key once."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from search.problems import FieldProblem
from service.batch import journal_row
from service.bodies import check_json, merge_patch
from service.database import Database
from service.datasets import Source, find_source
from service.errors import Problem, field_problem, not_found
from service.queries.jobs import add_job, get_job
from service.queries.trials import list_outcomes
from service.schemas import LABEL_PATTERN, PlanView
from service.tables import Idempotency, Job, Journal, new_id
from workers import warm_start
from workers.sink import JournalFact
from workers.spec import JobSpec, ResolvedJob, preview, read_spec, resolve
from workers.warm_start import Ancestor


def preview_job(database: Database, body: Any) -> PlanView:
    """Say what a job would do, without storing anything.

    Raises: Problem, SpecError.
    """
    spec = _read(body)
    with database.reading() as session:
        _check_parent(session, spec)
        resolved = _resolve(session, spec, find_source(session, spec.dataset))
    return PlanView(resolved_spec=resolved.model_dump(mode="json"), **preview(resolved))


def submit_job(database: Database, body: Any, key: str | None) -> tuple[Job, bool]:
    """Store a job; with a key that was used for the same body, find the job of that time. True if it is new.

    Raises: Problem, SpecError.
    """
    spec = _read(body)
    try:
        return _store(database, spec, body, key)
    except IntegrityError:
        if key is None:
            raise
        return _store(database, spec, body, key)  # another request with this key was faster: its job is there now


def clone_job(database: Database, job_id: str, patch: Any, key: str | None) -> tuple[Job, bool]:
    """Submit the spec of a job again, changed by a merge patch; the new job names it as its parent.

    Raises: Problem, SpecError.
    """
    with database.reading() as session:
        parent = get_job(session, job_id)
        if parent is None:
            raise not_found("job", job_id)
        base = dict(parent.spec) | ({"name": parent.name} if "name" in parent.spec else {})
        base |= {"labels": parent.labels} if parent.labels else {}
    check_json(patch)
    if not isinstance(patch, dict):
        raise Problem("invalid-request", "the body is a JSON merge patch of the spec, an object such as {}")
    if "parent" in patch:
        raise field_problem("invalid-request", "parent", f"is the job that is cloned, {job_id}: leave it out")
    return submit_job(database, merge_patch(base, patch) | {"parent": job_id}, key)


def _read(body: Any) -> JobSpec:
    check_json(body)
    spec = read_spec(body)
    strange = [label for label in spec.labels if not re.match(LABEL_PATTERN, label)]
    if strange:
        allowed = "a label starts with a letter or digit and has up to 63 of letters, digits and . _ / -"
        problems = [FieldProblem(f"labels.{label}", allowed) for label in strange]
        raise Problem("invalid-request", allowed, problems)
    return spec


def _check_parent(session: Session, spec: JobSpec) -> None:
    if spec.parent is not None and get_job(session, spec.parent) is None:
        raise field_problem("invalid-request", "parent", f"there is no job {spec.parent!r}; null names none")


def _resolve(session: Session, spec: JobSpec, source: Source) -> ResolvedJob:
    default_target = None if source.target is None else [source.target]
    return resolve(spec, source.table_schema, default_target, _find_ancestors(session, spec))


def _find_ancestors(session: Session, spec: JobSpec) -> list[Ancestor]:
    wanted = spec.warm_start.jobs if spec.warm_start else []
    rows = [get_job(session, job_id) for job_id in wanted]
    problems = [
        FieldProblem(f"warm_start.jobs.{place}", f"there is no job {wanted[place][:80]!r}")
        for place, row in enumerate(rows)
        if row is None
    ]
    if problems:
        raise Problem("invalid-request", "; ".join(problem.message for problem in problems), problems)
    found = {row.id: row for row in rows if row is not None}
    return [Ancestor(job_id, row.resolved_spec, list_outcomes(session, job_id)) for job_id, row in found.items()]


def _store(database: Database, spec: JobSpec, body: Any, key: str | None) -> tuple[Job, bool]:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    with database.writing() as session:
        known = None if key is None else _find_known(session, key, digest)
        if known is not None:
            return known, False
        _check_parent(session, spec)
        source = find_source(session, spec.dataset, lock=True)
        resolved = _resolve(session, spec, source)
        job = _build_row(spec, body, source, resolved)
        add_job(session, job)
        if resolved.earlier:
            fact = JournalFact(0, warm_start.KIND, warm_start.describe_earlier(resolved))
            session.add(Journal(job_id=job.id, **journal_row(0, fact)))
        if key is not None:
            session.add(Idempotency(key=key, request_sha256=digest, job_id=job.id))
        session.flush()
        session.refresh(job)
        return job, True


def _find_known(session: Session, key: str, digest: str) -> Job | None:
    earlier = session.get(Idempotency, key)
    if earlier is None:
        return None
    if earlier.request_sha256 != digest:
        raise Problem("idempotency-conflict", f"the key {key[:80]!r} was used for another body, job {earlier.job_id}")
    return get_job(session, earlier.job_id)


def _build_row(spec: JobSpec, body: Any, source: Source, resolved: ResolvedJob) -> Job:
    return Job(
        id=new_id("j"),
        name=spec.name or source.name,
        labels=spec.labels,
        dataset_id=source.dataset_id,
        parent=spec.parent,
        spec=body,
        resolved_spec=resolved.model_dump(mode="json"),
        plan=preview(resolved),
        maximize=resolved.objective.maximize,
        keep_models=resolved.keep_models,
        n_trials=resolved.trials,
    )
