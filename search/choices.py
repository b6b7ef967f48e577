"""Choices of a space: values from a list, perhaps in order, perhaps with weights."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import Any, Literal

from pydantic import Field, JsonValue

from search.conditions import Condition, Conditional, is_number, same_value
from search.problems import FieldProblem, join_path
from search.scales import Categories, Domain

MOST_PARTS = 100
"""Weights are whole parts of at most so many."""


class ChoiceParameter(Conditional):
    """One of a list of values, all equally likely or in proportion to `weights`."""

    type: Literal["choice"]
    values: list[JsonValue] = Field(max_length=10_000, description="The values.", examples=[["relu", "tanh"]])
    ordered: bool | None = Field(
        default=None, description="Neighbours in the list are alike; null says so of numbers that rise or fall."
    )
    weights: list[float] | None = Field(
        default=None,
        max_length=10_000,
        description=f"How likely the values are, in proportion: whole parts of at most {MOST_PARTS}, as 7, 2, 1 are.",
        examples=[[2, 1]],
    )
    default: JsonValue = Field(default=None, description="The value of the default point.")

    def fit(self, value: Any) -> Any:
        """Give the value itself when it is legal, else the default."""
        return self.fallback if self._index(value) is None else value

    @property
    def fallback(self) -> Any:
        """The value it takes where nobody says: its default, else the first."""
        return self.values[self._index(self.default) or 0]

    def domain(self) -> Domain:
        """Encode it by index; a value has as many codes as its weight has parts."""
        return Categories(self._first_codes[-1], self._in_order if self.ordered is None else self.ordered)

    def decode(self, encoded: Any) -> Any:
        """Turn any number into a legal value."""
        code = float(encoded)
        if math.isnan(code):
            return self.fallback
        whole = math.floor(min(max(code, 0), self._first_codes[-1] - 1) + 0.5)
        return self.values[bisect_right(self._first_codes, whole) - 1]

    def encode(self, value: Any) -> int:
        """Turn a legal value into its code, the middle one where it has several."""
        found = self._index(value)
        index = found if found is not None else (self._index(self.default) or 0)
        return (self._first_codes[index] + self._first_codes[index + 1] - 1) // 2

    def lattice(self) -> Iterable[Any] | None:
        """Go through the legal values."""
        return list(self.values)

    def can_hold(self, conditions: Iterable[Condition]) -> bool:
        """Tell whether some legal value satisfies all conditions."""
        conditions = list(conditions)
        return any(all(condition.holds(value) for condition in conditions) for value in self.values)

    def problems(self, path: str) -> list[FieldProblem]:
        """Say why it has no legal values."""
        different: list[Any] = []
        for value in self.values:
            if any(same_value(value, other) for other in different):
                return [FieldProblem(join_path(path, "values"), f"{json.dumps(value)} is listed twice")]
            different.append(value)
        if len(different) < 2:
            message = f"{json.dumps(self.values)} leaves nothing to choose: list at least 2 values, or use fixed"
            return [FieldProblem(join_path(path, "values"), message)]
        if self.default is not None and self._index(self.default) is None:
            message = f"{json.dumps(self.default)} is none of {json.dumps(self.values)}"
            return [FieldProblem(join_path(path, "default"), message)]
        return self._weight_problems(path)

    def _weight_problems(self, path: str) -> list[FieldProblem]:
        if self.weights is None:
            return []
        message = None
        if len(self.weights) != len(self.values):
            message = f"{len(self.weights)} weights for {len(self.values)} values: each value needs one"
        elif min(self.weights) <= 0:
            message = f"{min(self.weights):g} is no weight: it must be above 0; a value never drawn is left out"
        elif self._first_codes[-1] > MOST_PARTS:
            n = self._first_codes[-1]
            message = f"these shares need {n} equal parts, and {MOST_PARTS} are allowed: round them, as 7, 2, 1 are"
        return [FieldProblem(join_path(path, "weights"), message)] if message else []

    @property
    def _first_codes(self) -> tuple[int, ...] | range:
        """The first code of each value, and the number of codes."""
        return range(len(self.values) + 1) if self.weights is None else _first_codes(tuple(self.weights))

    @property
    def _in_order(self) -> bool:
        numbers: list[Any] = [value for value in self.values if is_number(value)]  # the order of two says nothing
        return len(numbers) == len(self.values) > 2 and numbers in (sorted(numbers), sorted(numbers, reverse=True))

    def _index(self, value: Any) -> int | None:
        return next((index for index, other in enumerate(self.values) if same_value(value, other)), None)


@lru_cache
def _first_codes(weights: tuple[float, ...]) -> tuple[int, ...]:
    """Give each weight as many codes as it has parts, the parts being as large as they can."""
    shares = [Fraction(repr(weight)) for weight in weights]
    common = math.lcm(*(share.denominator for share in shares))
    whole = [int(share * common) for share in shares]
    part = math.gcd(*whole) or 1
    return tuple(accumulate((weight // part for weight in whole), initial=0))
