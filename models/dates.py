"""Dates: which text is one, how they are written, and where in a month, a week or a day they lie. No tables.

A date is a numpy `datetime64[us]` in UTC, NaT where it is missing. A text without a zone is taken as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Dates = NDArray[np.datetime64]
CycleName = Literal["month", "weekday", "day_of_year", "hour"]

_ISO_8601 = re.compile(
    r"\d{4}-\d\d-\d\d([T ]([01]\d|2[0-3]):\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII | re.IGNORECASE
)
_DAY = 86_400_000_000
FIRST, LAST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")


def parse_date(text: str) -> np.datetime64 | None:
    """Read an ISO 8601 date, or a date and time with or without a zone; None for any other text.

    Digits beyond the microsecond are cut off.
    """
    if not _ISO_8601.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return np.datetime64(moment, "us")


def parse_dates(texts: Iterable[str]) -> Dates | None:
    """Read texts that are dates one and all; None if there is none, or one that is no date."""
    dates = []
    for text in texts:
        date = parse_date(text)
        if date is None:
            return None
        dates.append(date)
    return np.array(dates, dtype="datetime64[us]") if dates else None


def date_text(date: np.datetime64) -> str:
    """Write a date: 2020-01-31, with a time where it is not midnight, with a fraction where it is not zero."""
    day, microseconds = divmod(int(date.astype(np.int64)), _DAY)
    unit = "D" if microseconds == 0 else "s" if microseconds % 1_000_000 == 0 else "us"
    moment = np.datetime64(day, "D") if unit == "D" else date.astype(f"datetime64[{unit}]")
    return str(moment)


def to_days(dates: Dates) -> NDArray[np.float64]:
    """Count the days since 1970-01-01, with fractions; NaN where the date is missing."""
    days: NDArray[np.float64] = dates.astype(np.int64) / _DAY
    days[np.isnat(dates)] = np.nan
    return days


def _month(dates: Dates) -> NDArray[np.float64]:
    return dates.astype("datetime64[M]").astype(np.int64) % 12 / 12


def _weekday(dates: Dates) -> NDArray[np.float64]:
    return (dates.astype("datetime64[D]").astype(np.int64) + 3) % 7 / 7  # 1970-01-01 was a Thursday


def _day_of_year(dates: Dates) -> NDArray[np.float64]:
    first = dates.astype("datetime64[Y]").astype("datetime64[D]")
    passed: NDArray[np.float64] = (dates.astype("datetime64[D]") - first).astype(np.int64) / 366
    return passed


def _hour(dates: Dates) -> NDArray[np.float64]:
    return dates.astype(np.int64) % _DAY / _DAY


CYCLES: dict[CycleName, Callable[[Any], NDArray[np.float64]]] = {
    "month": _month,
    "weekday": _weekday,
    "day_of_year": _day_of_year,
    "hour": _hour,
}
"""Where a date lies in its cycle, 0 at the beginning and below 1: January, Monday, the 1st of January, midnight are 0.
Shapes: [N] -> [N]; what stands for a missing date means nothing."""
