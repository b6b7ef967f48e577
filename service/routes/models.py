"""`/v1/models` and the winner of a job: what came out, ready to run."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from models.data import TableError, read_table
from models.predictor import PredictError, Prediction, Predictor
from service.bodies import check_json
from service.context import Context, Given
from service.errors import Problem, field_problem, not_found
from service.examples import PREDICT_CSV_EXAMPLE, PREDICT_EXAMPLES
from service.queries.jobs import get_job
from service.queries.models import get_model, get_package, list_models
from service.queries.trials import get_trial
from service.routes.addresses import JobId, ModelId
from service.schemas import BestView, ModelDetail, ModelView, Page
from service.tables import Model
from service.views import view_model, view_model_detail, view_trial

router = APIRouter(prefix="/v1", tags=["models"])
Format = Annotated[Literal["package", "safetensors", "onnx"], Query(description="onnx: not yet.")]
_ROWS_SCHEMA = {
    "type": "object",
    "required": ["rows"],
    "additionalProperties": False,
    "properties": {"rows": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
}
_PREDICT_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {"schema": _ROWS_SCHEMA, "examples": PREDICT_EXAMPLES},
        "text/csv": {"schema": {"type": "string"}, "example": PREDICT_CSV_EXAMPLE},
    },
}
_BINARY: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {}, "application/octet-stream": {}}, "description": "The bytes."}
}


@router.get("/jobs/{job_id}/best")
def best(context: Given, job_id: JobId) -> BestView:
    """Show the winner so far: the best epoch of the best trial, ties by trial number. Of several objectives the first
    one decides, then the others; trials that break limits do not win.

    At the job's end it has a `confidence`, and an ensemble stands beside it where one is better on validation rows.
    """
    with context.database.reading() as session:
        job = get_job(session, job_id)
        if job is None:
            raise not_found("job", job_id)
        trial = None if job.best_trial is None else get_trial(session, job_id, job.best_trial)
        stored = list_models(session, job)
    models = {model.trial: model for model in stored if model.is_of_trial}
    ensemble = next((model for model in stored if not model.is_of_trial), None)
    has_models = job.resolved_spec.get("trainer") != "external"
    if trial is None or (has_models and trial.number not in models):
        none_yet = "no trial keeps the limits yet" if job.resolved_spec.get("limits") else "no trial has reported yet"
        state = none_yet if trial is None else f"trial {trial.number} leads and is not stored yet"
        raise Problem("no-model", f"{state}; the job is {job.state}")
    return BestView(
        trial=view_trial(trial, job),
        model=view_model(models[trial.number]) if has_models else None,
        ensemble=None if ensemble is None else view_model(ensemble),
    )


@router.get("/jobs/{job_id}/models")
def list_of_job(context: Given, job_id: JobId) -> Page[ModelView]:
    """List the models that a job keeps, its ensemble among them, best first on validation rows."""
    with context.database.reading() as session:
        job = get_job(session, job_id)
        if job is None:
            raise not_found("job", job_id)
        return Page(items=[view_model(model) for model in list_models(session, job)])


@router.get("/models/{model_id}")
def get(context: Given, model_id: ModelId) -> ModelDetail:
    """Show a model with its card."""
    with context.database.reading() as session:
        return view_model_detail(_find(session, model_id))


@router.get("/models/{model_id}/download", response_class=Response, responses=_BINARY)
def download(context: Given, model_id: ModelId, format: Format = "package") -> Response:
    """Download a model: a zip of weights and card, or the weights alone as safetensors."""
    if format == "onnx":
        raise field_problem("not-yet", "format", "onnx cannot be written yet; use package or safetensors")
    with context.database.reading() as session:
        model = _find(session, model_id)
        package = _load_package(session, model_id)
    if format == "package":
        return _attach(package, "application/zip", f"{model_id}.zip", model.sha256)
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        weights = archive.read("model.safetensors")
    return _attach(weights, "application/octet-stream", f"{model_id}.safetensors", f"{model.sha256}-weights")


@router.post("/models/{model_id}/predict", openapi_extra={"requestBody": _PREDICT_BODY})
async def predict(context: Given, model_id: ModelId, request: Request) -> dict[str, Any]:
    """Predict rows in raw units. A column that is not there is refused, extra ones are ignored and named."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    body = await request.body()
    return await run_in_threadpool(_predict, context, model_id, media_type, body)


def _predict(context: Context, model_id: str, media_type: str, body: bytes) -> dict[str, Any]:
    with context.database.reading() as session:
        model = _find(session, model_id)
    if media_type == "text/csv":
        return _predict_csv(context, model, body).to_json()
    if media_type == "application/json" or media_type.endswith("+json"):
        return _predict_rows(context, model, body).to_json()
    raise Problem("unsupported-media-type", f"{media_type[:80]!r} is given; allowed: application/json, text/csv")


def _predict_rows(context: Context, model: Model, body: bytes) -> Prediction:
    rows = _read_rows(body)
    _check_number(context, len(rows))
    try:
        return _find_predictor(context, model).predict(rows)
    except PredictError as error:
        raise field_problem("invalid-request", error.path, error.message) from None


def _predict_csv(context: Context, model: Model, body: bytes) -> Prediction:
    try:
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(body)
            file.flush()
            predictor = _find_predictor(context, model)
            table = read_table(file.name, "csv", context.settings.body_max_bytes, predictor.text_columns)
        _check_number(context, table.n_rows)
        return predictor.predict_columns(table.columns)
    except TableError as error:
        said = error.message if error.line is None else f"line {error.line}: {error.message}"
        raise Problem("unreadable-table", said) from None
    except PredictError as error:
        raise field_problem("invalid-request", error.path, error.message) from None


def _read_rows(body: bytes) -> list[Mapping[str, Any]]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise field_problem("invalid-request", "", f"the body is no JSON: {error}") from None
    if not isinstance(parsed, dict) or set(parsed) != {"rows"}:
        raise field_problem("invalid-request", "rows", 'the body has to be {"rows": [...]} and nothing else')
    rows = parsed["rows"]
    if not isinstance(rows, list):
        raise field_problem("invalid-request", "rows", "a list of rows is expected")
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise field_problem("invalid-request", f"rows[{place}]", 'a row is an object {"column": value}')
    check_json(parsed)
    return rows


def _check_number(context: Context, n_rows: int) -> None:
    most = context.settings.predict_max_rows
    if n_rows > most:
        raise Problem("too-large", f"{n_rows:,} rows are given, {most:,} are allowed at once")


def _find_predictor(context: Context, model: Model) -> Predictor:
    def read() -> bytes:
        with context.database.reading() as session:
            return _load_package(session, model.id)

    return context.predictors.get(model.sha256, read)


def _find(session: Session, model_id: str) -> Model:
    model = get_model(session, model_id)
    if model is None:
        raise not_found("model", model_id)
    return model


def _load_package(session: Session, model_id: str) -> bytes:
    package = get_package(session, model_id)
    if package is None:
        raise not_found("model", model_id)
    return package


def _attach(content: bytes, media_type: str, name: str, tag: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "ETag": f'"{tag}"'}
    return Response(content, media_type=media_type, headers=headers)
