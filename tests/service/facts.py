"""Jobs, claims and facts for the tests of the storage."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import func, select

from models.lanes import LaneReport, LaneState
from search.trial import TrialReason, TrialState
from service.database import Database
from service.leases import Claim, Leases
from service.queries.jobs import add_job, get_job
from service.tables import Job, Trial, new_id
from workers.sink import ModelFact, SegmentFact, SnapshotFact, TrialFact


def submit(database: Database, **changes: Any) -> str:
    """Put a job into the queue and return its id."""
    job_id = new_id("j")
    values: dict[str, Any] = {
        "name": "a job",
        "labels": {},
        "spec": {"dataset": "iris"},
        "resolved_spec": {"metrics": ["log_loss", "accuracy"]},
        "plan": {"trials": 4},
        "maximize": False,
        "keep_models": 2,
        "n_trials": 4,
    }
    with database.writing() as session:
        add_job(session, Job(id=job_id, **(values | changes)))
    return job_id


def claim(database: Database, *, lease_seconds: float = 15.0, runner: str = "r1", **changes: Any) -> Claim:
    """Submit a job and claim it."""
    submit(database, **changes)
    claimed = Leases(database, lease_seconds).claim_next(runner)
    assert claimed is not None
    return claimed


def moved(number: int, state: TrialState, reason: TrialReason = TrialReason.ADMITTED, **more: Any) -> TrialFact:
    """A trial's new state."""
    return TrialFact(number, state, reason, more.pop("parameters", {"learning_rate": 0.1}), **more)


def report(trial: int, sequence: int, objective: float, *, epoch: int | None = None, **more: Any) -> LaneReport:
    """One epoch of a trial."""
    age = sequence if epoch is None else epoch
    return LaneReport(trial, sequence, age, more.pop("train_loss", objective), (objective, 0.5), **more)


def segment(trial: int, index: int = 0, source: int | None = None) -> SegmentFact:
    """A stretch of a trial's life."""
    return SegmentFact(trial, index, 3 * index, source, 3 if source is not None else 0, 3 * index, {"momentum": 0.5})


def snapshot(trial: int, sequence: int) -> SnapshotFact:
    """Weights of a trial."""
    arrays = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "moment": np.full((3,), 1e-30, np.float32)}
    return SnapshotFact(trial, sequence, 0, LaneState(sequence, 10 * sequence, arrays))


def model(trial: int, objective: float, package: bytes = b"zip") -> ModelFact:
    """A finished network."""
    return ModelFact(trial, 3, 3, "trial", objective, {"log_loss": objective}, None, {"layers": [4, 3]}, package)


def job_of(database: Database, held: Claim) -> Job:
    """The job's row."""
    with database.reading() as session:
        job = get_job(session, held.job_id)
    assert job is not None
    return job


def trial_of(database: Database, held: Claim, number: int) -> Trial:
    """A trial's row."""
    with database.reading() as session:
        return session.get_one(Trial, (held.job_id, number))


def count(database: Database, table: type[Any]) -> int:
    """The number of rows."""
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0
