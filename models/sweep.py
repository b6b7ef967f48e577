"""Trains fresh networks while their learning rate goes up: the steps of a range test, on any device. No suggestions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor

from models.bench import Bench
from models.group import Group
from models.hyper import Hyperparameters
from models.lanes import LaneStart
from models.layout import Layout
from models.live_lane import admit
from models.range_test import Floats, Sweep


def sweep_rates(
    bench: Bench,
    layout: Layout,
    hyper: Hyperparameters,
    sweep: Sweep,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Floats:
    """Train one network for each seed, as `hyper` says but for the learning rate, and average their losses.

    Batches come in their usual order, as often around as it takes. `turn` is entered around every slice of work.
    Shapes: mean training loss of every step's batch [steps], NaN from the first one on that is not finite.
    """
    steps_per_epoch = -(-bench.rows.n_train // min(hyper.batch_size, bench.rows.n_train))
    rising = _rising(hyper, sweep, steps_per_epoch)
    with torch.no_grad(), np.errstate(over="ignore", invalid="ignore"):  # rates beyond the last step are tabulated too
        with turn():
            lanes = [
                admit(LaneStart(n, rising, seed), rising, layout, bench.like) for n, seed in enumerate(sweep.seeds)
            ]
            group = Group(lanes, bench)
        parts: list[Tensor] = []
        for first in range(0, sweep.steps, steps_per_epoch):
            with turn():
                parts.append(group.losses_by_step(sweep.steps - first))
            for lane in lanes:
                lane.epoch, lane.n_steps = lane.epoch + 1, lane.n_steps + steps_per_epoch
        losses: Floats = torch.cat(parts).cpu().numpy().mean(axis=1)
    lost = ~np.isfinite(losses)
    losses[np.logical_or.accumulate(lost)] = np.nan
    return losses


def _rising(hyper: Hyperparameters, sweep: Sweep, steps_per_epoch: int) -> Hyperparameters:
    """Let the exponential schedule go up, which no user may: unchecked, `decay_epochs` is the length of the sweep."""
    return hyper.model_copy(
        update={
            "learning_rate": sweep.low,
            "schedule": "exponential",
            "decay_factor": sweep.high / sweep.low,
            "decay_epochs": (sweep.steps - 1) / steps_per_epoch,
            "warmup_epochs": 0.0,
        }
    )
