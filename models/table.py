"""A table in memory, its limits and its errors. No file format: `models/data.py` reads them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.dates import date_text
from models.schema import MAX_CLASSES, ColumnKind, ColumnSchema, TableSchema

MAX_ROWS = 2_000_000
MAX_COLUMNS = 10_000
MAX_NAME_LENGTH = 500
MAX_LISTED = 200_000
"""Classes that the columns of a table list in total: a wide table lists fewer for each."""
MAX_TEXT_LENGTH = 200
"""Longer texts are cut as an example, and are no classes."""
N_EXAMPLES = 5

Column = NDArray[Any]


class TableError(ValueError):
    """A table that cannot be read; `line` counts lines of the file from 1, where one line is to blame."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class TableLimitError(TableError):
    """A table that is larger than this service takes."""


@dataclass(frozen=True)
class Table:
    """Named columns of equal length, in the order of the file.

    Numeric columns are float64 with NaN for a missing value, dates are datetime64[us] in UTC with NaT; all others are
    object arrays of str or bool with None.
    """

    columns: dict[str, Column]

    @property
    def n_rows(self) -> int:
        """Count the rows."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @cached_property
    def schema(self) -> TableSchema:
        """Describe every column: kind, missing values, distinct values, range, examples."""
        n_listed = min(MAX_CLASSES, MAX_LISTED // max(len(self.columns), 1))
        described = [_describe(name, column, n_listed) for name, column in self.columns.items()]
        return TableSchema(rows=self.n_rows, columns=described)


def plain_value(value: Any) -> Any:
    """Turn one cell into its JSON value: integers as int, dates as text, a missing value as None."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else date_text(value)
    if isinstance(value, (float, np.floating)):
        if math.isnan(value):
            return None
        return int(value) if float(value).is_integer() else float(value)
    return value


def missing_mask(column: Column) -> NDArray[np.bool_]:
    """Mark the rows without a value."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind == "M":
        return np.isnat(column)
    return np.fromiter((value is None for value in column), dtype=bool, count=len(column))


def distinct_values(column: Column) -> tuple[list[Any], list[int]]:
    """List the distinct values that are there, sorted, and the rows of each."""
    present = column[~missing_mask(column)]
    if present.dtype.kind in "fM":
        values, counts = np.unique(present, return_counts=True)
        return values.tolist() if present.dtype.kind == "f" else list(values), counts.tolist()
    counted = sorted(Counter(present.tolist()).items())
    return [value for value, _ in counted], [count for _, count in counted]


def column_kind(column: Column) -> ColumnKind:
    """Tell the kind of a column from its values."""
    present = column[~missing_mask(column)]
    if len(present) == 0:
        return "empty"
    if column.dtype.kind == "f":
        return "numeric"
    if column.dtype.kind == "M":
        return "date"
    return "boolean" if isinstance(present[0], bool) else "categorical"


def _describe(name: str, column: Column, n_listed: int) -> ColumnSchema:
    missing = missing_mask(column)
    values, counts = distinct_values(column)
    kind = column_kind(column)
    numeric = kind == "numeric"
    listed = 0 < len(values) <= n_listed and not any(_is_long(value) for value in values)
    return ColumnSchema(
        name=name,
        kind=kind,
        missing=int(missing.sum()),
        cardinality=len(values),
        integral=numeric and all(value.is_integer() for value in values),
        minimum=plain_value(values[0]) if kind in ("numeric", "date") else None,
        maximum=plain_value(values[-1]) if kind in ("numeric", "date") else None,
        examples=[_example(value) for value in column[~missing][:N_EXAMPLES]],
        classes=[plain_value(value) for value in values] if listed else None,
        counts=counts if listed else None,
    )


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > MAX_TEXT_LENGTH


def _example(value: Any) -> Any:
    return value[:MAX_TEXT_LENGTH] + "..." if _is_long(value) else plain_value(value)
