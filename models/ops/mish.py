"""Mish (Misra 2019): z times the hyperbolic tangent of softplus(z)."""

import torch
from torch import Tensor

INITIALISATION = "he"
READS = "input"


def forward(z: Tensor) -> Tensor:
    return torch.nn.functional.mish(z, inplace=True)


def backward(delta: Tensor, kept: Tensor) -> None:
    delta.copy_(torch.ops.aten.mish_backward(delta, kept))
