"""No activation: the layers collapse into one linear map."""

from torch import Tensor

INITIALISATION = "glorot"
READS = "output"


def forward(z: Tensor) -> Tensor:
    return z


def backward(delta: Tensor, kept: Tensor) -> None:
    """Leave delta as it is: the derivative is one."""
