"""Activations in numpy, for prediction without torch. Training has its own in `models/ops`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.normal import hermite

Floats = NDArray[np.float64]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
_ERF_END = 6.0  # erf is 1 from here on, to the last bit of a float64
_ERF_STEPS_PER_UNIT = 512


@cache
def _erf_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grid = np.arange(int(_ERF_END * _ERF_STEPS_PER_UNIT) + 2) / _ERF_STEPS_PER_UNIT
    return np.array([math.erf(x) for x in grid]), 2 / math.sqrt(math.pi) * np.exp(-(grid**2)) / _ERF_STEPS_PER_UNIT


def erf(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the error function to 1e-12: cubic Hermite interpolation between exact values.

    numpy has no erf, and a bare machine has no scipy.
    """
    place = np.nan_to_num(np.minimum(np.abs(x), _ERF_END) * _ERF_STEPS_PER_UNIT)
    return np.sign(x) * hermite(place, *_erf_table())


def logistic(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute 1 / (1 + exp(-z)) without overflow."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def softmax(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn outputs into probabilities. Shapes: [N, C] -> [N, C]."""
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _gelu(z: Floats) -> Floats:
    return z * 0.5 * (1.0 + erf(z / math.sqrt(2.0)))


def _elu(z: Floats) -> Floats:
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "logistic": logistic,
    "identity": lambda z: z,
    "gelu": _gelu,
    "silu": lambda z: z * logistic(z),
    "elu": _elu,
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "selu": lambda z: SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0))),
    "softplus": lambda z: np.logaddexp(0, z),
    "mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
}
