"""SGD with momentum, Adam and AdamW over flat rows, every coefficient per lane. No schedules, no layers.

Source: torch.optim.SGD, Adam and AdamW (weight decay on all parameters: L2 for sgd and adam, decoupled for adamw).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.hyper import Hyperparameters, OptimizerName

STATE_ROWS: dict[OptimizerName, tuple[str, ...]] = {
    "sgd": ("first_moment",),
    "adam": ("first_moment", "second_moment"),
    "adamw": ("first_moment", "second_moment"),
}


@dataclass(frozen=True)
class OptimizerRows:
    """What one optimizer works on: rows [k, P] of its lanes. `gradients` is free to be overwritten."""

    parameters: Tensor
    gradients: Tensor
    first_moment: Tensor
    second_moment: Tensor

    def column(self, values: Sequence[float]) -> Tensor:
        """Return one coefficient per lane.

        Shapes: [k, 1].
        """
        return self.parameters.new_tensor(values).unsqueeze(1)


class Optimizer(Protocol):
    def begin_epoch(self, n_taken: Sequence[int], n_steps: int) -> None:
        """Prepare the next n_steps of lanes that have taken n_taken steps before."""

    def step(self, step: int) -> None:
        """Update the parameters from the gradients; `step` counts from 0 within the epoch."""


class SGD:
    """g += wd p; m = momentum m + g; p -= lr m."""

    def __init__(self, lanes: Sequence[Hyperparameters], rows: OptimizerRows) -> None:
        self._rows = rows
        self._momentum = rows.column([lane.momentum for lane in lanes])
        self._minus_rate = rows.column([-lane.learning_rate for lane in lanes])
        self._decay = _decay(lanes, rows)

    def begin_epoch(self, n_taken: Sequence[int], n_steps: int) -> None:
        """Nothing depends on the step count."""

    def step(self, step: int) -> None:
        rows = self._rows
        if self._decay is not None:
            rows.gradients.addcmul_(rows.parameters, self._decay)
        rows.first_moment.mul_(self._momentum).add_(rows.gradients)
        rows.parameters.addcmul_(rows.first_moment, self._minus_rate)


class Adam:
    """L2 penalty as in torch.optim.Adam, or decoupled weight decay as in AdamW.

    With bias corrections c1, c2: lr / c1 * m / (sqrt(v / c2) + eps) = lr sqrt(c2) / c1 * m / (sqrt(v) + eps sqrt(c2)).
    """

    def __init__(self, lanes: Sequence[Hyperparameters], rows: OptimizerRows, decoupled: bool = False) -> None:
        self._lanes, self._rows, self._decoupled = lanes, rows, decoupled
        self._toward_first = rows.column([1 - lane.beta1 for lane in lanes])
        self._toward_second = rows.column([1 - lane.beta2 for lane in lanes])
        self._decay = _decay(lanes, rows)
        self._shrink = rows.column([1 - lane.learning_rate * lane.weight_decay for lane in lanes])

    def begin_epoch(self, n_taken: Sequence[int], n_steps: int) -> None:
        """Tabulate the bias corrections in float64: no loop over lanes within the steps."""
        names = ("beta1", "beta2", "learning_rate", "epsilon")
        beta1, beta2, rate, epsilon = (np.array([getattr(lane, name) for lane in self._lanes]) for name in names)
        times = np.arange(1, n_steps + 1)[:, None] + np.array(n_taken)[None, :]
        root = np.sqrt(1 - beta2**times)
        tiny = torch.finfo(self._rows.parameters.dtype).tiny  # an epsilon of 0 would make 0 / 0 of padded parameters
        table = np.stack([-rate * root / (1 - beta1**times), np.maximum(epsilon * root, tiny)])
        minus_rates, epsilons = torch.from_numpy(table).to(self._rows.parameters).unsqueeze(3).unbind()
        self._table = list(zip(minus_rates.unbind(), epsilons.unbind(), strict=True))

    def step(self, step: int) -> None:
        minus_rate, epsilon = self._table[step]
        rows, gradient = self._rows, self._rows.gradients
        if self._decay is not None and self._decoupled:
            rows.parameters.mul_(self._shrink)
        elif self._decay is not None:
            gradient.addcmul_(rows.parameters, self._decay)
        rows.first_moment.lerp_(gradient, self._toward_first)
        rows.second_moment.lerp_(gradient.mul_(gradient), self._toward_second)
        torch.sqrt(rows.second_moment, out=gradient).add_(epsilon)
        torch.div(rows.first_moment, gradient, out=gradient)
        rows.parameters.addcmul_(gradient, minus_rate)


def _decay(lanes: Sequence[Hyperparameters], rows: OptimizerRows) -> Tensor | None:
    """None where no lane decays: lanes are sorted so that all of a run do or none does."""
    if not any(lane.weight_decay for lane in lanes):
        return None
    return rows.column([lane.weight_decay for lane in lanes])


def build_optimizer(lanes: Sequence[Hyperparameters], rows: OptimizerRows) -> Optimizer:
    """Build the optimizer of lanes that share its name."""
    match lanes[0].optimizer:
        case "sgd":
            return SGD(lanes, rows)
        case "adam":
            return Adam(lanes, rows)
        case "adamw":
            return Adam(lanes, rows, decoupled=True)
