"""Optimizer steps of one lane over its flat row, as in `models.optim`, by the code numbers of KERNELS."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from models.cpu.compiler import kernel
from models.hyper import OptimizerName

KERNELS: dict[OptimizerName, int] = {"sgd": 0, "adam": 1, "adamw": 2}
SGD, ADAM, ADAMW = KERNELS.values()
TINY = float(np.finfo(np.float32).tiny)  # an epsilon of 0 would make 0 / 0 of padded parameters


@kernel
def update(code: int, rows: Any, factors: Any, powers: Any) -> None:
    """Take one step.

    Shapes: `rows` parameters, gradients, first and second moment, [size] each; `factors` [6] learning rate, weight
    decay, momentum, beta1, beta2, epsilon; `powers` [2] beta1 and beta2 to the number of steps taken, which grows.
    """
    parameters, gradients, first, second = rows
    number = parameters.dtype.type
    rate, decay = number(factors[0]), number(factors[1])
    if code == ADAMW and decay != 0:
        shrink = number(1 - factors[0] * factors[1])
        for i in range(len(parameters)):
            parameters[i] *= shrink
    elif decay != 0:
        for i in range(len(parameters)):
            gradients[i] += decay * parameters[i]
    if code == SGD:
        momentum = number(factors[2])
        for i in range(len(parameters)):
            first[i] = first[i] * momentum + gradients[i]
            parameters[i] -= rate * first[i]
        return
    powers[0] *= factors[3]
    powers[1] *= factors[4]
    root = math.sqrt(1 - powers[1])
    corrected, epsilon = number(factors[0] * root / (1 - powers[0])), number(max(factors[5] * root, TINY))
    toward_first, toward_second = number(1 - factors[3]), number(1 - factors[4])
    for i in range(len(parameters)):
        gradient = gradients[i]
        first[i] += toward_first * (gradient - first[i])
        second[i] += toward_second * (gradient * gradient - second[i])
        parameters[i] -= corrected * (first[i] / (math.sqrt(second[i]) + epsilon))
