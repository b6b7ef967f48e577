"""Activations and their derivatives over stretches of flat arrays, by the code numbers of KERNELS. No layers.

An op of `models.ops` that is not listed here is served by torch. A kernel follows its op's READS: `kept` of the
backward is the op's input or its output.
"""

from __future__ import annotations

from typing import Any

from models.cpu.compiler import kernel
from models.cpu.functions import exponential_minus_one, logistic, normal, tangent

KERNELS = {"identity": 0, "relu": 1, "tanh": 2, "logistic": 3, "elu": 4, "silu": 5, "gelu": 6}
IDENTITY, RELU, TANH, LOGISTIC, ELU, SILU, GELU = KERNELS.values()


@kernel
def activate(code: int, z: Any) -> None:
    """Replace z by f(z)."""
    zero = z.dtype.type(0)
    if code == RELU:
        for i in range(len(z)):
            z[i] = zero if z[i] < zero else z[i]
    elif code == TANH:
        for i in range(len(z)):
            z[i] = tangent(z[i])
    elif code == LOGISTIC:
        for i in range(len(z)):
            z[i] = logistic(z[i])
    elif code == ELU:
        for i in range(len(z)):
            below = exponential_minus_one(z[i])
            z[i] = below if z[i] < zero else z[i]
    elif code == SILU:
        for i in range(len(z)):
            z[i] *= logistic(z[i])
    elif code == GELU:
        for i in range(len(z)):
            z[i] *= normal(z[i])[0]


@kernel
def pull_back(code: int, delta: Any, kept: Any) -> None:
    """Multiply delta by f', told from `kept`."""
    zero, one = delta.dtype.type(0), delta.dtype.type(1)
    if code == RELU:
        for i in range(len(delta)):
            delta[i] = delta[i] if kept[i] > zero else zero
    elif code == TANH:
        for i in range(len(delta)):
            delta[i] *= one - kept[i] * kept[i]
    elif code == LOGISTIC:
        for i in range(len(delta)):
            delta[i] *= kept[i] * (one - kept[i])
    elif code == ELU:
        for i in range(len(delta)):
            slope = kept[i] + one
            delta[i] *= slope if kept[i] < zero else one
    elif code == SILU:
        for i in range(len(delta)):
            share = logistic(kept[i])
            delta[i] *= share * (one + kept[i] * (one - share))
    elif code == GELU:
        for i in range(len(delta)):
            share, density = normal(kept[i])
            delta[i] *= share + kept[i] * density
