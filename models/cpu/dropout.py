"""Dropout masks as `models.dropout` defines them, one lane at a time. No layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from models import dropout
from models.cpu.compiler import kernel

FIRST, SECOND, SPREAD = np.uint32(dropout.FIRST), np.uint32(dropout.SECOND), np.uint32(dropout.SPREAD)


@kernel
def _mix(h: Any) -> Any:
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(h * FIRST)
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(h * SECOND)
    return np.uint32(h ^ (h >> np.uint32(16)))


@kernel
def draw_mask(mask: Any, n: int, rate: float, keys: Any, step: int, layer: int) -> None:
    """Fill mask[:n] with 0, or 1 / (1 - rate) with probability 1 - rate.

    `keys` see `models.dropout.dropout_keys`.
    """
    salt = _mix(np.uint32(keys[0] + np.uint32(step) * SPREAD + np.uint32(layer)))
    other = keys[1]
    limit = np.uint32(rate * 4294967296.0)
    scale = mask.dtype.type(1 / (1 - rate))
    nothing = mask.dtype.type(0)
    for i in range(n):
        h = _mix(np.uint32(_mix(np.uint32(np.uint32(i) * SPREAD + salt)) + other))
        mask[i] = scale if h >= limit else nothing
