"""How learning rate and momentum go over the steps of a lane's life. No optimizers, no torch.

Everything is a function of the number of steps taken, so that a lane that is moved, resumed or trained again goes on
exactly where it was.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.hyper import Hyperparameters

Floats = NDArray[np.float64]

RISE_SHARE, FIRST_DIVISOR, LAST_DIVISOR = 0.3, 25.0, 25.0 * 1e4
"""1cycle: share of the steps in which the rate rises, and by what its ends are below the peak."""
MOMENTA = 0.85, 0.95
"""1cycle: momentum at the peak of the rate, and at its ends."""


class Course(NamedTuple):
    """What an optimizer goes by at each of some steps.

    Shapes: [S], or one number for all of them. `momentum` stands for that of sgd and for beta1 of the adam family.
    """

    rate: Floats | float
    momentum: Floats | float


def course(hyper: Hyperparameters, rate: float, n_taken: int, n_steps: int, steps_per_epoch: int) -> Course:
    """Tabulate the next steps of a lane that has taken `n_taken` steps; `rate` is what the schedule multiplies.

    Source: torch.optim.lr_scheduler (CosineAnnealingLR, StepLR, ExponentialLR, OneCycleLR with cosine ends) at every
    step; the warm-up is linear from rate / steps to rate (Goyal et al. 2017, 2.2) and multiplies the schedule.
    """
    momentum = hyper.momentum if hyper.optimizer == "sgd" else hyper.beta1
    if hyper.schedule == "constant" and not hyper.warmup_epochs:
        return Course(rate, momentum)
    step = n_taken + np.arange(n_steps, dtype=np.float64)
    total = max(hyper.schedule_epochs * steps_per_epoch, 1)
    if hyper.schedule == "one_cycle":
        return Course(*_one_cycle(rate, step, total))
    factor = _factor(hyper, step, total, steps_per_epoch)
    if hyper.warmup_epochs:
        factor = factor * np.minimum(1.0, (step + 1) / (hyper.warmup_epochs * steps_per_epoch))
    return Course(rate * factor, momentum)


def _factor(hyper: Hyperparameters, step: Floats, total: int, steps_per_epoch: int) -> Floats:
    match hyper.schedule:
        case "cosine":
            return (1 + np.cos(np.pi * np.minimum(step / total, 1.0))) / 2
        case "step":
            return hyper.decay_factor ** np.floor(step / (hyper.decay_epochs * steps_per_epoch))
        case "exponential":
            return hyper.decay_factor ** (step / (hyper.decay_epochs * steps_per_epoch))
    return np.ones_like(step)


def _one_cycle(peak: float, step: Floats, total: int) -> tuple[Floats, Floats]:
    """Source: Smith 2018, section 3, in the form of torch.optim.lr_scheduler.OneCycleLR."""
    top, last = RISE_SHARE * total - 1, total - 1
    rising = np.clip(step / top, 0, 1) if top > 0 else np.ones_like(step)
    falling = np.clip((step - top) / max(last - top, 1e-9), 0, 1)
    on_the_way_up = step <= top

    def swing(start: float, middle: float, end: float) -> Floats:
        up = middle + (start - middle) / 2 * (1 + np.cos(np.pi * rising))
        down = end + (middle - end) / 2 * (1 + np.cos(np.pi * falling))
        return np.where(on_the_way_up, up, down)

    low, high = MOMENTA
    return swing(peak / FIRST_DIVISOR, peak, peak / LAST_DIVISOR), swing(high, low, high)
