"""Schemas of small tables for the tests of the job spec, made by reading real ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.schema import TableSchema
from models.table import Table
from workers.spec import ResolvedJob, SpecError, read_spec, resolve


def table_of(**columns: list[Any]) -> TableSchema:
    """Describe a table of these columns; numbers become numeric, None is missing."""
    arrays = {}
    for name, values in columns.items():
        kinds = {type(value) for value in values} - {type(None)}
        is_numeric = bool(kinds) and kinds <= {int, float}
        arrays[name] = np.array(values, dtype=np.float64 if is_numeric else object)
    return Table(arrays).schema


N = 100
TABLE = table_of(
    price=[i * 0.5 for i in range(N)],
    stars=[i % 5 for i in range(N)],
    sold=[i % 2 == 0 for i in range(N)],
    flag=[i % 2 for i in range(N)],
    town=[["a", "b", "c"][i % 3] for i in range(N)],
    shop=[["x", "y"][i % 2] for i in range(N)],
    rare=["once" if i == 0 else ["p", "q"][i % 2] for i in range(N)],
    part=[["train", "train", "train", "valid", "test"][i % 5] for i in range(N)],
    same=[7] * N,
    nothing=[None] * N,
    holes=[None if i % 4 == 0 else i for i in range(N)],
    word=[f"w{i}" for i in range(N)],
)
EXCLUDE = {"exclude": ["nothing"]}


def resolve_job(table: TableSchema = TABLE, **body: Any) -> ResolvedJob:
    """Resolve a body over the table; `price` is the target unless it says otherwise."""
    return resolve(read_spec({"dataset": "d_1", "target": "price", "columns": EXCLUDE, **body}), table)


def refusal_of(table: TableSchema = TABLE, **body: Any) -> tuple[str, dict[str, str]]:
    """Give the code and the messages by path of a job that must be refused."""
    try:
        resolve_job(table, **body)
    except SpecError as error:
        return error.code, {problem.path: problem.message for problem in error.problems}
    raise AssertionError("the job was not refused")
