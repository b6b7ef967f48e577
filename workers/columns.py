"""Looking up columns of a table, and how refusals speak of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from models.schema import TableSchema
from search.conditions import same_value


def unknown_column(name: str, schema: TableSchema) -> str:
    """Say that there is no such column, with the nearest one."""
    names = [column.name for column in schema.columns]
    nearest = get_close_matches(name, names, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(names[:20])}"
    return f"there is no column {name!r}; {hint}"


def holds(values: Iterable[Any], value: Any) -> bool:
    """Compare by type too: 1, true and "1" are three values."""
    return any(same_value(value, other) for other in values)


def show(values: Sequence[Any]) -> str:
    """Write out the first ten."""
    return ", ".join(repr(value) for value in values[:10])
