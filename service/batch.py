"""What a driver has to store, gathered until it is written in one transaction; the rows of a run's facts."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from safetensors.numpy import save
from sqlalchemy import (
    JSON,
    LargeBinary,
    Select,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from models.lanes import LaneReport
from search.aims import Aims
from service.database import now
from service.numbers import dump_json, exact, finite, plain
from service.queries.events import NewEvent
from service.standing import describe_error, exact_parts
from service.tables import Command, Journal, Model, ModelBlob, Report, Segment, Snapshot, Table, Trial
from service.told_tables import Told
from workers.sink import JournalFact, ModelFact, SegmentFact, SnapshotFact

Row = dict[str, Any]
REPORT_COLUMNS = ["trial", "sequence", "epoch", "objective", "train_loss"]


@dataclass
class Totals:
    """What the job's row shows of its trials."""

    n_done: int = 0
    n_epochs: int = 0
    n_rounds: int = 0
    best_trial: int | None = None
    best_objective: float | None = None


@dataclass
class Batch:
    """Facts that will be written together."""

    trials: dict[int, Row] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    segments: list[Row] = field(default_factory=list)
    reports: list[Row] = field(default_factory=list)
    snapshots: dict[int, Row] = field(default_factory=dict)
    journal: list[Row] = field(default_factory=list)
    models: list[tuple[str, ModelFact]] = field(default_factory=list)
    commands: list[int] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)

    def absorb(self, later: Batch) -> None:
        """Add what came later; for trials and snapshots it takes the place of what was there."""
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(later, part.name)
            if isinstance(mine, dict):
                mine.update(theirs)
            else:
                mine.extend(theirs)


def store_rows(session: Session, job_id: str, batch: Batch) -> None:
    """Write all but models and events. A fact that is there already does no harm."""
    upsert(session, Trial, _of_job(job_id, batch.trials.values()), replace=True)
    upsert(session, Segment, _of_job(job_id, batch.segments))
    upsert(session, Report, _of_job(job_id, batch.reports), replace=True)  # spare ones of an extended job are there
    upsert(session, Journal, _of_job(job_id, batch.journal))
    upsert(session, Snapshot, _of_job(job_id, batch.snapshots.values()), replace=True)
    for part in _parts(batch.ended):
        session.execute(delete(Snapshot).where(Snapshot.job_id == job_id, Snapshot.trial.in_(part)))
    if batch.commands:
        session.execute(update(Command).where(Command.id.in_(batch.commands)).values(applied_at=now()), **_NO_SYNC)
    for part in _parts(batch.told):
        session.execute(delete(Told).where(Told.id.in_(part)), **_NO_SYNC)


def store_models(session: Session, job_id: str, models: Sequence[tuple[str, ModelFact]]) -> None:
    """Write models with their packages; the same trial's later one takes the place of the earlier."""
    for model_id, fact in models:
        upsert(session, Model, [model_row(job_id, model_id, fact)], replace=True)
        upsert(session, ModelBlob, [{"model_id": model_id, "package": fact.package}], replace=True)


def prune_models(session: Session, job_id: str, keep: int, aims: Aims) -> None:
    """Delete all models of trials but those of the best: `keep` of them, or a whole front."""
    query = select(Model.id, Model.objective, Model.metrics, Model.trial)
    rows = session.execute(query.where(Model.job_id == job_id, Model.is_of_trial)).all()
    further = aims.metrics[1:]
    results = {row.trial: [row.objective, *(row.metrics.get(name) for name in further)] for row in rows}
    best = set(aims.best(results, keep))
    for row in rows:
        if row.trial not in best:
            session.execute(delete(Model).where(Model.id == row.id))


def upsert(session: Session, table: type[Table], rows: Sequence[Row], *, replace: bool = False) -> None:
    """Insert rows; where the key is there, replace the row or leave it."""
    if not rows:
        return
    parameters: Any = list(rows)
    statement: postgresql.Insert | sqlite.Insert = sqlite.insert(table)
    if session.get_bind().dialect.name == "postgresql":
        statement = postgresql.insert(table)
        types = {name: table.__table__.columns[name].type for name in rows[0]}
        if document := _as_document(rows, types):
            statement = statement.from_select(list(types), _select_from_document(types))
            parameters = {"rows": document}
    keys = [key.name for key in table.__table__.primary_key]
    if replace:
        given = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        touched = {"updated_at": now()} if "updated_at" in table.__table__.columns else {}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=given | touched)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    session.connection().execute(statement, parameters)


def _as_document(rows: Sequence[Row], types: Mapping[str, TypeEngine[Any]]) -> str | None:
    """Write rows as one JSON text, by a third of the work of a statement for every row; None where that cannot be."""
    if any(isinstance(kind, LargeBinary) for kind in types.values()):
        return None
    document = dump_json(rows)
    return None if "\\u0000" in document else document  # PostgreSQL keeps a NUL, but cannot read it from a document


def _select_from_document(types: Mapping[str, TypeEngine[Any]]) -> Select[Any]:
    """Read rows from the parameter `rows`, a JSON array of objects; PostgreSQL reads a float back to the same bits."""
    document = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    shape = [column(name, kind) for name, kind in types.items()]
    return select(document.table_valued(*shape).render_derived(with_types=True))


def report_row(round_number: int, segment: int, report: LaneReport) -> Row:
    """The row of one report: columns to sort by, and the exact values beside them."""
    numbers = (report.train_loss, *report.values)
    return {
        "trial": report.lane,
        "sequence": report.sequence,
        "segment": segment,
        "round": round_number,
        "epoch": report.epoch,
        "objective": finite(report.values[0]) if report.values else None,
        "train_loss": finite(report.train_loss),
        "is_finite": all(map(math.isfinite, numbers)),
        "values": exact(numbers),
        "parts": exact_parts(report),
        "outcome": report.outcome,
        "error": describe_error(report.error),
    }


def reports_event(round_number: int, rows: Iterable[Row], best: Sequence[float | None] | None = None) -> NewEvent:
    """The curves of one round, as columns. `best` is each trial's objective at its best epoch, where that is not simply
    the best objective."""
    columns, table = REPORT_COLUMNS, [[row[name] for name in REPORT_COLUMNS] for row in rows]
    if best is not None:
        columns, table = [*columns, "best"], [[*row, value] for row, value in zip(table, best, strict=True)]
    return NewEvent("reports", {"round": round_number, "columns": columns, "rows": table})


def segment_row(fact: SegmentFact) -> Row:
    """The row of a segment."""
    return {
        "trial": fact.trial,
        "number": fact.index,
        "sequence": fact.sequence,
        "source_trial": fact.source_trial,
        "source_sequence": fact.source_sequence,
        "source_epoch": fact.source_epoch,
        "parameters": plain(fact.parameters),
    }


def snapshot_row(fact: SnapshotFact) -> Row:
    """The row of a snapshot; arrays as safetensors, never as a pickle."""
    arrays = {name: np.ascontiguousarray(array) for name, array in fact.state.arrays.items()}
    return {
        "trial": fact.trial,
        "sequence": fact.sequence,
        "segment": fact.segment,
        "epoch": fact.state.epoch,
        "n_steps": fact.state.n_steps,
        "arrays": save(arrays),
    }


def journal_row(number: int, fact: JournalFact) -> Row:
    """The row of a journal entry."""
    return {"number": number, "round": fact.round, "kind": fact.kind, "payload": plain(fact.payload)}


def model_row(job_id: str, model_id: str, fact: ModelFact) -> Row:
    """The row of a model, without its package."""
    return {
        "id": model_id,
        "job_id": job_id,
        "trial": fact.trial,
        "origin": fact.origin,
        "epoch": fact.epoch,
        "sequence": fact.sequence,
        "objective": finite(fact.objective),
        "metrics": plain(fact.metrics),
        "test_metrics": None if fact.test_metrics is None else plain(fact.test_metrics),
        "card": plain(fact.card),
        "n_bytes": len(fact.package),
        "sha256": hashlib.sha256(fact.package).hexdigest(),
    }


def model_event(model_id: str, fact: ModelFact) -> NewEvent:
    """A model was stored, or stored again with more on its card."""
    row = model_row("", model_id, fact)
    return NewEvent("model", {name: row[name] for name in ("id", "trial", "objective", "origin", "sha256")})


def _of_job(job_id: str, rows: Iterable[Row]) -> list[Row]:
    """Write the job into rows; there are too many of them to copy."""
    named = list(rows)
    for row in named:
        row["job_id"] = job_id
    return named


def _parts(numbers: Sequence[int], size: int = 500) -> Iterable[Sequence[int]]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


_NO_SYNC: dict[str, Any] = {"execution_options": {"synchronize_session": False}}
