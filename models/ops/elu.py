"""Exponential linear unit: z above zero, exp(z) - 1 below."""

import torch
from torch import Tensor

INITIALISATION = "he"
READS = "output"


def forward(z: Tensor) -> Tensor:
    return torch.nn.functional.elu(z, inplace=True)


def backward(delta: Tensor, kept: Tensor) -> None:
    torch.ops.aten.elu_backward.grad_input(delta, 1.0, 1.0, 1.0, True, kept, grad_input=delta)
