"""Small jobs for the pack tests: data, settings, lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from models.hyper import Hyperparameters
from models.lanes import LaneReport, LaneStart, PackData, PackSettings, Task
from models.pack import Pack

KERNELS = True  # the engine under test: see the fixture `engine`

METRICS: dict[Task, tuple[str, ...]] = {
    "regression": ("mean_squared_error", "r2", "mean_absolute_error"),
    "binary": ("log_loss", "accuracy", "roc_auc"),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy"),
    "multilabel": ("log_loss", "accuracy"),
}


def make_data(task: Task = "regression", n_outputs: int = 1, n_train: int = 75, n_valid: int = 40) -> PackData:
    """Return a noisy, learnable task with 5 inputs."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n_train + n_valid, 5)).astype(np.float32)
    signal = np.tanh(x @ rng.normal(size=(5, n_outputs))) + 0.1 * rng.normal(size=(len(x), n_outputs))
    y: Any = signal.astype(np.float32)
    if task == "binary":
        y = (signal[:, 0] > 0).astype(np.int64)
    elif task == "multiclass":
        y = signal.argmax(1)
    elif task == "multilabel":
        y = (signal > 0).astype(np.int64)
    mean, scale = np.linspace(5, 6, n_outputs), np.linspace(2, 3, n_outputs)
    return PackData(task, n_outputs, x[:n_train], y[:n_train], x[n_train:], y[n_train:], mean, scale)


def make_settings(task: Task = "regression", **more: Any) -> PackSettings:
    return PackSettings(**{"seed": 3, "metrics": METRICS[task], "maximize": False, **more})


def make_pack(data: PackData, dtype: torch.dtype = torch.float64, **more: Any) -> Pack:
    return Pack(data, make_settings(data.task, **more), dtype=dtype, kernels=KERNELS)


def make_hyper(**more: Any) -> Hyperparameters:
    """Return hyperparameters; unknown activations pass, so that tests may bring their own op."""
    base = {"hidden_layers": 2, "units": (9, 17), "learning_rate": 0.01, "batch_size": 16}
    names = {name: more.pop(name) for name in ("activation",) if name in more}
    return Hyperparameters(**{**base, **more}).model_copy(update=names)


def start(pack: Pack, *hypers: Hyperparameters) -> list[LaneReport]:
    """Admit lanes 0, 1, ... with seeds 100, 101, ..."""
    return pack.start([LaneStart(lane, hyper, 100 + lane) for lane, hyper in enumerate(hypers)])
