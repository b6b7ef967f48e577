"""How a job is refused: every problem with its field, and one code of `/problems/<code>` for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from search.problems import FieldProblem, field_path
from workers.body import JobSpec


class SpecError(ValueError):
    """A job that cannot run as asked. `code` is a problem type of `docs/contracts.md`, section 9."""

    def __init__(self, problems: list[FieldProblem], code: str) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = problems
        self.code = code


@dataclass
class Refusals:
    """Collects problems, so that a user hears of all of them at once."""

    found: dict[str, list[FieldProblem]] = field(default_factory=dict)

    def add(self, code: str, path: str, message: str) -> None:
        """Note one problem."""
        self.extend(code, [FieldProblem(path, message)])

    def extend(self, code: str, problems: Iterable[FieldProblem]) -> None:
        """Note problems, each once."""
        for problem in problems:
            if problem not in self.found.setdefault(code, []):
                self.found[code].append(problem)

    def __bool__(self) -> bool:
        return any(self.found.values())

    def __len__(self) -> int:
        return sum(map(len, self.found.values()))

    def raise_any(self) -> None:
        """Refuse the job if anything was noted; problems of several kinds are an invalid request.

        Raises: SpecError.
        """
        if not self:
            return
        codes = [code for code, problems in self.found.items() if problems]
        everything = [problem for problems in self.found.values() for problem in problems]
        raise SpecError(everything, codes[0] if len(codes) == 1 else "invalid-request")


def read_spec(body: Any) -> JobSpec:
    """Read the body of `POST /v1/jobs`.

    Raises: SpecError.
    """
    try:
        spec = JobSpec.model_validate(body)
    except ValidationError as error:
        raise SpecError(validation_problems(error, body), "invalid-request") from error
    if spec.dataset is None and spec.trainer != "external":
        raise SpecError([FieldProblem("dataset", "this field is required")], "invalid-request")
    return spec


def validation_problems(error: ValidationError, body: Any) -> list[FieldProblem]:
    """Say what Pydantic found, with the paths a user wrote and what was given."""
    messages: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False):
        problem = _problem(detail, body)
        messages.setdefault(problem.path, []).append(problem.message)
    return [FieldProblem(path, " or ".join(dict.fromkeys(several))) for path, several in messages.items()]


def _problem(detail: Any, body: Any) -> FieldProblem:
    path = field_path(detail["loc"], body)
    if detail["type"] == "union_tag_invalid":
        context = detail["ctx"]
        tag = str(context["discriminator"]).strip("'")
        return FieldProblem(f"{path}.{tag}", f"{context['tag']!r} is unknown; allowed: {context['expected_tags']}")
    if detail["type"] == "union_tag_not_found":
        return FieldProblem(f"{path}.{detail['ctx']['discriminator'].strip(chr(39))}", "this field is required")
    if detail["type"] == "extra_forbidden":
        return FieldProblem(path, f"there is no such field{_hint(path)}")
    if detail["type"] == "missing":
        return FieldProblem(path, "this field is required")
    return FieldProblem(path, f"{detail['msg']}; got {_shorten(detail['input'])}")


def _hint(path: str) -> str:
    """Name the allowed fields of the body itself; of nested ones the schema tells."""
    if "." in path:
        return ""
    nearest = get_close_matches(path, JobSpec.model_fields, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else f"; allowed: {', '.join(JobSpec.model_fields)}"


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
