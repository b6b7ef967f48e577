"""Pages of lists: a cursor is the sort key of the last item, opaque to clients."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query

from service.errors import Problem, field_problem

Row = TypeVar("Row")
Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of one page.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")]


def encode_cursor(key: Sequence[Any]) -> str:
    """Write a sort key so that it fits into a URL."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *types: type | tuple[type, ...]) -> list[Any] | None:
    """Read a sort key back; its parts must be of `types`.

    Raises: Problem.
    """
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise _refuse(cursor) from None
    if not isinstance(key, list) or len(key) != len(types) or not all(map(_fits, key, types)):
        raise _refuse(cursor)
    return key


def cut_page(rows: Sequence[Row], limit: int, key: Callable[[Row], Sequence[Any]]) -> tuple[Sequence[Row], str | None]:
    """Split off the row that was asked for beyond the limit: its presence says that there is a next page."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode_cursor(key(rows[limit - 1]))


def _fits(part: Any, wanted: type | tuple[type, ...]) -> bool:
    if isinstance(part, float) and not math.isfinite(part):
        return False
    if isinstance(part, int) and abs(part) > 2**31 - 1:
        return False
    if isinstance(part, str) and ("\0" in part or len(part) > 200):
        return False
    return isinstance(part, wanted) and not (isinstance(part, bool) and wanted is not bool)


def _refuse(cursor: str) -> Problem:
    return field_problem("invalid-request", "cursor", f"{cursor[:40]!r} is no cursor; use `next_cursor` of a page")
