"""Population-based training, by Ray Tune's PopulationBasedTraining."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from search.plugins import ScheduleRequest
from search.population import Population


class Pbt(Population):
    """Lets the worst trials copy the weights and hyperparameters of the best, and varies what they copied.

    Source: Jaderberg et al. 2017, Population Based Training of Neural Networks.
    """

    kind: Literal["pbt"] = "pbt"

    resample_probability: float = Field(
        default=0.25, ge=0, le=1, description="Chance to draw a value afresh instead of scaling it by 0.8 or 1.2."
    )

    def build(self, request: ScheduleRequest) -> Any:
        return self.tune_scheduler(request, resample_probability=self.resample_probability)
