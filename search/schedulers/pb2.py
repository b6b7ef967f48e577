"""Population based bandits: Ray Tune's PBT, with a Gaussian process that chooses what those who copy go on with.

Ray's own PB2 is not used: docs/decisions/0011-population-bandits.md.
"""

from __future__ import annotations

from typing import Any, Literal

from search.plugins import ScheduleRequest
from search.population import Population


class Pb2(Population):
    """Lets the worst trials copy the weights of the best, and chooses their values by a model of who improved how.

    Source: Parker-Holder et al. 2020, Provably Efficient Online Hyperparameter Optimization with Population-Based
    Bandits.
    """

    kind: Literal["pb2"] = "pb2"

    def build(self, request: ScheduleRequest) -> Any:
        from search.bandit import Bandit, Explorer

        bandit = Bandit(request.mutable, request.epochs, request.seed)
        return self.tune_scheduler(request, type("Explorer", (Explorer,), {"bandit": bandit}))
