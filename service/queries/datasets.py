"""Uploaded datasets. Bundled ones are in no table: see `service.datasets`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from service.queries.jobs import FINAL_STATES
from service.tables import Dataset, Job


def get_dataset(session: Session, dataset_id: str, *, lock: bool = False) -> Dataset | None:
    """Load an upload's row; `lock` keeps it from being deleted until the transaction ends."""
    return session.get(Dataset, dataset_id, with_for_update={"read": False} if lock else None)


def list_datasets(session: Session, *, before: tuple[float, str] | None, limit: int) -> Sequence[Dataset]:
    """List uploads, newest first."""
    query = select(Dataset).order_by(Dataset.created_at.desc(), Dataset.id.desc()).limit(limit)
    if before is not None:
        moment, key = before
        earlier = and_(Dataset.created_at == moment, Dataset.id < key)
        query = query.where(or_(Dataset.created_at < moment, earlier))
    return session.scalars(query).all()


def list_users(session: Session, dataset_id: str) -> Sequence[str]:
    """List the jobs that still need an upload: all that have not ended for good."""
    query = select(Job.id).where(Job.dataset_id == dataset_id, Job.state.not_in(FINAL_STATES))
    return session.scalars(query.order_by(Job.created_at)).all()


def is_content_shared(session: Session, sha256: str) -> bool:
    """Whether any upload has this content."""
    return session.scalars(select(Dataset.id).where(Dataset.sha256 == sha256)).first() is not None
