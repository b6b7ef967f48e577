"""How lanes stand in a group: sorted, so that one optimizer or one activation serves neighbours. No numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.hyper import Hyperparameters
from models.lanes import Task
from models.live_lane import GradientLane, Lane
from models.loss_table import run_key as loss_key
from models.mlp import Run
from models.ops import OPS
from models.optim import run_key


def _activation_key(hyper: Hyperparameters) -> tuple[str, bool]:
    return hyper.activation, has_dropout(hyper)


def has_dropout(hyper: Hyperparameters) -> bool:
    return hyper.dropout > 0 and hyper.hidden_layers > 0


def sort_key(lane: GradientLane, task: Task) -> tuple[tuple[Any, ...], tuple[str, bool], tuple[str, bool], int]:
    """Order by optimizer, then loss, then activation, then number."""
    return run_key(lane.hyper), loss_key(lane.hyper, task), _activation_key(lane.hyper), lane.number


def optimizer_runs(lanes: Sequence[GradientLane]) -> list[slice]:
    """Return the stretches of sorted lanes that share an optimizer."""
    return [rows for rows, _ in _stretches([run_key(lane.hyper) for lane in lanes])]


def loss_runs(lanes: Sequence[Lane], task: Task) -> list[slice]:
    """Return the stretches of sorted lanes that share a loss."""
    return [rows for rows, _ in _stretches([loss_key(lane.hyper, task) for lane in lanes])]


def activation_runs(lanes: Sequence[GradientLane], like: Tensor) -> list[Run]:
    """Return the stretches of sorted lanes that share an activation and have dropout or have none."""
    runs, n_dropped = [], 0
    for rows, (name, drops) in _stretches([_activation_key(lane.hyper) for lane in lanes]):
        dropped = slice(n_dropped, n_dropped + rows.stop - rows.start) if drops else None
        n_dropped = dropped.stop if dropped else n_dropped
        op = OPS[name]
        runs.append(Run(rows, op, dropped, () if op.keeps_zero else live_units(lanes[rows], like)))
    return runs


def live_units(lanes: Sequence[Lane], like: Tensor) -> tuple[Tensor, ...]:
    """Mark the unpadded units of every hidden layer of lanes of one layout.

    Shapes: [k, 1, O], 0 or 1.
    """
    masks = []
    for layer, width in enumerate(lanes[0].layout.padded[1:-1]):
        real = np.array([lane.layout.widths[layer + 1] for lane in lanes])
        mask = np.arange(width)[None, None, :] < real[:, None, None]
        masks.append(torch.from_numpy(mask).to(like))
    return tuple(masks)


def _stretches(keys: Sequence[Any]) -> Iterator[tuple[slice, Any]]:
    start = 0
    for key, same in groupby(keys):
        stop = start + len(list(same))
        yield slice(start, stop), key
        start = stop
