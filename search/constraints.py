"""What points must satisfy together: a weighted sum within bounds, or an expression that is true.

Which points a search proposes instead of those that do not is `search/feasible.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any

from pydantic import ConfigDict, JsonValue, RootModel, WithJsonSchema, model_validator

from search.conditions import is_number
from search.expressions import ExpressionError, Node, parse
from search.ranges import Range, check

LONGEST = 1000
MOST = 32
"""Constraints of a job, and terms of a sum."""


class Constraint(RootModel[JsonValue]):
    """`"units * hidden_layers <= 400"`, or `{"sum": {"units.1": 1, "units.2": 1}, "le": 200}` with `le`, `ge` or both.

    A sum goes over the terms that are active; an expression that speaks of a parameter that is not holds.
    """

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _check_form(self) -> Constraint:
        if isinstance(self.root, str):
            if len(self.root) > LONGEST:
                raise ValueError(f"an expression has at most {LONGEST} characters, not {len(self.root)}")
            _ = self.expression
        elif isinstance(self.root, dict):
            _check_sum(self.root)
        else:
            raise ValueError('a constraint is an expression such as "units <= 200", or {"sum": {...}, "le": 200}')
        return self

    @cached_property
    def expression(self) -> Node | None:
        """The expression as it is computed; None of a sum."""
        return parse(self.root) if isinstance(self.root, str) else None

    @property
    def names(self) -> list[str]:
        """The names that it speaks of, each once."""
        if self.expression is None:
            return list(self._sum)
        return list(dict.fromkeys(node.value for node in self.expression.names()))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Tell whether it holds where the active parameters have these values."""
        active = [name for name in self.names if name in values]
        if self.expression is None:
            total = math.fsum(weight * values[name] for name, weight in self._sum.items() if name in values)
            return not active or self._low <= total <= self._high
        if len(active) < len(self.names):
            return True
        try:
            return bool(self.expression.evaluate(values))
        except (ArithmeticError, ValueError):
            return False

    def problem(self, known: Mapping[str, Range | None]) -> str | None:
        """Say why it means nothing over these names; None where it does."""
        unknown = [name for name in self.names if name not in known]
        if unknown:
            return _unknown(unknown[0], known.keys(), self.expression)
        ranges = {name: found for name in self.names if (found := known[name])}
        mixed = next((name for name in self.names if name not in ranges), None)
        if mixed is not None:
            return f"{mixed} is a list or null, or has values of several types, which no constraint can speak of"
        if self.expression is None:
            other = next((name for name, found in ranges.items() if found.kind != "number"), None)
            return None if other is None else f"a sum adds numbers, and {other} is none"
        try:
            found = check(self.expression, ranges)
        except ExpressionError as error:
            return str(error)
        return None if found.kind == "bool" else "it comes to a number or text: compare it with something"

    def __str__(self) -> str:
        return self.root if isinstance(self.root, str) else json.dumps(self.root)

    @property
    def _sum(self) -> dict[str, float]:
        given: Any = self.root
        return given["sum"]  # type: ignore[no-any-return]  # checked

    @property
    def _low(self) -> float:
        given: Any = self.root
        return float(given.get("ge", -math.inf))

    @property
    def _high(self) -> float:
        given: Any = self.root
        return float(given.get("le", math.inf))


AnyConstraint = Annotated[
    Constraint,
    WithJsonSchema(
        {
            "description": "An expression over names that must be true, or a weighted sum within bounds.",
            "anyOf": [
                {"type": "string", "maxLength": LONGEST},
                {
                    "type": "object",
                    "properties": {
                        "sum": {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 1},
                        "le": {"type": "number"},
                        "ge": {"type": "number"},
                    },
                    "required": ["sum"],
                    "additionalProperties": False,
                },
            ],
        }
    ),
]


def _check_sum(given: Mapping[str, Any]) -> None:
    unknown = sorted(given.keys() - {"sum", "le", "ge"})
    terms = given.get("sum")
    ends = [given[end] for end in ("le", "ge") if end in given]
    if unknown:
        raise ValueError(f"there is no {unknown[0]!r} in a constraint; allowed: sum, le, ge")
    if not isinstance(terms, dict) or not 0 < len(terms) <= MOST:
        raise ValueError(f'sum is an object of 1 to {MOST} weights by name, such as {{"units.1": 1, "units.2": 1}}')
    if not ends:
        raise ValueError("a sum needs le, ge or both")
    if not all(is_number(value) and abs(value) <= 1e100 for value in [*terms.values(), *ends]):
        raise ValueError("weights, le and ge are numbers up to 1e100")


def _unknown(name: str, known: Set[str], expression: Node | None) -> str:
    at = next((node.at for node in expression.names() if node.value == name), None) if expression else None
    where = "" if at is None else f" (character {at + 1})"
    layers = sorted(other for other in known if other.rpartition(".")[0] == name)
    if layers:
        return f"{name!r}{where} is one for each layer here: name them, {', '.join(layers)}"
    nearest = get_close_matches(name, known, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else f"; allowed: {', '.join(sorted(known))}"
    return f"{name!r}{where} is neither in space nor in fixed{hint}"
