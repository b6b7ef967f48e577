"""Softplus: log(1 + exp(z)), a smooth rectified linear unit, above zero everywhere."""

import torch
from torch import Tensor

INITIALISATION = "he"
READS = "input"


def forward(z: Tensor) -> Tensor:
    return torch.nn.functional.softplus(z)


def backward(delta: Tensor, kept: Tensor) -> None:
    delta.mul_(torch.sigmoid(kept))
