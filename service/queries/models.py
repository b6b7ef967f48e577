"""Models and their packages: reading only, a driver writes them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from service.tables import Job, Model, ModelBlob


def get_model(session: Session, model_id: str) -> Model | None:
    """Load a model without its package."""
    return session.get(Model, model_id)


def get_package(session: Session, model_id: str) -> bytes | None:
    """Load the package of a model."""
    return session.scalars(select(ModelBlob.package).where(ModelBlob.model_id == model_id)).first()


def list_models(session: Session, job: Job) -> Sequence[Model]:
    """List the models of a job, best first: no more of trials than it keeps, and its ensemble."""
    objective = Model.objective.desc() if job.maximize else Model.objective.asc()
    has_none = case((Model.objective.is_(None), 1), else_=0)
    return session.scalars(select(Model).where(Model.job_id == job.id).order_by(has_none, objective, Model.trial)).all()
