"""Normalisation of one hidden layer of one lane, as in `models.packed_norms`, by the code numbers of KERNELS.

No layers, no activations.
"""

from __future__ import annotations

import math
from typing import Any

from models.cpu.compiler import kernel
from models.normalisation import EPSILON, MOMENTUM, NormalisationName

KERNELS: dict[NormalisationName, int] = {"none": 0, "batch": 1, "layer": 2}
BATCH = KERNELS["batch"]
PARTS = 16


@kernel
def normalise(code: int, z: Any, kept: Any, pair: Any, running: Any, shape: Any) -> None:
    """Replace the sums z of one layer.

    Shapes: z [rows * width]; `kept` gets the normal numbers [rows * width] and their factors, [width] for batch
    normalisation and [rows] else, and brings scratch [width]; `pair` scale and shift, `running` mean and variance,
    [width] each; `shape` rows, rows of the data (fewer than two: normalise by the running statistics), width, real
    units.
    """
    normal, scale, shift = kept[0], pair[0], pair[1]
    if code == BATCH:
        _normalise_columns(z, kept, running, shape)
    else:
        _normalise_rows(z, kept, shape)
    width = shape[2]
    for row in range(0, len(z), width):
        for i in range(width):
            z[row + i] = normal[row + i] * scale[i] + shift[i]


@kernel
def _normalise_columns(z: Any, kept: Any, running: Any, shape: Any) -> None:
    normal, factors, means = kept
    running_mean, running_variance = running
    n_rows, n_real, width, _ = shape
    number = z.dtype.type
    one, epsilon = number(1), number(EPSILON)
    if n_real < 2:
        for i in range(width):
            means[i] = running_mean[i]
            factors[i] = one / math.sqrt(running_variance[i] + epsilon)
        for row in range(0, n_rows * width, width):
            for i in range(width):
                normal[row + i] = (z[row + i] - means[i]) * factors[i]
        return
    share = one / number(n_real)
    for i in range(width):
        means[i] = factors[i] = 0
    for row in range(0, n_real * width, width):
        for i in range(width):
            means[i] += z[row + i]
    for i in range(width):
        means[i] *= share
    for row in range(0, n_real * width, width):
        for i in range(width):
            centred = z[row + i] - means[i]
            factors[i] += centred * centred
            normal[row + i] = centred
    keep, add = number(1 - MOMENTUM), number(MOMENTUM)
    unbiased = number(MOMENTUM / (n_real - 1))
    for i in range(width):
        running_mean[i] = keep * running_mean[i] + add * means[i]
        running_variance[i] = keep * running_variance[i] + unbiased * factors[i]
        factors[i] = one / math.sqrt(factors[i] * share + epsilon)
    for row in range(0, n_real * width, width):
        for i in range(width):
            normal[row + i] *= factors[i]
    for i in range(n_real * width, n_rows * width):
        normal[i] = 0


@kernel
def _normalise_rows(z: Any, kept: Any, shape: Any) -> None:
    normal, factors, parts = kept
    n_rows, _, width, n_units = shape
    number = z.dtype.type
    one, epsilon = number(1), number(EPSILON)
    share = one / number(n_units)
    for row in range(n_rows):
        start = row * width
        mean = share * _sum(z, start, width, parts)
        for i in range(start, start + width):
            normal[i] = z[i] - mean
        for i in range(start + n_units, start + width):
            normal[i] = 0
        factor = one / math.sqrt(share * _sum_products(normal, normal, start, width, parts) + epsilon)
        factors[row] = factor
        for i in range(start, start + width):
            normal[i] *= factor


@kernel
def pull_back(code: int, delta: Any, kept: Any, pair: Any, gradients: Any, shape: Any) -> None:
    """Turn the gradient of what `normalise` made into that of the sums, in place, and fill that of scale and shift.

    Shapes: as for `normalise`; `gradients` of scale and shift, [width] each.
    """
    normal, scale = kept[0], pair[0]
    of_scale, of_shift = gradients
    width = shape[2]
    for i in range(width):
        of_scale[i] = of_shift[i] = 0
    for row in range(0, len(delta), width):
        for i in range(width):
            of_scale[i] += delta[row + i] * normal[row + i]
            of_shift[i] += delta[row + i]
    if code == BATCH:
        _pull_back_columns(delta, kept, scale, gradients, shape)
    else:
        _pull_back_rows(delta, kept, scale, shape)


@kernel
def _pull_back_columns(delta: Any, kept: Any, scale: Any, gradients: Any, shape: Any) -> None:
    normal, factors, _ = kept
    of_scale, of_shift = gradients
    n_rows, n_real, width, _ = shape
    number = delta.dtype.type
    share = number(0)
    if n_real > 1:
        share = number(1) / number(n_real)
    for row in range(0, n_real * width, width):
        for i in range(width):
            mean = share * of_shift[i] + normal[row + i] * (share * of_scale[i])
            delta[row + i] = (delta[row + i] - mean) * (scale[i] * factors[i])
    for i in range(n_real * width, n_rows * width):
        delta[i] = 0


@kernel
def _pull_back_rows(delta: Any, kept: Any, scale: Any, shape: Any) -> None:
    normal, factors, parts = kept
    n_rows, _, width, n_units = shape
    number = delta.dtype.type
    share = number(1) / number(n_units)
    for row in range(n_rows):
        start = row * width
        for i in range(width):
            delta[start + i] *= scale[i]
        mean = share * _sum(delta, start, width, parts)
        slope = share * _sum_products(delta, normal, start, width, parts)
        for i in range(start, start + width):
            delta[i] = (delta[i] - mean - normal[i] * slope) * factors[row]
        for i in range(start + n_units, start + width):
            delta[i] = 0


@kernel
def _sum(a: Any, start: int, width: int, parts: Any) -> Any:
    """Sum a[start : start + width] in PARTS parts, a multiple of any vector's length: a compiler keeps their order."""
    for j in range(PARTS):
        parts[j] = a[start + j]
    for i in range(start + PARTS, start + width, PARTS):
        for j in range(PARTS):
            parts[j] += a[i + j]
    return _sum_parts(parts)


@kernel
def _sum_products(a: Any, b: Any, start: int, width: int, parts: Any) -> Any:
    """Sum a b over [start : start + width], in parts too."""
    for j in range(PARTS):
        parts[j] = a[start + j] * b[start + j]
    for i in range(start + PARTS, start + width, PARTS):
        for j in range(PARTS):
            parts[j] += a[i + j] * b[i + j]
    return _sum_parts(parts)


@kernel
def _sum_parts(parts: Any) -> Any:
    half = PARTS // 2
    while half:
        for j in range(half):
            parts[j] += parts[j + half]
        half //= 2
    return parts[0]
