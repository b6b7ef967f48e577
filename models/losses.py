"""Losses of the three tasks with their gradients in closed form, lane by lane: [K, B, C]. No metrics.

A step turns the outputs of the last layer into dLoss/dOutput in place and adds each lane's share of the epoch's mean
loss to `total` [K, B, C], which is summed once per epoch. Lanes are summed, so each has its solo gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.lanes import Task


@dataclass(frozen=True)
class LossStep:
    """What one step works on.

    Shapes: outputs, scratch, total [K, B, C]; target, weight [B, C]. `weight` is 1 / (rows of this batch), for
    regression 1 / (rows * targets), and 0 in the padding; `share` is this batch's part of the epoch's rows.
    """

    outputs: Tensor
    target: Tensor
    weight: Tensor
    share: float
    n_outputs: int
    scratch: Tensor
    total: Tensor


def mean_squared_error(step: LossStep) -> None:
    """Source: torch.nn.MSELoss (mean over rows and targets)."""
    step.outputs.sub_(step.target)
    torch.mul(step.outputs, step.weight, out=step.scratch)
    step.total.addcmul_(step.scratch, step.outputs, value=step.share)
    torch.add(step.scratch, step.scratch, out=step.outputs)


def logistic_cross_entropy(step: LossStep) -> None:
    """Source: torch.nn.BCEWithLogitsLoss; softplus(z) - y z = (1 - y) z - logsigmoid(z)."""
    logits = step.outputs
    loss = torch.nn.functional.logsigmoid(logits).neg_().addcmul_(1 - step.target, logits)
    step.total.addcmul_(loss, step.weight, value=step.share)
    logits.sigmoid_().sub_(step.target).mul_(step.weight)


def softmax_cross_entropy(step: LossStep) -> None:
    """Source: torch.nn.CrossEntropyLoss. Padded outputs get a huge negative logit: probability 0."""
    logits = step.outputs
    logits[:, :, step.n_outputs :].fill_(torch.finfo(logits.dtype).min / 4)
    torch.log_softmax(logits, 2, out=step.scratch)
    torch.exp(step.scratch, out=logits)
    logits.sub_(step.target).mul_(step.weight)
    step.scratch.mul_(step.target)
    step.total.addcmul_(step.scratch, step.weight, value=-step.share)


LOSSES: dict[Task, Callable[[LossStep], None]] = {
    "regression": mean_squared_error,
    "binary": logistic_cross_entropy,
    "multiclass": softmax_cross_entropy,
}
