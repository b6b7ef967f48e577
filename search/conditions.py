"""When a parameter is active: comparisons on the value of another one. Which names exist is the space's matter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel, WithJsonSchema, model_validator

Operator = Literal["eq", "ne", "lt", "le", "gt", "ge", "in"]
ORDERINGS: frozenset[str] = frozenset({"lt", "le", "gt", "ge"})
_WORDS = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "in": "in"}


class Condition(RootModel[dict[Operator, JsonValue]]):
    """Comparisons that must all hold. A bare value means `eq`, a bare list `in`."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, given: Any) -> Any:
        if isinstance(given, Condition | dict):
            return given
        return {"in": given} if isinstance(given, list) else {"eq": given}

    @model_validator(mode="after")
    def _check_operands(self) -> Condition:
        if not self.root:
            raise ValueError("an empty condition says nothing; give a value, a list of values, or comparisons")
        for operator, operand in self.root.items():
            if operator == "in" and not isinstance(operand, list):
                raise ValueError(f"in needs a list of values, not {json.dumps(operand)}")
            if any(is_number(value) and not abs(value) <= 1e100 for value in _each(operator, operand)):
                raise ValueError(f"{operator} takes numbers up to 1e100, not {json.dumps(operand)}")
            if operator in ORDERINGS and not is_number(operand):
                raise ValueError(f"{operator} needs a number, not {json.dumps(operand)}")
        return self

    def holds(self, value: Any) -> bool:
        """Tell whether `value` satisfies every comparison; a value of another type satisfies none but `ne`."""
        return all(_compare(operator, value, operand) for operator, operand in self.root.items())

    def operands(self) -> Iterable[Any]:
        """List the values it compares with."""
        for operator, operand in self.root.items():
            yield from _each(operator, operand)

    def narrowed(self, other: Condition) -> Condition:
        """Build the condition that holds where both do."""
        merged: dict[Operator, Any] = dict(self.root)
        for operator, operand in other.root.items():
            merged[operator] = _tighter(operator, merged[operator], operand) if operator in merged else operand
            if merged[operator] is _NOTHING:
                return Condition({"in": []})
        return Condition(merged)

    def __str__(self) -> str:
        return " and ".join(f"{_WORDS[operator]} {json.dumps(operand)}" for operator, operand in self.root.items())


_NOTHING: Any = object()

When = dict[
    str,
    Annotated[
        Condition,
        WithJsonSchema(
            {
                "description": "A value, a list of values, or comparisons that must all hold.",
                "anyOf": [
                    {"type": ["string", "number", "boolean"]},
                    {"type": "array", "items": {}},
                    {
                        "type": "object",
                        "properties": {operator: {} for operator in _WORDS},
                        "additionalProperties": False,
                        "minProperties": 1,
                    },
                ],
            }
        ),
    ],
]


class Conditional(BaseModel):
    """What may be active under conditions only."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    when: When = Field(
        default_factory=dict,
        description="Active only where these conditions on other names hold.",
        examples=[{"optimizer": "sgd"}],
    )


def same_value(left: Any, right: Any) -> bool:
    """Compare as JSON does: 1 equals 1.0 but not true."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same_value, left, right))
    return bool(left == right)


def is_number(value: Any) -> bool:
    """Tell whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _each(operator: Operator, operand: Any) -> list[Any]:
    return operand if operator == "in" else [operand]


def _compare(operator: Operator, value: Any, operand: Any) -> bool:
    match operator:
        case "eq":
            return same_value(value, operand)
        case "ne":
            return not same_value(value, operand)
        case "in":
            return any(same_value(value, item) for item in operand)
    if not is_number(value):
        return False
    return bool(
        {"lt": value < operand, "le": value <= operand, "gt": value > operand, "ge": value >= operand}[operator]
    )


def _tighter(operator: Operator, left: Any, right: Any) -> Any:
    if operator == "in":
        return [value for value in left if any(same_value(value, other) for other in right)]
    if operator in ORDERINGS:
        return min(left, right) if operator in ("lt", "le") else max(left, right)
    return left if same_value(left, right) else _NOTHING
