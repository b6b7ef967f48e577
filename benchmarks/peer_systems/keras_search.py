"""Keras Tuner on Keras with torch: RandomSearch over the list; Hyperband for a given score."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import keras_tuner
from keras_tuner.errors import FatalError

from benchmarks.peer_systems import plain_loop
from benchmarks.peer_systems.task import (
    CLASSES,
    EPOCHS,
    SPACE,
    Point,
    Reached,
    Rows,
    Score,
    Searched,
    System,
    load_rows,
)

Watch = Callable[[float], None]
"""Hears an epoch's log loss on the validation rows."""


class EnoughError(FatalError):
    """Ends a search: Keras Tuner takes any other exception for a failed trial."""


class DigitsModel(keras_tuner.HyperModel):
    """The network of a point; the initial weights are drawn as Regatta does."""

    def __init__(self, rows: Rows, watch: Watch) -> None:
        super().__init__()
        self._rows, self._watch = rows, watch

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        rate, depth = SPACE["learning_rate"], SPACE["hidden_layers"]
        units = hp.Choice("units", SPACE["units"]["values"])
        model = keras.Sequential([keras.Input((self._rows.x_train.shape[1],))])
        for _ in range(hp.Int("hidden_layers", depth["low"], depth["high"])):
            model.add(keras.layers.Dense(units, activation="relu", kernel_initializer="he_uniform"))
        model.add(keras.layers.Dense(CLASSES, activation="softmax"))
        hp.Choice("batch_size", SPACE["batch_size"]["values"])
        optimizer = keras.optimizers.Adam(hp.Float("learning_rate", rate["low"], rate["high"], sampling="log"))
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Train; the last epoch's metrics stand for the trial, as with the others."""
        hear = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: self._watch(logs["val_loss"]))
        kwargs["callbacks"] = [*kwargs.get("callbacks", ()), hear]
        history = model.fit(*args, batch_size=hp.get("batch_size"), **kwargs).history
        return {name: values[-1] for name, values in history.items()}


class ListOracle(keras_tuner.oracles.RandomSearchOracle):
    """Proposes the points of a list."""

    def __init__(self, points: list[Point]) -> None:
        super().__init__(objective=keras_tuner.Objective("val_loss", "min"), max_trials=len(points))
        self._points = points

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        return {"status": "RUNNING", "values": dict(self._points[int(trial_id)])}


class KerasSearch(System):
    """One process, one trial after another."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._rows = folder, load_rows()
        first = {"units": 64, "hidden_layers": 2, "batch_size": 64, "learning_rate": 3e-3}
        n_threads = plain_loop.set_best_thread_count(lambda: self.search([first], 0))
        self.setup = f"torch backend, one process, {n_threads} torch thread(s); validates every epoch, as it comes"

    def search(self, points: list[Point], seed: int) -> Searched:
        keras.utils.set_random_seed(seed)
        begun = time.perf_counter()
        tuner = keras_tuner.Tuner(ListOracle(points), DigitsModel(self._rows, lambda _: None), **self._place())
        self._run(tuner, epochs=EPOCHS)
        seconds = time.perf_counter() - begun
        trials = sorted(tuner.oracle.trials.values(), key=lambda trial: int(trial.trial_id))
        return Searched(seconds, [_point(trial) for trial in trials], [_score(trial) for trial in trials])

    def reach(self, target: float, seed: int, limit_seconds: float) -> Reached:
        begun, reached_after = time.perf_counter(), []

        def watch(log_loss: float) -> None:
            seconds = time.perf_counter() - begun
            if log_loss <= target:
                reached_after.append(seconds)
            if log_loss <= target or seconds > limit_seconds:
                raise EnoughError

        tuner = keras_tuner.Hyperband(
            DigitsModel(self._rows, watch),
            objective=keras_tuner.Objective("val_loss", "min"),
            max_epochs=EPOCHS,
            hyperband_iterations=1000,
            seed=seed,
            **self._place(),
        )
        try:
            self._run(tuner)
        except EnoughError:
            return Reached(reached_after[0] if reached_after else None, len(tuner.oracle.trials))
        return Reached(None, len(tuner.oracle.trials))

    def _run(self, tuner: keras_tuner.Tuner, **options: Any) -> None:
        rows = self._rows
        tuner.search(rows.x_train, rows.y_train, validation_data=(rows.x_valid, rows.y_valid), verbose=0, **options)

    def _place(self) -> dict[str, Any]:
        return {"directory": tempfile.mkdtemp(dir=self._folder), "project_name": "search"}


def _point(trial: Any) -> Point:
    return {name: trial.hyperparameters.values[name] for name in SPACE}


def _score(trial: Any) -> Score:
    return Score(*(trial.metrics.get_best_value(name) for name in ("val_loss", "val_accuracy")))
