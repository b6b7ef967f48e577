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

    def n_random(self, trials: int) -> int:
        return {"tpe": min(self.n_initial_points, trials), "rand": trials, "anneal": 0}[self.algo]

    def build(self, request: SearchRequest) -> Any:
        from hyperopt import anneal, rand
        from ray.tune.search import ConcurrencyLimiter, SearchGenerator
        from ray.tune.search.hyperopt import HyperOptSearch

        searcher = HyperOptSearch(
            space={name: distribution(name, domain) for name, domain in request.domains.items()},
            metric=METRIC,
            mode=request.mode,
            points_to_evaluate=[dict(point) for point in request.initial_points] or None,
            n_initial_points=self.n_initial_points,
            random_state_seed=request.seed,
            gamma=self.gamma,
        )
        _remember(searcher._hpopt_trials, request)
        if self.algo != "tpe":
            searcher.algo = {"rand": rand, "anneal": anneal}[self.algo].suggest
        return SearchGenerator(ConcurrencyLimiter(searcher, max_concurrent=request.parallelism))


def _remember(trials: Any, request: SearchRequest) -> None:
    """Give Hyperopt results from before the job as trials that are done; HyperOptSearch itself takes none."""
    from hyperopt.base import JOB_STATE_DONE
    from hyperopt.fmin import generate_trial

    sign = 1.0 if request.mode == "min" else -1.0
    documents = []
    for number, known in zip(trials.new_trial_ids(len(request.earlier)), request.earlier, strict=True):
        document = generate_trial(number, dict(known.point))
        result = {"loss": sign * known.objective, "status": "ok"}
        documents.append(document | {"state": JOB_STATE_DONE, "result": result})
    trials.insert_trial_docs(documents)
    trials.refresh()


def distribution(name: str, domain: Domain) -> Any:
    """Build the Hyperopt distribution of one encoded domain."""
    from hyperopt import hp

    domain = relaxed(domain)
    if not isinstance(domain, Interval):
        return hp.choice(name, list(range(domain.n)))
    if domain.log:
        return hp.loguniform(name, math.log(domain.low), math.log(domain.high))
    return hp.uniform(name, domain.low, domain.high)
