"""What the results of a job are to satisfy: bounds on metrics. Those on parameters are `search/constraints.py`."""

from __future__ import annotations

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Limit(BaseModel):
    """A metric and the bounds that it keeps, themselves included."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metric: str = Field(description="Name of a metric or of a fact of the network.", examples=["n_parameters"])
    at_most: float | None = Field(default=None, description="Highest value that is allowed.", examples=[50000])
    at_least: float | None = Field(default=None, description="Lowest value that is allowed.", examples=[None])

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.at_most is None and self.at_least is None:
            raise ValueError("at_most, at_least or both have to be given")
        if self.at_most is not None and self.at_least is not None and self.at_most < self.at_least:
            raise ValueError(f"nothing is at least {self.at_least:g} and at most {self.at_most:g}")
        return self

    def excess(self, value: float) -> float:
        """Tell how far a value is outside, 0 where it keeps the limit, in its own units; of no number, infinity."""
        if math.isnan(value):
            return math.inf
        above = 0.0 if self.at_most is None else value - self.at_most
        below = 0.0 if self.at_least is None else self.at_least - value
        return max(above, below, 0.0)

    def relative_excess(self, value: float) -> float:
        """Tell the same as a share of the bound that is broken, so that limits of several metrics add up."""
        bound = self.at_least if self.at_most is None or value < self.at_most else self.at_most
        return self.excess(value) / (abs(bound or 0.0) or 1.0)
