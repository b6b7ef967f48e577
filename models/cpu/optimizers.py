"""Optimizer steps of one lane over its flat row: the update of `models.optim`, whose table it reads."""

from __future__ import annotations

import math
from typing import Any

from models.cpu.compiler import kernel

PLAIN, OF_GRADIENT, OF_FIRST, OF_BOTH = range(4)
"""The codes of `served.OPTIMIZERS`: without second moments; with them, and what is divided by their root: the gradient,
the first moment, or both."""
NORM_FLOOR = 1e-6


@kernel
def update(code: int, rows: Any, coefficients: Any) -> None:
    """Take one step.

    Shapes: `rows` parameters, gradients, first and second moment, [size] each; `coefficients` [11] of this step, in the
    order of `models.optim.Coefficients`.
    """
    parameters, gradients, first, second = rows
    number = parameters.dtype.type
    _regularise(parameters, gradients, coefficients)
    keep_first, add_first = number(coefficients[0]), number(coefficients[1])
    keep_second, add_second = number(coefficients[2]), number(coefficients[3])
    of_first, of_gradient = number(coefficients[4]), number(coefficients[5])
    epsilon = number(coefficients[6])
    if code == PLAIN and of_gradient == 0:
        for i in range(len(parameters)):
            first[i] = first[i] * keep_first + gradients[i] * add_first
            parameters[i] -= of_first * first[i]
    elif code == PLAIN:
        for i in range(len(parameters)):
            first[i] = first[i] * keep_first + gradients[i] * add_first
            parameters[i] -= of_first * first[i] + of_gradient * gradients[i]
    elif code == OF_GRADIENT:
        for i in range(len(parameters)):
            gradient = gradients[i]
            second[i] = second[i] * keep_second + gradient * gradient * add_second
            parameters[i] -= of_gradient * gradient / (math.sqrt(second[i]) + epsilon)
    elif code == OF_FIRST:
        for i in range(len(parameters)):
            gradient = gradients[i]
            first[i] = first[i] * keep_first + gradient * add_first
            second[i] = second[i] * keep_second + gradient * gradient * add_second
            parameters[i] -= of_first * (first[i] / (math.sqrt(second[i]) + epsilon))
    else:
        for i in range(len(parameters)):
            gradient = gradients[i]
            first[i] = first[i] * keep_first + gradient * add_first
            second[i] = second[i] * keep_second + gradient * gradient * add_second
            parameters[i] -= (of_first * first[i] + of_gradient * gradient) / (math.sqrt(second[i]) + epsilon)


@kernel
def _regularise(parameters: Any, gradients: Any, coefficients: Any) -> None:
    number = parameters.dtype.type
    decay, shrink, l1 = number(coefficients[7]), number(coefficients[8]), number(coefficients[9])
    if l1 != 0:
        for i in range(len(parameters)):
            gradients[i] += l1 * (number(parameters[i] > 0) - number(parameters[i] < 0))
    if coefficients[10] > 0:
        squares = 0.0
        for i in range(len(parameters)):
            squares += gradients[i] * gradients[i]
        scale = number(min(1.0, coefficients[10] / (math.sqrt(squares) + NORM_FLOOR)))
        for i in range(len(parameters)):
            gradients[i] *= scale
    if shrink != 1:
        for i in range(len(parameters)):
            parameters[i] *= shrink
    elif decay != 0:
        for i in range(len(parameters)):
            gradients[i] += decay * parameters[i]
