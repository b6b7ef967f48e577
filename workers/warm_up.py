"""Trains a little of everything in a fresh process: what a first use loads or compiles is then at hand. No Ray."""

from __future__ import annotations

from typing import get_args

import numpy as np

from models.hyper import ActivationName, Hyperparameters, OptimizerName
from models.lanes import LaneStart, PackData, PackSettings, Task
from models.pack import Pack
from models.scores import scores_for

N_ROWS, N_INPUTS, UNITS = 40, 4, 16


def warm_up(device: str) -> None:
    """Train packs of every task with every activation and optimizer for an epoch; about as long as a blink."""
    for task in get_args(Task):
        scores = scores_for(task)
        settings = PackSettings(0, tuple(score.name for score in scores), scores[0].maximize)
        pack = Pack(_rows(task), settings, device=device)
        pack.start([LaneStart(lane, hyper, seed=lane) for lane, hyper in enumerate(_networks())])
        lanes = range(len(_networks()))
        pack.train(dict.fromkeys(lanes, 1))
        pack.save(lanes)


def _networks() -> list[Hyperparameters]:
    networks = [
        Hyperparameters(units=UNITS, activation=activation, dropout=dropout)
        for activation in get_args(ActivationName)
        for dropout in (0.0, 0.5)
    ]
    return networks + [Hyperparameters(units=UNITS, optimizer=optimizer) for optimizer in get_args(OptimizerName)]


def _rows(task: Task) -> PackData:
    x = np.linspace(-1, 1, N_ROWS * N_INPUTS, dtype=np.float32).reshape(N_ROWS, N_INPUTS)
    if task == "regression":
        return PackData(task, 1, x, x[:, :1], x, x[:, :1])
    n_classes = 2 if task == "binary" else 3
    y = np.arange(N_ROWS, dtype=np.int64) % n_classes
    return PackData(task, 1 if task == "binary" else n_classes, x, y, x, y)
