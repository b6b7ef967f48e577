"""Sigmoid linear unit (swish): z times the logistic function of z."""

import torch
from torch import Tensor

INITIALISATION = "he"
READS = "input"


def forward(z: Tensor) -> Tensor:
    return torch.nn.functional.silu(z, inplace=True)


def backward(delta: Tensor, kept: Tensor) -> None:
    torch.ops.aten.silu_backward.grad_input(delta, kept, grad_input=delta)
