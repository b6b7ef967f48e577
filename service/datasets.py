"""Datasets as jobs name them: the id of an upload, or a bundled set that is in no table."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from sqlalchemy.orm import Session

from models.bundled import BUNDLED, bundled_table, bundled_target
from models.schema import ColumnSchema, TableSchema
from service.errors import field_problem
from service.queries.datasets import get_dataset
from service.schemas import DatasetDetail


class Source(NamedTuple):
    """What a job needs to know of its dataset before it runs; `dataset_id` is null for bundled sets."""

    name: str
    table_schema: TableSchema
    target: str | None
    dataset_id: str | None


def find_source(session: Session, dataset: str | None, *, lock: bool = False) -> Source:
    """Find what a job's `dataset` names; a job that names none has no table.

    Raises: Problem.
    """
    if dataset is None:
        return Source("external", TableSchema(rows=0, columns=[]), None, None)
    if dataset in BUNDLED:
        return Source(dataset, bundled_schema(dataset), bundled_target(dataset), None)
    row = get_dataset(session, dataset, lock=lock)
    if row is None:
        known = ", ".join(BUNDLED)
        raise field_problem("invalid-data", "dataset", f"there is no dataset {dataset!r}; upload one, or use {known}")
    columns = [ColumnSchema.model_validate(column) for column in row.columns]
    return Source(row.name, TableSchema(rows=row.n_rows, columns=columns), None, row.id)


@cache
def bundled_schema(name: str) -> TableSchema:
    """Describe the columns of a bundled set. Raises: KeyError."""
    return bundled_table(name).schema


def view_bundled(name: str) -> DatasetDetail:
    """Show a bundled set. Raises: KeyError."""
    schema = bundled_schema(name)
    return DatasetDetail(
        id=name,
        name=name,
        format="bundled",
        bundled=True,
        rows=schema.rows,
        n_columns=len(schema.columns),
        n_bytes=None,
        sha256=None,
        target=bundled_target(name),
        created_at=None,
        columns=schema.columns,
    )
