"""Normalisation without torch: its constants, how batch normalisation becomes weights, layer normalisation in numpy.

Training has its own in `models/packed_norms.py` and `models/cpu/normalisation.py`.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

NormalisationName = Literal["none", "batch", "layer"]
EPSILON = 1e-5
"""Added to every variance. Source: torch.nn.BatchNorm1d and LayerNorm, as is the momentum."""
MOMENTUM = 0.1
"""Share of the newest batch in running means and variances."""

Floats = NDArray[Any]


def fold(layer: tuple[Floats, Floats], norm: tuple[Floats, Floats], running: tuple[Floats, Floats]) -> list[Floats]:
    """Turn a layer and its batch normalisation, at prediction both linear, into one layer, in float64.

    Shapes: layer is weight [I, O] and bias [O]; norm scale and shift, running mean and variance, [O] each.
    """
    weight, bias = (part.astype(np.float64) for part in layer)
    scale, shift = (part.astype(np.float64) for part in norm)
    mean, variance = (part.astype(np.float64) for part in running)
    factor = scale / np.sqrt(variance + EPSILON)
    return [weight * factor, (bias - mean) * factor + shift]


def normalise_rows(z: Floats, scale: Floats, shift: Floats) -> Floats:
    """Normalise every row over its units. Source: torch.nn.LayerNorm. Shapes: z [N, O], scale and shift [O]."""
    centred = z - z.mean(axis=1, keepdims=True)
    variance = np.square(centred).mean(axis=1, keepdims=True)
    answer: Floats = centred / np.sqrt(variance + EPSILON) * scale + shift
    return answer
