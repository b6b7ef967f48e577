"""Optuna's samplers, through Ray Tune's OptunaSearch."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Literal

from pydantic import Field

from search.domains import relaxed
from search.objective import METRIC
from search.parameters import Categories, Domain
from search.plugins import Algorithm, SearchRequest
from search.problems import FieldProblem
from search.space import Space

NSGAII_SIZE = 50
"""Points of a generation, as in Optuna."""

LEAST_SOURCES = 10
"""Results that cmaes needs to begin from the best tenth of them. Source: Nomura et al. 2021, Warm Starting CMA-ES."""


class Optuna(Algorithm):
    """Optuna's samplers: TPE that learns how parameters go together, CMA-ES, NSGA-II.

    Sources: Watanabe 2023, Tree-Structured Parzen Estimator; Hansen 2016, The CMA Evolution Strategy; Deb et al. 2002,
    A fast and elitist multiobjective genetic algorithm: NSGA-II, which with one objective is an evolution with elite.
    """

    kind: Literal["optuna"] = "optuna"
    learns: ClassVar[bool] = True

    sampler: Literal["tpe", "cmaes", "nsgaii"] = Field(
        default="tpe", description="TPESampler, CmaEsSampler or NSGAIISampler."
    )
    n_startup_trials: int = Field(default=10, ge=1, le=10_000, description="Random points before tpe, cmaes learn.")
    multivariate: bool = Field(default=True, description="tpe models parameters together, not each by itself.")
    group: bool = Field(default=False, description="tpe groups parameters by the trials that have them.")
    n_ei_candidates: int = Field(default=24, ge=1, le=10_000, description="Points that tpe compares.")
    constant_liar: bool = Field(default=True, description="tpe keeps away from trials that are under way.")
    population_size: int | None = Field(
        default=None, ge=2, le=10_000, description="Points of a generation of cmaes, nsgaii; null is Optuna's choice."
    )

    def problems(self, space: Space, trials: int | None) -> list[FieldProblem]:
        if self.group and not self.multivariate:
            return [FieldProblem("algorithm.group", "only multivariate tpe groups parameters: set multivariate too")]
        return []

    def n_random(self, trials: int) -> int:
        first = (self.population_size or NSGAII_SIZE) if self.sampler == "nsgaii" else self.n_startup_trials
        return min(first, trials)

    def build(self, request: SearchRequest) -> Any:
        import optuna
        from ray.tune.search import ConcurrencyLimiter, SearchGenerator
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        searcher = OptunaSearch(
            space={name: distribution(domain) for name, domain in request.domains.items()},
            metric=METRIC,
            mode=request.mode,
            points_to_evaluate=[dict(point) for point in request.initial_points],
            sampler=self.build_sampler(request),
        )
        searcher._ot_study.add_trials(_earlier(request))
        return SearchGenerator(ConcurrencyLimiter(searcher, max_concurrent=request.parallelism))

    def build_sampler(self, request: SearchRequest) -> Any:
        """Build the sampler of these settings."""
        from optuna import samplers

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=_experimental())
            if self.sampler == "cmaes":
                return samplers.CmaEsSampler(
                    seed=request.seed,
                    n_startup_trials=self.n_startup_trials,
                    popsize=self.population_size,
                    warn_independent_sampling=False,
                    source_trials=_earlier(request) if len(request.earlier) >= LEAST_SOURCES else None,
                )
            if self.sampler == "nsgaii":
                return samplers.NSGAIISampler(seed=request.seed, population_size=self.population_size or NSGAII_SIZE)
            return samplers.TPESampler(
                seed=request.seed,
                n_startup_trials=self.n_startup_trials,
                n_ei_candidates=self.n_ei_candidates,
                multivariate=self.multivariate,
                group=self.group,
                constant_liar=self.constant_liar and request.parallelism > 1,
            )


def _earlier(request: SearchRequest) -> list[Any]:
    """Give results from before the job as trials of Optuna; to nsgaii they are its first generation."""
    from optuna.samplers import NSGAIISampler
    from optuna.trial import create_trial

    distributions = {name: distribution(domain) for name, domain in request.domains.items()}
    first = {NSGAIISampler._get_generation_key(): 0}
    return [
        create_trial(
            value=known.objective, params=dict(known.point), distributions=distributions, system_attrs=dict(first)
        )
        for known in request.earlier
    ]


def _experimental() -> Any:
    from optuna.exceptions import ExperimentalWarning

    return ExperimentalWarning


def distribution(domain: Domain) -> Any:
    """Build the Optuna distribution of one encoded domain."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    domain = relaxed(domain)
    if isinstance(domain, Categories):
        return CategoricalDistribution(list(range(domain.n)))
    if domain.step is None or domain.step % 1 or domain.n_steps is None or (domain.log and domain.step != 1):
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    last = round(domain.high - domain.step / 2)
    step = int(domain.step)
    return IntDistribution(last - (domain.n_steps - 1) * step, last, step=step, log=domain.log)
