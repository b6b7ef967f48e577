"""Activations and their derivatives over stretches of flat arrays, by the code numbers of ACTIVATIONS. No layers.

An op of `models.ops` that is not listed here is served by torch. A kernel follows its op's READS: `kept` of the
backward is the op's input or its output.
"""

from __future__ import annotations

import math
from typing import Any

from models.activations import SELU_ALPHA, SELU_SCALE
from models.cpu.compiler import kernel
from models.cpu.functions import exponential, exponential_minus_one, logistic, normal, tangent, tangent_of_softplus
from models.cpu.served import ACTIVATIONS

IDENTITY, RELU, LEAKY_RELU, TANH, LOGISTIC, ELU, SELU, SILU, GELU, SOFTPLUS, MISH = ACTIVATIONS.values()


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
    elif code == LEAKY_RELU:
        slope = z.dtype.type(0.01)
        for i in range(len(z)):
            z[i] = slope * z[i] if z[i] < zero else z[i]
    elif code == SELU:
        scale, depth = z.dtype.type(SELU_SCALE), z.dtype.type(SELU_SCALE * SELU_ALPHA)
        for i in range(len(z)):
            below = depth * exponential_minus_one(z[i])
            z[i] = below if z[i] < zero else scale * z[i]
    elif code == SOFTPLUS:
        for i in range(len(z)):
            z[i] = max(z[i], zero) + math.log1p(exponential(-abs(z[i])))
    elif code == MISH:
        for i in range(len(z)):
            z[i] *= tangent_of_softplus(z[i])


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
    elif code == LEAKY_RELU:
        below = delta.dtype.type(0.01)
        for i in range(len(delta)):
            delta[i] *= one if kept[i] > zero else below
    elif code == SELU:
        scale, depth = delta.dtype.type(SELU_SCALE), delta.dtype.type(SELU_SCALE * SELU_ALPHA)
        for i in range(len(delta)):
            slope = kept[i] + depth
            delta[i] *= slope if kept[i] < zero else scale
    elif code == SOFTPLUS:
        for i in range(len(delta)):
            delta[i] *= logistic(kept[i])
    elif code == MISH:
        for i in range(len(delta)):
            bent = tangent_of_softplus(kept[i])
            delta[i] *= bent + kept[i] * (one - bent * bent) * logistic(kept[i])
