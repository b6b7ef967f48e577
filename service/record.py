"""Reads back what the database remembers of a job that ran before. `service.recorder` wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safetensors.numpy import load
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from models.lanes import LaneError, LaneReport, LaneState
from search.trial import TRIAL_ENDED, TrialReason, TrialState
from service.numbers import from_exact
from service.queries.jobs import get_job
from service.tables import Journal, Model, Report, Segment, Snapshot, Trial
from workers.sink import JournalFact, Record, SegmentFact, SnapshotFact


def load_record(session: Session, job_id: str) -> Record:
    """Load the cache that a replay answers from. `parameters` are those that each trial was admitted with."""
    job = get_job(session, job_id)
    trials = session.scalars(_of(Trial, job_id).order_by(Trial.number)).all()
    stretches = session.scalars(_of(Segment, job_id).order_by(Segment.trial, Segment.number))
    segments = [segment_fact(row) for row in stretches]
    admitted = {fact.trial: fact.parameters for fact in segments if fact.index == 0}
    return Record(
        parameters={row.number: admitted.get(row.number, row.parameters) for row in trials},
        segments={(fact.trial, fact.index): fact for fact in segments},
        reports=_load_reports(session, job_id),
        ended={
            row.number: (TrialState(row.state), TrialReason(row.reason)) for row in trials if row.state in TRIAL_ENDED
        },
        journal=[_entry(row) for row in session.scalars(_of(Journal, job_id).order_by(Journal.number))],
        snapshots={row.trial: _snapshot(row) for row in session.scalars(_of(Snapshot, job_id))},
        models=frozenset(session.scalars(select(Model.trial).where(Model.job_id == job_id, Model.is_of_trial))),
        told=_load_told(session, job_id) if job and job.resolved_spec.get("trainer") == "external" else {},
        n_rounds=0 if job is None else job.n_rounds,
        seconds=0.0 if job is None else job.seconds,
    )


def _of(table: type[Any], job_id: str) -> Select[Any]:
    return select(table).where(table.job_id == job_id)


def _load_reports(session: Session, job_id: str) -> dict[tuple[int, int], LaneReport]:
    """Columns only: a long job has millions of reports, and objects of the mapper cost ten times as much."""
    columns = (Report.trial, Report.sequence, Report.epoch, Report.values, Report.parts, Report.outcome, Report.error)
    query = select(*columns).where(Report.job_id == job_id).order_by(Report.trial, Report.sequence)
    return {(row.trial, row.sequence): read_report(row) for row in session.execute(query)}


def _load_told(session: Session, job_id: str) -> dict[int, int]:
    """Load which trial each round heard of: the journal of what was told is the order of its reports."""
    return {
        row.round: row.trial
        for row in session.execute(select(Report.round, Report.trial).where(Report.job_id == job_id))
    }


def read_report(row: Any) -> LaneReport:
    """Read a row of reports back."""
    train_loss, *values = from_exact(row.values)
    return LaneReport(
        lane=row.trial,
        sequence=row.sequence,
        epoch=row.epoch,
        train_loss=train_loss,
        values=tuple(values),
        outcome=row.outcome,
        error=_error(row.error),
        parts=tuple(tuple(from_exact(values)) for values in row.parts or ()),
    )


def _error(stored: Mapping[str, Any] | None) -> LaneError | None:
    return None if stored is None else LaneError(**stored)


def segment_fact(row: Segment) -> SegmentFact:
    """Give a stretch of a trial's life as its driver told it."""
    return SegmentFact(
        trial=row.trial,
        index=row.number,
        sequence=row.sequence,
        source_trial=row.source_trial,
        source_sequence=row.source_sequence,
        source_epoch=row.source_epoch,
        parameters=row.parameters,
    )


def _snapshot(row: Snapshot) -> SnapshotFact:
    state = LaneState(epoch=row.epoch, n_steps=row.n_steps, arrays=load(row.arrays))
    return SnapshotFact(trial=row.trial, sequence=row.sequence, segment=row.segment, state=state)


def _entry(row: Journal) -> JournalFact:
    return JournalFact(round=row.round, kind=row.kind, payload=row.payload)
