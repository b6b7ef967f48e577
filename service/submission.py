"""From the body of `POST /v1/jobs` to a row: read, resolve, store, each key once. No HTTP."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from search.problems import FieldProblem
from service.bodies import check_json
from service.database import Database
from service.datasets import Source, find_source
from service.errors import Problem
from service.queries.jobs import add_job, get_job
from service.schemas import LABEL_PATTERN, PlanView
from service.tables import Idempotency, Job, new_id
from workers.spec import JobSpec, ResolvedJob, preview, read_spec, resolve


def preview_job(database: Database, body: Any) -> PlanView:
    """Say what a job would do, without storing anything.

    Raises: Problem, SpecError.
    """
    spec = _read(body)
    with database.reading() as session:
        resolved = _resolve(spec, find_source(session, spec.dataset))
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


def _read(body: Any) -> JobSpec:
    check_json(body)
    spec = read_spec(body)
    strange = [label for label in spec.labels if not re.match(LABEL_PATTERN, label)]
    if strange:
        allowed = "a label starts with a letter or digit and has up to 63 of letters, digits and . _ / -"
        problems = [FieldProblem(f"labels.{label}", allowed) for label in strange]
        raise Problem("invalid-request", allowed, problems)
    return spec


def _resolve(spec: JobSpec, source: Source) -> ResolvedJob:
    return resolve(spec, source.table_schema, None if source.target is None else [source.target])


def _store(database: Database, spec: JobSpec, body: Any, key: str | None) -> tuple[Job, bool]:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    with database.writing() as session:
        known = None if key is None else _find_known(session, key, digest)
        if known is not None:
            return known, False
        source = find_source(session, spec.dataset, lock=True)
        job = _build_row(spec, body, source)
        add_job(session, job)
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


def _build_row(spec: JobSpec, body: Any, source: Source) -> Job:
    resolved = _resolve(spec, source)
    return Job(
        id=new_id("j"),
        name=spec.name or source.name,
        labels=spec.labels,
        dataset_id=source.dataset_id,
        spec=body,
        resolved_spec=resolved.model_dump(mode="json"),
        plan=preview(resolved),
        maximize=resolved.objective.maximize,
        keep_models=resolved.keep_models,
        n_trials=resolved.trials,
    )
