"""The tables: real columns for what one sorts or filters by, JSON for the rest. No queries.

Moments are seconds since 1970 on the database's clock. A float that is not finite is stored as NULL beside a flag.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.database import now

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
Facts = dict[str, Any]
SPARE_ROUND = 2**31 - 1
"""The round of reports that an extended job has yet to reach again: at hand, not to be shown."""


class Table(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {
        float: Double,
        Facts: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
        bytes: LargeBinary,
    }


def new_id(prefix: str) -> str:
    """Draw an id such as d_k3v9...: 80 random bits after the prefix of its noun."""
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(10)).decode().lower()}"


class Dataset(Table):
    """An upload; its bytes are the file that `sha256` names."""

    __tablename__ = "dataset"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    format: Mapped[str] = mapped_column(String(20))
    n_rows: Mapped[int]
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    columns: Mapped[list[Any]]
    created_at: Mapped[float] = mapped_column(default=now(), index=True)


class Job(Table):
    """A tuning job: its spec, its state, its lease and the running totals that lists show."""

    __tablename__ = "job"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    labels: Mapped[Facts]
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("dataset.id", ondelete="SET NULL"), index=True)
    parent: Mapped[str | None] = mapped_column(String(32))  # no key: the name of a parent outlives it
    spec: Mapped[Facts]
    resolved_spec: Mapped[Facts]
    plan: Mapped[Facts]
    maximize: Mapped[bool]
    keep_models: Mapped[int]

    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(Text, default="")
    numeric_class: Mapped[str | None] = mapped_column(String(200))

    n_trials: Mapped[int]
    n_done: Mapped[int] = mapped_column(default=0)
    n_epochs: Mapped[int] = mapped_column(BigInteger, default=0)
    n_rounds: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    best_trial: Mapped[int | None]
    best_objective: Mapped[float | None]

    lease_owner: Mapped[str | None] = mapped_column(String(100))
    lease_epoch: Mapped[int] = mapped_column(default=0)
    lease_expires_at: Mapped[float | None]
    n_writes: Mapped[int] = mapped_column(default=0)
    next_event: Mapped[int] = mapped_column(default=1)

    created_at: Mapped[float] = mapped_column(default=now())
    updated_at: Mapped[float] = mapped_column(default=now())
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    __table_args__ = (
        Index("ix_job_created_at_id", "created_at", "id"),
        Index("ix_job_state_created_at", "state", "created_at"),
    )


def _job_key() -> Mapped[str]:
    return mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)


class Trial(Table):
    """One point with its state and the totals of its reports; `metrics` and `parts` are those of its best epoch.

    `violation` says how far they break the job's limits, 0 to 1; `front` whether no other trial dominates it. Both are
    null where the job has no such thing.
    """

    __tablename__ = "trial"
    job_id: Mapped[str] = _job_key()
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(40))
    parameters: Mapped[Facts]
    rung: Mapped[int | None]
    objective: Mapped[float | None]
    best_sequence: Mapped[int | None]
    best_epoch: Mapped[int | None]
    metrics: Mapped[list[Any]]
    parts: Mapped[list[Any] | None]
    violation: Mapped[float | None]
    front: Mapped[bool | None]
    epochs: Mapped[int] = mapped_column(default=0)
    n_reports: Mapped[int] = mapped_column(default=0)
    parent: Mapped[int | None]
    error: Mapped[Facts | None]
    attempts: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[float] = mapped_column(default=now())
    updated_at: Mapped[float] = mapped_column(default=now())
    __table_args__ = (Index("ix_trial_job_id_objective", "job_id", "objective", "number"),)


class Segment(Table):
    """A stretch of a trial's life: where its weights came from and the parameters it was trained with."""

    __tablename__ = "segment"
    job_id: Mapped[str] = _job_key()
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int]
    source_trial: Mapped[int | None]
    source_sequence: Mapped[int]
    source_epoch: Mapped[int]
    parameters: Mapped[Facts]


class Report(Table):
    """One epoch of one trial. `values` holds the training loss and all metrics to the last bit; `parts`, where
    the trial has several lanes, the metrics of each."""

    __tablename__ = "report"
    job_id: Mapped[str] = _job_key()
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment: Mapped[int]
    round: Mapped[int]
    epoch: Mapped[int]
    objective: Mapped[float | None]
    train_loss: Mapped[float | None]
    is_finite: Mapped[bool]
    values: Mapped[list[Any]]
    parts: Mapped[list[Any] | None]
    outcome: Mapped[str | None] = mapped_column(String(20))
    error: Mapped[Facts | None]
    created_at: Mapped[float] = mapped_column(default=now())


class Snapshot(Table):
    """Weights and optimizer state of a live trial, as safetensors; a later one replaces an earlier one."""

    __tablename__ = "snapshot"
    job_id: Mapped[str] = _job_key()
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int]
    segment: Mapped[int]
    epoch: Mapped[int]
    n_steps: Mapped[int] = mapped_column(BigInteger)
    arrays: Mapped[bytes]


class Journal(Table):
    """An outside fact that shaped a job, in the order in which it took effect."""

    __tablename__ = "journal"
    job_id: Mapped[str] = _job_key()
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    round: Mapped[int]
    kind: Mapped[str] = mapped_column(String(40))
    payload: Mapped[Facts]
    created_at: Mapped[float] = mapped_column(default=now())


class Command(Table):
    """A user's wish that the driver applies at the end of a round."""

    __tablename__ = "command"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    payload: Mapped[Facts | None]
    created_at: Mapped[float] = mapped_column(default=now())
    applied_at: Mapped[float | None]


class Model(Table):
    """A trained network with its preprocessing; its bytes are in `model_blob`."""

    __tablename__ = "model"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    trial: Mapped[int]
    origin: Mapped[str] = mapped_column(String(20))
    epoch: Mapped[int]
    sequence: Mapped[int]
    objective: Mapped[float | None]
    metrics: Mapped[Facts]
    test_metrics: Mapped[Facts | None]
    card: Mapped[Facts]
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float] = mapped_column(default=now())
    __table_args__ = (UniqueConstraint("job_id", "trial", "origin"),)

    @hybrid_property
    def is_of_trial(self) -> bool:
        """It is the network of one trial, as it was trained or trained once more; no ensemble."""
        return self.origin != "ensemble"


class ModelBlob(Table):
    """The package of a model, apart from what lists read."""

    __tablename__ = "model_blob"
    model_id: Mapped[str] = mapped_column(ForeignKey("model.id", ondelete="CASCADE"), primary_key=True)
    package: Mapped[bytes]


class Event(Table):
    """What the live stream tells; numbered within its job by `job.next_event`, so that readers see no gaps."""

    __tablename__ = "event"
    job_id: Mapped[str] = _job_key()
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(20))
    data: Mapped[Facts]
    created_at: Mapped[float] = mapped_column(default=now())


class Idempotency(Table):
    """The answer to a request that may be sent again."""

    __tablename__ = "idempotency"
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[float] = mapped_column(default=now())


class Runner(Table):
    """A process that claims jobs, as long as it beats."""

    __tablename__ = "runner"
    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    facts: Mapped[Facts]
    started_at: Mapped[float] = mapped_column(default=now())
    beat_at: Mapped[float] = mapped_column(default=now(), index=True)
