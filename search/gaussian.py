"""A Gaussian process over the unit cube, and how good a point looks under it. scikit-learn does the regression."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from search.cube import Cube, Units

Values = NDArray[np.float64]
Acquisition = Literal["ei", "pi", "ucb", "nei"]

LENGTHS = (0.05, 20.0)
"""Bounds of the length scales, in sides of the cube."""
FITS = 10
"""Steps of the optimiser at each fit; it begins where the last fit ended."""
GROWTH = 1.05
"""Length scales are found again when the data have grown by this factor."""
JITTER = 1e-8
MOST_COLUMNS = 16
"""So many columns stand for one choice without order."""


@dataclass(frozen=True)
class Posterior:
    """A process that knows its data. Shapes: W worlds, each another set of values at the same points."""

    regressor: Any
    noise: float

    def predict(self, features: Values) -> tuple[Values, Values]:
        """Give mean [M, W] and standard deviation [M, 1] of what lies under the noise."""
        mean, deviation = self.regressor.predict(features, return_std=True)
        deviation = deviation if deviation.ndim == 1 else deviation[:, 0]
        variance = np.maximum(deviation**2 - self.noise, JITTER)
        return mean.reshape(len(features), -1), np.sqrt(variance)[:, None]

    def draw(self, features: Values, n: int, draws: np.random.Generator) -> Values:
        """Draw values [M, n] that these points may have together, without noise."""
        mean, covariance = self.regressor.predict(features, return_cov=True)
        covariance = covariance + (JITTER - self.noise) * np.eye(len(features))
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        return np.asarray(mean[:, None] + root @ draws.normal(size=(len(features), n)))


class Gaussian:
    """Fits Matern 5/2 with a length scale for each side, and noise, by maximum a posteriori.

    Source: Snoek et al. 2012, Practical Bayesian Optimization of Machine Learning Algorithms.
    """

    def __init__(self, cube: Cube) -> None:
        self._cube = cube
        self._theta: Values | None = None
        self._n_fitted = 0
        self._power = 1.0
        self._n_shaped = 0

    def features(self, units: Units) -> Values:
        """Turn places [N, D] into what the kernel measures distances of: a column for each value without order."""
        columns = []
        for index, side in enumerate(self._cube.sides):
            column = units[:, index]
            if side.is_free and side.n is not None and side.n > 2:
                columns.append(_apart(side.n)[np.floor(column * side.n).clip(0, side.n - 1).astype(int)])
            else:
                columns.append(column[:, None])
        return np.concatenate(columns, axis=1)

    def normal(self, values: Sequence[float]) -> Values:
        """Give values about the shape of a normal distribution, mean 0 and deviation 1.

        How bad a bad trial is tells nothing: values are cut as far above the median as the best lies below it. Then the
        power transform of Yeo and Johnson, as in Cowen-Rivers et al. 2022, HEBO; its power stays as length scales do.
        """
        from scipy.stats import yeojohnson, yeojohnson_normmax

        heard = np.asarray(values)
        cut = np.minimum(heard, 2 * np.median(heard) - heard.min())
        if cut.max() - cut.min() <= 1e-12 * max(abs(cut.max()), abs(cut.min())):
            return np.zeros(len(cut))
        centred = (cut - cut.mean()) / cut.std()
        if not self._n_shaped <= len(cut) < GROWTH * self._n_shaped:
            self._n_shaped = len(cut)
            self._power = round(float(yeojohnson_normmax(centred)), 3)
        shaped = yeojohnson(centred, self._power)
        is_sound = np.isfinite(shaped).all() and shaped.std() > 0
        return np.asarray((shaped - shaped.mean()) / shaped.std() if is_sound else centred)

    def fit(self, features: Values, values: Values) -> Posterior:
        """Fit to values [N] of mean 0 and deviation 1; length scales stay until they are `GROWTH` times as many."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        if self._theta is not None and self._n_fitted <= len(values) < GROWTH * self._n_fitted:
            return self.given(features, values)
        self._n_fitted = len(values)

        matern = Matern(np.full(features.shape[1], 0.7), LENGTHS, nu=2.5)
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * matern + WhiteKernel(1e-2, (1e-6, 1.0))
        if self._theta is not None and len(self._theta) == len(kernel.theta):
            kernel.theta = self._theta
        regressor = GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=_maximise)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of length scales at their bounds: a side that does not matter
            regressor.fit(features, values)
        # Digits that differ between machines shall not decide: a replay asks for the same points.
        self._theta = np.round(regressor.kernel_.theta, 3)
        return self.given(features, values)

    def given(self, features: Values, values: Values) -> Posterior:
        """Give what was fitted last other data: values [N] or, of several worlds, [N, W]."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        kernel = ConstantKernel() * Matern(np.ones(features.shape[1]), nu=2.5) + WhiteKernel()
        kernel.theta = self._theta
        regressor = GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=None)
        regressor.fit(features, values)
        return Posterior(regressor, float(kernel.k2.noise_level))


@cache
def _apart(n: int) -> Values:
    """Place n values [n, columns] so that any two are 1 apart; of many values, about 1."""
    if n <= MOST_COLUMNS:
        return np.asarray(np.eye(n) / np.sqrt(2))
    return np.asarray(np.random.default_rng(0).normal(size=(n, MOST_COLUMNS)) / np.sqrt(2 * MOST_COLUMNS))


def _maximise(objective: Any, start: Values, bounds: Values) -> tuple[Values, float]:
    """Find the hyperparameters of the highest posterior: a log-normal prior holds each of them near a usual value."""
    from scipy.optimize import minimize

    n_lengths = len(start) - 2
    middle = np.log(np.array([1.0, *[0.7 * np.sqrt(max(n_lengths, 1) / 3)] * n_lengths, 1e-3]))
    width = np.array([1.0, *[1.0] * n_lengths, 2.0])

    def loss(theta: Values) -> tuple[float, Values]:
        value, gradient = objective(theta)
        away = (theta - middle) / width
        return value + 0.5 * float(away @ away), gradient + away / width

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": FITS})
    return found.x, float(found.fun)


def score(kind: Acquisition, mean: Values, deviation: Values, best: Values, trade_off: float) -> Values:
    """Say how much each point promises [M], the mean over worlds; lower values are better.

    Shapes: mean [M, W], deviation [M, 1], best [W]. `trade_off` is xi of ei, pi, nei and kappa of ucb, in deviations.
    """
    from scipy.stats import norm

    gain = best - trade_off - mean
    z = gain / deviation
    promised: Values
    if kind == "ucb":
        promised = trade_off * deviation - mean
    elif kind == "pi":
        promised = norm.cdf(z)
    else:
        promised = gain * norm.cdf(z) + deviation * norm.pdf(z)
    return np.asarray(promised.mean(axis=1))
