"""Ray Tune with `reuse_actors=True`: a class Trainable with reset_config, one CPU per trial; ASHA for a given score."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from benchmarks.peer_systems import plain_loop
from benchmarks.peer_systems.plain_loop import Tensors
from benchmarks.peer_systems.task import (
    EPOCHS,
    MOST_TRIALS,
    SPACE,
    Point,
    Reached,
    Rows,
    Score,
    Searched,
    System,
    load_rows,
)


class DigitsTrainable(tune.Trainable):
    """Trains `epochs_per_step` epochs a step, in an actor that takes one trial after another."""

    def setup(self, config: dict[str, Any], rows: Rows) -> None:
        torch.set_num_threads(1)
        self._data = Tensors.of(rows)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._epochs: Iterator[torch.nn.Sequential] = plain_loop.train(
            new_config["point"], self._data, new_config["seed"]
        )
        self._n_epochs, self._per_step = 0, new_config["epochs_per_step"]
        return True

    def step(self) -> dict[str, Any]:
        for _ in range(self._per_step):
            model = next(self._epochs)
        self._n_epochs += self._per_step
        found = plain_loop.validate(model, self._data)
        return {**found._asdict(), "done": self._n_epochs >= EPOCHS}


class GoalStopper(tune.Stopper):
    """Ends the whole experiment at the first result that is good enough, and notes when that was."""

    def __init__(self, target: float) -> None:
        self._target, self._begun = target, time.perf_counter()
        self.seconds: float | None = None

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        if self.seconds is None and result["log_loss"] <= self._target:
            self.seconds = time.perf_counter() - self._begun
        return False

    def stop_all(self) -> bool:
        return self.seconds is not None


class RayReuse(System):
    """Actors live as long as a search; Ray itself is up before."""

    setup = "one CPU per trial, as many at once as cores, actors reused, no log files; reports once per trial"

    def __init__(self, folder: Path) -> None:
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
        start_ray()
        self._folder = folder
        self._rows = load_rows()

    def search(self, points: list[Point], seed: int) -> Searched:
        trainable = tune.with_parameters(DigitsTrainable, rows=self._rows)
        config = {"point": tune.grid_search(points), "seed": seed, "epochs_per_step": EPOCHS}
        return run_grid(trainable, config, tune.TuneConfig(reuse_actors=True), self._folder)

    def reach(self, target: float, seed: int, limit_seconds: float) -> Reached:
        point = {
            "units": tune.choice(SPACE["units"]["values"]),
            "hidden_layers": tune.randint(SPACE["hidden_layers"]["low"], SPACE["hidden_layers"]["high"] + 1),
            "batch_size": tune.choice(SPACE["batch_size"]["values"]),
            "learning_rate": tune.loguniform(SPACE["learning_rate"]["low"], SPACE["learning_rate"]["high"]),
        }
        goal = GoalStopper(target)
        results = tune.Tuner(
            tune.with_parameters(DigitsTrainable, rows=self._rows),
            param_space={"point": point, "seed": seed, "epochs_per_step": 1},
            tune_config=tune.TuneConfig(
                metric="log_loss",
                mode="min",
                scheduler=ASHAScheduler(max_t=EPOCHS, reduction_factor=3),
                search_alg=tune.search.BasicVariantGenerator(random_state=seed),
                num_samples=MOST_TRIALS,
                time_budget_s=limit_seconds,
                reuse_actors=True,
            ),
            run_config=run_config(self._folder, goal),
        ).fit()
        return Reached(goal.seconds, sum("log_loss" in (result.metrics or {}) for result in results))

    def close(self) -> None:
        ray.shutdown()


def start_ray() -> None:
    """Start Ray on this machine, with nothing that is not needed."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    ray.init("local", include_dashboard=False, **quiet)  # never a cluster that happens to run here


def run_config(folder: Path, stop: tune.Stopper | None = None) -> tune.RunConfig:
    """Say where files go; no checkpoints, which a class otherwise has to offer."""
    checkpoints = tune.CheckpointConfig(checkpoint_at_end=False)
    return tune.RunConfig(storage_path=str(folder), verbose=0, checkpoint_config=checkpoints, stop=stop)


def run_grid(trainable: Any, config: dict[str, Any], options: tune.TuneConfig, folder: Path) -> Searched:
    """Run a grid over the list and read it in the order of the list."""
    begun = time.perf_counter()
    results = tune.Tuner(trainable, param_space=config, tune_config=options, run_config=run_config(folder)).fit()
    seconds = time.perf_counter() - begun
    if results.errors:
        raise RuntimeError(f"{results.num_errors} trials failed: {results.errors[0]}")
    points = [result.config["point"] for result in results]
    return Searched(seconds, points, [Score(r.metrics["log_loss"], r.metrics["accuracy"]) for r in results])
