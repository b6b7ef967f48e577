"""Numbers of a space: float and int, their legal values and the law by which they are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from search.conditions import Condition, Conditional, is_number
from search.problems import FieldProblem, join_path
from search.scales import REACH, Direct, Domain, Legal, Mirrored, Quantiles, Scale

LARGEST = 1e100
LARGEST_INT = 2**53
MOST_STEPS = 10**9
LEAST_SIGMA = 1e-6
"""The least sigma of a lognormal law; of a normal one in units of its largest value, divided by 1000."""
FLATTEST = 1e-3
"""A normal law has a share of its sigma between low and high."""


def _ends_or_law(schema: dict[str, Any]) -> None:
    """A normal law may leave its ends out."""
    schema["required"] = [name for name in schema["required"] if name not in ("low", "high")]
    schema["anyOf"] = [{"required": ["low", "high"]}, {"required": ["mean", "sigma"]}]


class _Number(Conditional):
    """What float and int share: an interval, perhaps a lattice of steps in it, and a law."""

    model_config = ConfigDict(json_schema_extra=_ends_or_law)

    log: bool | Literal["reverse"] = Field(
        default=False,
        description="Uniform in the logarithm; reverse: in the logarithm of low + high - value, dense near high. Both "
        "need low above 0.",
    )
    mean: float | None = Field(
        default=None,
        ge=-LARGEST,
        le=LARGEST,
        description="With sigma: a normal law instead of a uniform one; with log both are of the natural logarithm.",
    )
    sigma: float | None = Field(
        default=None,
        gt=0,
        le=LARGEST,
        description="Standard deviation of the normal law; it ends at low and high, and 4 sigma from its mean.",
    )
    low: float
    high: float
    step: float | None = None
    default: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _end_the_law(cls, given: Any) -> Any:
        """Write into low and high where a normal law ends."""
        if not isinstance(given, dict) or not all(is_number(given.get(name)) for name in ("mean", "sigma")):
            return given
        reach = REACH * given["sigma"]
        ends = [given["mean"] - reach, given["mean"] + reach]
        if not all(map(math.isfinite, ends)) or reach <= 0:
            return given
        if given.get("log"):
            ends = [math.exp(min(max(end, -math.log(LARGEST)), math.log(LARGEST))) for end in ends]
        low, high = cls._legal_ends(*ends)
        return {
            **given,
            "low": max(low, given["low"]) if is_number(given.get("low")) else given.get("low", low),
            "high": min(high, given["high"]) if is_number(given.get("high")) else given.get("high", high),
        }

    @staticmethod
    def _legal_ends(low: float, high: float) -> tuple[float, float]:
        return float(f"{low:.12g}"), float(f"{high:.12g}")

    @property
    def spacing(self) -> float | None:
        """Distance between legal values; None is continuous."""
        return self.step

    @property
    def scale(self) -> Scale:
        """The law with its code."""
        legal = Legal(self.low, self.high if self.spacing is None else self._at(self._n_steps), self.spacing)
        if self.mean is not None and self.sigma is not None:
            return Quantiles(legal, self.mean, self.sigma, bool(self.log))
        return Mirrored(legal, self.low + self.high) if self.log == "reverse" else Direct(legal, self.log)

    def fit(self, value: Any) -> Any:
        """Give the nearest legal value; what is no number gives the default."""
        if not is_number(value) or value != value:
            return self.fallback
        clipped = min(max(value, self.low), self.high)
        spacing = self.spacing
        if spacing is None:
            return float(min(max(self.scale.settle(clipped), self.low), self.high))
        return self._at(min(math.floor((clipped - self.low) / spacing + 0.5), self._n_steps))

    @property
    def fallback(self) -> Any:
        """The value it takes where nobody says: its default, else the middle of its law."""
        return self.fit(self.scale.middle if self.default is None else self.default)

    def domain(self) -> Domain:
        """Encode it."""
        return self.scale.domain()

    def decode(self, encoded: Any) -> Any:
        """Turn any number into a legal value."""
        return self.fit(self.scale.decode(float(encoded)))

    def encode(self, value: Any) -> float:
        """Turn a legal value into its code."""
        return self.scale.encode(self.fit(value))

    def lattice(self) -> Iterable[Any] | None:
        """Go through the legal values; None when they are continuous."""
        return None if self.spacing is None else map(self._at, range(self._n_steps + 1))

    def can_hold(self, conditions: Iterable[Condition]) -> bool:
        """Tell whether some legal value satisfies all conditions."""
        conditions = list(conditions)
        near = [value for condition in conditions for value in condition.operands() if is_number(value)]
        steps = [value + offset for value in near for reach in self._reaches(value) for offset in (-reach, 0, reach)]
        around = [*steps, *(math.nextafter(value, end) for value in near for end in (-math.inf, math.inf))]
        candidates = [self.fit(value) for value in [self.low, self.high, self.fallback, *around]]
        return any(all(condition.holds(value) for condition in conditions) for value in candidates)

    def _reaches(self, value: float) -> list[float]:
        """Distances to other legal values: a step, or more than values are rounded by."""
        return (
            [self.spacing]
            if self.spacing
            else [1e-8 * abs(value), 1e-8 * max(abs(self.low), abs(self.high), self.sigma or 0)]
        )

    def problems(self, path: str) -> list[FieldProblem]:
        """Say why it has no legal values."""
        found = self._law_problems(path)
        if self.low >= self.high:
            ends = "" if self.sigma is None else f" (the law ends {REACH:g} sigma from its mean)"
            found.append(
                FieldProblem(
                    join_path(path, "low"),
                    f"low is {self.low:g} and high is {self.high:g}{ends}: low must be below high; "
                    "a value that does not vary belongs in fixed",
                )
            )
        if self.log and self.low <= 0:
            found.append(FieldProblem(join_path(path, "low"), f"log needs low above 0, got {self.low:g}"))
        if found:
            return found
        return [*self._step_problems(path), *self._default_problems(path)]

    def _law_problems(self, path: str) -> list[FieldProblem]:
        if self.mean is None and self.sigma is None:
            return []
        if self.mean is None or self.sigma is None:
            missing = "mean" if self.mean is None else "sigma"
            message = "a normal law needs mean and sigma; a uniform one has neither"
            return [FieldProblem(join_path(path, missing), message)]
        if self.log == "reverse":
            return [FieldProblem(join_path(path, "log"), 'a normal law takes log true or false, not "reverse"')]
        least = LEAST_SIGMA if self.log else LEAST_SIGMA / 1000 * max(abs(self.low), abs(self.high))
        if self.sigma < least:
            return [FieldProblem(join_path(path, "sigma"), f"sigma is {self.sigma:g}: it must be at least {least:g}")]
        width = math.log(self.high / self.low) if self.log and self.low > 0 else self.high - self.low
        if self.sigma * FLATTEST > width > 0:
            message = f"sigma is {self.sigma:g}, and the law is flat from low to high: leave mean and sigma out"
            return [FieldProblem(join_path(path, "sigma"), message)]
        return []

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
    """A real number from low to high; `step` makes it a lattice that starts at low, `mean` and `sigma` a normal law."""

    type: Literal["float"]
    low: float = Field(ge=-LARGEST, le=LARGEST, description="Smallest value.", examples=[3e-4])
    high: float = Field(ge=-LARGEST, le=LARGEST, description="Largest value.", examples=[3e-2])
    step: float | None = Field(
        default=None, gt=0, le=LARGEST, description="Distance between values; null is continuous."
    )
    default: float | None = Field(default=None, ge=-LARGEST, le=LARGEST, description="The value of the default point.")


class IntParameter(_Number):
    """A whole number from low to high, both included."""

    type: Literal["int"]
    low: int = Field(ge=-LARGEST_INT, le=LARGEST_INT, description="Smallest value.", examples=[16])
    high: int = Field(ge=-LARGEST_INT, le=LARGEST_INT, description="Largest value, included.", examples=[128])
    step: int | None = Field(default=None, ge=1, le=LARGEST_INT, description="Distance between values; null is 1.")
    default: int | None = Field(
        default=None, ge=-LARGEST_INT, le=LARGEST_INT, description="The value of the default point."
    )
    per_layer: bool = Field(default=False, description="One value for each hidden layer: units.1, units.2, ...")

    @property
    def spacing(self) -> float:
        """Distance between legal values, at least 1."""
        return self.step or 1

    @staticmethod
    def _legal_ends(low: float, high: float) -> tuple[int, int]:
        return math.ceil(low), math.floor(high)

    def _at(self, index: int) -> int:
        return self.low + index * (self.step or 1)
