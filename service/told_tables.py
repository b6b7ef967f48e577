"""The tables of trials that are trained outside; as `service/tables.py`, which holds all others."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.database import now
from service.tables import Facts, Table


class Told(Table):
    """What a program outside has told of a trial; the driver makes a report of it in a round, and deletes it there."""

    __tablename__ = "told"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    trial: Mapped[int]
    step: Mapped[int]
    values: Mapped[Facts]
    is_final: Mapped[bool]
    error: Mapped[Facts | None]
    created_at: Mapped[float] = mapped_column(default=now())
    __table_args__ = (UniqueConstraint("job_id", "trial", "step"),)


class Hold(Table):
    """Who trains a trial outside, and until when; `expires_at` is null for a trial that its holder may leave alone.
    `n_expired` counts leases that ran out since the trial was last told of."""

    __tablename__ = "hold"
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    client: Mapped[str] = mapped_column(String(100))
    lease_seconds: Mapped[float]
    expires_at: Mapped[float | None]
    n_expired: Mapped[int] = mapped_column(default=0)
