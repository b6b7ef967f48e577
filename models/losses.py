"""Losses with their gradients in closed form, lane by lane: [K, B, C]. No metrics.

A loss turns the outputs of the last layer into dLoss/dOutput in place and adds each lane's share of the epoch's mean
loss to `total`, which is summed once per epoch. Lanes are summed, not averaged, so each has its solo gradient. Which
tasks a loss is for, and what its coefficient is, stands in `models/loss_table.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.hyper import LaneHyperparameters
from models.lanes import Task
from models.loss_table import Form, find_loss
from models.ops import OPS


class LossBuffers:
    """Outputs of the last layer, two buffers of their shape, and the coefficient of each lane.

    Shapes: outputs, scratch, total [K, B, C], padded; coefficient [K, 1, 1]; `*_padding` are the views of the padded
    outputs.
    """

    def __init__(self, outputs: Tensor, n_outputs: int, coefficients: Sequence[float]) -> None:
        self.outputs, self.scratch, self.total = outputs, torch.zeros_like(outputs), torch.zeros_like(outputs)
        self.n_outputs = n_outputs
        self.outputs_padding, self.scratch_padding = outputs[:, :, n_outputs:], self.scratch[:, :, n_outputs:]
        self.lowest = torch.finfo(outputs.dtype).min / 4
        self.is_smooth = coefficients[0] > 0
        self.coefficient = torch.tensor(coefficients, dtype=torch.float64).to(outputs).view(-1, 1, 1)

    def smooth(self, target: Tensor, n_classes: int) -> Tensor:
        """Spread the share `coefficient` of the truth evenly over the classes."""
        if not self.is_smooth:
            return target
        return target * (1 - self.coefficient) + self.coefficient / n_classes


LossFunction = Callable[[LossBuffers, Tensor, Tensor, float], None]
"""(buffers, target [B, C], weight [B, C], share): `weight` is the row's weight / (rows of this batch), for regression
and multilabel / (rows * targets), and 0 in the padding; `share` is this batch's part of the epoch's rows."""


def squared_error(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: torch.nn.MSELoss (mean over rows and targets)."""
    error = buffers.outputs.sub_(target)
    torch.mul(error, weight, out=buffers.scratch)
    buffers.total.addcmul_(buffers.scratch, error, value=share)
    torch.add(buffers.scratch, buffers.scratch, out=error)


def absolute_error(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: torch.nn.L1Loss."""
    error = buffers.outputs.sub_(target)
    buffers.total.addcmul_(torch.abs(error, out=buffers.scratch), weight, value=share)
    error.sign_().mul_(weight)


def huber(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: torch.nn.HuberLoss; with the slope s = clip(e, -delta, delta) it is s (e - s / 2)."""
    error = buffers.outputs.sub_(target)
    slope = torch.clamp(error, -buffers.coefficient, buffers.coefficient)
    loss = torch.mul(slope, error.sub_(slope, alpha=0.5), out=buffers.scratch)
    buffers.total.addcmul_(loss, weight, value=share)
    torch.mul(slope, weight, out=buffers.outputs)


def log_cosh(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: keras.losses.LogCosh; log(cosh(e)) = |e| + log(1 + exp(-2 |e|)) - log(2)."""
    error = buffers.outputs.sub_(target)
    size = torch.abs(error, out=buffers.scratch)
    loss = torch.exp(size * -2).log1p_().add_(size).sub_(math.log(2))
    buffers.total.addcmul_(loss, weight, value=share)
    error.tanh_().mul_(weight)


def quantile(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: sklearn.metrics.mean_pinball_loss: q (y - z) where y > z, else (1 - q) (z - y)."""
    error = buffers.outputs.sub_(target)
    slope = (error > 0).to(error.dtype).sub_(buffers.coefficient)
    buffers.total.addcmul_(torch.mul(slope, error, out=buffers.scratch), weight, value=share)
    torch.mul(slope, weight, out=buffers.outputs)


def logistic_cross_entropy(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: torch.nn.BCEWithLogitsLoss; softplus(z) - y z = (1 - y) z - logsigmoid(z). Smoothing is that of two
    classes: y (1 - s) + s / 2."""
    logits, target = buffers.outputs, buffers.smooth(target, 2)
    loss = torch.nn.functional.logsigmoid(logits).neg_().addcmul_(1 - target, logits)
    buffers.total.addcmul_(loss, weight, value=share)
    logits.sigmoid_().sub_(target).mul_(weight)


def softmax_cross_entropy(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: torch.nn.CrossEntropyLoss. Padded outputs take no part: their logits are hugely negative."""
    target = buffers.smooth(target, buffers.n_outputs)
    delta = _softmax(buffers)
    delta.sub_(target).mul_(weight)
    buffers.total.addcmul_(buffers.scratch.mul_(target), weight, value=-share)


def logistic_focal(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: Lin et al. 2017, without alpha: -(1 - p)^g log(p), p being the probability of what is true.

    With u = z or -z, whichever is the truth's logit, the slope by u is (1 - p)^g (g p log(p) - (1 - p)).
    """
    sign = 2 * target - 1
    logit = buffers.outputs.mul_(sign)
    log_chance, rest = torch.nn.functional.logsigmoid(logit), torch.sigmoid(-logit)
    power = rest.pow(buffers.coefficient)
    buffers.total.addcmul_(torch.mul(power, log_chance, out=buffers.scratch), weight, value=-share)
    slope = log_chance.mul_(1 - rest).mul_(buffers.coefficient).sub_(rest).mul_(power)
    torch.mul(slope, sign * weight, out=buffers.outputs)


def softmax_focal(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """Source: Lin et al. 2017 with softmax in place of the logistic function: -(1 - p)^g log(p).

    The slope by output j is a (1[j is true] - p_j) with a = (1 - p)^g (g p log(p) / (1 - p) - 1).
    """
    delta = _softmax(buffers)
    log_chance = (buffers.scratch * target).sum(2, keepdim=True).expand_as(delta).contiguous()
    rest = torch.expm1(log_chance).neg_()
    power = rest.pow(buffers.coefficient)
    buffers.total.addcmul_(log_chance * power, weight * target, value=-share)
    ratio = torch.where(rest > 0, log_chance / rest, -1.0)  # its limit
    slope = ratio.mul_(1 - rest).mul_(buffers.coefficient).sub_(1).mul_(power)
    delta.neg_().add_(target).mul_(slope).mul_(weight)


def margin(buffers: LossBuffers, target: Tensor, weight: Tensor, share: float) -> None:
    """max(0, m - y z) for y = -1 or 1 in every column; the margin m is 1 for hinge and 0 for perceptron.

    Source: sklearn.linear_model.SGDClassifier, which also updates where y z is just m; several classes are one against
    the rest, summed.
    """
    sign = 2 * target - 1
    gap = buffers.outputs.mul_(sign).neg_().add_(buffers.coefficient)
    counts = (gap >= 0) * weight
    buffers.total.addcmul_(gap, counts, value=share)
    torch.mul(counts, -sign, out=gap)


def _softmax(buffers: LossBuffers) -> Tensor:
    """Turn outputs into probabilities in place, and leave their logarithms in `scratch`; 0 in the padding."""
    buffers.outputs_padding.fill_(buffers.lowest)
    torch.log_softmax(buffers.outputs, 2, out=buffers.scratch)
    buffers.scratch_padding.zero_()  # exp of what underflows is four times slower, and their weight is 0
    return torch.exp(buffers.scratch, out=buffers.outputs)


FORMS: dict[Form, LossFunction] = {
    function.__name__: function
    for function in (
        squared_error,
        absolute_error,
        huber,
        log_cosh,
        quantile,
        logistic_cross_entropy,
        softmax_cross_entropy,
        logistic_focal,
        softmax_focal,
        margin,
    )
}


class RunLoss:
    """The loss of lanes that share a `loss_table.run_key`, output activation included, on their outputs [k, B, C]."""

    def __init__(self, lanes: Sequence[LaneHyperparameters], task: Task, outputs: Tensor, n_outputs: int) -> None:
        loss = find_loss(lanes[0], task)
        self._compute = FORMS[loss.forms[task]]
        self._buffers = LossBuffers(outputs, n_outputs, [loss.coefficient(hyper) for hyper in lanes])
        name = lanes[0].output_activation  # decides about the encoding, so it is one for all
        self._op = None if name == "none" else OPS[name]
        self._kept = outputs if self._op is None else torch.zeros_like(outputs)

    def begin_epoch(self) -> None:
        """Forget the losses of the last epoch."""
        self._buffers.total.zero_()

    def lose(self, target: Tensor, weight: Tensor, share: float) -> None:
        """Turn sums of the last layer into the loss's gradient by them."""
        outputs = self._buffers.outputs
        if self._op is None:
            self._compute(self._buffers, target, weight, share)
            return
        if self._op.reads == "input":
            self._kept.copy_(outputs)
        self._op.apply(outputs)
        if self._op.reads == "output":
            self._kept.copy_(outputs)
        self._compute(self._buffers, target, weight, share)
        self._op.pull_back(outputs, self._kept)

    def epoch_loss(self) -> Tensor:
        """Return each lane's mean loss since the epoch began.

        Shapes: [k], float64.
        """
        return self._buffers.total.sum(1).double().sum(1)
