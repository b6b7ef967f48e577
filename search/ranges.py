"""What an expression can come to, by interval arithmetic: refuses what may divide by zero or mixes text and numbers.

Bounds may be wider than what is reached, so it may refuse too much, and never too little.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from search.conditions import is_number
from search.expressions import ExpressionError, Node

Kind = Literal["number", "text", "bool"]


@dataclass(frozen=True)
class Range:
    """What a value can be; low and high are those of a number."""

    kind: Kind
    low: float = 0.0
    high: float = 0.0


def range_of(values: Iterable[Any]) -> Range | None:
    """Give the range of a list of values; None where they are not of one kind."""
    given = list(values)
    if given and all(map(is_number, given)):
        return Range("number", float(min(given)), float(max(given)))
    if given and all(isinstance(value, bool) for value in given):
        return Range("bool")
    return Range("text") if given and all(isinstance(value, str) for value in given) else None


def check(node: Node, known: Mapping[str, Range]) -> Range:
    """Give the range of a node, all names being known.

    Raises: ExpressionError.
    """
    match node.kind:
        case "number":
            return Range("number", node.value, node.value)
        case "text" | "bool":
            return Range(node.kind)
        case "name":
            return known[node.value]
    parts = [check(part, known) for part in node.parts]
    if node.kind in ("and", "or", "not"):
        _demand("bool", node, parts)
        return Range("bool")
    if node.kind == "compare":
        _check_comparison(node, parts)
        return Range("bool")
    _demand("number", node, parts)
    try:
        low, high = _bounds(node, parts)
    except OverflowError:
        low = high = math.inf
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ExpressionError(f"{_said(node)} can grow beyond all bounds", node.at)
    return Range("number", low, high)


def _demand(kind: Kind, node: Node, parts: list[Range]) -> None:
    for part, found in zip(node.parts, parts, strict=True):
        if found.kind != kind:
            wanted = "a number" if kind == "number" else "something true or false"
            raise ExpressionError(f"{_said(node)} needs {wanted}, and this is {_NAMES[found.kind]}", part.at)


def _check_comparison(node: Node, parts: list[Range]) -> None:
    for sign, left, right, place in zip(node.value, parts, parts[1:], node.parts[1:], strict=False):
        if left.kind != right.kind:
            raise ExpressionError(f"{sign} compares {_NAMES[left.kind]} with {_NAMES[right.kind]}", place.at)
        if left.kind != "number" and sign not in ("==", "!="):
            raise ExpressionError(f"{sign} compares numbers, not {_NAMES[left.kind]}", place.at)


_NAMES = {"number": "a number", "text": "text", "bool": "true or false"}


def _said(node: Node) -> str:
    return "-" if node.kind == "sign" else str(node.value or node.kind)


def _bounds(node: Node, parts: list[Range]) -> tuple[float, float]:
    a, b = parts[0], parts[-1]
    if node.kind == "sign":
        return -a.high, -a.low
    match node.value:
        case "min" | "max":
            pick = min if node.value == "min" else max
            return pick(part.low for part in parts), pick(part.high for part in parts)
        case "abs":
            return 0.0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high)), max(abs(a.low), abs(a.high))
        case "log":
            if a.low <= 0:
                raise ExpressionError(f"log needs numbers above 0, and this goes down to {a.low:g}", node.at)
            return math.log(a.low), math.log(a.high)
        case "sqrt":
            if a.low < 0:
                raise ExpressionError(f"sqrt needs numbers from 0, and this goes down to {a.low:g}", node.at)
            return math.sqrt(a.low), math.sqrt(a.high)
        case "+":
            return a.low + b.low, a.high + b.high
        case "-":
            return a.low - b.high, a.high - b.low
        case "*":
            return _corners(a, b, lambda x, y: x * y)
        case "**":
            return _power(node, a, b)
    if b.low <= 0 <= b.high:
        raise ExpressionError(
            f"{node.value} may divide by 0: what it divides by goes from {b.low:g} to {b.high:g}", node.at
        )
    if node.value == "/":
        return _corners(a, b, lambda x, y: x / y)
    return min(b.low, 0.0), max(b.high, 0.0)


def _power(node: Node, a: Range, b: Range) -> tuple[float, float]:
    is_whole = b.low == b.high and b.low == int(b.low)
    if a.low < 0 and not is_whole:
        raise ExpressionError(
            f"** takes a number below 0, down to {a.low:g}, to a power that is not a whole number", node.at
        )
    if a.low <= 0 <= a.high and b.low < 0:
        raise ExpressionError("** may take 0 to a power below 0, which divides by 0", node.at)
    low, high = _corners(a, b, math.pow)
    return (min(low, 0.0) if a.low < 0 < a.high else low), high


def _corners(a: Range, b: Range, compute: Any) -> tuple[float, float]:
    found = [compute(x, y) for x, y in itertools.product((a.low, a.high), (b.low, b.high))]
    return min(found), max(found)
