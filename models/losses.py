"""Losses of the three tasks with their gradients in closed form, lane by lane: [K, B, C]. No metrics.

A loss turns the outputs of the last layer into dLoss/dOutput in place and adds each lane's share of the epoch's mean
loss to `total`, which is summed once per epoch. Lanes are summed, not averaged, so each has its solo gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from models.lanes import Task


class LossBuffers:
    """Outputs of the last layer and two buffers of their shape.

    Shapes: outputs, scratch, total [K, B, C], padded; `*_padding` are the views of the padded outputs.
    """

    def __init__(self, outputs: Tensor, n_outputs: int) -> None:
        self.outputs, self.scratch, self.total = outputs, torch.zeros_like(outputs), torch.zeros_like(outputs)
        self.outputs_padding, self.scratch_padding = outputs[:, :, n_outputs:], self.scratch[:, :, n_outputs:]
        self.lowest = torch.finfo(outputs.dtype).min / 4

    def epoch_loss(self) -> Tensor:
        """Return each lane's mean loss since `total` was last set to zero.

        Shapes: [K], float64.
        """
        return self.total.sum(1).double().sum(1)


Loss = Callable[[LossBuffers, Tensor, Tensor, float], None]
"""(buffers, target [B, C], weight [B, C], share): `weight` is 1 / (rows of this batch), for regression 1 / (rows *
targets), and 0 in the padding; `share` is this batch's part of the epoch's rows."""


def mean_squared_error(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: torch.nn.MSELoss (mean over rows and targets)."""
    error = buffers.outputs.sub_(target)
    torch.mul(error, weight, out=buffers.scratch)
    buffers.total.addcmul_(buffers.scratch, error, value=share)
    torch.add(buffers.scratch, buffers.scratch, out=error)


def logistic_cross_entropy(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: torch.nn.BCEWithLogitsLoss; softplus(z) - y z = (1 - y) z - logsigmoid(z)."""
    logits = buffers.outputs
    loss = torch.nn.functional.logsigmoid(logits).neg_().addcmul_(1 - target, logits)
    buffers.total.addcmul_(loss, weight, value=share)
    logits.sigmoid_().sub_(target).mul_(weight)


def softmax_cross_entropy(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: torch.nn.CrossEntropyLoss. Padded outputs take no part: their logits are hugely negative."""
    buffers.outputs_padding.fill_(buffers.lowest)
    torch.log_softmax(buffers.outputs, 2, out=buffers.scratch)
    buffers.scratch_padding.zero_()  # exp of what underflows is four times slower, and their weight is 0
    delta = torch.exp(buffers.scratch, out=buffers.outputs)
    delta.sub_(target).mul_(weight)
    buffers.total.addcmul_(buffers.scratch.mul_(target), weight, value=-share)


LOSSES: dict[Task, Loss] = {
    "regression": mean_squared_error,
    "binary": logistic_cross_entropy,
    "multiclass": softmax_cross_entropy,
}
