"""Hyperopt's own algorithms, through Ray Tune's HyperOptSearch."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from pydantic import Field

from search.domains import relaxed
from search.objective import METRIC
from search.parameters import Domain, Interval
from search.plugins import Algorithm, SearchRequest


class HyperOpt(Algorithm):
    """Learns where good points lie (TPE) and proposes more of them.

    Source: Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization.
    """

    kind: Literal["hyperopt"] = "hyperopt"
    learns: ClassVar[bool] = True

    algo: Literal["tpe", "rand", "anneal"] = Field(
        default="tpe", description="tpe.suggest, rand.suggest or anneal.suggest of Hyperopt."
    )
    n_initial_points: int = Field(default=20, ge=1, le=10_000, description="Random points before tpe learns.")
    gamma: float = Field(default=0.25, gt=0, lt=1, description="Share of the trials that counts as good for tpe.")

    def build(self, request: SearchRequest) -> Any:
        from hyperopt import anneal, rand
        from ray.tune.search import ConcurrencyLimiter, SearchGenerator
        from ray.tune.search.hyperopt import HyperOptSearch

        searcher = HyperOptSearch(
            space={name: _distribution(name, domain) for name, domain in request.domains.items()},
            metric=METRIC,
            mode=request.mode,
            points_to_evaluate=[dict(point) for point in request.initial_points] or None,
            n_initial_points=self.n_initial_points,
            random_state_seed=request.seed,
            gamma=self.gamma,
        )
        if self.algo != "tpe":
            searcher.algo = {"rand": rand, "anneal": anneal}[self.algo].suggest
        return SearchGenerator(ConcurrencyLimiter(searcher, max_concurrent=request.parallelism))


def _distribution(name: str, domain: Domain) -> Any:
    from hyperopt import hp

    domain = relaxed(domain)
    if not isinstance(domain, Interval):
        return hp.choice(name, list(range(domain.n)))
    if domain.log:
        return hp.loguniform(name, math.log(domain.low), math.log(domain.high))
    return hp.uniform(name, domain.low, domain.high)
