"""What puts rows in order: numbers, or dates and moments as ISO 8601 writes them. No splits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.dates import parse_date
from models.table import Column, missing_mask


class OrderError(ValueError):
    """Values that have no order in time."""


def order_keys(column: Column) -> NDArray[Any]:
    """Give what sorts as the column's values do: the numbers themselves, or moments. Shapes: [N].

    Raises: OrderError for missing values, truth values, and text that is no date.
    """
    missing = missing_mask(column)
    if missing.any():
        raise OrderError(f"{int(missing.sum())} rows have no value")
    if column.dtype.kind in "fM":
        return column
    return np.array([parse_moment(value) for value in column.tolist()], dtype="datetime64[us]")


def parse_moment(value: Any) -> np.datetime64:
    """Read a date, or a date with a time; without a zone it is UTC.

    Raises: OrderError.
    """
    moment = parse_date(value) if isinstance(value, str) else None
    if moment is None:
        raise OrderError(f"{value!r} is neither a number nor a date such as 2024-05-31")
    return moment
