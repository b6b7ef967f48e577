"""What users send for a prediction, checked value by value, to columns. No networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.dates import parse_date
from models.features import Feature
from models.preprocess import FeatureError, to_numbers
from models.table import Column


class PredictError(ValueError):
    """A row that cannot be predicted; `path` is the value to change, such as rows[3].MedInc."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def read_rows(features: Sequence[Feature], rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Read rows of JSON values into one column per feature.

    Raises: PredictError.
    """
    if not rows:
        raise PredictError("rows", "no rows are given; at least one is needed")
    return {feature.name: _read_column(feature, rows) for feature in features}


def read_columns(features: Sequence[Feature], columns: Mapping[str, Column]) -> dict[str, Column]:
    """Pick the features out of a table.

    Raises: PredictError.
    """
    read: dict[str, Column] = {}
    for feature in features:
        if feature.name not in columns:
            raise PredictError(feature.name, f"the column {feature.name!r} is missing")
        column = columns[feature.name]
        if feature.kind == "boolean" or (feature.kind == "date" and column.dtype.kind != "M"):
            column = _read_column(feature, [{feature.name: cell} for cell in column])
        try:
            read[feature.name] = to_numbers(feature.name, column) if feature.kind == "numeric" else column
        except FeatureError as error:
            raise PredictError(feature.name, error.message) from None
    return read


def _read_column(feature: Feature, rows: Sequence[Mapping[str, Any]]) -> Column:
    readers = {"numeric": _read_number, "boolean": _read_truth, "date": _read_date, "categorical": _read_category}
    read = readers[feature.kind]
    cells = []
    for place, row in enumerate(rows):
        path = f"rows[{place}].{feature.name}"
        if feature.name not in row:
            raise PredictError(path, f"the column {feature.name!r} is missing; use null for a missing value")
        cells.append(None if _is_missing(row[feature.name]) else read(path, row[feature.name]))
    if feature.kind == "numeric":
        return np.array([math.nan if cell is None else cell for cell in cells], dtype=np.float64)
    if feature.kind == "date":
        return np.array(cells, dtype="datetime64[us]")
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


def _is_missing(value: Any) -> bool:
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return value is None or (isinstance(value, (float, np.floating)) and math.isnan(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _read_number(path: str, value: Any) -> float:
    if not _is_number(value):
        raise PredictError(path, f"{_show(value)} is given, a number or null is expected")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise PredictError(path, f"{_show(value)} is given, a finite number or null is expected")
    return number


def _read_truth(path: str, value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise PredictError(path, f"{_show(value)} is given, true, false or null is expected")


def _read_date(path: str, value: Any) -> np.datetime64:
    date = parse_date(value) if isinstance(value, str) else None
    if date is None:
        expected = 'a date as in "2020-01-31" or "2020-01-31T12:00:00Z", or null, is expected'
        raise PredictError(path, f"{_show(value)} is given, {expected}")
    return date


def _read_category(path: str, value: Any) -> Any:
    if isinstance(value, (str, bool, np.bool_)):
        return value
    if _is_number(value):
        return _read_number(path, value)
    raise PredictError(path, f"{_show(value)} is given, a text, a number or null is expected")


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
