"""Probes: is the process alive, can it work, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.exc import SQLAlchemyError

from service.context import Context, Given
from service.leases import list_runners
from service.metrics import CONTENT_TYPE, render_metrics
from service.schemas import Health, Readiness

router = APIRouter(tags=["probes"])
MISSING = {
    "database": "the database does not answer",
    "migrations": "migrations have not run: `python -m service migrate`",
    "runner": "no runner is alive: `python -m service runner`",
}


@router.get("/healthz")
def healthz() -> Health:
    """Say that the process answers."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(context: Given, response: Response) -> Readiness:
    """Say whether jobs can be taken and run; 503 names what is missing."""
    checks = _check(context)
    missing = [MISSING[name] for name, holds in checks.items() if not holds]
    response.status_code = 503 if missing else 200
    return Readiness(ready=not missing, missing=missing, checks=checks)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(context: Given) -> Response:
    """Show counters and gauges in Prometheus' text format."""
    return Response(render_metrics(context.database, context.settings.lease_seconds), media_type=CONTENT_TYPE)


def _check(context: Context) -> dict[str, bool]:
    checks = dict.fromkeys(MISSING, False)
    try:
        checks["migrations"] = context.database.is_at_head()
        checks["database"] = True
        if checks["migrations"]:
            with context.database.reading() as session:
                checks["runner"] = bool(list_runners(session, context.settings.lease_seconds))
    except SQLAlchemyError:
        checks["database"] = False
    return checks
