"""One parameter of a space: its legal values, and how it is encoded for searchers that know only numbers.

Names, conditions between parameters and whole points belong to `search/space.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from search.conditions import Condition, When, is_number, same_value
from search.problems import FieldProblem, join_path

LARGEST = 1e100
LARGEST_INT = 2**53
MOST_STEPS = 10**9


@dataclass(frozen=True)
class Interval:
    """Encoded numbers, in the units of the value; both ends belong to it."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    """The codes of legal values are so far apart, the last of them half a step below `high`."""

    @property
    def n_steps(self) -> int | None:
        """Count the legal values; None where they are continuous."""
        return None if self.step is None else math.floor((self.high - self.low) / self.step + 0.5)

    def clip(self, value: float) -> float:
        """Move a value to the nearest one inside; NaN becomes the lower end."""
        return min(max(value, self.low), self.high) if value == value else self.low


@dataclass(frozen=True)
class Categories:
    """Encoded choices: the integers from 0 to n - 1. `ordered`: neighbours are alike."""

    n: int
    ordered: bool = False


Domain = Interval | Categories


class _Parameter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    when: When = Field(default_factory=dict, description="Active only where these conditions on other names hold.")


class _Number(_Parameter):
    """What float and int share: an interval, perhaps a lattice of steps in it."""

    low: float
    high: float
    log: bool = Field(default=False, description="Search on a logarithmic scale; needs low above 0.")
    step: float | None = None
    default: float | None = None

    @property
    def spacing(self) -> float | None:
        """Distance between legal values; None is continuous."""
        return self.step

    def fit(self, value: Any) -> Any:
        """Give the nearest legal value; what is no number gives the default."""
        if not is_number(value) or value != value:
            return self.fallback
        clipped = min(max(value, self.low), self.high)
        spacing = self.spacing
        if spacing is None:
            return float(clipped)
        return self._at(min(math.floor((clipped - self.low) / spacing + 0.5), self._n_steps))

    @property
    def fallback(self) -> Any:
        """The value it takes where nobody says: its default, else the middle of its scale."""
        if self.default is not None:
            return self.fit(self.default)
        return self.fit(math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2)

    def domain(self) -> Domain:
        """Encode it: a lattice reaches half a step beyond its ends, so that all its points are equally likely."""
        spacing = self.spacing
        if spacing is None:
            return Interval(self.low, self.high, self.log)
        low, high = self.low - spacing / 2, self._at(self._n_steps) + spacing / 2
        return Interval(low if low > 0 or not self.log else self.low / 2, high, self.log, spacing)

    def decode(self, encoded: Any) -> Any:
        """Turn any number into a legal value."""
        return self.fit(float(encoded))

    def encode(self, value: Any) -> float:
        """Turn a legal value into its code."""
        return float(self.fit(value))

    def lattice(self) -> Iterable[Any] | None:
        """Go through the legal values; None when they are continuous."""
        return None if self.spacing is None else map(self._at, range(self._n_steps + 1))

    def can_hold(self, conditions: Iterable[Condition]) -> bool:
        """Tell whether some legal value satisfies all conditions."""
        conditions = list(conditions)
        near = [value for condition in conditions for value in condition.operands() if is_number(value)]
        reach = self.spacing or 0.0
        steps = [value + offset for value in near for offset in (-reach, 0, reach)]
        around = [*steps, *(math.nextafter(value, end) for value in near for end in (-math.inf, math.inf))]
        candidates = [self.fit(value) for value in [self.low, self.high, self.fallback, *around]]
        return any(all(condition.holds(value) for condition in conditions) for value in candidates)

    def problems(self, path: str) -> list[FieldProblem]:
        """Say why it has no legal values."""
        found = []
        if self.low >= self.high:
            found.append(
                FieldProblem(
                    join_path(path, "low"),
                    f"low is {self.low:g} and high is {self.high:g}: low must be below high; "
                    "a value that does not vary belongs in fixed",
                )
            )
        if self.log and self.low <= 0:
            found.append(FieldProblem(join_path(path, "low"), f"log needs low above 0, got {self.low:g}"))
        if found:
            return found
        return [*self._step_problems(path), *self._default_problems(path)]

    def _step_problems(self, path: str) -> list[FieldProblem]:
        spacing = self.spacing
        if spacing is None:
            return []
        width = self.high - self.low
        least = max(width / MOST_STEPS, 1e-12 * max(abs(self.low), abs(self.high)))
        if spacing > width or spacing < least:
            message = f"step is {spacing:g}: it must be from {least:g} to {width:g}, the distance from low to high"
            return [FieldProblem(join_path(path, "step"), message)]
        return []

    def _default_problems(self, path: str) -> list[FieldProblem]:
        if self.default is None or self.low <= self.default <= self.high:
            return []
        message = f"default is {self.default:g}: it must lie from {self.low:g} to {self.high:g}"
        return [FieldProblem(join_path(path, "default"), message)]

    @property
    def _n_steps(self) -> int:
        return math.floor((self.high - self.low) / (self.spacing or 1.0) + 1e-9)

    def _at(self, index: int) -> Any:
        # 15 digits: 0.1 + 2 * 0.1 is 0.3 for whoever reads it.
        readable = float(f"{self.low + index * (self.spacing or 1.0):.15g}")
        return min(max(readable, self.low), self.high)


class FloatParameter(_Number):
    """A real number from low to high; `step` makes it a lattice that starts at low."""

    type: Literal["float"]
    low: float = Field(ge=-LARGEST, le=LARGEST, description="Smallest value.", examples=[3e-4])
    high: float = Field(ge=-LARGEST, le=LARGEST, description="Largest value.", examples=[3e-2])
    step: float | None = Field(
        default=None, gt=0, le=LARGEST, description="Distance between values; null is continuous."
    )
    default: float | None = Field(default=None, description="The value of the default point.")


class IntParameter(_Number):
    """A whole number from low to high, both included."""

    type: Literal["int"]
    low: int = Field(ge=-LARGEST_INT, le=LARGEST_INT, description="Smallest value.", examples=[16])
    high: int = Field(ge=-LARGEST_INT, le=LARGEST_INT, description="Largest value, included.", examples=[128])
    step: int | None = Field(default=None, ge=1, le=LARGEST_INT, description="Distance between values; null is 1.")
    default: int | None = Field(default=None, description="The value of the default point.")
    per_layer: bool = Field(default=False, description="One value for each hidden layer: units.1, units.2, ...")

    @property
    def spacing(self) -> float:
        """Distance between legal values, at least 1."""
        return self.step or 1

    def _at(self, index: int) -> int:
        return self.low + index * (self.step or 1)


class ChoiceParameter(_Parameter):
    """One of a list of values."""

    type: Literal["choice"]
    values: list[JsonValue] = Field(max_length=10_000, description="The values.", examples=[["relu", "tanh"]])
    ordered: bool | None = Field(
        default=None, description="Neighbours in the list are alike; null says so of numbers that rise or fall."
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
        """Encode it by index."""
        return Categories(len(self.values), self._in_order if self.ordered is None else self.ordered)

    def decode(self, encoded: Any) -> Any:
        """Turn any number into a legal value."""
        index = float(encoded)
        if math.isnan(index):
            return self.fallback
        return self.values[math.floor(min(max(index, 0), len(self.values) - 1) + 0.5)]

    def encode(self, value: Any) -> int:
        """Turn a legal value into its code."""
        index = self._index(value)
        return index if index is not None else (self._index(self.default) or 0)

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
        return []

    @property
    def _in_order(self) -> bool:
        numbers: list[Any] = [value for value in self.values if is_number(value)]  # the order of two says nothing
        return len(numbers) == len(self.values) > 2 and numbers in (sorted(numbers), sorted(numbers, reverse=True))

    def _index(self, value: Any) -> int | None:
        return next((index for index, other in enumerate(self.values) if same_value(value, other)), None)


Parameter = Annotated[FloatParameter | IntParameter | ChoiceParameter, Field(discriminator="type")]
