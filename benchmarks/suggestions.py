"""`python -m benchmarks.suggestions`: what a suggestion costs, beside the library that makes it by itself.

One search of ours, as Ray Tune asks it, and one of the library with the same settings on the same space, a suggestion
of each in turn, so that noise of the machine meets both. Seconds are those of the processor, from being asked to having
heard the value, at the end of a search of so many trials.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.results import write_result
from search.discovery import ALGORITHMS
from search.objective import METRIC
from search.plugins import SearchRequest
from search.space import Space
from service.importing import importing
from service.settings import Settings, export_ray_environment

MEASURED = 50
"""The last so many suggestions count."""
MOST_OVER_LIBRARY, MOST_GP_MS = 1.1, 250.0
SPACE = Space.model_validate(
    {
        "learning_rate": {"type": "float", "low": 1e-5, "high": 1.0, "log": True},
        "momentum": {"type": "float", "low": 0.0, "high": 0.99},
        "weight_decay": {"type": "float", "low": 1e-6, "high": 1e-1, "log": True},
        "units": {"type": "int", "low": 8, "high": 256, "step": 8},
        "depth": {"type": "int", "low": 1, "high": 4},
        "batch_size": {"type": "choice", "values": [16, 32, 64, 128, 256]},
        "activation": {"type": "choice", "values": ["relu", "tanh", "elu", "gelu"]},
    }
)
Turn = Callable[[], float]
"""Suggest once, hear the value, and tell it."""


def value_of(point: Mapping[str, Any]) -> float:
    """Give an encoded point a value: any will do, if it has a best place."""
    codes = np.array([float(point[name]) for name in sorted(point)])
    return float(np.square(np.log1p(np.abs(codes)) - 1.5).sum())


def ours(kind: str, trials: int) -> Turn:
    """Search as a job at parallelism 1 does."""
    from workers.succession import light_experiment  # ray, which reads its variables when it is imported

    domains = SPACE.domains()
    search = ALGORITHMS[kind]().search(SearchRequest(domains, [], "min", 0, trials, 1))
    with tempfile.TemporaryDirectory() as folder:
        search.add_configurations([light_experiment(search, domains, trials, Path(folder))])

    def turn() -> float:
        trial = search.next_trial()
        value = value_of(trial.config)
        search.on_trial_complete(trial.trial_id, {METRIC: value, "training_iteration": 1})
        return value

    return turn


def hyperopt_alone(trials: int) -> Turn:
    """Search with Hyperopt's TPE, as its fmin does, but for the settings that ours gives it."""
    import hyperopt

    from search.algorithms.hyperopt import HyperOpt, distribution

    settings, told = HyperOpt(), hyperopt.Trials()
    space = {name: distribution(name, domain) for name, domain in SPACE.domains().items()}
    algo = partial(hyperopt.tpe.suggest, n_startup_jobs=settings.n_initial_points, gamma=settings.gamma)
    loop = hyperopt.FMinIter(
        algo,
        hyperopt.Domain(value_of, space),
        told,
        rstate=SimpleNamespace(integers=np.random.RandomState(0).randint),  # Tune draws from the older generator
        max_evals=trials,
        show_progressbar=False,
        verbose=False,
    )

    def turn() -> float:
        loop.run(1, block_until_done=True)
        return float(told.losses()[-1])

    return turn


def optuna_alone(trials: int) -> Turn:
    """Search with Optuna's TPE with the settings that ours gives it."""
    import optuna

    from search.algorithms.optuna import Optuna, distribution

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {name: distribution(domain) for name, domain in SPACE.domains().items()}
    sampler = Optuna().build_sampler(SearchRequest(SPACE.domains(), [], "min", 0, trials, 1))
    study = optuna.create_study(sampler=sampler)

    def turn() -> float:
        trial = study.ask(distributions)
        value = value_of(trial.params)
        study.tell(trial, value)
        return value

    return turn


def measure(turns: Mapping[str, Turn], trials: int) -> dict[str, float]:
    """Take turns; give the median milliseconds of the processor of the last suggestions of each."""
    spent: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(trials):
        for name, turn in turns.items():
            begun = time.process_time()
            turn()
            spent[name].append((time.process_time() - begun) * 1e3)
    return {name: round(statistics.median(found[-MEASURED:]), 2) for name, found in spent.items()}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suggestions", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="of TPE")
    parser.add_argument("--gp-trials", type=int, default=200)
    given = parser.parse_args()
    if min(given.trials, given.gp_trials) < 2:
        parser.error("at least 2 trials are needed")
    export_ray_environment(Settings())
    with importing():  # as a driver does
        for name in ("hyperopt", "optuna", "workers.succession"):
            import_module(name)
    figures: dict[str, Any] = {}
    for kind, alone in {"hyperopt": hyperopt_alone, "optuna": optuna_alone}.items():
        found = measure({"ours": ours(kind, given.trials), "alone": alone(given.trials)}, given.trials)
        ratio = found["ours"] / found["alone"]
        figures[kind] = {**found, "ratio": round(ratio, 3), "within_ten_percent": ratio <= MOST_OVER_LIBRARY}
    gp = measure({"ours": ours("gp", given.gp_trials)}, given.gp_trials)
    figures["gp"] = {**gp, "within_limit": gp["ours"] < MOST_GP_MS}
    write_result("suggestions", {"trials": given.trials, "gp_trials": given.gp_trials, "ms": figures})


if __name__ == "__main__":
    main()
