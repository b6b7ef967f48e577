"""`/v1/spaces`: spaces that were written for other tuners."""

from __future__ import annotations

from fastapi import APIRouter

from search.documents import import_document
from search.foreign import Unreadable
from search.problems import FieldProblem, join_path
from service.bodies import check_json
from service.context import Context, Given
from service.errors import Problem
from service.import_schemas import ImportBody, ImportView, NoteView
from service.submission import preview_job
from workers.refusals import SpecError

router = APIRouter(prefix="/v1/spaces", tags=["spaces"])


@router.post("/import")
def import_space(context: Given, body: ImportBody) -> ImportView:
    """Translate a Vertex AI StudySpec, a Katib Experiment or Optuna distributions into the body of a job."""
    check_json(body.document)
    try:
        imported = import_document(body.document, body.format)
    except Unreadable as error:
        raise _refuse("invalid-request", [_in_body(problem) for problem in error.problems]) from error
    _check(context, imported.job)
    notes = [NoteView(path=note.path, message=note.message) for note in imported.notes]
    return ImportView(format=imported.format, job=imported.job, notes=notes)


def _check(context: Context, job: dict[str, object]) -> None:
    """Refuse, with paths in the job, what can be written here but cannot run."""
    try:
        preview_job(context.database, job)
    except (SpecError, Problem) as error:
        problems = error.problems if isinstance(error, SpecError) else error.errors
        raise _refuse(error.code, [FieldProblem(join_path("job", p.path), p.message) for p in problems]) from error


def _in_body(problem: FieldProblem) -> FieldProblem:
    """Lead a path in the document to the body of the request."""
    if problem.path == "format":
        return problem
    return FieldProblem(join_path("document", problem.path), problem.message)


def _refuse(code: str, problems: list[FieldProblem]) -> Problem:
    return Problem(code, "; ".join(f"{p.path}: {p.message}" for p in problems[:5]), problems[:50])
