"""Numbers to what a network eats: filled, scaled, and spread over several columns. Fitted on training rows.

Each step is fitted on what the step before makes of the training rows. docs/tables.md has the formulas.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from models.hyper_table import TableHyperparameters
from models.normal import normal_quantile

Floats = NDArray[np.float64]
QUANTILES = 1000
"""Quantiles that describe one column, as in sklearn.preprocessing.QuantileTransformer; fewer in a wide table."""
MOST_QUANTILES, LEAST_QUANTILES = 100_000, 16
"""Those of all columns together, and what each has in any case: they stand in a model's card."""
TOLERANCE = 1e-7
"""How near to the first or last quantile a value counts as it: `BOUNDS_THRESHOLD` of scikit-learn."""


class NumberEncoding(BaseModel):
    """How one column of numbers is encoded: every number that it takes. Aliases are names of older packages.

    `frequencies` are learned: a network has them, and `write` leaves them to it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fill: float = Field(validation_alias=AliasChoices("fill", "median"))
    center: float = Field(validation_alias=AliasChoices("center", "mean"))
    scale: float
    quantiles: tuple[float, ...] = ()
    smooth: bool = False
    clip: float = 0.0
    edges: tuple[float, ...] = ()
    frequencies: tuple[float, ...] = ()

    @property
    def n_columns(self) -> int:
        """Count the columns that the numbers become."""
        return max(len(self.edges) - 1, 1)

    def scaled(self, values: Floats) -> Floats:
        """Fill and scale. Shapes: [N] -> [N]; NaN is missing."""
        if not self.scale:
            return np.zeros(len(values))
        filled = np.where(np.isnan(values), self.fill, values)
        result: Floats = _to_normal(filled, self.quantiles) if self.quantiles else (filled - self.center) / self.scale
        if self.smooth:
            result = result / np.hypot(1, result / 3)
        return np.clip(result, -self.clip, self.clip) if self.clip else result

    def write(self, values: Floats, out: NDArray[np.float32]) -> None:
        """Encode. Shapes: values [N], NaN is missing; out [N, n_columns], written to."""
        scaled = self.scaled(values)
        if self.edges:
            _write_pieces(scaled, self.edges, out)
        else:
            out[:, 0] = scaled

    def spread(self, scaled: Floats) -> Floats:
        """Embed by the frequencies: all sines, then all cosines. Shapes: [N] -> [N, 2 * frequencies].

        Source: Gorishniy et al. 2022, section 3.3.
        """
        angles = 2 * math.pi * scaled[:, None] * np.array(self.frequencies)
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _to_normal(values: Floats, quantiles: tuple[float, ...]) -> Floats:
    """Map to a normal distribution.

    Source: sklearn.preprocessing.QuantileTransformer(output_distribution="normal"): the middle of the shares of rows
    below and up to a value, ties considered.
    """
    known = np.array(quantiles)
    shares = np.linspace(0, 1, len(known))
    share = (np.interp(values, known, shares) - np.interp(-values, -known[::-1], -shares[::-1])) / 2
    share[values + TOLERANCE > known[-1]] = 1
    share[values - TOLERANCE < known[0]] = 0
    return normal_quantile(share)


def _write_pieces(values: Floats, edges: tuple[float, ...], out: NDArray[np.float32]) -> None:
    """Write how much of each bin lies below a value; the first and the last bin go on beyond their outer edge.

    Source: Gorishniy et al. 2022, equation 1.
    """
    last = len(edges) - 2
    for place in range(last + 1):
        left, right = edges[place], edges[place + 1]
        low, high = -math.inf if place == 0 else 0.0, math.inf if place == last else 1.0
        out[:, place] = np.clip((values - left) / (right - left), low, high)


def fit_numbers(values: Floats, hyper: TableHyperparameters, n_quantiles: int) -> NumberEncoding:
    """Fit on the numbers of training rows, one of them at least not NaN.

    Raises: OverflowError for numbers too large to scale.
    """
    present = values[~np.isnan(values)]
    fill = float(np.median(present) if hyper.missing == "median" else present.mean())
    filled = np.where(np.isnan(values), fill, values)
    with np.errstate(over="ignore", invalid="ignore"):
        scaling = _fit_scale(filled, hyper, n_quantiles)
        encoding = NumberEncoding(fill=fill, clip=hyper.numeric_clip, **scaling)
        ends = encoding.scaled(np.array([filled.min(), filled.max()]))
    largest = float(np.finfo(np.float32).max)
    if not (np.isfinite([fill, encoding.center, encoding.scale]).all() and np.abs(ends).max() < largest):
        raise OverflowError("numbers too large to scale")
    if hyper.numeric_embedding != "piecewise_linear" or not encoding.scale:
        return encoding
    edges = np.unique(np.quantile(encoding.scaled(filled), np.linspace(0, 1, hyper.embedding_bins + 1)))
    return encoding.model_copy(update={"edges": tuple(edges.tolist())})


def _fit_scale(values: Floats, hyper: TableHyperparameters, n_quantiles: int) -> dict[str, Any]:
    kind = hyper.numeric_scaling
    if kind == "standard" or values.min() == values.max():
        center, scale = standard_units(values)
        return {"center": center, "scale": scale}
    if kind == "quantile":
        places = np.linspace(0, 100, min(n_quantiles, len(values)))
        return {"center": 0.0, "scale": 1.0, "quantiles": tuple(np.percentile(values, places).tolist())}
    low, center, high = np.percentile(values, [25, 50, 75]).tolist()
    if kind == "robust":
        return {"center": center, "scale": high - low or 1.0}
    half_range = float(values.max() - values.min()) / 2
    return {"center": center, "scale": high - low or half_range, "smooth": True}


def standard_units(values: Floats) -> tuple[float, float]:
    """Measure mean and standard deviation (divided by N); the scale of a constant is exactly 0."""
    if values.min() == values.max():
        return float(values[0]), 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        return float(values.mean()), float(values.std())
