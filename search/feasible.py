"""Keeps a search where its constraints hold: which point is tried instead of one that does not satisfy them.

An algorithm that learns gets a point drawn back: the nearest to it, in steps of 1/64, on the straight line (of the unit
cube) to a point that is known to be feasible; then what need not have moved moves back. Where no point of the line is
feasible, and for algorithms that do not learn, points are drawn again by the laws of the space, from a generator seeded
by job and trial: that is the law under the condition that the constraints hold. So a replay gets the same points.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from search.choices import ChoiceParameter
from search.constraints import Constraint
from search.cube import Cube, Units
from search.problems import FieldProblem, join_path
from search.ranges import Range, range_of

if TYPE_CHECKING:
    from search.space import Point, Space

Code = Mapping[str, Any]

STEPS = 64
MOST_DRAWS = 1000
"""So often a point is drawn again before the known feasible one is taken."""
MOST_LOOKS = 10_000
"""A space of so many points is gone through to see whether constraints can hold; of a larger one so many are drawn."""


@dataclass(frozen=True)
class _Look:
    """What came of looking for a feasible point: the first that was found, and which constraints ever held."""

    anchor: dict[str, Any] | None
    held: list[bool]
    is_exact: bool


class Region:
    """The points of a space that satisfy constraints, `fixed` being what else they may speak of."""

    def __init__(self, space: Space, constraints: Sequence[Constraint], fixed: Mapping[str, Any]) -> None:
        self._space, self.constraints, self._fixed = space, list(constraints), dict(fixed)
        self._cube = Cube(space.domains())

    def admits(self, point: Mapping[str, Any]) -> bool:
        """Tell whether a point satisfies all constraints."""
        return all(constraint.holds({**self._fixed, **point}) for constraint in self.constraints)

    def holds(self, code: Code) -> bool:
        """Tell whether an encoded point satisfies all constraints."""
        return self.admits(self._space.decode(code, self._fixed))

    def mend(self, code: Code, draws: np.random.Generator, is_near: bool) -> dict[str, Any]:
        """Give the encoded point itself if it is feasible, else one drawn back (`is_near`) or drawn again."""
        if self.holds(code):
            return dict(code)
        if is_near and (near := self.draw_back(code, self.anchor)) != self.anchor:
            return near
        drawn = (self._cube.point(draws.random(len(code))) for _ in range(MOST_DRAWS))
        return next((point for point in drawn if self.holds(point)), self.anchor)

    def draw_back(self, code: Code, anchor: Code) -> dict[str, Any]:
        """Give a feasible point near `code`: the nearest on the line to `anchor`, which is feasible.

        What need not have moved moves back, one parameter after the other.
        """
        if self.holds(code):
            return dict(code)
        start, way = self._cube.units(anchor), self._cube.units(code) - self._cube.units(anchor)
        line = (self._between(code, anchor, start + way * (step / STEPS)) for step in range(STEPS - 1, 0, -1))
        found = next((point for point in line if self.holds(point)), dict(anchor))
        for name in code:
            closer = {**found, name: code[name]}
            if found[name] != code[name] and self.holds(closer):
                found = closer
        return found

    def _between(self, code: Code, anchor: Code, units: Units) -> dict[str, Any]:
        """Give the encoded point at a place of the line; what both ends have in common stays as it is, to the bit."""
        point = self._cube.point(units)
        return {name: value if code[name] != anchor[name] else anchor[name] for name, value in point.items()}

    @property
    def anchor(self) -> dict[str, Any]:
        """An encoded point that is feasible.

        Raises: ValueError where none was found; `problems` says so before.
        """
        if self._look.anchor is None:
            raise ValueError(f"no point was found that satisfies {' and '.join(map(str, self.constraints))}")
        return self._look.anchor

    def problems(self) -> list[FieldProblem]:
        """Say which constraints mean nothing, and whether they leave anything to search."""
        known = self._ranges()
        found = [
            FieldProblem(join_path("constraints", place), f"{constraint}: {reason}")
            for place, constraint in enumerate(self.constraints)
            if (reason := constraint.problem(known))
        ]
        if found or self._look.anchor is not None:
            return found
        drawn = f"none of {MOST_LOOKS} points drawn from the space"
        none = "no point of the space" if self._look.is_exact else drawn
        never = [place for place, held in enumerate(self._look.held) if not held]
        if not never:
            return [FieldProblem("constraints", f"{none} satisfies all of them, though each by itself can hold")]
        return [
            FieldProblem(join_path("constraints", place), f"{self.constraints[place]}: {none} satisfies it")
            for place in never
        ]

    def _ranges(self) -> dict[str, Range | None]:
        known = {name: range_of([value]) for name, value in self._fixed.items()}
        for name, parameter in self._space.parameters.items():
            values = parameter.values if isinstance(parameter, ChoiceParameter) else [parameter.low, parameter.high]
            known[name] = range_of(values)
        return known

    @cached_property
    def _look(self) -> _Look:
        is_exact, points = self._points()
        held = [False] * len(self.constraints)
        for point in points:
            holds = [constraint.holds({**self._fixed, **point}) for constraint in self.constraints]
            if all(holds):
                return _Look(self._space.encode(point), holds, is_exact)
            held = [before or now for before, now in zip(held, holds, strict=True)]
        return _Look(None, held, is_exact)

    def _points(self) -> tuple[bool, Iterator[Point]]:
        """Give the default point and then all points of a small finite space, of another some: half of them corners."""
        first = self._space.default_point(fixed=self._fixed)
        if all(parameter.lattice() is not None for parameter in self._space.parameters.values()):
            grid = self._space.grid(self._fixed, MOST_LOOKS + 1)
            if len(grid) <= MOST_LOOKS:
                return True, iter([first, *grid])
        return False, itertools.chain([first], self._drawn())

    def _drawn(self) -> Iterator[Point]:
        draws = np.random.default_rng(0)
        for number in range(MOST_LOOKS):
            units = draws.random(len(self._cube.sides))
            if number % 2:
                units = np.where(draws.random(len(units)) < 0.5, np.round(units), units)
            yield self._space.decode(self._cube.point(units), self._fixed)


def keep_within(search: Any, region: Region, seed: int, is_near: bool) -> Any:
    """Make Ray Tune's SearchAlgorithm propose feasible points only. It is told values under the points it proposed."""
    propose, numbers = search.next_trial, itertools.count()

    def next_trial() -> Any:
        trial = propose()
        if trial is not None:
            draws = np.random.default_rng([seed, next(numbers)])
            trial.config = region.mend(trial.config, draws, is_near)
        return trial

    search.next_trial = next_trial
    return search


class ExploresWithin:
    """For PopulationBasedTraining and its kind: what a trial explores is drawn back to the one it copies."""

    region: Region | None = None

    def _get_new_config(self, trial: Any, trial_to_clone: Any) -> tuple[dict[str, Any], Any]:
        tune: Any = super()
        explored, operations = tune._get_new_config(trial, trial_to_clone)
        if self.region is not None:
            explored = self.region.draw_back(explored, trial_to_clone.config)
        return explored, operations
