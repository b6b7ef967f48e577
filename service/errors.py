"""Errors as `application/problem+json` (RFC 9457): one exception to raise, one answer to everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from search.problems import FieldProblem, field_path
from search.trial import IllegalTransition
from service.database import classify_fault
from service.problems import PROBLEMS, code_of_status
from workers.refusals import SpecError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
_LOG = structlog.get_logger(__name__)
_UNKNOWN = "this field is not known"


class Problem(HTTPException):
    """A refusal that a user can act on: what was given, what is allowed."""

    def __init__(
        self, code: str, detail: str, errors: Iterable[FieldProblem] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(PROBLEMS[code].status, detail, dict(headers or {}))
        self.code = code
        self.errors = list(errors)


def not_found(noun: str, key: object) -> Problem:
    """Say that nothing of this kind has this id."""
    return Problem("not-found", f"there is no {noun} {str(key)[:80]!r}")


def field_problem(code: str, path: str, message: str) -> Problem:
    """Refuse one field."""
    return Problem(code, f"{path}: {message}", [FieldProblem(path, message)])


def answer_problem(request: Request, problem: Problem) -> JSONResponse:
    """Write a problem as a response."""
    known = PROBLEMS[problem.code]
    body: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": known.title,
        "status": known.status,
        "detail": problem.detail,
        "instance": request.url.path,
    }
    if problem.errors:
        body["errors"] = [{"path": error.path, "message": error.message} for error in problem.errors]
    return JSONResponse(body, known.status, headers=problem.headers, media_type=MEDIA_TYPE)


def install_handlers(app: FastAPI) -> None:
    """Let every error of the application leave as a problem."""
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(SpecError, _on_spec)
    app.add_exception_handler(IllegalTransition, _on_transition)
    app.add_exception_handler(SQLAlchemyError, _on_database)
    app.add_exception_handler(OSError, _on_disk)
    app.add_exception_handler(Exception, _on_anything)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Problem):
        return answer_problem(request, error)
    problem = Problem(code_of_status(error.status_code), str(error.detail), headers=error.headers)
    return answer_problem(request, problem)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [_describe(detail, error.body) for detail in error.errors()]
    detail = "; ".join(
        f"{problem.path}: {problem.message}" if problem.path else problem.message for problem in problems
    )
    return answer_problem(request, Problem("invalid-request", detail, problems))


def _describe(detail: Mapping[str, Any], body: Any) -> FieldProblem:
    place, *location = detail["loc"]
    if detail["type"] == "json_invalid":
        return FieldProblem("", f"the body is no JSON: {detail['ctx']['error']} at character {location[0]}")
    path = field_path(location, body) if place == "body" else ".".join(map(str, location))
    if detail["type"] == "extra_forbidden":
        return FieldProblem(path, _UNKNOWN)
    if detail["type"] == "missing":
        return FieldProblem(path, "this field is required")
    given = repr(detail.get("input"))
    return FieldProblem(path, f"{detail['msg']}; got {given if len(given) <= 80 else given[:77] + '...'}")


async def _on_spec(request: Request, error: Exception) -> Response:
    assert isinstance(error, SpecError)
    return answer_problem(request, Problem(error.code, str(error), error.problems))


async def _on_transition(request: Request, error: Exception) -> Response:
    return answer_problem(request, Problem("wrong-state", str(error)))


async def _on_database(request: Request, error: Exception) -> Response:
    assert isinstance(error, SQLAlchemyError)
    fault = classify_fault(error)
    if fault == "other":
        return await _on_anything(request, error)
    _LOG.warning("database_unavailable", fault=fault, path=request.url.path, error=str(error.__cause__ or error))
    said = "the disk of the database is full" if fault == "full" else "the database does not answer"
    return answer_problem(request, _unavailable(said))


async def _on_disk(request: Request, error: Exception) -> Response:
    _LOG.error("storage_unavailable", path=request.url.path, error=str(error))
    return answer_problem(request, _unavailable("the storage of the service cannot be read or written"))


async def _on_anything(request: Request, error: Exception) -> Response:
    _LOG.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return answer_problem(request, Problem("internal", "the service made a mistake; its log holds the details"))


def _unavailable(said: str) -> Problem:
    return Problem("storage-unavailable", said, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
