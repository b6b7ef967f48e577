"""JSON that users send: what no database and no model can hold is refused before anything looks at it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from search.problems import FieldProblem, join_path
from service.errors import Problem

MAX_DEPTH = 32


def check_json(body: Any) -> None:
    """Refuse NUL characters, lone surrogates, numbers that are not finite and deep nesting, by path.

    Raises: Problem.
    """
    problems: list[FieldProblem] = []
    waiting: list[tuple[str, int, Any]] = [("", 0, body)]
    while waiting:
        path, depth, value = waiting.pop()
        message = _judge(value, depth)
        if message is not None:
            problems.append(FieldProblem(path, message))
        else:
            waiting.extend((inner, depth + 1, item) for inner, item in _step(path, value))
    if problems:
        raise Problem("invalid-request", "; ".join(f"{p.path}: {p.message}" for p in problems[:5]), problems[:50])


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch: objects merge name by name, null takes a name away, anything else replaces.

    Source: RFC 7396.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _judge(value: Any, depth: int) -> str | None:
    if depth > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is given, a finite number is expected"
    if isinstance(value, int) and abs(value) > 2**63:
        return "the number has more than 64 bits"
    if isinstance(value, dict) and not all(map(_is_storable, value)):
        return "a name holds a NUL character or a broken character"
    if isinstance(value, str) and not _is_storable(value):
        return "the text holds a NUL character or a broken character"
    return None


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _step(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        return ((join_path(path, name), item) for name, item in value.items())
    if isinstance(value, list):
        return ((join_path(path, place), item) for place, item in enumerate(value))
    return ()
