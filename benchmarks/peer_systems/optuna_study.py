"""Optuna in this process, one trial after another, around a plain torch loop; pruning and TPE for a given score."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler

from benchmarks.peer_systems import plain_loop
from benchmarks.peer_systems.plain_loop import Tensors
from benchmarks.peer_systems.task import EPOCHS, SPACE, Point, Reached, Score, Searched, System, load_rows

optuna.logging.set_verbosity(optuna.logging.WARNING)
FIRST_POINT: Point = {"units": 64, "hidden_layers": 2, "batch_size": 64, "learning_rate": 3e-3}


class ListSampler(RandomSampler):
    """Takes trial n's values from a list. Studies with enqueued trials would look through all of them each time."""

    def __init__(self, points: list[Point]) -> None:
        super().__init__()
        self._points = points

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._points[trial.number][param_name]


def suggest(trial: optuna.Trial) -> Point:
    """Ask for a point of the space."""
    rate = SPACE["learning_rate"]
    return {
        "units": trial.suggest_categorical("units", SPACE["units"]["values"]),
        "hidden_layers": trial.suggest_int(
            "hidden_layers", SPACE["hidden_layers"]["low"], SPACE["hidden_layers"]["high"]
        ),
        "batch_size": trial.suggest_categorical("batch_size", SPACE["batch_size"]["values"]),
        "learning_rate": trial.suggest_float("learning_rate", rate["low"], rate["high"], log=True),
    }


class OptunaStudy(System):
    """What the first page of its documentation shows, with torch."""

    def __init__(self, folder: Path) -> None:
        self._data = Tensors.of(load_rows())
        n_threads = plain_loop.set_best_thread_count(lambda: plain_loop.train_to_the_end(FIRST_POINT, self._data, 0))
        self.setup = f"one process, {n_threads} torch thread(s), torch.optim.Adam as it comes; validates once per trial"

    def search(self, points: list[Point], seed: int) -> Searched:
        def objective(trial: optuna.Trial) -> float:
            found = plain_loop.train_to_the_end(suggest(trial), self._data, seed + trial.number)
            trial.set_user_attr("accuracy", found.accuracy)
            return found.log_loss

        begun = time.perf_counter()
        study = optuna.create_study(sampler=ListSampler(points))
        study.optimize(objective, n_trials=len(points))
        seconds = time.perf_counter() - begun
        return Searched(seconds, *read_trials(study))

    def reach(self, target: float, seed: int, limit_seconds: float) -> Reached:
        begun, reached_after = time.perf_counter(), []

        def objective(trial: optuna.Trial) -> float:
            best = float("inf")
            for epoch, model in enumerate(plain_loop.train(suggest(trial), self._data, seed + trial.number), 1):
                log_loss = plain_loop.validate(model, self._data).log_loss
                best = min(best, log_loss)
                if best <= target:
                    reached_after.append(time.perf_counter() - begun)
                    trial.study.stop()
                    return best
                trial.report(log_loss, epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
            return best

        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.HyperbandPruner(max_resource=EPOCHS),
        )
        study.optimize(objective, timeout=limit_seconds)
        return Reached(reached_after[0] if reached_after else None, len(study.trials))


def read_trials(study: optuna.Study) -> tuple[list[Point], list[Score]]:
    """Read what a study has done, by trial number."""
    trials = study.get_trials(deepcopy=False)
    scores = [Score(trial.value or 0.0, trial.user_attrs["accuracy"]) for trial in trials]
    return [dict(trial.params) for trial in trials], scores
