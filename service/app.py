"""The API: routes, errors and the dashboard put together. It starts nothing and imports neither ray nor torch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service import middleware
from service.context import Context
from service.database import Database
from service.errors import MEDIA_TYPE, install_handlers
from service.predictors import Predictors
from service.routes import asking, catalog, datasets, events, jobs, lineage, models, pages, probes, spaces, trials
from service.schemas import ProblemView
from service.settings import Settings, read_settings
from workers.body import JobSpec

TITLE = "Regatta"
VERSION = "0.1.0"
SUMMARY = "Races thousands of MLPs at once: submit a tuning job, watch it live, fetch the best model."
_REF = "#/components/schemas/{model}"


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the API on the database that the settings name; migrations have to have run."""
    settings = settings or read_settings()
    database = Database(settings.resolved_database_url)
    context = Context(settings, database, Predictors(settings.predictor_cache_size))
    app = _RegattaApp(title=TITLE, version=VERSION, summary=SUMMARY, lifespan=_live, redoc_url=None)
    app.state.context = context
    for module in (datasets, jobs, trials, lineage, asking, models, events, catalog, spaces, probes, pages):
        app.include_router(module.router)
    pages.mount_static(app)
    install_handlers(app)
    app.add_middleware(middleware.BodyLimit, settings=settings)
    app.add_middleware(middleware.CountRequests)
    return app


@asynccontextmanager
async def _live(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    yield
    context.is_closing.set()
    context.database.close()


class _RegattaApp(FastAPI):
    """FastAPI whose schema also holds the job spec, which a route reads by itself, and the shape of problems."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = get_openapi(title=self.title, version=self.version, summary=self.summary, routes=self.routes)
            _add_job_spec(schema)
            _add_problems(schema)
            self.openapi_schema = schema
        return self.openapi_schema


def _add_job_spec(schema: dict[str, Any]) -> None:
    spec = JobSpec.model_json_schema(ref_template=_REF)
    parts = spec.pop("$defs", {})
    schema["components"]["schemas"] |= {**parts, "JobSpec": spec}


def _add_problems(schema: dict[str, Any]) -> None:
    """Every route may answer with a problem; FastAPI's own idea of a 422 is replaced."""
    components = schema["components"]["schemas"]
    components["Problem"] = ProblemView.model_json_schema(ref_template=_REF)
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    answer = {"description": "A problem.", "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}}
    for path in schema["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = answer
