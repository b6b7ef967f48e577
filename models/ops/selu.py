"""Scaled exponential linear unit (Klambauer et al. 2017): keeps mean 0 and variance 1 from layer to layer."""

import torch
from torch import Tensor

INITIALISATION = "lecun"
READS = "output"
ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def forward(z: Tensor) -> Tensor:
    return torch.nn.functional.selu(z, inplace=True)


def backward(delta: Tensor, kept: Tensor) -> None:
    torch.ops.aten.elu_backward.grad_input(delta, ALPHA, SCALE, 1.0, True, kept, grad_input=delta)
