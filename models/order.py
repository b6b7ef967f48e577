"""What puts rows in order: numbers, or dates and moments as ISO 8601 writes them. No splits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.table import Column, missing_mask

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OrderError(ValueError):
    """Values that have no order in time."""


def order_keys(column: Column) -> NDArray[Any]:
    """Give numbers that sort as the column's values do: themselves, or microseconds since 1970. Shapes: [N].

    Raises: OrderError for missing values, truth values, and text that is no date.
    """
    missing = missing_mask(column)
    if missing.any():
        raise OrderError(f"{int(missing.sum())} rows have no value")
    if column.dtype.kind == "f":
        return column
    return np.array([parse_moment(value) for value in column.tolist()], dtype=np.int64)


def parse_moment(value: Any) -> int:
    """Read a date, or a date with a time; without a zone it is UTC. In microseconds since 1970.

    Raises: OrderError.
    """
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise OrderError(f"{value!r} is neither a number nor a date such as 2024-05-31") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
