"""Tree of Parzen estimators, by HyperOpt through Ray Tune's HyperOptSearch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from search.domains import tune_space
from search.objective import METRIC
from search.plugins import Algorithm, SearchRequest


class HyperOpt(Algorithm):
    """Learns where good points lie (TPE) and proposes more of them.

    Source: Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization.
    """

    kind: Literal["hyperopt"] = "hyperopt"
    learns: ClassVar[bool] = True

    n_initial_points: int = Field(default=20, ge=1, le=10_000, description="Random points before it learns.")
    gamma: float = Field(default=0.25, gt=0, lt=1, description="Share of the trials that counts as good.")

    def build(self, request: SearchRequest) -> Any:
        from ray.tune.search import ConcurrencyLimiter, SearchGenerator
        from ray.tune.search.hyperopt import HyperOptSearch

        searcher = HyperOptSearch(
            points_to_evaluate=[dict(point) for point in request.initial_points] or None,
            n_initial_points=self.n_initial_points,
            random_state_seed=request.seed,
            gamma=self.gamma,
        )
        search = SearchGenerator(ConcurrencyLimiter(searcher, max_concurrent=request.parallelism))
        search.set_search_properties(METRIC, request.mode, tune_space(request.domains))
        return search
