"""How the values of a parameter are encoded: by numbers that are drawn uniformly, or uniformly in their logarithm.

So every library can draw from every law, and none has to know one. Which values are legal is `search/parameters.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

REACH = 4.0
"""A normal law ends so many sigma from its mean: one draw in 16,000 would lie beyond."""
DIGITS = 9
"""Values that are computed from their codes are rounded to so many digits, so that both ways lead to the same value."""
_STANDARD = NormalDist()


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
    """Encoded choices: the integers from 0 to n - 1, equally likely. `ordered`: neighbours are alike."""

    n: int
    ordered: bool = False


Domain = Interval | Categories


@dataclass(frozen=True)
class Legal:
    """The least and the largest legal value, and the distance between neighbours; None is continuous."""

    low: float
    high: float
    step: float | None

    def widened(self, log: bool) -> Interval:
        """Give an interval that reaches half a step beyond its ends: all points of a lattice are equally likely."""
        if self.step is None:
            return Interval(self.low, self.high, log)
        low = self.low - self.step / 2
        return Interval(low if low > 0 or not log else self.low / 2, self.high + self.step / 2, log, self.step)


class Scale(Protocol):
    """A law with its code."""

    @property
    def middle(self) -> float:
        """The value that stands for the law: the middle of its scale, or its mean."""

    def domain(self) -> Interval:
        """Give the codes."""

    def encode(self, value: float) -> float:
        """Turn a legal value into its code."""

    def decode(self, code: float) -> float:
        """Turn any number into a value, which may lie beside the legal ones; NaN stays NaN."""

    def settle(self, value: float) -> float:
        """Round a value, so that its code leads back to it."""


@dataclass(frozen=True)
class Direct:
    """Uniform, or uniform in the logarithm: the code is the value."""

    legal: Legal
    log: bool

    @property
    def middle(self) -> float:
        low, high = self.legal.low, self.legal.high
        return math.sqrt(low * high) if self.log else (low + high) / 2

    def domain(self) -> Interval:
        return self.legal.widened(self.log)

    def encode(self, value: float) -> float:
        return float(value)

    def decode(self, code: float) -> float:
        return code

    def settle(self, value: float) -> float:
        return value


@dataclass(frozen=True)
class Mirrored:
    """Dense near the upper end: the code is low + high - value, and uniform in its logarithm.

    Source: reverse log scale of Golovin et al. 2017, Google Vizier, and Keras Tuner. `total` is low + high.
    """

    legal: Legal
    total: float

    @property
    def middle(self) -> float:
        return self.total - math.sqrt(self.legal.low * (self.total - self.legal.low))

    def domain(self) -> Interval:
        legal = self.legal
        if legal.step is None:  # it is its own mirror image, and stays so to the last bit
            return legal.widened(log=True)
        return Legal(self.total - legal.high, self.total - legal.low, legal.step).widened(log=True)

    def encode(self, value: float) -> float:
        return self.domain().clip(self.total - value)

    def decode(self, code: float) -> float:
        return self.total - code

    def settle(self, value: float) -> float:
        return _rounded(value, 1e-4 * self.total)


@dataclass(frozen=True)
class Quantiles:
    """Normal, or with `log` normal in the logarithm, cut off at its ends: the code is the share that lies below."""

    legal: Legal
    mean: float
    sigma: float
    log: bool

    @property
    def middle(self) -> float:
        return math.exp(self.mean) if self.log else self.mean

    def domain(self) -> Interval:
        return Interval(0.0, 1.0)

    def encode(self, value: float) -> float:
        low, high = self._shares()
        return min(max((self._share_below(value) - low) / (high - low), 0.0), 1.0)

    def decode(self, code: float) -> float:
        if code != code:
            return code
        low, high = self._shares()
        share = low + min(max(code, 0.0), 1.0) * (high - low)
        ends = self.legal.widened(self.log)
        if not 0 < share < 1 or code in (0, 1):
            return ends.low if code < 0.5 else ends.high
        bent = self.mean + self.sigma * _STANDARD.inv_cdf(share)
        return math.exp(bent) if self.log else bent

    def settle(self, value: float) -> float:
        if self.log:
            return float(f"{value:.{DIGITS}g}")
        return _rounded(value, max(self.sigma, 1e-4 * max(abs(self.legal.low), abs(self.legal.high))))

    def _shares(self) -> tuple[float, float]:
        ends = self.legal.widened(self.log)
        return self._share_below(ends.low), self._share_below(ends.high)

    def _share_below(self, value: float) -> float:
        distance = ((math.log(value) if self.log else value) - self.mean) / self.sigma
        return 0.5 * math.erfc(-distance / math.sqrt(2))


def _rounded(value: float, unit: float) -> float:
    return round(value, DIGITS - math.floor(math.log10(unit)))
