"""What is wrong with a request, field by field. How it is told to users is not decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TAGS = ("type", "kind")
"""Fields that choose between the members of a union."""


@dataclass(frozen=True)
class FieldProblem:
    """`path` is dotted, from the job's body; `message` says what was given and what is allowed."""

    path: str
    message: str


def join_path(*parts: str | int) -> str:
    """Join the parts of a path, empty ones left out."""
    return ".".join(str(part) for part in parts if part != "")


def field_path(location: Sequence[str | int], body: Any) -> str:
    """Turn a Pydantic error's location into the path a user wrote: without the names of union members.

    `body` is the input that was validated; it tells a union's tag from a field of the same name.
    """
    parts: list[str | int] = []
    here, may_be_tag = body, True
    for part in location:
        if may_be_tag and isinstance(here, Mapping) and part in [here.get(tag) for tag in TAGS]:
            may_be_tag = False
            continue
        if not isinstance(here, Mapping) and not (isinstance(here, list) and isinstance(part, int)):
            continue  # the name of a union's member, such as list[str]
        parts.append(part)
        here, may_be_tag = _step(here, part), True
    return join_path(*parts)


def _step(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
        return value[part]
    return None
