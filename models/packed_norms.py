"""Normalisation of one hidden layer of K stacked networks, forward and backward by hand. No layers, no activations.

Padded units have scale and shift 0 and so stay 0; padded rows count for nothing. Source: torch.nn.BatchNorm1d and
LayerNorm. A batch of one row has no variance, which torch refuses: here it is normalised by the running statistics, as
at prediction, and leaves them as they are. Biases of layers that batch normalisation follows stay 0, as shift does
their work (bias=False in torch): their gradient would be rounding errors alone, which some optimizers make large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.layout import Layout
from models.normalisation import EPSILON, MOMENTUM

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class RealRows:
    """Which rows of a padded batch are rows of the data: the first `count`.

    Shapes: mask [B, 1], 0 or 1.
    """

    count: int
    mask: Tensor


@dataclass(frozen=True)
class NormRows:
    """What the normalisation of K lanes works on, all of one layout.

    Shapes: parameters [K, size], running [K, running size], None without batch normalisation; `live` marks the unpadded
    units of every hidden layer, [K, 1, O].
    """

    layout: Layout
    parameters: Tensor
    running: Tensor | None
    live: Sequence[Tensor]

    def norms(self) -> list[Norm]:
        """Return the norm of every hidden layer; none without normalisation."""
        pairs = [_columns(pair) for pair in self.layout.norm_views(self.parameters)]
        if self.running is not None:
            running = [_columns(pair) for pair in self.layout.norm_views(self.running)]
            return [BatchNorm(*given) for given in zip(pairs, running, strict=True)]
        return [LayerNorm(*given) for given in zip(pairs, self.live, strict=True)] if pairs else []

    def trained(self, gradients: Tensor) -> list[TrainedNorm]:
        """Return norms that train; they put the gradients of scale and shift beside all others."""
        return [
            TrainedNorm(norm, pair) for norm, pair in zip(self.norms(), self.layout.norm_views(gradients), strict=True)
        ]


def _columns(pair: Pair) -> Pair:
    return pair[0].unsqueeze(1), pair[1].unsqueeze(1)


class BatchNorm:
    """Every unit over the rows of a batch.

    Shapes: scale, shift, running mean and variance [K, 1, O].
    """

    def __init__(self, pair: Pair, running: Pair) -> None:
        self.scale, self.shift = pair
        self._mean, self._variance = running

    def normalise(self, z: Tensor, real: RealRows | None) -> Pair:
        """Return z with mean 0 and variance 1, and what its deviations were multiplied by.

        Without `real`, for prediction, and for a batch of one row by the running statistics.
        Shapes: z [K, B, O]; [K, B, O] and [K, 1, O].
        """
        if real is None or real.count < 2:
            factor = torch.rsqrt(self._variance + EPSILON)
            return (z - self._mean).mul_(factor), factor
        mean = (z * real.mask).sum(1, keepdim=True).div_(real.count)
        centred = (z - mean).mul_(real.mask)
        variance = (centred * centred).sum(1, keepdim=True).div_(real.count)
        self._mean.mul_(1 - MOMENTUM).add_(mean, alpha=MOMENTUM)
        self._variance.mul_(1 - MOMENTUM).add_(variance, alpha=MOMENTUM * real.count / (real.count - 1))
        factor = variance.add_(EPSILON).rsqrt_()
        return centred.mul_(factor), factor

    def pull_back(self, delta: Tensor, normal: Tensor, factor: Tensor, real: RealRows) -> None:
        """Turn the gradient of the normal numbers into that of the sums, in place."""
        if real.count > 1:
            slope = (delta * normal).sum(1, keepdim=True).div_(real.count)
            mean = delta.sum(1, keepdim=True).div_(real.count)
            delta.sub_(mean).addcmul_(normal, slope, value=-1)
        delta.mul_(factor).mul_(real.mask)

    def apply(self, z: Tensor) -> None:
        """Replace the sums of rows to predict."""
        normal, _ = self.normalise(z, None)
        torch.mul(normal, self.scale, out=z).add_(self.shift)


class LayerNorm:
    """Every row over its units.

    Shapes: scale, shift, live [K, 1, O].
    """

    def __init__(self, pair: Pair, live: Tensor) -> None:
        self.scale, self.shift = pair
        self._live, self._n_units = live, live.sum(2, keepdim=True)

    def normalise(self, z: Tensor, real: RealRows | None) -> Pair:
        """Return z with mean 0 and variance 1, and what its deviations were multiplied by.

        Shapes: z [K, B, O]; [K, B, O] and [K, B, 1].
        """
        centred = (z - _sum_units(z).div_(self._n_units)).mul_(self._live)
        factor = _sum_units(centred * centred).div_(self._n_units).add_(EPSILON).rsqrt_()
        return centred.mul_(factor), factor

    def pull_back(self, delta: Tensor, normal: Tensor, factor: Tensor, real: RealRows) -> None:
        """Turn the gradient of the normal numbers into that of the sums, in place."""
        slope = _sum_units(delta * normal).div_(self._n_units)
        mean = _sum_units(delta).div_(self._n_units)
        delta.sub_(mean).addcmul_(normal, slope, value=-1).mul_(factor).mul_(self._live)

    def apply(self, z: Tensor) -> None:
        """Replace the sums of rows to predict."""
        normal, _ = self.normalise(z, None)
        torch.mul(normal, self.scale, out=z).add_(self.shift)


Norm = BatchNorm | LayerNorm


def _sum_units(z: Tensor) -> Tensor:
    """Sum over the units in 16 parts, whose order no shape of the call changes."""
    return z.view(*z.shape[:2], -1, 16).sum(2).sum(2, keepdim=True)


class TrainedNorm:
    """A norm that keeps what its backward reads, and where the gradients of scale and shift go, [K, O] each."""

    def __init__(self, norm: Norm, gradients: Pair) -> None:
        self._norm, self._gradients = norm, gradients
        self.replaces_bias = isinstance(norm, BatchNorm)
        self._normal = self._factor = norm.scale

    def forward(self, z: Tensor, real: RealRows) -> None:
        """Replace the sums z."""
        self._normal, self._factor = self._norm.normalise(z, real)
        torch.mul(self._normal, self._norm.scale, out=z).add_(self._norm.shift)

    def backward(self, delta: Tensor, real: RealRows) -> None:
        """Turn the gradient of what forward made into that of the sums, in place."""
        torch.sum(delta * self._normal, 1, out=self._gradients[0])
        torch.sum(delta, 1, out=self._gradients[1])
        self._norm.pull_back(delta.mul_(self._norm.scale), self._normal, self._factor, real)
