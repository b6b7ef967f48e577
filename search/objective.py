"""What a job optimises: one metric and its direction. How the metric is computed belongs to the trainer."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

METRIC = "objective"
"""The name under which every searcher and scheduler hears the objective."""

Mode = Literal["min", "max"]


class Objective(BaseModel):
    """A metric by name. Values that are missing or not finite rank last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    maximize: bool

    @property
    def mode(self) -> Mode:
        """The direction in the words of Ray Tune."""
        return "max" if self.maximize else "min"

    def is_better(self, value: float | None, than: float | None) -> bool:
        """Tell whether `value` is strictly better."""
        return self.rank(value) < self.rank(than)

    def is_reached(self, value: float | None, goal: float) -> bool:
        """Tell whether `value` is at least as good as `goal`."""
        return self.rank(value) <= self.rank(goal) and self.rank(value) < math.inf

    def rank(self, value: float | None) -> float:
        """Give a key that sorts the best first."""
        if value is None or not math.isfinite(value):
            return math.inf
        return -value if self.maximize else value
