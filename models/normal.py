"""The normal distribution in numpy: a bare machine has no scipy."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEAST_SHARE = 1e-7 - float(np.spacing(1))
"""Smaller shares, and larger ones than 1 less this, count as this, as in sklearn.preprocessing.QuantileTransformer."""
_STEPS_PER_UNIT = 512


def hermite(place: Floats, values: Floats, slopes: Floats) -> Floats:
    """Interpolate between exact values and slopes at 0, 1, 2, ...; the last one is never passed."""
    below = np.minimum(place.astype(np.int64), len(values) - 2)
    t = place - below
    left, right, left_slope, right_slope = values[below], values[below + 1], slopes[below], slopes[below + 1]
    bend = 3 * (right - left) - 2 * left_slope - right_slope
    twist = left_slope + right_slope - 2 * (right - left)
    smooth: Floats = left + t * (left_slope + t * (bend + t * twist))
    return smooth


@cache
def _table() -> tuple[Floats, Floats]:
    """Quantiles of 1 / (1 + exp(-s)) for s = 0, 1/512, ... with their slopes by s * 512."""
    logits = np.arange(int(-math.log(LEAST_SHARE) * _STEPS_PER_UNIT) + 2) / _STEPS_PER_UNIT
    tails = 1 / (1 + np.exp(logits))
    quantiles = np.array([-NormalDist().inv_cdf(tail) for tail in tails])
    density = np.exp(-(quantiles**2) / 2) / math.sqrt(2 * math.pi)
    return quantiles, tails * (1 - tails) / density / _STEPS_PER_UNIT


def normal_quantile(share: Floats) -> Floats:
    """Invert the standard normal distribution function, to 1e-10, between -5.2 and 5.2.

    Interpolated over the logit, by which the quantile is smooth; exact values are those of `statistics`.
    """
    tail = np.clip(np.minimum(share, 1 - share), LEAST_SHARE, 0.5)
    logit = np.log1p(-tail) - np.log(tail)
    return np.sign(share - 0.5) * hermite(logit * _STEPS_PER_UNIT, *_table())
