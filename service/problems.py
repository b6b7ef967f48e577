"""Types of problems: code, HTTP status, title and the page that explains each. Data and its page, no handlers."""

from __future__ import annotations

from html import escape
from typing import NamedTuple


class ProblemType(NamedTuple):
    """A kind of refusal, as `/problems/<code>` explains it."""

    status: int
    title: str
    text: str


PROBLEMS: dict[str, ProblemType] = {
    "invalid-request": ProblemType(
        422,
        "The request is not valid",
        "A field is unknown, missing, of another type or out of its range. `errors` lists each by its path in the "
        "body, or by the name of the parameter, and says what is allowed.",
    ),
    "invalid-space": ProblemType(
        422,
        "The search space is not valid",
        "An interval is empty or reversed, a logarithm meets zero, a name stands in both `fixed` and `space`, a "
        "hyperparameter is not known, or a condition can never hold.",
    ),
    "invalid-pair": ProblemType(
        422,
        "Algorithm and scheduler do not fit",
        "This algorithm cannot work under this scheduler, or not with so few live trials. `errors` says why.",
    ),
    "invalid-data": ProblemType(
        422,
        "The data do not fit the job",
        "A target is not there, is constant or has one class only, a column holds nothing but missing values, there "
        "are too few rows, or the metric is for another task.",
    ),
    "not-yet": ProblemType(
        422,
        "This is planned but does not work yet",
        "The request is understood and means something, and this version cannot do it.",
    ),
    "not-found": ProblemType(404, "There is no such thing", "Nothing has this id or this address."),
    "method-not-allowed": ProblemType(
        405, "The method is not allowed", "The address exists and takes other methods: see the `Allow` header."
    ),
    "wrong-state": ProblemType(
        409,
        "The state does not allow it",
        "The job, its trials or the dataset are in a state that the request does not fit; the detail says which "
        "states do.",
    ),
    "idempotency-conflict": ProblemType(
        409,
        "The idempotency key was used for another request",
        "A key stands for one request. Send the same body again, or choose a new key.",
    ),
    "no-model": ProblemType(
        409, "There is no model yet", "No trial of this job has a stored model so far. Try again when one has ended."
    ),
    "too-large": ProblemType(
        413, "The request is too large", "A body, a table or a list is above a limit; the detail names the limit."
    ),
    "unsupported-media-type": ProblemType(
        415,
        "The media type is not supported",
        "The `Content-Type` header names a format that this address cannot read.",
    ),
    "unreadable-table": ProblemType(
        422,
        "The table cannot be read",
        "The file is neither CSV nor Parquet (either may be gzipped), or it is damaged; the detail names the line.",
    ),
    "storage-unavailable": ProblemType(
        503,
        "The storage is not available",
        "The database or the disk does not answer or is full. Try again after the time in `Retry-After`; running "
        "jobs wait meanwhile.",
    ),
    "internal": ProblemType(500, "Something broke", "A mistake of the service. Its log holds the details."),
}

_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "unsupported-media-type"}


def code_of_status(status: int) -> str:
    """The problem type of an HTTP status that came without one."""
    return _BY_STATUS.get(status, "internal" if status >= 500 else "invalid-request")


def render_page(code: str) -> str:
    """The page of one problem type. Raises: KeyError."""
    problem = PROBLEMS[code]
    title = f"{problem.status} {escape(problem.title)}"
    return _PAGE.format(title=title, body=f"<p>{escape(problem.text)}</p><p><code>{escape(code)}</code></p>")


def render_index() -> str:
    """The page that lists all problem types."""
    items = (
        f'<li><a href="/problems/{code}">{code}</a> {problem.status} {escape(problem.title)}</li>'
        for code, problem in PROBLEMS.items()
    )
    return _PAGE.format(title="Problems", body=f"<ul>{''.join(items)}</ul>")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }}</style>
</head><body><h1>{title}</h1>{body}</body></html>
"""
