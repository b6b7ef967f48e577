"""Hyperbolic tangent, between -1 and 1."""

import torch
from torch import Tensor

INITIALISATION = "glorot"
READS = "output"


def forward(z: Tensor) -> Tensor:
    return z.tanh_()


def backward(delta: Tensor, kept: Tensor) -> None:
    torch.ops.aten.tanh_backward.grad_input(delta, kept, grad_input=delta)
