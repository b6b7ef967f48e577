"""Encoded points as points of a unit cube, for algorithms of our own: a side for each parameter, equal lengths equally
likely. Legal values of a lattice or a choice are the middles of equal cells, or where a logarithmic scale puts them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.domains import relaxed
from search.parameters import Categories, Domain, Interval

Units = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """One parameter. `n` counts its legal values, None where they are continuous."""

    domain: Domain

    @property
    def n(self) -> int | None:
        return self.domain.n if isinstance(self.domain, Categories) else self.domain.n_steps

    @property
    def is_free(self) -> bool:
        """Its values have no order."""
        return isinstance(self.domain, Categories)

    def code(self, units: Units) -> Units:
        """Turn places on this side into codes of legal values."""
        domain = self.domain
        if isinstance(domain, Categories):
            return np.clip(np.floor(units * domain.n), 0, domain.n - 1)
        low, high = _ends(domain)
        values = low + units * (high - low)
        values = np.exp(values) if domain.log else values
        if domain.step is not None and domain.n_steps is not None:
            last = domain.high - domain.step / 2
            from_last = np.floor((last - values) / domain.step + 0.5)
            values = last - np.clip(from_last, 0, domain.n_steps - 1) * domain.step
        return np.clip(values, domain.low, domain.high)

    def place(self, code: float) -> float:
        """Turn a code into its place on this side."""
        domain = self.domain
        if isinstance(domain, Categories):
            return (math.floor(code + 0.5) + 0.5) / domain.n
        low, high = _ends(domain)
        value = domain.clip(code)
        return ((math.log(value) if domain.log else value) - low) / (high - low)


class Cube:
    """The sides by name. Shapes: units [N, D] in [0, 1]."""

    def __init__(self, domains: Mapping[str, Domain]) -> None:
        self._known = dict(domains)
        self.sides = [Side(relaxed(domain)) for domain in domains.values()]

    def snap(self, units: Units) -> Units:
        """Move places to those of legal values."""
        snapped = np.clip(units, 0.0, 1.0)
        for index, side in enumerate(self.sides):
            if side.n is not None:
                values, where = np.unique(side.code(snapped[:, index]), return_inverse=True)
                snapped[:, index] = np.array([side.place(value) for value in values])[where]
        return snapped

    def point(self, units: Units) -> dict[str, Any]:
        """Turn one row [D] into an encoded point."""
        codes = {name: float(side.code(u)) for (name, side), u in zip(self._pairs(), units, strict=True)}
        return {name: int(c) if isinstance(self._known[name], Categories) else c for name, c in codes.items()}

    def units(self, point: Mapping[str, Any]) -> Units:
        """Turn an encoded point into one row [D]."""
        return np.array([side.place(point[name]) for name, side in self._pairs()])

    def steps(self, share: float) -> Units:
        """Give the length [D] of a step to values nearby: a share of a side, at least one cell."""
        return np.array([max(share, 1 / (side.n or math.inf)) for side in self.sides])

    @property
    def size(self) -> int | None:
        """Count the points; None where a side is continuous."""
        counts = [side.n for side in self.sides]
        return None if None in counts else math.prod(n for n in counts if n)

    def _pairs(self) -> list[tuple[str, Side]]:
        return list(zip(self._known, self.sides, strict=True))


def _ends(domain: Interval) -> tuple[float, float]:
    return (math.log(domain.low), math.log(domain.high)) if domain.log else (domain.low, domain.high)
