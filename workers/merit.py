"""The one number that searchers and schedulers hear of a trial, whatever its job is after. No Tune.

docs/decisions/0015-several-objectives.md has the reasons. Of a job with one objective and no limit it is the objective.
Otherwise less is better, what keeps the limits is below 1, and what breaks them is 1 plus how far it breaks them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.baseline import UNDEFINED
from search.aims import Aims

Values = Sequence[float]


class Merit(Protocol):
    """`worst` is told of trials that never had a number, before anything else was."""

    maximize: bool
    worst: float

    def hear(self, number: int, age: int, values: Values) -> None:
        """Take in what a trial has come to at an age; all of a round before the first of it is judged."""

    def judge(self, number: int, age: int, values: Values) -> float:
        """Give the number."""


@dataclass
class Plain:
    """The objective itself."""

    maximize: bool
    worst: float

    def hear(self, number: int, age: int, values: Values) -> None:
        """Nothing is compared."""

    def judge(self, number: int, age: int, values: Values) -> float:
        """Give the first value."""
        return values[0]


@dataclass
class Limited:
    """One objective under limits: within them its difference to `centre`, squeezed into -1 to 1, in order.

    `centre` is what a trivial predictor scores; where nobody knows that, the first value that is heard.
    """

    aims: Aims
    centre: float | None
    maximize: bool = False
    worst: float = 1.0

    def hear(self, number: int, age: int, values: Values) -> None:
        """Remember the first one."""
        if self.centre is None:
            (self.centre,) = self.aims.costs(values)

    def judge(self, number: int, age: int, values: Values) -> float:
        """Give the squeezed objective, or how far limits are broken."""
        violation = self.aims.violation(values)
        if violation > 0:
            return 1.0 + violation
        (cost,), centre = self.aims.costs(values), self.centre or 0.0
        gap = (cost - centre) / (abs(centre) or 1.0)
        return gap / (1.0 + abs(gap))


class Several:
    """Several objectives: the chance that another trial of this age dominates this one, by those heard so far.

    d of n others do, so it is (d + 1/2) / (n + 1). Of each other trial its last report at this age or before counts,
    if it keeps the limits.
    """

    maximize, worst = False, 1.0

    def __init__(self, aims: Aims) -> None:
        self._aims = aims
        self._n_heard = 0
        # One row for each report: trial, age, the age of the trial's next report, costs.
        self._rows = np.empty((64, 3 + len(aims.objectives)))
        self._last: dict[int, int] = {}

    def hear(self, number: int, age: int, values: Values) -> None:
        """Remember who keeps the limits."""
        if number in self._last:
            self._rows[self._last.pop(number), 2] = age
        if self._aims.keeps(values):
            if self._n_heard == len(self._rows):
                self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
            self._rows[self._n_heard] = number, age, math.inf, *self._aims.costs(values)
            self._last[number] = self._n_heard
            self._n_heard += 1

    def judge(self, number: int, age: int, values: Values) -> float:
        """Give the share of those that dominate, or how far limits are broken."""
        violation = self._aims.violation(values)
        if violation > 0:
            return 1.0 + violation
        numbers, ages, until = self._rows[: self._n_heard, :3].T
        others = self._rows[: self._n_heard, 3:][(ages <= age) & (age < until) & (numbers != number)]
        own = np.array(self._aims.costs(values))
        n_better = np.count_nonzero((others <= own).all(axis=1) & (others < own).any(axis=1))
        return float(n_better + 0.5) / (len(others) + 1)


def choose_merit(aims: Aims, trivial: float | None) -> Merit:
    """Choose by what a job is after; `trivial` is its first objective without any learning, None if nobody knows."""
    objective = aims.objectives[0]
    if aims.is_plain:
        worst = -UNDEFINED if objective.maximize else UNDEFINED
        return Plain(objective.maximize, worst if trivial is None else trivial)
    if aims.are_several:
        return Several(aims)
    is_known = trivial is not None and math.isfinite(trivial) and abs(trivial) < UNDEFINED
    return Limited(aims, objective.rank(trivial) if is_known else None)
