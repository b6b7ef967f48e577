"""Losses of one lane over one batch, as in `models.losses`, by the code numbers of KERNELS. No layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from models.cpu.activations import IDENTITY, activate, pull_back
from models.cpu.compiler import kernel
from models.cpu.functions import exponential, exponential_minus_one, logistic, tangent
from models.loss_table import Form

FORMS: list[Form] = [
    "squared_error",
    "absolute_error",
    "huber",
    "log_cosh",
    "quantile",
    "logistic_cross_entropy",
    "softmax_cross_entropy",
    "logistic_focal",
    "softmax_focal",
    "margin",
]
KERNELS: dict[Form, int] = {form: code for code, form in enumerate(FORMS)}
SQUARED, ABSOLUTE, HUBER, LOG_COSH, QUANTILE, LOGISTIC, SOFTMAX, LOGISTIC_FOCAL, SOFTMAX_FOCAL, MARGIN = range(10)


@kernel
def lose(codes: Any, coefficient: float, outputs: Any, target: Any, weight: Any, shape: Any) -> float:
    """Turn sums of the last layer into the loss's gradient by them; return the batch's loss.

    Shapes: `codes` see `lane.train_epoch`; `shape` is (rows, columns that count, columns); outputs, target, weight
    [rows * columns]. Columns that do not count become 0.
    """
    n_rows, n_outputs, width = shape
    loss: float
    if codes[4] == IDENTITY:
        loss = _lose(codes[2], coefficient, outputs, target, weight, shape)
    else:
        kept = outputs.copy()
        activate(codes[4], outputs)
        if not codes[5]:
            kept[:] = outputs
        loss = _lose(codes[2], coefficient, outputs, target, weight, shape)
        pull_back(codes[4], outputs, kept)
    for row in range(0, n_rows * width, width):
        for i in range(row + n_outputs, row + width):
            outputs[i] = 0
    return loss


@kernel
def _lose(code: int, coefficient: float, outputs: Any, target: Any, weight: Any, shape: Any) -> float:
    loss: float
    if code == SOFTMAX:
        truth = target if coefficient == 0 else _smooth(target, coefficient, shape[1], shape)
        loss = _softmax(outputs, truth, weight, shape)
    elif code == LOGISTIC:
        truth = target if coefficient == 0 else _smooth(target, coefficient, 2, shape)
        loss = _logistic(outputs, truth, weight)
    elif code == SOFTMAX_FOCAL:
        loss = _softmax_focal(outputs, target, weight, shape, coefficient)
    elif code == LOGISTIC_FOCAL:
        loss = _logistic_focal(outputs, target, weight, coefficient)
    elif code == MARGIN:
        loss = _margin(outputs, target, weight, coefficient)
    elif code == SQUARED:
        loss = _squared_error(outputs, target, weight)
    else:
        loss = _robust_error(code, coefficient, outputs, target, weight)
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
def _robust_error(code: int, coefficient: float, outputs: Any, target: Any, weight: Any) -> float:
    """The losses of an error e that are not its square: value and slope of each."""
    zero, one, two = weight.dtype.type(0), weight.dtype.type(1), weight.dtype.type(2)
    half, given, log_two = weight.dtype.type(0.5), weight.dtype.type(coefficient), weight.dtype.type(math.log(2.0))
    total = 0.0
    for i in range(len(outputs)):
        error = outputs[i] - target[i]
        size = abs(error)
        if code == ABSOLUTE:
            value, slope = size, zero
            if error != 0:
                slope = error / size
        elif code == HUBER:
            slope = min(max(error, -given), given)
            value = slope * (error - half * slope)
        elif code == LOG_COSH:
            value, slope = size + math.log1p(exponential(-two * size)) - log_two, tangent(error)
        else:
            slope = (one if error > 0 else zero) - given
            value = slope * error
        total += value * weight[i]
        outputs[i] = slope * weight[i]
    return total


@kernel
def _margin(outputs: Any, target: Any, weight: Any, margin: float) -> float:
    """max(0, margin - y z) with y = 2 target - 1."""
    zero, one, two = weight.dtype.type(0), weight.dtype.type(1), weight.dtype.type(2)
    least = weight.dtype.type(margin)
    total = 0.0
    for i in range(len(outputs)):
        sign = two * target[i] - one
        gap = least - sign * outputs[i]
        counts = zero if gap < zero else weight[i]
        total += gap * counts
        outputs[i] = -sign * counts if gap == gap else gap  # NaN stays NaN
    return total


@kernel
def _logistic_focal(outputs: Any, target: Any, weight: Any, gamma: float) -> float:
    """-(1 - p)^g log(p), p being the logistic function of the truth's logit u."""
    one, two = weight.dtype.type(1), weight.dtype.type(2)
    power_of = weight.dtype.type(gamma)
    total = 0.0
    for i in range(len(outputs)):
        sign = two * target[i] - one
        u = sign * outputs[i]
        rest = logistic(-u)
        log_chance = min(u, weight.dtype.type(0)) - math.log1p(exponential(-abs(u)))
        power = rest**power_of
        total -= weight[i] * power * log_chance
        outputs[i] = sign * weight[i] * power * (power_of * (one - rest) * log_chance - rest)
    return total


@kernel
def _softmax_focal(outputs: Any, target: Any, weight: Any, shape: Any, gamma: float) -> float:
    """-(1 - p)^g log(p), p being the softmax's share of the true class; rows without one weigh 0."""
    n_rows, n_outputs, width = shape
    one, power_of = weight.dtype.type(1), weight.dtype.type(gamma)
    loss = 0.0
    for start in range(0, n_rows * width, width):
        largest = outputs[start]
        for i in range(start + 1, start + n_outputs):
            largest = max(largest, outputs[i])
        total, hit = weight.dtype.type(0), weight.dtype.type(0)
        for i in range(start, start + n_outputs):
            hit += target[i] * (outputs[i] - largest)
            outputs[i] = exponential(outputs[i] - largest)
            total += outputs[i]
        log_chance = hit - math.log(total)
        rest = -exponential_minus_one(log_chance)
        power, ratio = rest**power_of, -one
        if rest != 0:
            ratio = log_chance / rest
        slope = power * (power_of * (one - rest) * ratio - one) * weight[start]
        loss -= weight[start] * power * log_chance
        for i in range(start, start + n_outputs):
            outputs[i] = slope * (target[i] - outputs[i] / total)
    return loss


@kernel
def _smooth(target: Any, share: float, n_classes: int, shape: Any) -> Any:
    """Spread a share of the truth evenly over the classes."""
    n_rows, n_outputs, width = shape
    smoothed = np.zeros_like(target)
    for row in range(0, n_rows * width, width):
        for i in range(row, row + n_outputs):
            smoothed[i] = target[i] * (1.0 - share) + share / n_classes
    return smoothed


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
