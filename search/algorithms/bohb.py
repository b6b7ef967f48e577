"""TPE that goes with early stopping: it learns from values of one age only. Made of Optuna's TPE.

Ray's TuneBOHB is not used: it needs hpbandster, which is not maintained any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from search.plugins import Algorithm, SearchRequest

if TYPE_CHECKING:
    import numpy as np

    from search.proposals import History


class Bohb(Algorithm):
    """TPE for hyperband and asha: learns from the highest rung that enough trials have reached.

    Source: Falkner et al. 2018, BOHB: Robust and Efficient Hyperparameter Optimization at Scale.
    """

    kind: Literal["bohb"] = "bohb"
    learns: ClassVar[bool] = True

    min_points_in_model: int | None = Field(
        default=None,
        ge=2,
        le=10_000,
        description="Trials of a rung before it counts; null is one more than parameters.",
    )
    random_fraction: float = Field(default=1 / 3, ge=0, le=1, description="Share of points that stay random.")
    num_samples: int = Field(default=64, ge=1, le=10_000, description="Points that the model compares.")

    def build(self, request: SearchRequest) -> Any:
        import optuna

        from search.algorithms.optuna import distribution
        from search.proposals import comparable, tune_search

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        distributions = {name: distribution(domain) for name, domain in request.domains.items()}
        least = self.min_points_in_model or len(distributions) + 1

        def propose(history: History, draws: np.random.Generator) -> Mapping[str, Any]:
            found = comparable(history, least)
            stays_random = draws.random() < self.random_fraction or len(found) < least
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=1,  # a study without trials draws at random
                n_ei_candidates=self.num_samples,
                multivariate=True,
                seed=int(draws.integers(2**32)),
            )
            study = optuna.create_study(sampler=sampler)
            known = [] if stays_random else found
            study.add_trials(
                [
                    optuna.trial.create_trial(value=value, params=dict(told.point), distributions=distributions)
                    for told, value in known
                ]
            )
            return dict(study.ask(distributions).params)

        return tune_search(request, propose)
