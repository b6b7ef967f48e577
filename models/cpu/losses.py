"""Losses of one lane over one batch, as in `models.losses`, by the code numbers of KERNELS. No layers."""

from __future__ import annotations

import math
from typing import Any

from models.cpu.compiler import kernel
from models.cpu.functions import exponential, logistic
from models.lanes import Task

KERNELS: dict[Task, int] = {"regression": 0, "binary": 1, "multiclass": 2}
REGRESSION, BINARY, MULTICLASS = KERNELS.values()


@kernel
def lose(code: int, outputs: Any, target: Any, weight: Any, shape: Any) -> float:
    """Turn outputs into dLoss/dOutput; return the batch's loss.

    Shapes: `shape` is (rows, columns that count, columns); outputs, target, weight [rows * columns]. Columns that do
    not count become 0.
    """
    n_rows, n_outputs, width = shape
    loss: float
    if code == MULTICLASS:
        loss = _softmax(outputs, target, weight, shape)
    elif code == BINARY:
        loss = _logistic(outputs, target, weight)
    else:
        loss = _squared_error(outputs, target, weight)
    for row in range(0, n_rows * width, width):
        for i in range(row + n_outputs, row + width):
            outputs[i] = 0
    return loss


@kernel
def _squared_error(outputs: Any, target: Any, weight: Any) -> float:
    total = 0.0
    for i in range(len(outputs)):
        error = outputs[i] - target[i]
        scaled = error * weight[i]
        total += scaled * error
        outputs[i] = scaled + scaled
    return total


@kernel
def _logistic(outputs: Any, target: Any, weight: Any) -> float:
    """softplus(z) - y z = max(z, 0) - y z + log(1 + exp(-|z|))."""
    total = 0.0
    for i in range(len(outputs)):
        if weight[i] != 0:
            z = outputs[i]
            total += weight[i] * (max(z, 0.0) - target[i] * z + math.log1p(exponential(-abs(z))))
    for i in range(len(outputs)):
        outputs[i] = (logistic(outputs[i]) - target[i]) * weight[i]
    return total


@kernel
def _softmax(outputs: Any, target: Any, weight: Any, shape: Any) -> float:
    """log(sum exp(z)) - z of the target's class, times the row's weight."""
    n_rows, n_outputs, width = shape
    hit = 0.0
    for start in range(0, n_rows * width, width):
        largest = outputs[start]
        for i in range(start + 1, start + n_outputs):
            largest = max(largest, outputs[i])
        for i in range(start, start + width):
            outputs[i] -= largest
            hit += target[i] * outputs[i] * weight[i]
    for i in range(len(outputs)):
        outputs[i] = exponential(outputs[i])
    loss = -hit
    for start in range(0, n_rows * width, width):
        total = 0.0
        for i in range(start, start + n_outputs):
            total += outputs[i]
        loss += weight[start] * math.log(total)
        share = outputs.dtype.type(1 / total)
        for i in range(start, start + width):
            outputs[i] = (outputs[i] * share - target[i]) * weight[i]
    return loss


@kernel
def log_probabilities(outputs: Any, answers: Any) -> None:
    """Logarithms of the softmax over the last axis.

    Shapes: both [K, rows, classes], float64.
    """
    for lane in range(outputs.shape[0]):
        for row in range(outputs.shape[1]):
            given, answer = outputs[lane, row], answers[lane, row]
            largest = given[0]
            for i in range(1, len(given)):
                largest = max(largest, given[i])
            for i in range(len(given)):
                answer[i] = exponential(given[i] - largest)
            total = 0.0
            for i in range(len(given)):
                total += answer[i]
            total = math.log(total) + largest
            for i in range(len(given)):
                answer[i] = given[i] - total
