"""Ray Tune as it comes: a function trainable, one CPU and one new actor per trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from benchmarks.peer_systems import plain_loop
from benchmarks.peer_systems.plain_loop import Tensors
from benchmarks.peer_systems.ray_reuse import run_grid, start_ray
from benchmarks.peer_systems.task import Point, Rows, Searched, System, load_rows


def train_point(config: dict[str, Any], rows: Rows) -> None:
    """Train one point and report once."""
    torch.set_num_threads(1)
    tune.report(plain_loop.train_to_the_end(config["point"], Tensors.of(rows), config["seed"])._asdict())


class RayStock(System):
    """Its defaults; Ray itself is up before."""

    setup = "one CPU per trial, as many at once as cores, a new actor per trial; reports once per trial"

    def __init__(self, folder: Path) -> None:
        start_ray()
        self._folder = folder
        self._rows = load_rows()

    def search(self, points: list[Point], seed: int) -> Searched:
        trainable = tune.with_parameters(train_point, rows=self._rows)
        config = {"point": tune.grid_search(points), "seed": seed}
        return run_grid(trainable, config, tune.TuneConfig(), self._folder)

    def close(self) -> None:
        ray.shutdown()
